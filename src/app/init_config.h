#pragma once

#include "app/options.h"

namespace turnpike::app {

/// `turnpike init`: writes a commented config file for the providers whose keys the environment holds. Names variables,
/// never values. Returns 0; 1 when the file is there already (unless `overwrite`) or cannot be written.
int init_config(const Options& options);

}  // namespace turnpike::app
