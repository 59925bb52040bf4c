#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "config/diagnostic.h"

namespace turnpike::config {

/// A value, or the finding that says where the file is wrong and what to write instead.
template <class T>
using Read = tl::expected<T, Diagnostic>;

/// A configuration document as a tree that remembers where each value stands and where it came from.
///
/// Numbers keep their decimal text, so that a price never passes through a binary float. A value taken from the
/// environment is text whatever it looks like, and the getters coerce it, as they do with quoted numbers.
/// Threading: a plain value.
class Node {
 public:
  enum class Kind : std::uint8_t { Null, Bool, Number, Text, List, Map };
  struct Item;

  Node() = default;
  static Node boolean(bool value, std::string written);
  static Node number(std::string decimal);
  static Node text(std::string value);
  static Node list();
  static Node map();

  Kind kind() const { return kind_; }
  bool is_null() const { return kind_ == Kind::Null; }
  bool is_list() const { return kind_ == Kind::List; }
  bool is_map() const { return kind_ == Kind::Map; }

  /// The scalar as written: the decimal of a number, "true" or "yes" of a bool; empty for null, list and map.
  const std::string& scalar() const { return scalar_; }

  /// The member, or null when this is no map, has no such key, or its value is null.
  const Node* find(std::string_view key) const;
  const std::vector<Item>& items() const;     // Of a map, in file order; empty otherwise.
  const std::vector<Node>& elements() const;  // Of a list; empty otherwise.

  // Each says what it expected, where, and how to write it.
  Read<bool> as_bool() const;
  Read<std::int64_t> as_integer() const;
  Read<double> as_double() const;                       // For weights and times, never for money.
  Read<std::string> as_decimal() const;                 // Decimal text of a number not below zero: prices.
  Read<std::string> as_text() const;                    // Numbers and bools as they were written.
  Read<std::chrono::milliseconds> as_time() const;      // A number of seconds, or "500ms", "30s", "5m", "1h", "2d".
  Read<std::uint64_t> as_bytes() const;                 // A number of bytes, or "64MiB", "10MB", "512KiB".
  Read<std::vector<std::string>> as_text_list() const;  // One text counts as a list of one.

  /// JSON text of the whole value. With `mask`, every secret reads "***".
  std::string to_json(bool mask) const;

  /// "file:12".
  std::string place() const;
  const std::string& file() const;
  int line() const { return line_; }
  const std::string& path() const { return path_; }

  /// True when the value must not be shown: it came from the environment or stands under a key that names a secret.
  bool secret() const { return secret_; }
  /// The environment variable the value came from, or was to come from (then it is null); empty otherwise.
  const std::string& variable() const { return variable_; }

  /// A finding at this place.
  Diagnostic error(std::string what) const;
  Diagnostic warning(std::string what) const;

  // For the code that builds and completes trees.
  void set_place(std::shared_ptr<const std::string> file, int line);
  void set_paths(const std::string& path);  // This node's and, from it, every path below.
  void set_secret() { secret_ = true; }
  void set_from_environment(std::string variable);
  std::vector<Item>& items_mutable() { return items_; }
  std::vector<Node>& elements_mutable() { return elements_; }
  Node* find_mutable(std::string_view key);

 private:
  tl::unexpected<Diagnostic> expected(std::string_view what, std::string_view example) const;

  Kind kind_ = Kind::Null;
  bool secret_ = false;
  int line_ = 0;
  std::string scalar_;
  std::string variable_;
  std::string path_;
  std::shared_ptr<const std::string> file_;
  std::vector<Item> items_;
  std::vector<Node> elements_;
};

struct Node::Item {
  std::string key;
  int key_line = 0;
  Node value;
};

/// Appends `text` as a JSON string with its quotes.
void append_json_string(std::string& out, std::string_view text);

/// True for a key whose value people must not see: api_key, password, aws_secret_access_key, database_url, ...
bool names_a_secret(std::string_view key);

}  // namespace turnpike::config
