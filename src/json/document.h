#pragma once

#include <concepts>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace turnpike::json {

/// Half-open range of bytes in a text.
struct Range {
  std::size_t begin = 0;
  std::size_t end = 0;
  bool empty() const { return begin == end; }
  std::string_view in(std::string_view text) const { return text.substr(begin, end - begin); }
};

enum class Kind : std::uint8_t { Null, Bool, Number, String, Array, Object };

/// Where the tokens of a checked text begin. `at[i]` is the byte of token i (brackets, colons, commas, first bytes of
/// scalars), `at[count]` the length of the text; `close[i]` is the token that closes the bracket at token i.
struct Tokens {
  std::string_view text;
  const std::uint32_t* at = nullptr;
  const std::uint32_t* close = nullptr;
  std::uint32_t count = 0;
  bool escapes = false;  // A backslash stands somewhere: names must be compared un-escaped.
};

/// One value of a parsed Document; empty when `find` missed. Lives as long as its Document and the text.
class Value {
 public:
  struct Pair;
  class Members;
  class Elements;

  Value() = default;
  Value(const Tokens* tokens, std::uint32_t token) : tokens_(tokens), token_(token) {}

  explicit operator bool() const { return tokens_ != nullptr; }
  /// Of a present value only.
  Kind kind() const {
    switch (first()) {
      case '"':
        return Kind::String;
      case '{':
        return Kind::Object;
      case '[':
        return Kind::Array;
      case 'n':
        return Kind::Null;
      case 't':
      case 'f':
        return Kind::Bool;
      default:
        return Kind::Number;
    }
  }
  /// Whether the value is there and of this kind.
  bool is(Kind kind_asked) const { return tokens_ != nullptr && kind() == kind_asked; }

  Range range() const {
    const std::uint32_t begin = tokens_->at[token_];
    const char c = first();
    if (c == '{' || c == '[') return {begin, tokens_->at[tokens_->close[token_]] + std::size_t{1}};
    return {begin, scalar_end()};
  }
  std::string_view raw() const { return tokens_ != nullptr ? range().in(tokens_->text) : std::string_view(); }
  /// A string's bytes between the quotes, escapes as written.
  std::string_view inner() const { return is(Kind::String) ? name() : std::string_view(); }

  /// Nothing when the value is no string or holds a broken escape.
  std::optional<std::string> text() const;
  std::optional<bool> boolean() const;
  std::optional<double> number() const;
  /// Whole numbers from 0, also written as 12.0 or 1e3; nothing above 2^53.
  std::optional<std::uint64_t> whole() const;

  /// The first member of that name (escaped spellings count); empty when absent or when this is no object.
  Value find(std::string_view key) const;
  /// The same for several names in one walk: `found[i]` becomes the member named `keys[i]`, and stays empty if there is
  /// none.
  void find_each(std::span<const std::string_view> keys, std::span<Value> found) const;
  /// A range over an object's members or an array's elements; an empty range for every other kind.
  Members members() const;
  Elements elements() const;

  std::uint32_t token() const { return token_; }
  const Tokens* tokens() const { return tokens_; }

 private:
  // What stands between the quotes of a value known to be a string.
  std::string_view name() const {
    const std::size_t begin = tokens_->at[token_] + std::size_t{1};
    return tokens_->text.substr(begin, scalar_end() - 1 - begin);
  }
  // A scalar ends before the next token, less the white space between.
  std::size_t scalar_end() const {
    std::size_t end = tokens_->at[token_ + 1];
    while (static_cast<unsigned char>(tokens_->text[end - 1]) <= ' ') --end;
    return end;
  }
  char first() const { return tokens_->text[tokens_->at[token_]]; }
  std::uint32_t next_token() const {
    const char c = first();
    return (c == '{' || c == '[' ? tokens_->close[token_] : token_) + 1;
  }
  const Tokens* tokens_ = nullptr;
  std::uint32_t token_ = 0;
};

struct Value::Pair {
  Value key;
  Value value;
};

class Value::Members {
 public:
  class Iterator {
   public:
    Iterator(const Tokens* tokens, std::uint32_t token) : tokens_(tokens), token_(token) {}
    Pair operator*() const { return {Value(tokens_, token_), Value(tokens_, token_ + 2)}; }
    Iterator& operator++() {
      const std::uint32_t next = Value(tokens_, token_ + 2).next_token();
      token_ = tokens_->text[tokens_->at[next]] == ',' ? next + 1 : next;
      return *this;
    }
    bool operator==(const Iterator& other) const { return token_ == other.token_; }

   private:
    const Tokens* tokens_;
    std::uint32_t token_;
  };
  Members(const Tokens* tokens, std::uint32_t begin, std::uint32_t end) : tokens_(tokens), begin_(begin), end_(end) {}
  Iterator begin() const { return {tokens_, begin_}; }
  Iterator end() const { return {tokens_, end_}; }

 private:
  const Tokens* tokens_;
  std::uint32_t begin_;
  std::uint32_t end_;
};

class Value::Elements {
 public:
  class Iterator {
   public:
    Iterator(const Tokens* tokens, std::uint32_t token) : tokens_(tokens), token_(token) {}
    Value operator*() const { return {tokens_, token_}; }
    Iterator& operator++() {
      const std::uint32_t next = Value(tokens_, token_).next_token();
      token_ = tokens_->text[tokens_->at[next]] == ',' ? next + 1 : next;
      return *this;
    }
    bool operator==(const Iterator& other) const { return token_ == other.token_; }

   private:
    const Tokens* tokens_;
    std::uint32_t token_;
  };
  Elements(const Tokens* tokens, std::uint32_t begin, std::uint32_t end) : tokens_(tokens), begin_(begin), end_(end) {}
  Iterator begin() const { return {tokens_, begin_}; }
  Iterator end() const { return {tokens_, end_}; }
  bool empty() const { return begin_ == end_; }

 private:
  const Tokens* tokens_;
  std::uint32_t begin_;
  std::uint32_t end_;
};

/// A JSON text whose structure has been checked whole and whose values are found by skipping from token to token: no
/// tree is built and nothing is copied.
///
/// One SIMD pass finds the tokens and checks UTF-8 and quotes, one walk over them checks brackets, commas, numbers and
/// literals. What is not looked at: the letters after a backslash, until somebody asks for the text.
///
/// Limits:    `kDepthMax` levels of nesting; 4 GiB of text.
/// Errors:    InvalidRequest with the reason and the byte.
/// Threading: none. Buffers come from a pool of the thread and go back when the Document dies, so it must not live
///            across a suspension.
class Document {
 public:
  static constexpr std::size_t kDepthMax = 128;

  Document();
  ~Document();
  Document(const Document&) = delete;
  Document& operator=(const Document&) = delete;

  /// `text` must outlive the document; no padding is needed.
  Status parse(std::string_view text);
  template <std::same_as<std::string> Text>
  Status parse(Text&& text) = delete;  // A temporary would be gone before it is read.
  Value root() const;

 private:
  struct Buffers;
  struct Pool;
  std::unique_ptr<Buffers> buffers_;
  Tokens tokens_;
};

/// Resolves the escapes of a string's inner bytes; nothing when one is broken. A lone surrogate becomes U+FFFD.
std::optional<std::string> unescape(std::string_view inner);

}  // namespace turnpike::json
