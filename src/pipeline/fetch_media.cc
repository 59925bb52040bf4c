#include "pipeline/fetch_media.h"

#include <algorithm>
#include <array>

#include "base/base64.h"
#include "base/secret.h"
#include "base/text.h"
#include "http/exchange_clock.h"
#include "net/blocking.h"

namespace turnpike::pipeline {
namespace {

constexpr int kRedirectsMax = 3;
constexpr std::size_t kEncodedInlineBytesMax = 256 * 1024;  // Longer ones are encoded off the I/O thread.
constexpr std::string_view kFields =
    "Accept: */*\r\nAccept-Encoding: identity\r\nUser-Agent: turnpike/" TURNPIKE_VERSION "\r\n";

/// Why a file is not fetched: ends the sentence "... cannot be fetched: ".
tl::unexpected<Error> because(std::string why, std::string detail = {}) {
  return base::fail(ErrorKind::InvalidRequest, std::move(why), std::move(detail));
}

std::string size_text(std::uint64_t bytes) {
  constexpr std::uint64_t kMebibyte = 1 << 20;
  return bytes < kMebibyte ? std::to_string(bytes) + " bytes" : std::to_string(bytes / kMebibyte) + " MiB";
}

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/// base64 of many megabytes takes a while: other calls of the thread go on meanwhile.
Task<std::string> encoded(Call& call, std::string bytes) {
  if (bytes.size() <= kEncodedInlineBytesMax) co_return base::to_base64(bytes);
  struct Job {
    explicit Job(net::EventLoop& loop) : meeting(loop) {}
    net::Rendezvous meeting;
    std::string bytes, text;
  };
  net::EventLoop& loop = net::loop_of(*call.worker.thread);
  const auto job = std::make_shared<Job>(loop);
  job->bytes = std::move(bytes);
  net::run_blocking([job, mailbox = loop.mailbox()] {
    job->text = base::to_base64(job->bytes);
    job->bytes = {};
    mailbox->post([job] { job->meeting.complete(net::Wake::Ready); });
  });
  co_await job->meeting.wait(base::Monotonic::max());
  co_return std::move(job->text);
}

/// The fetches of one call, a few at a time; all on the call's thread.
class Fetcher {
 public:
  Fetcher(Call& call, std::vector<std::string> urls, const AttemptLimits& limits)
      : call_(call),
        settings_(call.settings().turnpike),
        urls_(std::move(urls)),
        limits_(limits),
        client_(http::Client::make(*call.worker.thread, {})),
        until_(base::monotonic_now() + settings_.media_fetch_timeout) {}

  /// Into `call.fetched`. The first failure ends the others.
  Task<Status> run(http::Cancel& cancel);

 private:
  Task<void> work(http::Cancel& cancel);
  Task<Status> fetch_next(http::Cancel& cancel);
  /// Errors: InvalidRequest ends a sentence (see `because`); the others are whole.
  Task<Result<codec::FetchedMedia>> fetch(std::string url, http::Cancel& cancel);
  Task<Result<std::unique_ptr<http::Incoming>>> ask(const MediaUrl& url, http::Cancel& cancel);
  Task<Result<std::string>> read(http::Incoming& incoming);
  /// What a failed wait means: the caller's doing, or the end of whose time.
  tl::unexpected<Error> failed(Error error) const;
  void end_all() {
    for (http::Cancel& cancel : cancels_) cancel.request();
  }

  static constexpr std::size_t kAtOnce = 4;

