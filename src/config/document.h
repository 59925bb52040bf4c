#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/secret.h"
#include "config/node.h"
#include "config/settings.h"

namespace turnpike::config {

/// The whole configuration as one tree: the main file with its `include` files, every `os.environ/NAME` resolved,
/// secrets marked, paths set.
struct Document {
  Node root;                       // A map.
  std::vector<std::string> files;  // The main file first.
  std::vector<std::pair<std::string, base::Secret>> environment_variables;
  Environment environment;  // With environment_variables laid over the process's.
};

/// Source:  config.md 1.1 to 1.3. An included list extends the list already there, any other value replaces it; an
///          `include` inside an included file is not read. A variable that is not set makes null, which remembers the
///          name. Elements of lists are resolved too.
/// Errors:  the YAML findings; an empty file; a top level that is no map; an included file that cannot be read.
Read<Document> read_document(std::string_view text, const std::string& file, const Environment& environment);

/// A tree that was built elsewhere made like one of a file: variables resolved, secrets marked, paths set from `path`
/// on.
void complete(Node& tree, const Environment& environment, const std::string& path);

/// The bytes of a file, or the finding that it cannot be read.
Read<std::string> read_file(const std::string& path);

}  // namespace turnpike::config
