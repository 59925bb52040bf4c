#pragma once

#include <string>

#include "base/result.h"
#include "net/io_threads.h"

namespace turnpike::app {

/// The body behind an http(s) URL, for start-up and commands; waits for it. `fields`: further header lines, each with
/// its line end. Limits: 64 MiB, ten seconds. Errors: Unavailable when the answer is not 200, else what http says.
Result<std::string> fetch_text(net::IoThread& thread, const std::string& url, const std::string& fields = {});

}  // namespace turnpike::app
