#pragma once

namespace turnpike::app {

/// Prints the version, the price table's and the libraries'.
int print_version();

/// Lists the providers of the catalogue: name, address, key variable, how far they are served.
int print_providers();

/// Lists the providers whose key is in the environment: name and variable, never the value. `./dev` reads it.
int print_found_providers();

}  // namespace turnpike::app
