#include "http/head_parser.h"

#include <array>
#include <cstring>

#include "base/text.h"

namespace turnpike::http {
namespace {

using base::equals_ignoring_case;

constexpr std::array<bool, 256> make_token_table() {
  std::array<bool, 256> table{};
  for (int c = '0'; c <= '9'; ++c) table[c] = true;
  for (int c = 'a'; c <= 'z'; ++c) table[c] = table[c - 'a' + 'A'] = true;
  for (const char c : std::string_view("!#$%&'*+-.^_`|~")) table[static_cast<unsigned char>(c)] = true;
  return table;
}
constexpr std::array<bool, 256> kToken = make_token_table();

bool is_token(std::string_view text) {
  for (const char c : text) {
    if (!kToken[static_cast<unsigned char>(c)]) return false;
  }
  return !text.empty();
}

/// No control characters but the tab. Written so that the compiler makes it a vector loop.
bool is_field_value(std::string_view text) {
  unsigned bad = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    bad |= static_cast<unsigned>((byte < 0x20 && byte != '\t') || byte == 0x7f);
  }
  return bad == 0;
}

bool is_target(std::string_view text) {
  unsigned bad = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    bad |= static_cast<unsigned>(byte <= 0x20 || byte >= 0x7f || byte == '#');
  }
  return bad == 0 && !text.empty();
}

bool is_host(std::string_view text) {
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!plain && std::string_view("-._~:[]%").find(c) == std::string_view::npos) return false;
  }
  return true;
}

