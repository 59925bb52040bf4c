#include "protocol/prompt_prefix.h"

#include <algorithm>
#include <cstring>

#include "base/hash.h"

namespace turnpike::protocol {
namespace {

constexpr std::size_t kHeadBytes = 1024;
constexpr std::size_t kTailBytes = 2048;

/// Walks over a list of messages, which has been checked to be sound JSON.
class Messages {
 public:
  explicit Messages(std::string_view text) : text_(text) {}

  /// Where the first message of the user ends; 0 when there is none.
  std::size_t end_of_first_user() {
    int depth = 0;
    bool user = false;
    while (at_ < text_.size()) {
      switch (text_[at_]) {
        case '"':
          user = string_tells_user(depth) || user;
          continue;  // Behind the string.
        case '[':
        case '{':
          ++depth;
          break;
        case ']':
        case '}':
          --depth;
          if (depth == 1 && user) return at_ + 1;
          if (depth == 0) return 0;
          break;
        default:
          break;
      }
      ++at_;
    }
    return 0;
  }

 private:
  /// Passes over a string; true when it is the name `role` of a message and the value behind it is `user`.
  bool string_tells_user(int depth) {
    constexpr int kInMessage = 2;
    const std::string_view name = string();
    if (depth != kInMessage || name != "role") return false;
    if (!pass(':')) return false;
    return at_ < text_.size() && text_[at_] == '"' && string() == "user";
  }

  /// The string at this place, without its quotes.
  std::string_view string() {
    const std::size_t begin = at_ + 1;
    std::size_t end = begin;
    for (;;) {
      const void* quote = end < text_.size() ? std::memchr(text_.data() + end, '"', text_.size() - end) : nullptr;
      if (quote == nullptr) {
        at_ = text_.size();
        return {};
      }
      end = static_cast<std::size_t>(static_cast<const char*>(quote) - text_.data());
      std::size_t backslashes = 0;
      while (text_[end - 1 - backslashes] == '\\') ++backslashes;
      if (backslashes % 2 == 0) break;
      ++end;
    }
    at_ = end + 1;
    return text_.substr(begin, end - begin);
  }

  /// White space, the sign, white space; false when there is another sign.
  bool pass(char sign) {
    const auto blank = [this] { return at_ < text_.size() && static_cast<unsigned char>(text_[at_]) <= ' '; };
    while (blank()) ++at_;
    if (at_ >= text_.size() || text_[at_] != sign) return false;
    ++at_;
    while (blank()) ++at_;
    return true;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

PromptPrefix prompt_prefix(const CallRequest& call) {
  const json::Member* messages = call.scan.find("messages");
  if (messages == nullptr || messages->kind != json::Kind::Array) return {};
  PromptPrefix prefix;
  const std::string_view all = messages->value.in(call.body);
  prefix.messages = all.substr(0, Messages(all).end_of_first_user());
  if (prefix.messages.empty()) return {};
  if (const json::Member* tools = call.scan.find("tools")) prefix.tools = tools->value.in(call.body);
  return prefix;
}

std::uint32_t fingerprint(const PromptPrefix& prefix) {
  std::uint32_t print = 0;
  for (const std::string_view part : {prefix.tools, prefix.messages}) {
    const std::uint64_t size = part.size();
    print = base::crc32c(print, {reinterpret_cast<const char*>(&size), sizeof size});
    const std::string_view head = part.substr(0, kHeadBytes);
    const std::string_view rest = part.substr(head.size());
    print = base::crc32c(print, head);
    print = base::crc32c(print, rest.substr(rest.size() - std::min(rest.size(), kTailBytes)));
  }
  return print;
}

}  // namespace turnpike::protocol
