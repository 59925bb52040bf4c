#pragma once

#include "app/options.h"

namespace turnpike::app {

/// `turnpike rotate-salt-key`: what is sealed with LITELLM_SALT_KEY (or the master key) becomes sealed with
/// TURNPIKE_NEW_SALT_KEY, all of it or nothing. Exit code 1 when a row does not open, 2 when nothing could be read.
int rotate_salt_key(const Options& options);

}  // namespace turnpike::app
