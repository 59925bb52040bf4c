#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "json/document.h"

namespace turnpike::protocol {

/// Range edits of one JSON text at any depth, kept without an allocation per edit so that one object serves a whole
/// stream. Ranges must not overlap.
class Edits {
 public:
  void clear() {
    edits_.clear();
    text_.clear();
  }
  bool empty() const { return edits_.empty(); }

  void replace(json::Range range, std::string_view text) {
    edits_.push_back({range, text_.size(), text.size()});
    text_ += text;
  }
  void insert(std::size_t at, std::string_view text) { replace({at, at}, text); }
  void remove(json::Range range) { replace(range, {}); }

  void merge(const Edits& other) {
    for (const Edit& edit : other.edits_) {
      replace(edit.range, std::string_view(other.text_).substr(edit.offset, edit.size));
    }
  }

  /// Appends the edited text to `out`.
  void apply(std::string_view source, std::string& out) {
    sort();
    std::size_t at = 0;
    for (const Edit& edit : edits_) {
      out.append(source.substr(at, edit.range.begin - at)).append(text_, edit.offset, edit.size);
      at = edit.range.end;
    }
    out.append(source.substr(at));
  }

  /// The edited text as pieces of `source` and of this object's text.
  void pieces(std::string_view source, std::vector<std::string_view>& out) {
    sort();
    out.reserve(out.size() + 2 * edits_.size() + 1);
    std::size_t at = 0;
    for (const Edit& edit : edits_) {
      if (edit.range.begin > at) out.push_back(source.substr(at, edit.range.begin - at));
      if (edit.size > 0) out.push_back(std::string_view(text_).substr(edit.offset, edit.size));
      at = edit.range.end;
    }
    if (at < source.size()) out.push_back(source.substr(at));
  }

  const std::string& inserted() const { return text_; }

  /// The same for who keeps the pieces longer than this object: what was inserted moves to `scratch`, which must live
  /// as long as the pieces, unchanged.
  void owned_pieces(std::string_view source, std::string& scratch, std::vector<std::string_view>& out) {
    std::vector<std::string_view> parts;
    pieces(source, parts);
    // Never in the string's own small buffer: the owner of scratch and pieces may move.
    constexpr std::size_t kBeyondSmall = 64;
    scratch.clear();
    scratch.reserve(std::max(text_.size(), kBeyondSmall));
    out.reserve(out.size() + parts.size());
    for (const std::string_view part : parts) {
      const bool of_source = part.data() >= source.data() && part.data() < source.data() + source.size();
      if (of_source) {
        out.push_back(part);
        continue;
      }
      const std::size_t offset = scratch.size();
      scratch += part;
      out.push_back(std::string_view(scratch).substr(offset));
    }
  }

 private:
  struct Edit {
    json::Range range;
    std::size_t offset;
    std::size_t size;
  };
  void sort() {
    // What goes in at a place stands before what replaces the text there; else insertion order breaks ties: several
    // texts may go in at one place. Lists are short.
    const auto before = [](const Edit& a, const Edit& b) {
      if (a.range.begin != b.range.begin) return a.range.begin < b.range.begin;
      return a.range.empty() && !b.range.empty();
    };
    for (std::size_t i = 1; i < edits_.size(); ++i) {
      for (std::size_t j = i; j > 0 && before(edits_[j], edits_[j - 1]); --j) std::swap(edits_[j], edits_[j - 1]);
    }
  }
  std::vector<Edit> edits_;
  std::string text_;
};

/// Removes members (or elements) while one walks over an object in order, each with the comma that belongs to it.
class Remover {
 public:
  explicit Remover(Edits& edits) : edits_(edits) {}
  void keep(json::Range whole) {
    close_gap(whole.begin);
    kept_ = true;
    last_end_ = whole.end;
  }
  void remove(json::Range whole) {
    if (kept_) {
      edits_.remove({last_end_, whole.end});
    } else if (!gap_) {
      gap_ = true;
      gap_begin_ = whole.begin;
    }
    last_end_ = whole.end;
  }
  /// After the last member.
  void finish() { close_gap(last_end_); }
  bool kept_any() const { return kept_; }

 private:
  // Removed members before the first kept one go with everything up to it.
  void close_gap(std::size_t end) {
    if (gap_ && !kept_) edits_.remove({gap_begin_, end});
    gap_ = false;
  }
  Edits& edits_;
  bool kept_ = false;
  bool gap_ = false;
  std::size_t gap_begin_ = 0;
  std::size_t last_end_ = 0;
};

}  // namespace turnpike::protocol
