#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/block_pool.h"
#include "json/scan.h"

namespace turnpike::json {

/// Edits of one JSON text by ranges: everything that is not edited keeps its bytes.
class Splice : public base::PooledObject {
 public:
  explicit Splice(std::string_view body) : body_(body) {}

  /// Replaces a range with `text` (copied). Ranges must not overlap each other or a removed member; any order.
  void replace(Range range, std::string text);
  /// Removes a top-level member with the comma that belongs to it. `scan` is of this body and outlives the splice.
  void remove(const Scan& scan, const Member& member);
  /// Adds `"key":value` as the last member of the top-level object. `scan` as for remove.
  void add(const Scan& scan, std::string_view key, std::string_view raw_value);

  bool unchanged() const { return edits_.empty() && removed_.empty() && added_.empty(); }

  /// The edited text as pieces of the body and of the edits; they live as long as this object and the body.
  void pieces(std::vector<std::string_view>& out);
  std::string to_string();

 private:
  struct Edit {
    Range range;
    std::string text;
  };
  void settle();

  std::string_view body_;
  const Scan* scan_ = nullptr;
  std::vector<Edit> edits_;
  std::vector<std::size_t> removed_;  // Indices into scan_->members.
  std::string added_;                 // ",key:value" each; the first comma goes when nothing is left before it.
};

}  // namespace turnpike::json