  Call& call_;
  const config::TurnpikeSettings& settings_;
  const std::vector<std::string> urls_;
  const AttemptLimits limits_;
  /// Of its own: no connection to somebody's server is shared with other calls, and no pool grows with names that
  /// callers choose.
  const std::unique_ptr<http::Client> client_;
  const base::Monotonic until_;
  std::array<http::Cancel, kAtOnce> cancels_;
  std::size_t next_ = 0;     // Of `urls_`.
  std::size_t working_ = 0;  // How many of `work` have not ended.
  std::uint64_t bytes_ = 0;  // Of all files so far.
  Status outcome_;
  base::Signal ended_;
};

tl::unexpected<Error> Fetcher::failed(Error error) const {
  if (error.kind == ErrorKind::CallerGone) return base::fail(std::move(error));
  if (error.kind == ErrorKind::Timeout) {
    if (base::monotonic_now() >= limits_.deadline) return base::fail(std::move(error));
    return because("it takes longer than turnpike.media_fetch_timeout allows");
  }
  if (error.kind == ErrorKind::InvalidRequest)
    return because("only hosts on the public internet are asked, at ports 80 and 443", error.detail);
  return because("its host cannot be reached or gives no answer", error.message + " " + error.detail);
}

Task<Result<std::unique_ptr<http::Incoming>>> Fetcher::ask(const MediaUrl& url, http::Cancel& cancel) {
  const MediaAddresses addresses(settings_.media_fetch_allow, url.origin.host);
  http::Origin origin = url.origin;
  origin.verify = call_.settings().litellm.ssl_verify;
  origin.ca_file = call_.settings().litellm.ssl_ca_file;
  http::Outgoing outgoing;
  outgoing.origin = &origin;
  outgoing.method = "GET";
  outgoing.path = url.path;
  outgoing.fields = kFields;
  outgoing.addresses = &addresses;
  outgoing.timeouts.connect = std::min(settings_.connect_timeout, settings_.media_fetch_timeout);
  outgoing.timeouts.total = limits_.total;
  outgoing.timeouts.deadline = std::min(until_, limits_.deadline);
  Result<std::unique_ptr<http::Incoming>> incoming = co_await client_->send(outgoing, cancel);
  if (!incoming) co_return failed(std::move(incoming.error()));
  co_return std::move(*incoming);
}

Task<Result<std::string>> Fetcher::read(http::Incoming& incoming) {
  const std::uint64_t each = settings_.media_fetch_bytes_max, all = settings_.media_fetch_call_bytes_max;
  const std::uint64_t announced = incoming.length().value_or(0);
  std::string bytes;
  if (announced <= each) bytes.reserve(announced);
  for (std::uint64_t expected = announced;; expected = bytes.size()) {
    if (expected > each) {
      co_return because("it is longer than " + size_text(each) + " (turnpike.media_fetch_bytes_max)");
    }
    if (bytes_ + (expected - bytes.size()) > all) {
      co_return because("the files of the call are longer than " + size_text(all) +
                        " (turnpike.media_fetch_call_bytes_max)");
    }
    Result<std::string_view> slice = co_await incoming.read();
    if (!slice) co_return failed(std::move(slice.error()));
    if (slice->empty()) co_return bytes;
    bytes += *slice;
    bytes_ += slice->size();
  }
}

Task<Result<codec::FetchedMedia>> Fetcher::fetch(std::string url, http::Cancel& cancel) {
  for (int redirects = 0;; ++redirects) {
    const Result<MediaUrl> parts = parse_media_url(url);
    if (!parts) co_return base::fail(parts.error());
    Result<std::unique_ptr<http::Incoming>> incoming = co_await ask(*parts, cancel);
    if (!incoming) co_return base::fail(std::move(incoming.error()));
    const int status = (*incoming)->status();
    if (is_redirect(status)) {
      if (redirects == kRedirectsMax) co_return because("it is redirected too often");
      url = follow_redirect(url, (*incoming)->find("location"));
      continue;
    }
    if (status != 200) co_return because("its host answers " + std::to_string(status));
    const std::string_view encoding = (*incoming)->find("content-encoding");
    if (!encoding.empty() && !base::equals_ignoring_case(encoding, "identity")) {
      co_return because("it comes compressed though that was not asked for");
    }
    Result<std::string> bytes = co_await read(**incoming);
    if (!bytes) co_return base::fail(std::move(bytes.error()));
    codec::FetchedMedia media;
    media.mime = media_type(*bytes, (*incoming)->find("content-type"));
    if (bytes->empty()) co_return because("it is empty");
    if (media.mime.empty()) co_return because("neither its host nor its bytes say what it is");
    media.base64 = co_await encoded(call_, std::move(*bytes));
    co_return media;
  }
}

/// The whole error of a URL, for the caller.
Error told(const Call& call, const std::string& url, Error error) {
  error.param = field_of(call.request.body, url);
  const std::string field = error.param.empty() ? "a URL in the request" : error.param;
  constexpr std::size_t kShownMax = 200;
  error.message = "litellm.BadRequestError: Invalid request: " + field + ": \"" +
                  base::without_credentials(url).substr(0, kShownMax) + "\" cannot be fetched: " + error.message;
  return error;
}

Task<Status> Fetcher::fetch_next(http::Cancel& cancel) {
  const std::string& url = urls_[next_++];
  Result<codec::FetchedMedia> media = co_await fetch(url, cancel);
  if (media) {
    ++call_.gateway.media.fetched;
    call_.fetched.emplace(url, std::move(*media));
    co_return Status{};
  }
  Error error = std::move(media.error());
  co_return base::fail(error.kind == ErrorKind::InvalidRequest ? told(call_, url, std::move(error)) : std::move(error));
}

Task<void> Fetcher::work(http::Cancel& cancel) {
  while (outcome_ && next_ < urls_.size()) {
    Status fetched;
    try {
      fetched = co_await fetch_next(cancel);
    } catch (const std::exception& failure) {
      fetched = base::fail(ErrorKind::Internal, "a file named by URL could not be fetched", failure.what());
    }
    if (fetched || !outcome_) continue;
    outcome_ = std::move(fetched);
    end_all();
  }
  if (--working_ == 0) ended_.fire();
}

Task<Status> Fetcher::run(http::Cancel& cancel) {
  if (cancel.requested()) co_return base::fail(http::ExchangeClock::cancelled());
  cancel.set_action([this] { end_all(); });
  working_ = std::min(kAtOnce, urls_.size());
  for (std::size_t i = 0, count = working_; i < count; ++i) base::spawn(work(cancels_[i]));
  co_await ended_;
  cancel.set_action({});
  call_.gateway.media.bytes += bytes_;
  co_return std::move(outcome_);
}

}  // namespace

Task<Status> fetch_media(Call& call, std::vector<std::string> urls, AttemptLimits limits, http::Cancel& cancel) {
  std::erase_if(urls, [&call](const std::string& url) { return call.fetched.contains(url); });
  if (urls.empty()) co_return Status{};
  const auto count_max = static_cast<std::size_t>(call.settings().turnpike.media_fetch_count_max);
  Status fetched;
  if (urls.size() > count_max) {
    const std::string why =
        "a call may name " + std::to_string(count_max) + " files by URL (turnpike.media_fetch_count_max)";
    fetched = base::fail(told(call, urls[count_max], because(why).value()));
  } else {
    Fetcher fetcher(call, std::move(urls), limits);
    fetched = co_await fetcher.run(cancel);
  }
  if (!fetched && fetched.error().kind == ErrorKind::InvalidRequest) ++call.gateway.media.refused;
  co_return fetched;
}

}  // namespace turnpike::pipeline
