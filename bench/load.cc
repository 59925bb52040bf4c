// The load generator of bench/run: one thread, epoll, raw sockets, as little work per call as a client can do.
//
// usage: bench_load --connect ADDRESS:PORT --connections N --path PATH --body FILE [--header "Name: value"]...
// [--stream] Commands arrive on stdin, one per line; each run answers with one line of JSON on stdout:
//   closed CALLS          every connection sends its next request as soon as it has its answer
//   each AT_ONCE          one call on every connection, so many at a time
//   open RATE SECONDS     requests are due at random moments (exponential gaps); latency counts from when one was due
// The connections stay open from one command to the next and are closed at the end of stdin.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <iostream>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "histogram.h"

namespace turnpike::bench {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kPatience = 30 * kSecond;  // A run whose answers stay away this long gives them up as lost.
constexpr std::size_t kTailBytes = 32;

std::uint64_t now_ns(clockid_t clock = CLOCK_MONOTONIC) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * kSecond + static_cast<std::uint64_t>(time.tv_nsec);
}

struct Options {
  sockaddr_in address{};
  std::size_t connections = 1;
  bool stream = false;
  std::string request;
};

struct Connection {
  int fd = -1;
  bool busy = false;
  bool wants_write = false;
  std::size_t sent = 0;
  std::uint64_t due_ns = 0;

  // The answer being read.
  std::string head;  // Until it is whole; most often it never gets here.
  bool head_done = false;
  bool chunked = false;
  bool first_seen = false;
  int status = 0;
  std::uint64_t body_left = 0;
  std::string tail;  // The last bytes of a chunked body.
};

enum class Read { More, Done, Broken };

struct Run {
  Histogram latency;
  Histogram first_byte;
  std::uint64_t begun = 0;
  std::uint64_t good = 0;
  std::uint64_t errors = 0;
  std::uint64_t bytes = 0;
  std::uint64_t reconnects = 0;
};

/// The value of a field of a head, by a name in lower case; empty when it is not there.
std::string_view field(std::string_view head, std::string_view name) {
  for (std::size_t at = head.find("\r\n"); at != std::string_view::npos && at + 2 < head.size();) {
    const std::size_t begin = at + 2;
    at = head.find("\r\n", begin);
    const std::string_view line = head.substr(begin, at == std::string_view::npos ? at : at - begin);
    if (line.size() <= name.size() || line[name.size()] != ':') continue;
    if (::strncasecmp(line.data(), name.data(), name.size()) != 0) continue;
    const std::size_t value = line.find_first_not_of(" \t", name.size() + 1);
    return value == std::string_view::npos ? std::string_view() : line.substr(value);
  }
  return {};
}

class Load {
 public:
  explicit Load(Options options)
      : options_(std::move(options)), connections_(options_.connections), buffer_(kBufferBytes) {
    epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    for (std::size_t i = 0; i < connections_.size(); ++i) open(i);
  }

  void closed(std::uint64_t calls) {
    begin_run();
    std::uint64_t left = calls;
    const auto send_next = [&](std::size_t index) {
      if (left == 0) return;
      --left;
      send(index, now_ns());
    };
    for (std::size_t i = 0; i < connections_.size(); ++i) send_next(i);
    while (open_calls_ > 0) {
      if (!wait(kSecond)) break;
      for (const std::size_t index : free_) send_next(index);
      free_.clear();
    }
    report();
  }

  void each(std::size_t at_once) {
    begin_run();
    std::size_t next = 0;
    while (next < connections_.size() && next < at_once) send(next++, now_ns());
    while (open_calls_ > 0) {
      if (!wait(kSecond)) break;
      for (std::size_t i = 0; i < free_.size() && next < connections_.size(); ++i) send(next++, now_ns());
      free_.clear();
    }
    report();
  }

