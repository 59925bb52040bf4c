#pragma once

#include <string>

namespace turnpike::app {

/// Of this machine, as the database shows replicas.
std::string host_name();

}  // namespace turnpike::app
