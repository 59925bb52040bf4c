#pragma once

#include <string>
#include <string_view>

#include "config/node.h"

namespace turnpike::config {

/// Limits of one document; the finding names the limit that was reached.
struct YamlLimits {
  std::size_t document_bytes_max = 8u << 20;
  std::size_t nodes_max = 1'000'000;  // Counted after aliases are copied, so that no alias bomb fits.
  int depth_max = 100;
};

/// Reads one YAML document into a tree.
///
/// Source:  YAML 1.2 as yaml-cpp scans it; plain scalars are resolved as PyYAML does for config files written for
///          LiteLLM (yes/no/on/off are booleans), except that dates and numbers with leading zeros stay text.
///          Anchors, aliases and the merge key `<<` work; tags other than the core types do not.
/// Errors:  one finding with file, line and remedy: broken syntax, tabs, a repeated key, a second document, a limit.
///          An empty document is a Null node.
Read<Node> parse_yaml(std::string_view text, const std::string& file, const YamlLimits& limits = {});

}  // namespace turnpike::config