  void open_loop(double rate, double seconds) {
    begin_run();
    std::exponential_distribution<double> gap(rate);
    const std::uint64_t begun = now_ns();
    const auto last = begun + static_cast<std::uint64_t>(seconds * static_cast<double>(kSecond));
    double due = static_cast<double>(begun);
    const auto step = [&] { due += gap(random_) * static_cast<double>(kSecond); };
    step();
    std::deque<std::uint64_t> queue;
    free_.clear();
    for (std::size_t i = 0; i < connections_.size(); ++i) free_.push_back(i);
    for (;;) {
      const std::uint64_t now = now_ns();
      while (due <= static_cast<double>(now) && due < static_cast<double>(last)) {
        queue.push_back(static_cast<std::uint64_t>(due));
        step();
      }
      while (!queue.empty() && !free_.empty()) {
        const std::size_t index = free_.back();
        free_.pop_back();
        send(index, queue.front());
        queue.pop_front();
      }
      const bool over = due >= static_cast<double>(last);
      if (over && queue.empty() && open_calls_ == 0) break;
      const auto next = static_cast<std::uint64_t>(due);
      if (!wait(over || !queue.empty() ? kSecond : next > now ? next - now : 0)) break;
    }
    queued_ = queue.size();
    report();
  }

 private:
  static constexpr std::size_t kBufferBytes = 256 << 10;

  void begin_run() {
    run_ = std::make_unique<Run>();
    queued_ = 0;
    free_.clear();
    begun_ns_ = last_progress_ns_ = now_ns();
    begun_cpu_ns_ = now_ns(CLOCK_PROCESS_CPUTIME_ID);
  }

  void open(std::size_t index) {
    Connection& connection = connections_[index];
    connection.fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const auto* address = reinterpret_cast<const sockaddr*>(&options_.address);
    if (connection.fd < 0 || ::connect(connection.fd, address, sizeof options_.address) != 0) {
      std::perror("bench_load: connect");
      std::exit(2);
    }
    const int on = 1;
    ::setsockopt(connection.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::fcntl(connection.fd, F_SETFL, O_NONBLOCK);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = index;
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.fd, &event);
    connection.wants_write = false;
  }

  void reopen(std::size_t index) {
    ::close(connections_[index].fd);
    open(index);
  }

  void send(std::size_t index, std::uint64_t due_ns) {
    Connection& connection = connections_[index];
    connection.busy = true;
    connection.sent = 0;
    connection.due_ns = due_ns;
    connection.head.clear();
    connection.tail.clear();
    connection.head_done = connection.chunked = connection.first_seen = false;
    ++open_calls_;
    ++run_->begun;
    push(index);
  }

  void push(std::size_t index) {
    Connection& connection = connections_[index];
    while (connection.sent < options_.request.size()) {
      const ssize_t sent = ::send(connection.fd, options_.request.data() + connection.sent,
                                  options_.request.size() - connection.sent, MSG_NOSIGNAL);
      if (sent > 0) {
        connection.sent += static_cast<std::size_t>(sent);
        continue;
      }
      if (sent < 0 && errno == EINTR) continue;
      if (sent < 0 && errno == EAGAIN) break;
      return;  // Broken: reading says so.
    }
    const bool wants = connection.sent < options_.request.size();
    if (wants == connection.wants_write) return;
    connection.wants_write = wants;
    epoll_event event{};
    event.events = wants ? EPOLLIN | EPOLLOUT : EPOLLIN;
    event.data.u64 = index;
    ::epoll_ctl(epoll_, EPOLL_CTL_MOD, connection.fd, &event);
  }

  /// Handles what is ready within `ns`; false when nothing has moved for so long that the rest is given up.
  bool wait(std::uint64_t ns) {
    timespec limit{};
    limit.tv_sec = static_cast<time_t>(ns / kSecond);
    limit.tv_nsec = static_cast<long>(ns % kSecond);
    epoll_event events[256];
    const int count = ::epoll_pwait2(epoll_, events, 256, &limit, nullptr);
    for (int i = 0; i < count; ++i) {
      const auto index = static_cast<std::size_t>(events[i].data.u64);
      if ((events[i].events & EPOLLOUT) != 0) push(index);
      if ((events[i].events & ~static_cast<std::uint32_t>(EPOLLOUT)) != 0) pull(index);
    }
    if (count > 0) {
      last_progress_ns_ = now_ns();
      return true;
    }
    return open_calls_ == 0 || now_ns() - last_progress_ns_ < kPatience;
  }

