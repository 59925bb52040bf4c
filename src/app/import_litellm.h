#pragma once

#include "app/options.h"

namespace turnpike::app {

/// `turnpike import-litellm --from postgres://...`: a LiteLLM database into the configured one. What is there already
/// stays as it is, so that a second run changes nothing. Exit: 0 done, 1 some rows could not be written, 2 not begun.
int import_litellm(const Options& options);

}  // namespace turnpike::app
