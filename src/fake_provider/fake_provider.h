#pragma once

namespace turnpike::fake_provider {

/// `turnpike fake-provider`: a provider that speaks every big shape and does what it is told (see `Script`), so that
/// tests, benches and newcomers need no account anywhere. Runs until SIGTERM or SIGINT; returns the exit code.
///
/// Prints one line to stdout when it listens: "fake-provider listening on http://HOST:PORT".
///
/// Routes: those of the shapes (route.cc), with `/fake/<directives>` in front if they are to follow these.
///         POST .../token gives out a token. GET /account says what was served, POST /account/reset forgets it;
///         POST /script sets the default directives (a JSON object; `{}` clears them); GET /requests lists the
///         requests kept by `record`.
int run(int argc, char** argv);

}  // namespace turnpike::fake_provider
