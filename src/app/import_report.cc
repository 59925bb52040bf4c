#include "app/import_report.h"

#include <fmt/format.h>

namespace turnpike::app {

void ImportCount::add_found(Money spend) {
  ++found;
  spend_found += spend;
}

void ImportCount::add_made(Money spend) {
  ++made;
  spend_made += spend;
}

void ImportCount::add_there(Money spend) {
  ++there;
  spend_there += spend;
}

void ImportCount::leave_out(Money spend, const std::string& reason) {
  ++left_out;
  spend_left_out += spend;
  note("left out: " + reason);
}

bool ImportCount::adds_up() const {
  return found == made + there + left_out && spend_found == spend_made + spend_there + spend_left_out;
}

std::string format_counts(const std::vector<ImportCount>& counts, bool dry_run) {
  std::string text = fmt::format("{:<36} {:>9} {:>9} {:>9} {:>9}  {}\n", "table", "found", dry_run ? "to make" : "made",
                                 "there", "left out", "spend found = made + there + left out");
  bool all = true;
  for (const ImportCount& count : counts) {
    text +=
        fmt::format("{:<36} {:>9} {:>9} {:>9} {:>9}", count.name, count.found, count.made, count.there, count.left_out);
    if (count.spend_found != Money()) {
      text += fmt::format("  {} = {} + {} + {}", count.spend_found.to_string(), count.spend_made.to_string(),
                          count.spend_there.to_string(), count.spend_left_out.to_string());
    }
    text += "\n";
    for (const auto& [reason, rows] : count.reasons) text += fmt::format("    {} x {}\n", rows, reason);
    if (count.adds_up()) continue;
    all = false;
    text += "    DOES NOT ADD UP\n";
  }
  text += all ? "Everything adds up." : "The figures do not add up: this is a fault of the importer, please report it.";
  if (dry_run) text += " Nothing was written (--dry-run).";
  return text + "\n";
}

}  // namespace turnpike::app