  void pull(std::size_t index) {
    Connection& connection = connections_[index];
    const ssize_t count = ::recv(connection.fd, buffer_.data(), buffer_.size(), 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count <= 0) {
      const bool was_busy = connection.busy;
      const bool nothing_came = connection.head.empty() && !connection.head_done;
      reopen(index);
      ++run_->reconnects;
      if (!was_busy) return;
      --open_calls_;
      if (nothing_came && run_->reconnects <= 2 * connections_.size()) {  // A keep-alive connection that was closed
                                                                          // under the request: any client asks again.
        --run_->begun;
        send(index, connection.due_ns);
        return;
      }
      connection.busy = false;
      failed("the connection ended in the middle of an answer", connection);
      free_.push_back(index);
      return;
    }
    const std::string_view bytes(buffer_.data(), static_cast<std::size_t>(count));
    run_->bytes += bytes.size();
    if (!connection.busy) {
      failed("bytes without a request", connection);
      return;
    }
    const Read read = take(connection, bytes);
    if (read == Read::More) return;
    connection.busy = false;
    --open_calls_;
    free_.push_back(index);
    if (read == Read::Done) {
      ++run_->good;
      run_->latency.add(now_ns() - connection.due_ns);
    } else {
      reopen(index);
    }
  }

  Read take(Connection& connection, std::string_view bytes) {
    if (!connection.head_done) {
      std::string_view seen = bytes;
      if (!connection.head.empty()) seen = connection.head.append(bytes);
      const std::size_t end = seen.find("\r\n\r\n");
      if (end == std::string_view::npos) {
        if (connection.head.empty()) connection.head.assign(bytes);
        return Read::More;
      }
      const std::string_view head = seen.substr(0, end);
      connection.head_done = true;
      connection.status = head.size() > 12 ? std::atoi(head.data() + 9) : 0;
      if (connection.status != 200) return failed(seen.substr(0, 600), connection);
      connection.chunked = field(head, "transfer-encoding") == "chunked";
      const std::string_view length = field(head, "content-length");
      if (!connection.chunked && length.empty()) return failed("an answer without a length", connection);
      connection.body_left = length.empty() ? 0 : std::strtoull(length.data(), nullptr, 10);
      bytes = seen.substr(end + 4);
    }
    if (!connection.first_seen && !bytes.empty()) {
      connection.first_seen = true;
      if (options_.stream) run_->first_byte.add(now_ns() - connection.due_ns);
    }
    if (connection.chunked) return take_chunked(connection, bytes);
    if (bytes.size() > connection.body_left) return failed("bytes behind the end", connection);
    connection.body_left -= bytes.size();
    if (connection.body_left > 0) return Read::More;
    if (options_.stream) return failed("an answer with a length where a stream was asked for", connection);
    return bytes.empty() || bytes.back() == '}' ? Read::Done : failed("the body ends oddly", connection);
  }

  /// No event of the scripted provider holds a bare "0\r\n\r\n": the last bytes tell the end.
  Read take_chunked(Connection& connection, std::string_view bytes) {
    if (bytes.size() >= kTailBytes) {
      connection.tail.assign(bytes.substr(bytes.size() - kTailBytes));
    } else {
      connection.tail.append(bytes);
      if (connection.tail.size() > kTailBytes) connection.tail.erase(0, connection.tail.size() - kTailBytes);
    }
    if (!connection.tail.ends_with("\r\n0\r\n\r\n")) return Read::More;
    if (options_.stream && connection.tail.find("[DONE]") == std::string::npos) {
      return failed("a stream without [DONE]", connection);
    }
    return Read::Done;
  }

  Read failed(std::string_view why, const Connection& connection) {
    ++run_->errors;
    if (++errors_told_ <= 5) {
      std::cerr << "bench_load: status " << connection.status << ": " << why << "\n";
    }
    return Read::Broken;
  }

