#include "json/splice.h"

#include <algorithm>

#include "json/write.h"

namespace turnpike::json {

void Splice::replace(Range range, std::string text) {
  edits_.push_back({range, std::move(text)});
}

void Splice::remove(const Scan& scan, const Member& member) {
  scan_ = &scan;
  removed_.push_back(static_cast<std::size_t>(&member - scan.members.data()));
}

void Splice::add(const Scan& scan, std::string_view key, std::string_view raw_value) {
  scan_ = &scan;
  added_ += ',';
  append_string(added_, key);
  added_ += ':';
  added_ += raw_value;
}

// Turns removals and additions into ranges. They wait until here because which comma goes with a removed member
// depends on what else is removed.
void Splice::settle() {
  if (!removed_.empty()) {
    std::sort(removed_.begin(), removed_.end());
    removed_.erase(std::unique(removed_.begin(), removed_.end()), removed_.end());
    const auto& members = scan_->members;
    bool kept_before = false;
    auto next = removed_.begin();
    for (std::size_t i = 0; i < members.size(); ++i) {
      if (next == removed_.end() || *next != i) {
        kept_before = true;
        continue;
      }
      ++next;
      if (kept_before) {
        edits_.push_back({{members[i - 1].value.end, members[i].value.end}, {}});
      } else if (i + 1 < members.size()) {
        edits_.push_back({{members[i].key_range.begin, members[i + 1].key_range.begin}, {}});
      } else {
        edits_.push_back({{members[i].key_range.begin, members[i].value.end}, {}});
      }
    }
  }
  if (!added_.empty()) {
    const bool alone = removed_.size() == scan_->members.size();
    const std::size_t brace = body_.rfind('}');
    edits_.push_back({{brace, brace}, alone ? added_.substr(1) : added_});
  }
  removed_.clear();
  added_.clear();
  std::sort(edits_.begin(), edits_.end(), [](const Edit& a, const Edit& b) { return a.range.begin < b.range.begin; });
}

void Splice::pieces(std::vector<std::string_view>& out) {
  settle();
  out.reserve(out.size() + 2 * edits_.size() + 1);
  std::size_t at = 0;
  for (const Edit& edit : edits_) {
    if (edit.range.begin > at) out.push_back(body_.substr(at, edit.range.begin - at));
    if (!edit.text.empty()) out.push_back(edit.text);
    at = edit.range.end;
  }
  if (at < body_.size()) out.push_back(body_.substr(at));
}

std::string Splice::to_string() {
  std::vector<std::string_view> parts;
  pieces(parts);
  std::string text;
  for (const std::string_view part : parts) text += part;
  return text;
}

}  // namespace turnpike::json
