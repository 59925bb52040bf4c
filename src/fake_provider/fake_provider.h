#pragma once

namespace turnpike::fake_provider {

/// `turnpike fake-provider`: a provider that speaks OpenAI's API and does what it is told (see `Script`), so that
/// tests, benches and newcomers need no account anywhere. Runs until SIGTERM or SIGINT; returns the exit code.
///
/// Prints one line to stdout when it listens: "fake-provider listening on http://HOST:PORT".
///
/// Routes: POST /v1/chat/completions, /v1/completions, /v1/embeddings, GET /v1/models; with `/fake/<directives>` in
///         front they follow these directives. GET /account says what was served, POST /account/reset forgets it; POST
///         /script sets the default directives (a JSON object; `{}` clears them); GET /requests lists the requests kept
///         by `record`.
int run(int argc, char** argv);

}  // namespace turnpike::fake_provider
