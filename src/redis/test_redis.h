#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "base/task.h"
#include "config/redis_settings.h"
#include "net/io_threads.h"
#include "net/socket.h"

/// For tests: a redis-server of their own, and ways to run coroutines on an I/O thread.
namespace turnpike::redis {

constexpr std::chrono::seconds kPatience{10};

/// Waits until `done`, at most for kPatience.
inline bool until(const std::function<bool()>& done) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!done()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

/// A redis-server on a free loopback port and in a temporary directory; ended and awaited with the object.
class TestRedis {
 public:
  explicit TestRedis(std::vector<std::string> more = {}) : more_(std::move(more)) {
    char name[] = "/tmp/turnpike_redis_XXXXXX";
    directory_ = ::mkdtemp(name);
    port_ = free_port();
    start();
  }
  ~TestRedis() {
    end(SIGKILL);
    std::filesystem::remove_all(directory_);
  }

  void start() {
    std::vector<std::string> words = {"redis-server", "--bind", "127.0.0.1", "--save",      "",  "--appendonly",
                                      "no",           "--dir",  directory_,  "--daemonize", "no"};
    if (std::find(more_.begin(), more_.end(), "--tls-port") == more_.end()) {
      words.insert(words.end(), {"--port", std::to_string(port_)});
    }
    for (const std::string& word : more_) words.push_back(word == "PORT" ? std::to_string(port_) : word);
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    const pid_t parent = ::getpid();
    const std::string log = directory_ + "/log";
    server_ = ::fork();
    if (server_ == 0) {
      if (std::freopen(log.c_str(), "a", stdout) == nullptr) ::_exit(124);
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // It ends with the test, whatever becomes of that.
      if (::getppid() != parent) ::_exit(125);
      ::execvp(arguments[0], arguments.data());
      ::_exit(127);
    }
    if (!until([&] { return ready(); })) ADD_FAILURE() << "redis-server did not start: is it installed? see " << log;
  }
  void end(int signal) {
    if (server_ <= 0) return;
    ::kill(server_, SIGCONT);
    ::kill(server_, signal);
    ::waitpid(server_, nullptr, 0);
    server_ = -1;
  }
  /// From now on it accepts connections and bytes and does nothing with them.
  void freeze() const { ::kill(server_, SIGSTOP); }
  void thaw() const { ::kill(server_, SIGCONT); }

  std::uint16_t port() const { return port_; }
  const std::string& directory() const { return directory_; }
  config::RedisSettings settings() const {
    config::RedisSettings settings;
    settings.host = "127.0.0.1";
    settings.port = port_;
    settings.timeout = settings.connect_timeout = kPatience;  // Sanitizers and a busy machine are slow.
    return settings;
  }

 private:
  /// Below those the kernel gives to outgoing connections: one of these, made to a server that is down, could meet
  /// itself.
  static std::uint16_t free_port() {
    for (std::random_device random;;) {
      const auto port = static_cast<std::uint16_t>(10'000 + random() % 20'000);
      const Result<int> probe = net::listen_on("127.0.0.1", port, 1);
      if (!probe) continue;
      ::close(*probe);
      return port;
    }
  }
  bool ready() const {
    std::ifstream log(directory_ + "/log");
    const std::string text((std::istreambuf_iterator<char>(log)), std::istreambuf_iterator<char>());
    const std::size_t last = text.rfind("oO0OoO0OoO0Oo");  // Of its latest start.
    return last != std::string::npos && text.find("Ready to accept connections", last) != std::string::npos;
  }

  std::vector<std::string> more_;
  std::string directory_;
  std::uint16_t port_ = 0;
  pid_t server_ = -1;
};

/// Runs a coroutine on `thread` and waits for its end.
inline void run_on(net::IoThread& thread, const std::function<Task<void>()>& make) {
  struct Runner {
    static Task<void> run(const std::function<Task<void>()>& body, std::shared_ptr<std::promise<void>> finished) {
      co_await body();
      finished->set_value();
    }
  };
  const auto done = std::make_shared<std::promise<void>>();
  thread.post([&make, done] { base::spawn(Runner::run(make, done)); });
  done->get_future().wait();
}

}  // namespace turnpike::redis
