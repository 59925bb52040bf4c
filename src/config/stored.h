#pragma once

#include <string>
#include <vector>

#include "config/node.h"

namespace turnpike::config {

/// What administrators keep in the database beside the file, in the shape the file would have, secrets opened.
struct Stored {
  std::vector<Node> models;       // Maps like those of `model_list`, model_info.id set; each names its row as its file.
  std::vector<Node> credentials;  // Maps like those of `credential_list`; one of a name in the file stands behind it.
};

}  // namespace turnpike::config
