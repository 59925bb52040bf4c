#include "codec/google_address.h"

#include <string>

#include "base/text.h"
#include "codec/chat_codec.h"

namespace turnpike::codec {
namespace {

// A version stands behind "@", which Google's own clients leave as it is.
std::string segment(std::string_view name) {
  std::string text = base::percent_encode(name);
  for (std::size_t at = text.find("%40"); at != std::string::npos; at = text.find("%40", at)) text.replace(at, 3, "@");
  return text;
}

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

std::string path_of_model(const provider::Target& target) {
  std::string path = target.base.path.empty() ? std::string(target.provider->bare_path) : target.base.path;
  std::string_view model = google_model(target.model);
  constexpr std::string_view kTuned = "tunedModels/";
  if (target.shape != provider::Shape::Gemini) {
    path += is_number(model) ? "/endpoints/" : "/publishers/google/models/";
  } else if (model.starts_with(kTuned)) {
    path.append("/").append(kTuned);
    model.remove_prefix(kTuned.size());
  } else {
    path += "/models/";
  }
  return path + segment(model);
}

// A key is a key at the Gemini API and in Vertex's express mode; everything else is a token. Rows of the configuration
// say how their key travels.
void add_proof(const EncodeInput& input, std::string& fields) {
  const provider::Provider& row = *input.target.provider;
  const bool by_row = row.shape == provider::Shape::Gemini && row.auth == provider::AuthScheme::Bearer;
  if (input.credential.kind != credential::Credential::Kind::Key || by_row) {
    add_bearer(fields, input);
  } else {
    add_key(fields, row.auth_header.empty() ? std::string_view("x-goog-api-key") : row.auth_header, input);
  }
}

}  // namespace

std::string_view google_model(std::string_view model) {
  for (const std::string_view prefix : {"gemini/", "google/", "models/"}) {
    if (model.starts_with(prefix)) model.remove_prefix(prefix.size());
  }
  return model;
}

void google_address(const EncodeInput& input, std::string_view method, Encoded& out, bool stream) {
  out.path = path_of_model(input.target).append(":").append(method);
  out.fields = common_fields(input, stream);
  add_proof(input, out.fields);
}

}  // namespace turnpike::codec
