#include "http/head_writer.h"

#include <charconv>
#include <ctime>

namespace turnpike::http {
namespace {

void append_number(std::string& out, std::uint64_t number, int base) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, number, base).ptr;
  out.append(digits, end);
}

/// RFC 9110 section 5.6.7, always in English whatever the locale.
std::string_view date_now() {
  thread_local std::time_t written = 0;
  thread_local char text[32];
  const std::time_t now = std::time(nullptr);
  if (now != written) {
    constexpr char kDays[] = "SunMonTueWedThuFriSat";
    constexpr char kMonths[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    std::tm utc{};
    ::gmtime_r(&now, &utc);
    std::snprintf(text, sizeof text, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT", kDays + 3 * utc.tm_wday,
                  utc.tm_mday % 100, kMonths + 3 * utc.tm_mon, (utc.tm_year + 1900) % 10000, utc.tm_hour % 100,
                  utc.tm_min % 100, utc.tm_sec % 100);
    written = now;
  }
  return text;
}

}  // namespace

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 207:
      return "Multi-Status";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 402:
      return "Payment Required";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 499:
      return "Client Closed Request";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    case 529:
      return "Overloaded";
    default:
      return "Unknown";
  }
}

void append_reply_head(std::string& out, const ReplyHead& head, const ReplyFraming& framing) {
  out.append("HTTP/1.1 ");
  append_number(out, static_cast<std::uint64_t>(head.status), 10);
  out.push_back(' ');
  out.append(reason_phrase(head.status));
  out.append("\r\nDate: ");
  out.append(date_now());
  out.append("\r\n");
  if (!head.content_type.empty()) {
    out.append("Content-Type: ");
    out.append(head.content_type);
    out.append("\r\n");
  }
  if (framing.chunked) {
    out.append("Transfer-Encoding: chunked\r\n");
  } else if (framing.length) {
    out.append("Content-Length: ");
    append_number(out, *framing.length, 10);
    out.append("\r\n");
  }
  out.append(head.fields);
  out.append(framing.cors);
  if (!framing.keep_alive) {
    out.append("Connection: close\r\n");
  } else if (framing.version_1_0) {
    out.append("Connection: keep-alive\r\n");
  }
  out.append("\r\n");
}

void append_chunk_size(std::string& out, std::uint64_t size) {
  append_number(out, size, 16);
  out.append("\r\n");
}

}  // namespace turnpike::http