  void report() {
    const double seconds = static_cast<double>(now_ns() - begun_ns_) / 1e9;
    const std::uint64_t lost = open_calls_ + queued_;
    const auto us = [](std::uint64_t ns) { return static_cast<double>(ns) / 1000.0; };
    std::printf(
        R"({"calls":%llu,"good":%llu,"errors":%llu,"lost":%llu,"reconnects":%llu,"bytes":%llu,"seconds":%.6f,)"
        R"("cpu_us":%.1f,"p50_us":%.2f,"p90_us":%.2f,"p99_us":%.2f,"max_us":%.2f,"first_p50_us":%.2f,"first_p99_us":%.2f})"
        "\n",
        static_cast<unsigned long long>(run_->begun), static_cast<unsigned long long>(run_->good),
        static_cast<unsigned long long>(run_->errors), static_cast<unsigned long long>(lost),
        static_cast<unsigned long long>(run_->reconnects), static_cast<unsigned long long>(run_->bytes), seconds,
        us(now_ns(CLOCK_PROCESS_CPUTIME_ID) - begun_cpu_ns_), us(run_->latency.quantile(0.5)),
        us(run_->latency.quantile(0.9)), us(run_->latency.quantile(0.99)), us(run_->latency.max()),
        us(run_->first_byte.quantile(0.5)), us(run_->first_byte.quantile(0.99)));
    std::fflush(stdout);
    if (lost == 0) return;
    for (std::size_t i = 0; i < connections_.size(); ++i) {
      if (!connections_[i].busy) continue;
      connections_[i].busy = false;
      reopen(i);
    }
    open_calls_ = 0;
  }

  Options options_;
  std::vector<Connection> connections_;
  std::vector<char> buffer_;
  std::vector<std::size_t> free_;  // Connections that got their answer and were not used since.
  std::unique_ptr<Run> run_;
  std::mt19937_64 random_{20'240'601};  // The same moments in every run.
  std::uint64_t open_calls_ = 0;
  std::uint64_t queued_ = 0;
  std::uint64_t begun_ns_ = 0;
  std::uint64_t begun_cpu_ns_ = 0;
  std::uint64_t last_progress_ns_ = 0;
  int errors_told_ = 0;
  int epoll_ = -1;
};

std::string file_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

Options read_options(int argc, char** argv) {
  Options options;
  std::string path = "/";
  std::string headers;
  std::string body;
  std::string host;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--stream") {
      options.stream = true;
      continue;
    }
    const std::string value = i + 1 < argc ? argv[++i] : "";
    if (name == "--connect") host = value;
    if (name == "--connections") options.connections = std::strtoull(value.c_str(), nullptr, 10);
    if (name == "--path") path = value;
    if (name == "--header") headers += value + "\r\n";
    if (name == "--body") body = file_text(value);
  }
  const std::size_t colon = host.find(':');
  options.address.sin_family = AF_INET;
  options.address.sin_port =
      htons(static_cast<std::uint16_t>(colon == std::string::npos ? 0 : std::atoi(host.c_str() + colon + 1)));
  if (::inet_pton(AF_INET, host.substr(0, colon).c_str(), &options.address.sin_addr) != 1 || body.empty() ||
      options.connections == 0) {
    std::cerr << "usage: bench_load --connect ADDRESS:PORT --connections N --path PATH --body FILE "
                 "[--header \"Name: value\"]... [--stream]\n";
    std::exit(2);
  }
  options.request = "POST " + path + " HTTP/1.1\r\nHost: " + host + "\r\nContent-Type: application/json\r\n" + headers +
                    "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  return options;
}

int run(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  ::prctl(PR_SET_TIMERSLACK, 1);  // Due moments are met to the microsecond.
  Load load(read_options(argc, argv));
  std::puts("ready");
  std::fflush(stdout);
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream words(line);
    std::string command;
    double first = 0;
    double second = 0;
    words >> command >> first >> second;
    if (command == "closed") {
      load.closed(static_cast<std::uint64_t>(first));
    } else if (command == "each") {
      load.each(static_cast<std::size_t>(first));
    } else if (command == "open") {
      load.open_loop(first, second);
    } else {
      std::cerr << "bench_load: no such command: " << line << "\n";
      return 2;
    }
  }
  return 0;
}

}  // namespace
}  // namespace turnpike::bench

int main(int argc, char** argv) {
  return turnpike::bench::run(argc, argv);
}
