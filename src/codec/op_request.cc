#include "codec/op_request.h"

#include <algorithm>

#include "base/text.h"
#include "http/message.h"
#include "protocol/edits.h"
#include "protocol/own_fields.h"

namespace turnpike::codec {
namespace {

using domain::Operation;
using json::Value;

std::string_view without_brackets(std::string_view name) {
  if (name.ends_with("[]")) name.remove_suffix(2);
  return name;
}

/// The name a parameter goes by at this target's provider; empty: it is not sent.
std::string_view wire_name(const provider::Target& target, std::string_view name) {
  const auto& dropped = target.drop_params;
  if (std::find(dropped.begin(), dropped.end(), name) != dropped.end()) return {};
  for (const provider::FieldRule& rule : target.provider->rules) {
    if (rule.from == name) return rule.to;
  }
  return name;
}

/// Adds the deployment's parameters that the caller has not given, as far as a form can say them.
void add_defaults(const EncodeInput& input, protocol::Edits& edits) {
  const protocol::Form& form = *input.call.form;
  json::Document document;
  if (input.target.default_params_json.empty() || !document.parse(input.target.default_params_json)) return;
  for (const Value::Pair& pair : document.root().members()) {
    const std::string key = pair.key.text().value_or("");
    const bool plain = !pair.value.is(json::Kind::Object) && !pair.value.is(json::Kind::Array);
    if (key.empty() || key == "model" || key == "stream" || !plain || protocol::is_own_field(key)) continue;
    const std::string_view name = wire_name(input.target, key);
    if (name.empty() || form.find(key) != nullptr) continue;
    edits.insert(form.close,
                 protocol::form_part(form, name, pair.value.text().value_or(std::string(pair.value.raw()))));
  }
}

/// Quoted only where it must be: some servers read the quotes as part of it.
std::string form_type(const std::string& boundary) {
  const bool plain = boundary.find_first_of("()<>@,;:\\\"/[]?= ") == std::string::npos;
  return "multipart/form-data; boundary=" + (plain ? boundary : "\"" + boundary + "\"");
}

}  // namespace

void set_field(std::string& fields, std::string_view name, std::string_view value) {
  std::size_t at = 0;
  while (at < fields.size()) {
    const std::size_t end = std::min(fields.find("\r\n", at), fields.size());
    const std::string_view line = std::string_view(fields).substr(at, end - at);
    if (line.size() > name.size() && line[name.size()] == ':' &&
        base::equals_ignoring_case(line.substr(0, name.size()), name)) {
      fields.replace(at, end - at, std::string(name) + ": " + std::string(value));
      return;
    }
    at = end + 2;
  }
  http::add_field(fields, name, value);
}

void note_operation(const EncodeInput& input, Encoded& out) {
  const protocol::CallRequest& call = input.call;
  if (call.operation == Operation::Embedding) {
    const json::Member* format = call.scan.find("encoding_format");
    out.base64_vectors = format != nullptr && format->value.in(call.body) == "\"base64\"";
  }
  if (call.operation == Operation::Speech || domain::reads_audio(call.operation))
    set_field(out.fields, "Accept", "*/*");
  if (call.form) set_field(out.fields, "Content-Type", form_type(call.form->boundary));
}

void encode_openai_form(const EncodeInput& input, Encoded& out) {
  const protocol::Form& form = *input.call.form;
  protocol::Edits edits;
  bool model_given = false;
  for (const protocol::FormPart& part : form.parts) {
    const std::string_view key = without_brackets(part.name);
    if (key == "model") {
      model_given = true;
      edits.replace(part.value, input.target.model);
    } else if (protocol::is_own_field(key) || key == "metadata" || wire_name(input.target, key).empty()) {
      edits.remove(part.whole);
    }
  }
  if (!model_given) edits.insert(form.close, protocol::form_part(form, "model", input.target.model));
  add_defaults(input, edits);
  out.text = std::make_unique<std::string>();
  edits.owned_pieces(input.call.form_bytes, *out.text, out.body);
}

Params::Params(const EncodeInput& input) {
  add(input.overrides_json);
  const protocol::CallRequest& call = input.call;
  for (const json::Member& member : call.scan.members) {
    const bool known = std::ranges::any_of(params_, [&](const Param& param) { return param.name == member.key; });
    if (!known && !protocol::is_own_field(member.key))
      params_.push_back({std::string(member.key), member.value.in(call.body)});
  }
  if (const json::Member* extra = call.scan.find("extra_body")) add(extra->value.in(call.body));
  add(input.target.default_params_json);
  std::erase_if(params_, [&](const Param& param) {
    const auto& dropped = input.target.drop_params;
    return std::find(dropped.begin(), dropped.end(), param.name) != dropped.end();
  });
  drop({"model", "stream", "stream_options", "user", "metadata"});
}

void Params::add(std::string_view object_json) {
  json::Document document;
  if (object_json.empty() || !document.parse(object_json)) return;
  for (const Value::Pair& pair : document.root().members()) {
    std::string key = pair.key.text().value_or("");
    const bool known = std::ranges::any_of(params_, [&](const Param& param) { return param.name == key; });
    if (!key.empty() && !known && !protocol::is_own_field(key)) params_.push_back({std::move(key), pair.value.raw()});
  }
}

std::string_view Params::raw(std::string_view name) {
  for (Param& param : params_) {
    if (param.name != name) continue;
    param.taken = true;
    return param.raw == "null" ? std::string_view() : param.raw;
  }
  return {};
}

std::optional<std::string> Params::text(std::string_view name) {
  const std::string_view given = raw(name);
  if (given.size() < 2 || given.front() != '"') return std::nullopt;
  return json::unescape(given.substr(1, given.size() - 2));
}

std::optional<std::uint64_t> Params::whole(std::string_view name) {
  const std::string_view given = raw(name);
  return given.empty() ? std::nullopt : base::parse_unsigned(given);
}

bool Params::flag(std::string_view name) {
  return raw(name) == "true";
}

void Params::drop(std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) static_cast<void>(raw(name));
}

