#include "protocol/multipart.h"

#include <gtest/gtest.h>

#include "protocol/call_request.h"

namespace turnpike::protocol::multipart_test {
namespace {

constexpr std::string_view kType = "multipart/form-data; boundary=b";

/// "name=value; name<file>=value", or the error's text.
std::string show(std::string_view type, std::string_view body) {
  const Result<Form> form = parse_form(type, body);
  if (!form) return form.error().message;
  std::string text;
  for (const FormPart& part : form->parts) {
    if (!text.empty()) text += "; ";
    text += part.name;
    if (part.filename) text += "<" + *part.filename + ">";
    text += "=" + std::string(part.value.in(body));
  }
  return text;
}

std::string part(std::string_view head, std::string_view value) {
  return "--b\r\n" + std::string(head) + "\r\n\r\n" + std::string(value) + "\r\n";
}
const std::string kName = "Content-Disposition: form-data; name=\"a\"";

struct Case {
  const char* name;
  std::string type;
  std::string body;
  std::string shown;
};

const Case kCases[] = {
    {"two fields", std::string(kType), part(kName, "1") + part("content-disposition: form-data; name=c", "2") + "--b--",
     "a=1; c=2"},
    {"a file", std::string(kType),
     part("Content-Disposition: form-data; name=\"file\"; filename=\"x.wav\"\r\nContent-Type: audio/wav", "RIFF") +
         "--b--\r\n",
     "file<x.wav>=RIFF"},
    {"line ends and dashes inside a value", std::string(kType), part(kName, "1\r\n--\r\n-b\n--b") + "--b--",
     "a=1\r\n--\r\n-b\n--b"},
    {"an empty value", std::string(kType), part(kName, "") + "--b--", "a="},
    {"an empty value without its line end", std::string(kType), "--b\r\n" + kName + "\r\n\r\n--b--", "a="},
    {"a preamble and an epilogue", std::string(kType), "read this\r\n" + part(kName, "1") + "--b--\r\nthe end", "a=1"},
    {"white space behind the boundary", std::string(kType), "--b \t\r\n" + kName + "\r\n\r\n1\r\n--b--", "a=1"},
    {"a quoted boundary", "Multipart/Form-Data; charset=utf-8; boundary=\"a b?\"",
     "--a b?\r\n" + kName + "\r\n\r\n1\r\n--a b?--", "a=1"},
    {"a quote in a name", std::string(kType), part("Content-Disposition: form-data; name=\"a\\\"b\"", "1") + "--b--",
     "a\"b=1"},
    {"no part at all", std::string(kType), "--b--\r\n", ""},
    {"no boundary named", "multipart/form-data", "--b--", "The form is wrong: its content-type names no boundary"},
    {"an endless quote", "multipart/form-data; boundary=\"b", "--b--",
     "The form is wrong: its content-type names no boundary"},
    {"a boundary of 71", "multipart/form-data; boundary=" + std::string(71, 'b'), "x",
     "The form is wrong: its boundary has more than 70 characters"},
    {"a boundary with a line end", "multipart/form-data; boundary=\"b\r\n\"", "x",
     "The form is wrong: its boundary holds a character that none may hold"},
    {"a boundary that never comes", std::string(kType), "hello",
     "The form is wrong: its boundary stands nowhere in the body"},
    {"no end", std::string(kType), "--b\r\n" + kName + "\r\n\r\n1", "The form is wrong: its last part has no end"},
    {"text behind a boundary", std::string(kType), "--bc\r\n",
     "The form is wrong: a delimiter is followed by something else than a line end"},
    {"a part without a name", std::string(kType), part("Content-Disposition: form-data", "1") + "--b--",
     "The form is wrong: a part has no name"},
    {"a part without a disposition", std::string(kType), part("Content-Type: text/plain", "1") + "--b--",
     "The form is wrong: a part has no content-disposition"},
    {"an encoded part", std::string(kType), part(kName + "\r\nContent-Transfer-Encoding: base64", "1") + "--b--",
     "The form is wrong: a part has a content-transfer-encoding"},
};

TEST(Multipart, ReadsFormsInPlace) {
  for (const Case& c : kCases) EXPECT_EQ(show(c.type, c.body), c.shown) << c.name;
}

TEST(Multipart, HasLimits) {
  std::string many;
  for (std::size_t i = 0; i < kFormPartsMax; ++i) many += part(kName, "1");
  EXPECT_TRUE(parse_form(kType, many + "--b--"));
  EXPECT_NE(show(kType, many + part(kName, "1") + "--b--").find("more than 100 parts"), std::string::npos);
  const std::string wide = kName + "\r\nX: " + std::string(kFormPartHeaderBytesMax, 'x');
  EXPECT_NE(show(kType, part(wide, "1") + "--b--").find("does not end within 8192"), std::string::npos);
  const std::string text(kFormTextBytesMax + 1, 'x');
  EXPECT_NE(show(kType, part(kName, text) + "--b--").find("more than 1048576 bytes"), std::string::npos);
  const std::string file = part(kName + "; filename=\"f\"", text) + "--b--";
  EXPECT_TRUE(parse_form(kType, file)) << "a file is limited by the body alone";
}

TEST(Multipart, FieldsAreReadLikeThoseOfAJsonBody) {
  const auto field = [](std::string_view name, std::string_view value) {
    return part("Content-Disposition: form-data; name=\"" + std::string(name) + "\"", value);
  };
  const std::string body = field("model", "\"m\"") + field("n", "2") + field("stream", "True") +
                           field("tags", "[\"t\"]") + field("include[]", "a") + field("include[]", "b") +
                           field("temperature", "x") +
                           part("Content-Disposition: form-data; name=\"image\"; filename=\"f\"", "bytes") + "--b--";
  const Result<Form> form = parse_form(kType, body);
  ASSERT_TRUE(form);
  EXPECT_EQ(form_as_json(*form, body),
            R"({"model":"\"m\"","n":2,"stream":true,"tags":["t"],"temperature":"x","image":"","include":["a","b"]})");
  EXPECT_EQ(form->find_file("image")->value.in(body), "bytes");
  EXPECT_EQ(form->find_file("mask"), nullptr);
}

TEST(Multipart, CallsAreReadFromForms) {
  const auto call = [](std::string fields) {
    fields += part("Content-Disposition: form-data; name=\"file\"; filename=\"f\"", "sound") + "--b--";
    return parse_call(domain::Operation::Transcription, fields, {}, kType);
  };
  const std::string model = part("Content-Disposition: form-data; name=\"model\"", "whisper");
  const Result<CallRequest> read = call(model + part("Content-Disposition: form-data; name=\"user\"", "u"));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->model, "whisper");
  EXPECT_EQ(read->user, "u");
  EXPECT_TRUE(read->measures.audio_guessed);
  const auto refused = call(model + part("Content-Disposition: form-data; name=\"api_key\"", "sk"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().param, "api_key");
  const auto twice = call(model + model);
  ASSERT_FALSE(twice) << "two models: one for us and one for the provider";
}

}  // namespace
}  // namespace turnpike::protocol::multipart_test