std::string_view trim_blanks(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

HeadResult refused(int status, const char* reason) {
  return {HeadState::Refused, 0, status, reason};
}

/// Takes lines off the front of a head.
class Lines {
 public:
  explicit Lines(std::string_view bytes) : bytes_(bytes) {}

  /// The next line without its CRLF.
  HeadState next(std::string_view& line) {
    const char* begin = bytes_.data() + at_;
    const void* found = std::memchr(begin, '\n', bytes_.size() - at_);
    if (found == nullptr) return HeadState::Incomplete;
    const auto length = static_cast<std::size_t>(static_cast<const char*>(found) - begin);
    if (length == 0 || begin[length - 1] != '\r') return HeadState::Refused;
    line = {begin, length - 1};
    at_ += length + 1;
    return HeadState::Done;
  }
  std::size_t at() const { return at_; }

 private:
  std::string_view bytes_;
  std::size_t at_ = 0;
};

constexpr const char* kBareLineFeed = "a line does not end with CRLF";

/// What the fields say about framing, gathered as they pass.
struct Seen {
  int hosts = 0;
  int lengths = 0;
  int codings = 0;
  bool length_conflict = false;
  bool coding_is_chunked = false;
  bool close = false;
  bool keep_alive = false;
  std::optional<std::uint64_t> length;
  std::string_view host;
  std::string_view expect;
};

void note_connection(std::string_view value, Seen& seen) {
  while (!value.empty()) {
    const std::size_t comma = value.find(',');
    const std::string_view option = trim_blanks(value.substr(0, comma));
    if (equals_ignoring_case(option, "close")) seen.close = true;
    if (equals_ignoring_case(option, "keep-alive")) seen.keep_alive = true;
    if (comma == std::string_view::npos) return;
    value.remove_prefix(comma + 1);
  }
}

void note(const Field& field, Seen& seen) {
  switch (field.name.size()) {
    case 4:
      if (equals_ignoring_case(field.name, "host")) {
        ++seen.hosts;
        seen.host = field.value;
      }
      break;
    case 6:
      if (equals_ignoring_case(field.name, "expect")) seen.expect = field.value;
      break;
    case 10:
      if (equals_ignoring_case(field.name, "connection")) note_connection(field.value, seen);
      break;
    case 14:
      if (equals_ignoring_case(field.name, "content-length")) {
        // 18 digits stay far below the overflow of 64 bits.
        const auto length = field.value.size() <= 18 ? base::parse_unsigned(field.value) : std::nullopt;
        if (!length || (seen.lengths > 0 && seen.length != length)) seen.length_conflict = true;
        seen.length = length;
        ++seen.lengths;
      }
      break;
    case 17:
      if (equals_ignoring_case(field.name, "transfer-encoding")) {
        ++seen.codings;
        seen.coding_is_chunked = equals_ignoring_case(field.value, "chunked");
      }
      break;
    default:
      break;
  }
}

HeadResult parse_fields(Lines& lines, std::size_t have, const HeadLimits& limits, Fields& fields, Seen& seen) {
  for (;;) {
    std::string_view line;
    const HeadState state = lines.next(line);
    if (state == HeadState::Refused) return refused(400, kBareLineFeed);
    if (state == HeadState::Incomplete) {
      if (have >= limits.bytes_max) return refused(431, "the header is larger than the limit");
      return {HeadState::Incomplete};
    }
    if (lines.at() > limits.bytes_max) return refused(431, "the header is larger than the limit");
    if (line.empty()) return {HeadState::Done, lines.at()};
    if (fields.size() == limits.count_max) return refused(431, "there are more header fields than the limit");
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return refused(400, "a header line has no colon");
    Field field{line.substr(0, colon), trim_blanks(line.substr(colon + 1))};
    // A folded line begins with a blank and fails here, as a blank before the colon does.
    if (!is_token(field.name)) return refused(400, "a header name holds a character that is not allowed");
    if (!is_field_value(field.value)) return refused(400, "a header value holds a control character");
    note(field, seen);
    fields.push_back(field);
  }
}

Method method_of(std::string_view text) {
  switch (text.size()) {
    case 3:
      if (text == "GET") return Method::Get;
      if (text == "PUT") return Method::Put;
      break;
    case 4:
      if (text == "POST") return Method::Post;
      if (text == "HEAD") return Method::Head;
      break;
    case 5:
      if (text == "PATCH") return Method::Patch;
      break;
    case 6:
      if (text == "DELETE") return Method::Delete;
      break;
    case 7:
      if (text == "OPTIONS") return Method::Options;
      break;
    default:
      break;
  }
  return Method::Other;
}

bool is_version(std::string_view text) {
  return text.size() >= 6 && text.starts_with("HTTP/");
}

/// Splits the target into path and query. An absolute form is read for its path alone: its host decides nothing.
bool split_target(Request& request) {
  std::string_view path = request.target;
  if (path != "*" && path.front() != '/') {
    const std::size_t scheme = path.find("://");
    const std::string_view name = path.substr(0, scheme);
    if (scheme == std::string_view::npos) return false;
    if (!equals_ignoring_case(name, "http") && !equals_ignoring_case(name, "https")) return false;
    path.remove_prefix(scheme + 3);
    const std::size_t end = path.find_first_of("/?");
    if (!is_host(path.substr(0, end))) return false;
    path = end == std::string_view::npos ? std::string_view("/") : path.substr(end);
    if (path.front() == '?') return false;
  }
  if (path == "*" && request.method != Method::Options) return false;
  const std::size_t question = path.find('?');
  request.path = path.substr(0, question);
  request.query = question == std::string_view::npos ? std::string_view() : path.substr(question + 1);
  return true;
}

HeadResult parse_request_line(std::string_view line, Request& request, Framing& framing) {
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return refused(400, "the request line is malformed");
  request.method_text = line.substr(0, first);
  request.target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  if (!is_token(request.method_text)) return refused(400, "the method is malformed");
  if (!is_target(request.target)) return refused(400, "the request target holds a character that is not allowed");
  if (version == "HTTP/1.0") {
    framing.version_1_0 = true;
  } else if (version != "HTTP/1.1") {
    if (is_version(version)) return refused(505, "this version of HTTP is not spoken here");
    return refused(400, "the request line is malformed");
  }
  request.method = method_of(request.method_text);
  if (!split_target(request)) return refused(400, "the request target must begin with '/'");
  return {HeadState::Done};
}

}  // namespace

