#include "fake_provider/fake_provider.h"

#include <fmt/core.h>
#include <signal.h>

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "fake_provider/answer.h"
#include "fake_provider/provider.h"
#include "fake_provider/script.h"
#include "http/server.h"
#include "net/io_threads.h"

namespace turnpike::fake_provider {
namespace {

constexpr std::string_view kUsage =
    "usage: turnpike fake-provider [--host 127.0.0.1] [--port 0] [--threads 1] [--answers 100000] [--DIRECTIVE "
    "VALUE]...\n"
    "  A provider that speaks the API of OpenAI, Azure, Anthropic, Gemini, Vertex AI, Bedrock, Cohere, Ollama and "
    "watsonx\n"
    "  and does what it is told; directives are those of a request's `fake` object, for example --latency_ms 200\n"
    "  --token_ms 20 --tokens 64 --fault rate_limit --retry_after 2 (docs/quickstart.md).\n";

struct Options {
  std::string host = "127.0.0.1";
  std::uint64_t port = 0;
  std::uint64_t threads = 1;
  std::uint64_t answers = 100'000;
  Script script;
};

Status read_flag(Options& options, std::string_view name, std::string_view value) {
  std::uint64_t* number = name == "port"      ? &options.port
                          : name == "threads" ? &options.threads
                          : name == "answers" ? &options.answers
                                              : nullptr;
  if (number != nullptr) {
    const auto parsed = base::parse_unsigned(value);
    if (!parsed)
      return base::fail(ErrorKind::InvalidRequest, fmt::format("--{} needs a number, not '{}'", name, value));
    *number = *parsed;
    return {};
  }
  if (name == "host") {
    options.host = std::string(value);
    return {};
  }
  return apply(options.script, name, value);
}

Result<Options> read_flags(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    std::string_view name = argv[i];
    if (name == "fake-provider" && i == 1) continue;
    if (!name.starts_with("--"))
      return base::fail(ErrorKind::InvalidRequest, fmt::format("unexpected argument '{}'", name));
    name.remove_prefix(2);
    std::string_view value;
    if (const std::size_t equals = name.find('='); equals != std::string_view::npos) {
      value = name.substr(equals + 1);
      name = name.substr(0, equals);
    } else if (i + 1 < argc && !std::string_view(argv[i + 1]).starts_with("--")) {
      value = argv[++i];
    }
    if (auto read = read_flag(options, name, value); !read) return base::fail(std::move(read.error()));
  }
  if (options.port > 65535) return base::fail(ErrorKind::InvalidRequest, "--port is above 65535");
  if (options.threads == 0 || options.threads > 64)
    return base::fail(ErrorKind::InvalidRequest, "--threads must be 1 to 64");
  return options;
}

}  // namespace

int run(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--help" || std::string_view(argv[i]) == "-h") {
      fmt::print("{}", kUsage);
      return 0;
    }
  }
  const auto options = read_flags(argc, argv);
  if (!options) {
    fmt::print(stderr, "fake-provider: {}\n{}", options.error().message, kUsage);
    return 2;
  }
  // Blocked before any thread starts, so that only sigwait below sees them.
  sigset_t stop_signals;
  sigemptyset(&stop_signals);
  sigaddset(&stop_signals, SIGTERM);
  sigaddset(&stop_signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &stop_signals, nullptr);
  signal(SIGPIPE, SIG_IGN);

  Provider provider(options->threads, options->answers, options->script);  // Outlives the threads that use it.
  const auto threads = net::IoThreads::start(options->threads);
  http::Server::Options server_options;
  server_options.host = options->host;
  server_options.port = static_cast<std::uint16_t>(options->port);
  auto server = http::Server::listen(
      *threads, server_options, [&provider](http::Exchange& exchange) { return provider.handle(exchange); },
      [](int status, std::string_view message) { return error_body(status, "", message); });
  if (!server) {
    fmt::print(stderr, "fake-provider: {}\n", server.error().message);
    return 1;
  }
  fmt::print("fake-provider listening on http://{}:{}\n", options->host, (*server)->port());
  std::fflush(stdout);
  int received = 0;
  sigwait(&stop_signals, &received);
  (*server)->stop_listening();
  (*server)->abort_all();
  return 0;
}

}  // namespace turnpike::fake_provider
