#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codec/codec.h"
#include "json/write.h"

// What requests of operations that write no text share, whatever the dialect.
namespace turnpike::codec {

/// What of the call must be known when its answer is read, and the header lines that differ from chat's.
void note_operation(const EncodeInput& input, Encoded& out);

/// A form for an OpenAI-shaped target: `model` replaced, our own fields cut, the rest of the bytes as they came.
void encode_openai_form(const EncodeInput& input, Encoded& out);

/// Replaces the value of a rendered header line.
void set_field(std::string& fields, std::string_view name, std::string_view value);

/// The parameters of a call by name, as JSON: a fallback's own, the caller's, `extra_body`, the deployment's; the first
/// that has one counts. What a codec asked for is its own to write; `write_rest` writes what nobody asked for, since a
/// provider may understand it, without the fields that speak to a gateway.
class Params {
 public:
  explicit Params(const EncodeInput& input);

  /// Empty when absent or null. Good as long as the call and the target.
  std::string_view raw(std::string_view name);
  std::optional<std::string> text(std::string_view name);
  std::optional<std::uint64_t> whole(std::string_view name);
  bool flag(std::string_view name);
  /// Takes names that have no meaning here out of the rest.
  void drop(std::initializer_list<std::string_view> names);
  void write_rest(json::Writer& writer) const;
  void each_rest(const std::function<void(std::string_view name, std::string_view raw)>& visit) const;

 private:
  struct Param {
    std::string name;
    std::string_view raw;
    bool taken = false;
  };
  void add(std::string_view object_json);

  std::vector<Param> params_;
};

/// InvalidRequest naming the first of `names` that the caller gave and this provider has nothing for, unless dropping
/// was asked for (drop_params); dropped ones are taken out of the rest.
Status refuse_unsupported(const EncodeInput& input, Params& params, std::initializer_list<std::string_view> names);

/// The texts of `input`: one string or a list of them.
/// Errors: InvalidRequest for tokens and for anything else, saying that this provider takes text only.
Result<std::vector<std::string_view>> read_texts(const EncodeInput& input, std::string_view raw);

}  // namespace turnpike::codec
