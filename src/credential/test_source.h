#pragma once

#include <filesystem>
#include <fstream>
#include <future>
#include <mutex>
#include <string>
#include <vector>

#include "base/text.h"
#include "credential/credential.h"
#include "http/loopback.h"

/// For the tests of this folder: a token server on the loopback, and a caller who waits for a credential.
namespace turnpike::credential {

/// One request as it arrived.
struct Asked {
  std::string line;  // "POST /token"
  std::string head;
  std::string body;
};

/// Answers each request, one per connection, by `reply`: the body, with status 200 unless it begins with "HTTP/1.1".
class TokenServer {
 public:
  using Reply = std::function<std::string(const Asked&)>;
  explicit TokenServer(Reply reply) : reply_(std::move(reply)), server_([this](auto& peer, int) { serve(peer); }) {}

  std::string url() const { return "http://127.0.0.1:" + std::to_string(server_.port()); }
  std::string host() const { return "127.0.0.1:" + std::to_string(server_.port()); }
  std::vector<Asked> asked() const {
    const std::lock_guard lock(mutex_);
    return asked_;
  }

 private:
  void serve(http::loopback::Peer& peer) {
    std::string bytes = peer.read_until("\r\n\r\n");
    const std::size_t end = bytes.find("\r\n\r\n");
    if (end == std::string::npos) return;
    Asked asked;
    asked.head = bytes.substr(0, end + 2);
    asked.body = bytes.substr(end + 4);
    asked.line = asked.head.substr(0, asked.head.find(" HTTP/1.1"));
    const std::size_t length = base::to_lower(asked.head).find("content-length: ");
    const std::size_t size = length == std::string::npos ? 0 : std::stoul(asked.head.substr(length + 16));
    while (asked.body.size() < size) asked.body += peer.read_some();
    {
      const std::lock_guard lock(mutex_);
      asked_.push_back(asked);
    }
    const std::string body = reply_(asked);
    if (body.starts_with("HTTP/1.1")) {
      peer.send(body);
    } else {
      peer.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
                body);
    }
  }

  Reply reply_;
  mutable std::mutex mutex_;
  std::vector<Asked> asked_;
  http::loopback::ScriptedServer server_;
};

inline std::string status_reply(int status, const std::string& body) {
  return "HTTP/1.1 " + std::to_string(status) +
         " Whatever\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

struct Getter {
  static Task<void> run(std::shared_ptr<CredentialSource> source, net::IoThread& thread,
                        std::promise<Result<CredentialRef>>& done) {
    const std::unique_ptr<http::Client> client = http::Client::make(thread, {});
    http::Cancel cancel;
    Result<CredentialRef> given =
        co_await source->get({thread, *client, cancel, base::Monotonic::max(), base::unix_now_us() / 1'000'000});
    done.set_value(std::move(given));
  }
};

/// Asks once, on a thread of its own.
inline Result<CredentialRef> get(const std::shared_ptr<CredentialSource>& source) {
  const std::unique_ptr<net::IoThreads> threads = net::IoThreads::start(1);
  net::IoThread& thread = *threads->all().front();
  std::promise<Result<CredentialRef>> done;
  thread.post([&] { base::spawn(Getter::run(source, thread, done)); });
  Result<CredentialRef> given = done.get_future().get();
  http::loopback::run_on(thread, [&thread] { return thread.sleep(std::chrono::milliseconds(0)); });
  return given;
}

/// The token or access key, or the error's message.
inline std::string token_of(const std::shared_ptr<CredentialSource>& source) {
  const Result<CredentialRef> given = get(source);
  if (!given) return given.error().message;
  return (*given)->kind == Credential::Kind::Aws ? (*given)->access_key_id.reveal() : (*given)->token.reveal();
}

/// A directory that goes with the test.
class TemporaryFiles {
 public:
  TemporaryFiles() {
    std::string name = (std::filesystem::temp_directory_path() / "turnpike-credential-XXXXXX").string();
    directory_ = ::mkdtemp(name.data());
  }
  ~TemporaryFiles() { std::filesystem::remove_all(directory_); }
  std::string write(const std::string& name, const std::string& text) const {
    const std::string path = directory_ + "/" + name;
    std::ofstream(path) << text;
    return path;
  }

 private:
  std::string directory_;
};

}  // namespace turnpike::credential
