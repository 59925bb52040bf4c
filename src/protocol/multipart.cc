#include "protocol/multipart.h"

#include <algorithm>

#include "base/text.h"
#include "json/write.h"
#include "protocol/key_set.h"

namespace turnpike::protocol {
namespace {

constexpr std::string_view kFormType = "multipart/form-data";

// What forms can only say as text.
constexpr std::string_view kNotStrings[] = {
    "additional_drop_params",
    "disable_fallbacks",
    "fallbacks",
    "max_fallbacks",
    "max_retries",
    "mock_delay",
    "mock_testing_content_policy_fallbacks",
    "mock_testing_context_fallbacks",
    "mock_testing_context_window_fallbacks",
    "mock_testing_fallbacks",
    "mock_testing_rate_limit_error",
    "mock_timeout",
    "n",
    "num_retries",
    "output_compression",
    "partial_images",
    "request_timeout",
    "stream",
    "stream_timeout",
    "tags",
    "temperature",
    "timeout",
};
constexpr KeySet kPlain{kNotStrings};

tl::unexpected<Error> refuse(std::string message) {
  return base::fail(ErrorKind::InvalidRequest, "The form is wrong: " + std::move(message));
}

/// The value of a parameter ("boundary", "name") in a header value; nothing when it is absent.
std::optional<std::string> parameter(std::string_view header, std::string_view name) {
  std::size_t at = header.find(';');
  while (at != std::string_view::npos && at < header.size()) {
    ++at;
    while (at < header.size() && (header[at] == ' ' || header[at] == '\t')) ++at;
    const std::size_t equals = header.find_first_of("=;", at);
    if (equals == std::string_view::npos) return std::nullopt;
    if (header[equals] == ';') {
      at = equals;
      continue;
    }
    const std::string_view found = base::trim(header.substr(at, equals - at));
    std::string value;
    at = equals + 1;
    if (at < header.size() && header[at] == '"') {
      for (++at; at < header.size() && header[at] != '"'; ++at) {
        if (header[at] == '\\' && at + 1 < header.size() && (header[at + 1] == '"' || header[at + 1] == '\\')) ++at;
        value.push_back(header[at]);
      }
      if (at >= header.size()) return std::nullopt;  // The quote never ends.
      at = header.find(';', at);
    } else {
      const std::size_t end = std::min(header.find(';', at), header.size());
      value = base::trim(header.substr(at, end - at));
      at = end < header.size() ? end : std::string_view::npos;
    }
    if (base::equals_ignoring_case(found, name)) return value;
  }
  return std::nullopt;
}

bool boundary_character(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
         std::string_view("'()+_,-./:=? ").find(c) != std::string_view::npos;
}

/// Reads the header lines of one part.
Status read_headers(std::string_view headers, FormPart& part) {
  bool named = false;
  while (!headers.empty()) {
    const std::size_t end = std::min(headers.find("\r\n"), headers.size());
    const std::string_view line = headers.substr(0, end);
    headers.remove_prefix(std::min(end + 2, headers.size()));
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return refuse("a part has a header line without a colon");
    const std::string_view name = base::trim(line.substr(0, colon));
    const std::string_view value = base::trim(line.substr(colon + 1));
    if (base::equals_ignoring_case(name, "content-type")) part.content_type = value;
    if (base::equals_ignoring_case(name, "content-transfer-encoding") && !base::equals_ignoring_case(value, "binary") &&
        !base::equals_ignoring_case(value, "8bit") && !base::equals_ignoring_case(value, "7bit")) {
      return refuse("a part has a content-transfer-encoding");
    }
    if (!base::equals_ignoring_case(name, "content-disposition")) continue;
    if (named) return refuse("a part has two content-disposition lines");
    std::optional<std::string> field = parameter(value, "name");
    if (!field || field->empty()) return refuse("a part has no name");
    if (base::has_control(*field)) return refuse("a part's name holds a control character");
    named = true;
    part.name = std::move(*field);
    part.filename = parameter(value, "filename");
    if (!part.filename && parameter(value, "filename*")) part.filename = "file";
  }
  if (!named) return refuse("a part has no content-disposition");
  return {};
}

/// What follows a delimiter on its line.
enum class After : std::uint8_t { Part, Close, Broken };
After after_delimiter(std::string_view body, std::size_t& at) {
  if (body.substr(at, 2) == "--") return After::Close;
  while (at < body.size() && (body[at] == ' ' || body[at] == '\t')) ++at;
  if (body.substr(at, 2) != "\r\n") return After::Broken;
  at += 2;
  return After::Part;
}

void write_value(json::Writer& writer, std::string_view name, std::string_view value) {
  json::Document document;
  if (kPlain.has(name) && document.parse(value) && !document.root().is(json::Kind::String)) {
    writer.raw(value);
  } else if (name == "stream" && (value == "True" || value == "False")) {
    writer.boolean(value == "True");  // As Python's clients write it.
  } else {
    writer.string(value);
  }
}

}  // namespace

const FormPart* Form::find(std::string_view name) const {
  const auto found = std::find_if(parts.begin(), parts.end(), [&](const FormPart& part) { return part.name == name; });
  return found == parts.end() ? nullptr : &*found;
}

const FormPart* Form::find_file(std::string_view name) const {
  const auto found = std::find_if(parts.begin(), parts.end(), [&](const FormPart& part) {
    return part.filename && (part.name == name || (part.name.starts_with(name) && part.name[name.size()] == '['));
  });
  return found == parts.end() ? nullptr : &*found;
}

bool is_form(std::string_view content_type) {
  const std::string_view type = base::trim(content_type.substr(0, content_type.find(';')));
  return base::equals_ignoring_case(type, kFormType);
}

Result<Form> parse_form(std::string_view content_type, std::string_view body) {
  std::optional<std::string> boundary = parameter(content_type, "boundary");
  if (!boundary || boundary->empty()) return refuse("its content-type names no boundary");
  if (boundary->size() > kFormBoundaryMax) {
    return refuse("its boundary has more than " + std::to_string(kFormBoundaryMax) + " characters");
  }
  if (!std::ranges::all_of(*boundary, boundary_character) || boundary->back() == ' ') {
    return refuse("its boundary holds a character that none may hold");
  }
  Form form;
  form.boundary = std::move(*boundary);
  const std::string dashes = "--" + form.boundary;
  const std::string delimiter = "\r\n" + dashes;
  std::size_t at = 0;  // Where a delimiter begins, its line end not counted.
  if (!body.starts_with(dashes)) {
    const std::size_t first = body.find(delimiter);
    if (first == std::string_view::npos) return refuse("its boundary stands nowhere in the body");
    at = first + 2;
  }
  std::size_t text_bytes = 0;
  for (;;) {
    const std::size_t begin = at;
    at += dashes.size();
    const After after = after_delimiter(body, at);
    if (after == After::Broken) return refuse("a delimiter is followed by something else than a line end");
    if (after == After::Close) {
      form.close = begin;
      break;
    }
    if (form.parts.size() == kFormPartsMax) {
      return refuse("it has more than " + std::to_string(kFormPartsMax) + " parts");
    }
    const std::string_view head = body.substr(at, kFormPartHeaderBytesMax + 4);
    const std::size_t head_end = head.find("\r\n\r\n");
    if (head_end == std::string_view::npos) {
      return refuse("a part's header does not end within " + std::to_string(kFormPartHeaderBytesMax) + " bytes");
    }
    FormPart& part = form.parts.emplace_back();
    if (Status read = read_headers(head.substr(0, head_end), part); !read) return base::fail(std::move(read.error()));
    const std::size_t value_begin = at + head_end + 4;
    // The line end before the delimiter is the delimiter's; an empty value has none of its own.
    std::size_t value_end = body.find(delimiter, value_begin - 2);
    if (value_end == std::string_view::npos) return refuse("its last part has no end");
    at = value_end + 2;
    part.value = {value_begin, std::max(value_begin, value_end)};
    part.whole = {begin, at};
    if (!part.filename) text_bytes += part.value.end - part.value.begin;
    if (text_bytes > kFormTextBytesMax) {
      return refuse("its fields hold more than " + std::to_string(kFormTextBytesMax) + " bytes");
    }
  }
  return form;
}

std::string form_part(const Form& form, std::string_view name, std::string_view value) {
  std::string part = "--" + form.boundary + "\r\nContent-Disposition: form-data; name=\"";
  part.append(name).append("\"\r\n\r\n").append(value).append("\r\n");
  return part;
}

std::string form_as_json(const Form& form, std::string_view body) {
  std::string text;
  json::Writer writer(text);
  writer.begin_object();
  std::vector<std::string_view> files;
  for (const FormPart& part : form.parts) {
    if (part.filename) {
      if (std::find(files.begin(), files.end(), part.name) != files.end()) continue;
      files.push_back(part.name);
      writer.key(part.name).string("");
    } else if (!part.name.ends_with("[]")) {
      writer.key(part.name);
      write_value(writer, part.name, part.value.in(body));
    }
  }
  // A list comes as one part for each of its elements.
  std::vector<std::string_view> lists;
  for (const FormPart& part : form.parts) {
    if (part.filename || !part.name.ends_with("[]")) continue;
    if (std::find(lists.begin(), lists.end(), part.name) != lists.end()) continue;
    lists.push_back(part.name);
    writer.key(std::string_view(part.name).substr(0, part.name.size() - 2)).begin_array();
    for (const FormPart& other : form.parts) {
      if (other.name == part.name) writer.string(other.value.in(body));
    }
    writer.end_array();
  }
  writer.end_object();
  return text;
}

}  // namespace turnpike::protocol