void Params::each_rest(const std::function<void(std::string_view name, std::string_view raw)>& visit) const {
  for (const Param& param : params_) {
    if (!param.taken) visit(param.name, param.raw);
  }
}

void Params::write_rest(json::Writer& writer) const {
  each_rest([&writer](std::string_view name, std::string_view raw) { writer.key(name).raw(raw); });
}

Status refuse_unsupported(const EncodeInput& input, Params& params, std::initializer_list<std::string_view> names) {
  const json::Member* asked = input.call.scan.find("drop_params");
  const bool drop = asked != nullptr ? asked->value.in(input.call.body) == "true" : input.target.drop_unsupported;
  for (const std::string_view name : names) {
    if (params.raw(name).empty() || drop) continue;
    Error error;
    error.kind = ErrorKind::InvalidRequest;
    error.param = name;
    error.message = "litellm.UnsupportedParamsError: " + std::string(input.target.provider->label) +
                    " does not support the parameter '" + std::string(name) +
                    "' in this operation. To drop it, set drop_params to true";
    return base::fail(std::move(error));
  }
  return {};
}

Result<std::vector<std::string_view>> read_texts(const EncodeInput& input, std::string_view given) {
  const auto refuse = [&] {
    Error error;
    error.kind = ErrorKind::InvalidRequest;
    error.param = "input";
    error.message = "litellm.BadRequestError: " + std::string(input.target.provider->label) +
                    " takes 'input' as a text or a list of texts that is not empty.";
    return base::fail(std::move(error));
  };
  json::Document document;
  if (!document.parse(given)) return refuse();
  std::vector<std::string_view> texts;
  if (document.root().is(json::Kind::String)) texts.push_back(given);
  for (const Value element : document.root().elements()) {
    if (!element.is(json::Kind::String)) return refuse();
    texts.push_back(element.raw());
  }
  if (texts.empty()) return refuse();
  return texts;
}

}  // namespace turnpike::codec
