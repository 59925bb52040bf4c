// Feeds forms to their reader: ranges stay inside the body and in order, a form that is read can be written again and
// is read the same, and whatever the parts hold, the JSON made of them is JSON. Recordings in them are measured.
#include <cstdint>
#include <cstdlib>

#include "json/document.h"
#include "protocol/audio_length.h"
#include "protocol/call_request.h"
#include "protocol/multipart.h"

namespace {

using namespace turnpike;
using protocol::Form;
using protocol::FormPart;

void require(bool truth) {
  if (!truth) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  // The first line is the content type.
  const std::size_t line = std::min(input.find('\n'), input.size());
  const std::string_view type = input.substr(0, line);
  const std::string_view body = input.substr(std::min(line + 1, input.size()));
  static_cast<void>(protocol::audio_milliseconds(body));
  const Result<Form> form = protocol::parse_form(type, body);
  if (!form) {
    require(!form.error().message.empty());
    return 0;
  }
  require(form->parts.size() <= protocol::kFormPartsMax && form->close <= body.size());
  std::size_t at = 0;
  std::string again;
  for (const FormPart& part : form->parts) {
    require(part.whole.begin >= at && part.whole.begin < part.value.begin && part.value.begin <= part.value.end);
    require(part.value.end <= part.whole.end && part.whole.end <= body.size() && !part.name.empty());
    at = part.whole.end;
    again += part.whole.in(body);
  }
  again += "--" + form->boundary + "--";
  const Result<Form> second = protocol::parse_form("multipart/form-data; boundary=\"" + form->boundary + "\"", again);
  require(second && second->parts.size() == form->parts.size());
  for (std::size_t i = 0; i < form->parts.size(); ++i) {
    require(second->parts[i].name == form->parts[i].name);
    require(second->parts[i].value.in(again) == form->parts[i].value.in(body));
  }
  const std::string text = protocol::form_as_json(*form, body);
  json::Document document;
  require(document.parse(text).has_value());
  static_cast<void>(protocol::parse_call(domain::Operation::Transcription, body, "m", type));
  static_cast<void>(protocol::parse_call(domain::Operation::ImageEdit, body, "m", type));
  return 0;
}
