#include "credential/token_request.h"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "base/text.h"
#include "json/document.h"
#include "net/blocking.h"

namespace turnpike::credential {
namespace {

constexpr std::size_t kAnswerBytesMax = 1024 * 1024;
constexpr std::size_t kFileBytesMax = 1024 * 1024;
constexpr std::size_t kQuotedMax = 300;
constexpr std::chrono::seconds kConnectLimit{5};

void hide(std::string& text, const std::vector<base::Secret>& secrets) {
  constexpr std::size_t kShortest = 6;
  for (const base::Secret& secret : secrets) {
    const std::string& hidden = secret.reveal();
    if (hidden.size() < kShortest) continue;
    for (std::size_t at = text.find(hidden); at != std::string::npos; at = text.find(hidden, at + 3)) {
      text.replace(at, hidden.size(), "***");
    }
  }
}

std::string xml_text(std::string_view body, std::string_view name) {
  const std::string open = "<" + std::string(name) + ">";
  const std::size_t begin = body.find(open);
  if (begin == std::string_view::npos) return {};
  const std::size_t end = body.find("</", begin);
  if (end == std::string_view::npos) return {};
  return std::string(body.substr(begin + open.size(), end - begin - open.size()));
}

/// The words of an OAuth error ({"error", "error_description"}), of Google's and IBM's ({"error": {"message"}},
/// {"errorMessage"}), or of an AWS one (XML: Code, Message).
std::string words_of(std::string_view body) {
  if (body.find("<Error>") != std::string_view::npos) return xml_text(body, "Code") + ": " + xml_text(body, "Message");
  json::Document document;
  if (!document.parse(body)) return {};
  const json::Value root = document.root();
  const json::Value error = root.find("error");
  if (error.is(json::Kind::Object)) return error.find("message").text().value_or("");
  std::string words = error.text().value_or("");
  for (const std::string_view name : {"error_description", "errorMessage", "message", "Message"}) {
    if (const std::optional<std::string> more = root.find(name).text(); more && !more->empty()) {
      return words.empty() ? *more : words + ": " + *more;
    }
  }
  return words;
}

tl::unexpected<Error> refused(const TokenRequest& request, int status, std::string_view body) {
  std::string words = words_of(body);
  hide(words, request.secrets);
  if (words.size() > kQuotedMax) words.resize(kQuotedMax);
  for (char& c : words) {
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  }
  const std::string_view host = std::string_view(request.url).substr(0, request.url.find('?'));
  Error error;
  const bool theirs = status >= 500 || status == 429;
  error.kind = theirs ? ErrorKind::UpstreamUnavailable : ErrorKind::UpstreamUnauthenticated;
  error.message = fmt::format("litellm.{}: {}Exception - the token server {} the gateway's credential ({}){}{}",
                              theirs ? "ServiceUnavailableError" : "AuthenticationError", request.label,
                              theirs ? "could not look at" : "refused", status, words.empty() ? "" : ": ", words);
  error.detail = host;
  return base::fail(std::move(error));
}

tl::unexpected<Error> unreachable(const TokenRequest& request, const Error& cause) {
  Error error;
  error.kind = ErrorKind::UpstreamUnavailable;
  error.message = "litellm.ServiceUnavailableError: " + request.label +
                  "Exception - the token server cannot be reached; the gateway's log says why";
  error.detail = std::string(request.url, 0, request.url.find('?')) + ": " + cause.message +
                 (cause.detail.empty() ? "" : " (" + cause.detail + ")");
  return base::fail(std::move(error));
}

/// Seconds that may be written as a number or as text.
std::optional<std::int64_t> seconds_of(const json::Value& value) {
  if (const std::optional<std::uint64_t> whole = value.whole()) return static_cast<std::int64_t>(*whole);
  const std::optional<std::string> text = value.text();
  if (!text) return std::nullopt;
  const std::optional<std::uint64_t> parsed = base::parse_unsigned(*text);
  return parsed ? std::optional(static_cast<std::int64_t>(*parsed)) : std::nullopt;
}

Result<std::string> file_text(const std::string& label, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file)
    return refuse(label, "a file of the credential cannot be read; the gateway's log names it",
                  path + ": " + std::strerror(errno));
  std::string text(kFileBytesMax + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (file.bad() || text.empty())
    return refuse(label, "a file of the credential is empty or cannot be read; the gateway's log names it", path);
  if (text.size() > kFileBytesMax)
    return refuse(label, "a file of the credential is longer than a mebibyte; the gateway's log names it", path);
  return text;
}

}  // namespace

Form& Form::add(std::string_view name, std::string_view value) {
  if (!text_.empty()) text_ += '&';
  text_ += base::percent_encode(name);
  text_ += '=';
  text_ += base::percent_encode(value);
  return *this;
}

Form& Form::secret(std::string_view name, std::string_view value) {
  std::string encoded = base::percent_encode(value);
  if (encoded != value) secrets_.emplace_back(std::move(encoded));
  secrets_.emplace_back(std::string(value));
  return add(name, value);
}

TokenRequest request_to(std::string label, std::string url, Trust trust) {
  TokenRequest request;
  request.label = std::move(label);
  request.url = std::move(url);
  request.trust = std::move(trust);
  return request;
}

void TokenRequest::set_form(const Form& form) {
  content_type = "application/x-www-form-urlencoded";
  body = form.text();
  secrets.insert(secrets.end(), form.secrets().begin(), form.secrets().end());
}

tl::unexpected<Error> refuse(std::string_view label, std::string_view why, std::string detail) {
  return base::fail(ErrorKind::UpstreamUnauthenticated,
                    fmt::format("litellm.AuthenticationError: {}Exception - {}", label, why), std::move(detail));
}

Task<Result<TokenAnswer>> ask(Context context, TokenRequest request) {
  const std::size_t scheme = request.url.find("://");
  const std::size_t slash = scheme == std::string::npos ? scheme : request.url.find_first_of("/?", scheme + 3);
  Result<http::BaseUrl> base = http::parse_base_url(request.url.substr(0, slash));
  std::string path = slash == std::string::npos ? "/" : request.url.substr(slash);
  if (path.front() == '?') path.insert(0, "/");
  if (!base || base::has_control(path) || path.find(' ') != std::string::npos) {
    co_return refuse(request.label, "the address of the token server is no http(s) URL",
                     base ? std::string() : base.error().message);
  }
  base->origin.verify = request.trust.verify;
  base->origin.ca_file = request.trust.ca_file;
  std::string fields = "Accept-Encoding: identity\r\nUser-Agent: turnpike/" TURNPIKE_VERSION "\r\n";
  if (!request.accept.empty()) fields += "Accept: " + request.accept + "\r\n";
  if (!request.content_type.empty()) fields += "Content-Type: " + request.content_type + "\r\n";
  fields += request.fields;
  const std::string_view body = request.body;

  http::Outgoing outgoing;
  outgoing.origin = &base->origin;
  outgoing.method = request.method;
  outgoing.path = path;
  outgoing.fields = fields;
  if (!body.empty()) outgoing.body = http::Pieces(&body, 1);
  outgoing.timeouts.connect = std::min<std::chrono::milliseconds>(kConnectLimit, request.limit);
  outgoing.timeouts.total = request.limit;
  outgoing.timeouts.deadline = std::min(context.deadline, base::monotonic_now() + request.limit);
  Result<std::unique_ptr<http::Incoming>> incoming = co_await context.client.send(outgoing, context.cancel);
  if (!incoming) co_return unreachable(request, incoming.error());
  const int status = (*incoming)->status();
  Result<std::string_view> text = co_await (*incoming)->read_all(kAnswerBytesMax);
  if (!text) co_return unreachable(request, text.error());
  if (status < 200 || status >= 300) co_return refused(request, status, *text);
  TokenAnswer answer{std::string(*text)};
  co_return answer;
}

Result<Grant> read_token(std::string_view body, std::string_view label, std::int64_t now_s) {
  json::Document document;
  if (!document.parse(body)) return refuse(label, "the token server's answer is no JSON");
  const json::Value root = document.root();
  std::optional<std::string> token = root.find("access_token").text();
  if (!token || token->empty() || base::has_control(*token)) {
    return refuse(label, "the token server's answer holds no access_token");
  }
  constexpr std::int64_t kUsualLife = 3600;  // RFC 6749 lets a server leave it out.
  std::int64_t life = kUsualLife;
  if (const std::optional<std::int64_t> in = seconds_of(root.find("expires_in"))) {
    life = *in;
  } else if (const std::optional<std::int64_t> on = seconds_of(root.find("expires_on"))) {
    life = *on - now_s;
  }
  Grant grant;
  grant.credential.kind = Credential::Kind::Bearer;
  grant.credential.token = base::Secret(std::move(*token));
  grant.good_for = std::chrono::seconds(life);
  return grant;
}

Task<Result<std::string>> run_elsewhere(Context context, std::function<Result<std::string>()> job) {
  net::EventLoop& loop = net::loop_of(context.thread);
  const auto meeting = std::make_shared<net::Rendezvous>(loop);
  const auto outcome = std::make_shared<Result<std::string>>();
  net::run_blocking([meeting, outcome, job = std::move(job), mailbox = loop.mailbox()] {
    *outcome = job();
    mailbox->post([meeting] { meeting->complete(net::Wake::Ready); });
  });
  const net::Wake wake = co_await meeting->wait(context.deadline);
  if (wake != net::Wake::Ready) {
    co_return base::fail(ErrorKind::UpstreamUnavailable, "a file of the credential could not be read in time");
  }
  co_return std::move(*outcome);
}

Task<Result<std::string>> read_file(Context context, std::string label, std::string path) {
  std::function<Result<std::string>()> job = [label = std::move(label), path = std::move(path)] {
    return file_text(label, path);
  };
  co_return co_await run_elsewhere(context, std::move(job));
}

}  // namespace turnpike::credential
