#include "app/drill_config.h"

#include <csignal>

#include "app/process.h"
#include "app/snapshot.h"
#include "drill/drill.h"
#include "provider/provider.h"

namespace turnpike::app {
namespace {

/// A gateway of the drill: in this process, on a free port, with everything else as it is served.
class TrialGateway final : public drill::Gateway {
 public:
  static Result<std::unique_ptr<drill::Gateway>> start(drill::Staged staged) {
    auto gateway = std::make_unique<TrialGateway>(std::move(staged));
    if (Status started = gateway->process_.start(); !started) return base::fail(std::move(started.error()));
    return gateway;
  }
  explicit TrialGateway(drill::Staged staged)
      : options_(options_of(staged)), process_(options_, {std::move(staged.settings), std::move(staged.redirect)}) {}
  TrialGateway(const TrialGateway&) = delete;
  ~TrialGateway() override { process_.finish(); }
  std::uint16_t port() const override { return process_.port(); }

 private:
  static Options options_of(const drill::Staged& staged) {
    Options options;
    options.host = "127.0.0.1";
    options.port = 0;
    options.io_threads = 1;
    options.data_dir = staged.data_dir;
    options.access_log = false;
    return options;
  }

  Options options_;  // `process_` looks into it.
  Process process_;
};

config::Loaded load(const std::string& text, config::LoadOptions options) {
  options.refusal = &deployment_refusal;
  options.built_in_provider = [](std::string_view name) { return provider::find_provider(name) != nullptr; };
  return config::load_text(text, options);
}

}  // namespace

int drill_config(const Options& options) {
  std::signal(SIGPIPE, SIG_IGN);
  drill::Options wanted = options.drill;
  wanted.config = options.config;
  return drill::run(wanted, {&load, &TrialGateway::start});
}

}  // namespace turnpike::app