HeadState find_head_end(std::string_view bytes, std::size_t& from) {
  for (;;) {
    const void* found = from < bytes.size() ? std::memchr(bytes.data() + from, '\n', bytes.size() - from) : nullptr;
    if (found == nullptr) {
      from = bytes.size();
      return HeadState::Incomplete;
    }
    const auto at = static_cast<std::size_t>(static_cast<const char*>(found) - bytes.data());
    if (at == 0 || bytes[at - 1] != '\r') return HeadState::Refused;
    from = at + 1;
    if (at >= 3 && bytes[at - 2] == '\n') return HeadState::Done;
  }
}

HeadResult parse_request_head(std::string_view bytes, const HeadLimits& limits, Request& request, Framing& framing) {
  framing = Framing{};
  request.fields.clear();
  Lines lines(bytes);
  std::string_view line;
  const HeadState state = lines.next(line);
  if (state == HeadState::Refused) return refused(400, kBareLineFeed);
  if (state == HeadState::Incomplete) {
    if (bytes.size() >= limits.bytes_max) return refused(431, "the request line is longer than the limit");
    return {HeadState::Incomplete};
  }
  if (const HeadResult result = parse_request_line(line, request, framing); result.state != HeadState::Done)
    return result;

  Seen seen;
  const HeadResult result = parse_fields(lines, bytes.size(), limits, request.fields, seen);
  if (result.state != HeadState::Done) return result;
  if (seen.hosts > 1) return refused(400, "there is more than one Host");
  if (seen.hosts == 0 && !framing.version_1_0) return refused(400, "there is no Host");
  if (!is_host(seen.host)) return refused(400, "the Host holds a character that is not allowed");
  if (seen.lengths > 1) return refused(400, "there is more than one Content-Length");
  if (seen.length_conflict) return refused(400, "the Content-Length is not a number");
  if (seen.codings > 0) {
    if (seen.lengths > 0) return refused(400, "Content-Length and Transfer-Encoding exclude each other");
    if (framing.version_1_0) return refused(400, "HTTP/1.0 has no Transfer-Encoding");
    if (seen.codings > 1 || !seen.coding_is_chunked)
      return refused(400, "Transfer-Encoding must be exactly \"chunked\"");
    framing.chunked = true;
  }
  framing.length = seen.length;
  framing.keep_alive = !seen.close && (!framing.version_1_0 || seen.keep_alive);
  if (!seen.expect.empty()) {
    if (!equals_ignoring_case(seen.expect, "100-continue"))
      return refused(417, "the only expectation met is 100-continue");
    framing.expects_continue = !framing.version_1_0;
  }
  return result;
}

HeadResult parse_reply_head(std::string_view bytes, const HeadLimits& limits, int& status, Fields& fields,
                            Framing& framing) {
  framing = Framing{};
  fields.clear();
  Lines lines(bytes);
  std::string_view line;
  const HeadState state = lines.next(line);
  if (state == HeadState::Refused) return refused(502, kBareLineFeed);
  if (state == HeadState::Incomplete) {
    if (bytes.size() >= limits.bytes_max) return refused(431, "the status line is longer than the limit");
    return {HeadState::Incomplete};
  }
  // "HTTP/1.1 200" and, after a blank, any reason.
  if (line.size() < 12 || !line.starts_with("HTTP/1.") || (line[7] != '0' && line[7] != '1') || line[8] != ' ' ||
      (line.size() > 12 && line[12] != ' ')) {
    return refused(502, "the status line is malformed");
  }
  const auto code = base::parse_unsigned(line.substr(9, 3));
  if (!code || *code < 100 || *code > 999) return refused(502, "the status line is malformed");
  status = static_cast<int>(*code);
  framing.version_1_0 = line[7] == '0';

  Seen seen;
  const HeadResult result = parse_fields(lines, bytes.size(), limits, fields, seen);
  if (result.state != HeadState::Done) return result;
  if (seen.length_conflict) return refused(502, "the Content-Length is not one number");
  framing.keep_alive = !seen.close && (!framing.version_1_0 || seen.keep_alive);
  if (seen.codings > 0) {
    if (seen.codings > 1 || !seen.coding_is_chunked) return refused(502, "the Transfer-Encoding is not \"chunked\"");
    framing.chunked = true;
    if (seen.lengths > 0) framing.keep_alive = false;
  } else {
    framing.length = seen.length;
  }
  return result;
}

}  // namespace turnpike::http
