#include "app/serve.h"

#include <signal.h>
#include <sys/resource.h>

#include <cstdio>
#include <ctime>

#include "app/process.h"
#include "base/log.h"
#include "base/memory.h"

namespace turnpike::app {
namespace {

using base::LogLevel;
using std::chrono::milliseconds;

/// Signals are waited for on the main thread; every other thread has them blocked.
sigset_t our_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, number);
  return set;
}

/// The next signal, or 0 when `patience` has passed.
int wait_signal(const sigset_t& set, milliseconds patience) {
  timespec limit{};
  limit.tv_sec = patience.count() / 1000;
  limit.tv_nsec = (patience.count() % 1000) * 1'000'000;
  const int number = sigtimedwait(&set, nullptr, &limit);
  return number > 0 ? number : 0;
}

/// Shells start programs with 1,024 descriptors; a connection is one.
void use_all_descriptors() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

/// What a burst has left behind goes back to the system when the calls are over.
void give_back_after_a_burst(const Process& process, base::MemoryWatch& memory) {
  const std::uint64_t before = base::resident_bytes();
  if (!memory.due(base::monotonic_now(), process.calls_open() == 0, before)) return;
  const base::Monotonic begun = base::monotonic_now();
  base::give_memory_back();
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(base::monotonic_now() - begun);
  const std::uint64_t after = base::resident_bytes();
  memory.given_back(after);
  base::log(LogLevel::Debug, "memory given back after a burst: {} KiB -> {} KiB in {} us", before / 1024, after / 1024,
            took.count());
}

/// Serves until SIGTERM or SIGINT; SIGHUP and changed files reload. Errors: the database came and cannot be used.
Status run_until_stopped(Process& process, const sigset_t& signals) {
  constexpr milliseconds kWatch{500};
  base::MemoryWatch memory({}, base::resident_bytes());
  for (;;) {
    const int number = wait_signal(signals, kWatch);
    if (number == SIGTERM || number == SIGINT) return {};
    if (Status usable = process.database_usable(); !usable) return usable;
    give_back_after_a_burst(process, memory);
    if (number == SIGHUP || process.files_changed()) (void)process.reload();  // It has logged what came of it.
  }
}

/// AC-STOP-1: readiness falls at once, the listener goes after the grace, calls may finish; a second signal ends them.
void drain(Process& process, const sigset_t& signals) {
  process.begin_drain();
  base::log(LogLevel::Info, "Stopping: readiness is 503, the port closes in {} ms, {} calls are open",
            process.shutdown_grace().count(), process.calls_open());
  const auto is_stop = [](int number) { return number == SIGTERM || number == SIGINT; };
  bool hurry = is_stop(wait_signal(signals, process.shutdown_grace()));
  process.stop_listening();
  const auto give_up = std::chrono::steady_clock::now() + process.termination_grace();
  // A call that has ended may be followed by another on its connection, which was said to be kept before all this
  // began.
  auto asked_until = std::chrono::steady_clock::now() + process.last_request_grace();
  while (!hurry && std::chrono::steady_clock::now() < give_up) {
    const auto now = std::chrono::steady_clock::now();
    if (process.calls_open() > 0) asked_until = now + process.last_request_grace();
    if (process.calls_open() == 0 && (process.connections_open() == 0 || now >= asked_until)) break;
    hurry = is_stop(wait_signal(signals, milliseconds(20)));
  }
  if (process.calls_open() > 0) {
    base::log(LogLevel::Warning, "Ending {} open calls", process.calls_open());
    process.abort_calls();
    const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    while (process.calls_open() > 0 && std::chrono::steady_clock::now() < patience)
      wait_signal(signals, milliseconds(20));
  }
}

}  // namespace

int serve(const Options& options) {
  use_all_descriptors();
  const sigset_t signals = our_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  base::start_log(options.log_level);
  Status ran;
  {
    Process process(options);
    if (const Status started = process.start(); !started) {
      base::stop_log();
      std::fprintf(stderr, "turnpike cannot start: %s\n", started.error().message.c_str());
      return 1;
    }
    if (!options.migrate_only) {
      ran = run_until_stopped(process, signals);
      drain(process, signals);
    }
    process.finish();
  }
  if (!ran) {
    base::stop_log();
    std::fprintf(stderr, "turnpike cannot go on: the database cannot be used: %s\n", ran.error().message.c_str());
    return 1;
  }
  base::log(LogLevel::Info, "Stopped.");
  base::stop_log();
  return 0;
}

}  // namespace turnpike::app
