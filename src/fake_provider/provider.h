#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "fake_provider/account.h"
#include "fake_provider/ask.h"
#include "fake_provider/shape.h"
#include "http/server.h"

namespace turnpike::fake_provider {

/// Answers the exchanges of the scripted provider, for `turnpike fake-provider` or inside another program: an
/// http::Server on port 0 whose handler calls `handle`, as many threads as it has.
///
/// A caller may stand for several providers: behind `/fake/label=NAME` calls follow the script of that label and are
/// accounted for under it. An address of a deployment is then http://127.0.0.1:PORT/fake/label=NAME and the path that
/// its shape has.
///
/// Threading: `handle` runs on any I/O thread, the rest on any thread; what threads share is behind a lock that is
///            taken briefly.
class Provider {
 public:
  Provider(std::size_t threads, std::size_t answers_max, Script defaults = {});

  Task<void> handle(http::Exchange& exchange);

  /// What calls of this label do from now on, instead of the defaults; an empty label is the defaults.
  void set_script(std::string_view label, Script script);
  FullStatement account() const { return account_.state(); }
  /// Forgets what was served, kept and counted; scripts stay.
  void reset();

 private:
  struct Call;

  Task<void> answer(http::Exchange& exchange, Route route, std::string_view path_directives);
  Task<void> answer_well(http::Exchange& exchange, Call& call);
  Script script_of(std::string_view label);
  Task<void> answer_stream(http::Exchange& exchange, Call& call);
  static Task<Status> write_bytes(http::Exchange& exchange, std::string_view bytes);
  Task<void> answer_plain(http::Exchange& exchange, Call& call);
  Task<void> refuse(http::Exchange& exchange, Call& call, VendorError error);
  Task<void> admin(http::Exchange& exchange, std::string_view path);
  void heal_in_time(Ask& ask);
  void keep_request(const http::Exchange& exchange);

  Account account_;
  const Script start_script_;
  std::mutex mutex_;
  std::shared_ptr<const Script> defaults_;
  std::map<std::string, Script, std::less<>> scripts_;      // By label.
  std::unordered_map<std::uint64_t, std::int64_t> failed_;  // How often a call has come under `fail_times`, by content.
  std::vector<std::string> requests_;
  std::vector<std::uint64_t> numbers_;  // Answers given, per I/O thread.
};

}  // namespace turnpike::fake_provider
