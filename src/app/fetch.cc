#include "app/fetch.h"

#include <future>
#include <utility>

#include "http/client.h"

namespace turnpike::app {
namespace {

constexpr std::size_t kBodyBytesMax = 64 * 1024 * 1024;
constexpr std::chrono::seconds kTimeout{10};

Task<void> fetch(net::IoThread& thread, std::string url, std::string fields, std::promise<Result<std::string>>& done) {
  const Result<http::BaseUrl> base = http::parse_base_url(url);
  if (!base) {
    done.set_value(base::fail(base.error()));
    co_return;
  }
  const std::unique_ptr<http::Client> client = http::Client::make(thread, {});
  http::Cancel cancel;
  http::Outgoing outgoing;
  outgoing.origin = &base->origin;
  outgoing.method = "GET";
  const std::string path = base->path.empty() ? "/" : base->path;
  outgoing.path = path;
  const std::string all_fields = "Accept: */*\r\nUser-Agent: turnpike/" TURNPIKE_VERSION "\r\n" + fields;
  outgoing.fields = all_fields;
  outgoing.timeouts.total = kTimeout;
  outgoing.timeouts.deadline = base::monotonic_now() + kTimeout;
  Result<std::unique_ptr<http::Incoming>> incoming = co_await client->send(outgoing, cancel);
  if (!incoming) {
    done.set_value(base::fail(std::move(incoming.error())));
    co_return;
  }
  if ((*incoming)->status() != 200) {
    done.set_value(base::fail(ErrorKind::Unavailable, "it answered " + std::to_string((*incoming)->status())));
    co_return;
  }
  Result<std::string_view> body = co_await (*incoming)->read_all(kBodyBytesMax);
  if (!body) {
    done.set_value(base::fail(std::move(body.error())));
    co_return;
  }
  std::string text(*body);
  incoming->reset();
  done.set_value(std::move(text));
}

}  // namespace

Result<std::string> fetch_text(net::IoThread& thread, const std::string& url, const std::string& fields) {
  std::promise<Result<std::string>> done;
  std::future<Result<std::string>> text = done.get_future();
  thread.post([&] { base::spawn(fetch(thread, url, fields, done)); });
  return text.get();
}

}  // namespace turnpike::app
