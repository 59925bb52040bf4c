#include <cmath>

#include "base/base64.h"
#include "base/text.h"
#include "codec/gemini_reply.h"
#include "codec/google_address.h"
#include "codec/op_bedrock.h"
#include "codec/op_codec.h"
#include "codec/op_request.h"

namespace turnpike::codec {
namespace {

using domain::Operation;
using json::Value;

/// An image call as far as all dialects know it.
struct Drawing {
  std::string_view prompt;
  std::uint64_t count = 1;
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::string quality;
};

Result<Drawing> read_drawing(const EncodeInput& input, Params& params) {
  const domain::Measures& asked = input.call.measures;
  Drawing drawing{params.raw("prompt"), asked.images, asked.width, asked.height, asked.quality};
  params.drop({"n", "size", "image"});
  // Answers hold bytes.
  if (params.text("response_format").value_or("b64_json") != "b64_json") {
    if (Status refused = refuse_unsupported(input, params, {"response_format"}); !refused) {
      return base::fail(std::move(refused.error()));
    }
  }
  if (Status refused = refuse_unsupported(input, params,
                                          {"mask", "style", "background", "moderation", "output_format",
                                           "output_compression", "partial_images", "input_fidelity"});
      !refused) {
    return base::fail(std::move(refused.error()));
  }
  return drawing;
}

/// Where a quality has no meaning.
Status refuse_quality(const EncodeInput& input, Params& params, const Drawing& drawing) {
  params.drop({"quality"});
  if (drawing.quality.empty() || drawing.quality == "standard") return {};
  return refuse_unsupported(input, params, {"quality"});
}

/// The ratio of `known` that is nearest to the size; empty when no size was given.
std::string_view nearest_ratio(const Drawing& drawing, std::span<const std::string_view> known) {
  if (drawing.width == 0 || drawing.height == 0) return {};
  const double wanted = std::log(static_cast<double>(drawing.width) / drawing.height);
  std::string_view best;
  double distance = 0;
  for (const std::string_view ratio : known) {
    const std::size_t colon = ratio.find(':');
    const auto across = static_cast<double>(base::parse_unsigned(ratio.substr(0, colon)).value_or(1));
    const auto down = static_cast<double>(base::parse_unsigned(ratio.substr(colon + 1)).value_or(1));
    const double off = std::abs(std::log(across / down) - wanted);
    if (best.empty() || off < distance) {
      best = ratio;
      distance = off;
    }
  }
  return best;
}

/// The images of a form, as inline data.
void write_inline_images(const EncodeInput& input, json::Writer& writer) {
  if (!input.call.form) return;
  for (const protocol::FormPart& part : input.call.form->parts) {
    if (!part.filename || !part.name.starts_with("image")) continue;
    writer.begin_object().key("inlineData").begin_object();
    writer.key("mimeType").string(part.content_type.empty() ? "image/png" : part.content_type);
    writer.key("data").string(base::to_base64(part.value.in(input.call.form_bytes))).end_object().end_object();
  }
}

/// "imagen-4.0-generate-001": the family that is asked by `predict`, on both of Google's APIs.
bool is_imagen(std::string_view model) {
  const std::string_view name = google_model(model);
  return name.starts_with("imagen") || name.starts_with("imagegeneration");
}

/// A model that writes images among its text. Several images are several requests.
/// Source: npm @google/genai (GenerateContentParameters, ImageConfig).
Status encode_generate_content(const EncodeInput& input, Encoded& out) {
  static constexpr std::string_view kRatios[] = {"1:1", "2:3", "3:2",  "3:4",  "4:3",
                                                 "4:5", "5:4", "9:16", "16:9", "21:9"};
  Params params(input);
  const Result<Drawing> read = read_drawing(input, params);
  if (!read) return base::fail(read.error());
  const Drawing& drawing = *read;
  if (Status refused = refuse_quality(input, params, drawing); !refused) return refused;
  return split_requests(input, drawing.count, 1, out, [&](std::size_t, std::size_t, Encoded& next) {
    google_address(input, "generateContent", next);
    std::string body;
    json::Writer writer(body);
    writer.begin_object().key("contents").begin_array().begin_object().key("role").string("user");
    writer.key("parts").begin_array();
    writer.begin_object().key("text").raw(drawing.prompt).end_object();
    write_inline_images(input, writer);
    writer.end_array().end_object().end_array();
    writer.key("generationConfig").begin_object().key("responseModalities").raw(R"(["TEXT","IMAGE"])");
    const std::string_view ratio = nearest_ratio(drawing, kRatios);
    if (!ratio.empty()) writer.key("imageConfig").begin_object().key("aspectRatio").string(ratio).end_object();
    writer.end_object().end_object();
    next.set_body(std::move(body));
    return Status();
  });
}

/// Imagen. Source: Vertex AI's reference "Generate images"; npm @google/genai (GenerateImagesConfig).
Status encode_predict(const EncodeInput& input, Encoded& out) {
  static constexpr std::string_view kRatios[] = {"1:1", "3:4", "4:3", "9:16", "16:9"};
  if (input.call.operation == Operation::ImageEdit) {
    return refuse_param("model",
                        "litellm.BadRequestError: Imagen's edits are not translated; a Gemini image model edits");
  }
  Params params(input);
  const Result<Drawing> read = read_drawing(input, params);
  if (!read) return base::fail(read.error());
  const Drawing& drawing = *read;
  if (Status refused = refuse_quality(input, params, drawing); !refused) return refused;
  google_address(input, "predict", out);
  std::string body;
  json::Writer writer(body);
  writer.begin_object().key("instances").begin_array().begin_object();
  writer.key("prompt").raw(drawing.prompt).end_object().end_array();
  writer.key("parameters").begin_object().key("sampleCount").number(drawing.count);
  const std::string_view ratio = nearest_ratio(drawing, kRatios);
  std::string_view own_ratio = params.raw("aspectRatio");
  if (!own_ratio.empty()) {
    writer.key("aspectRatio").raw(own_ratio);
  } else if (!ratio.empty()) {
    writer.key("aspectRatio").string(ratio);
  }
  params.write_rest(writer);  // negativePrompt, seed, safetySetting, ...
  writer.end_object().end_object();
  out.set_body(std::move(body));
  return {};
}

Status encode_google(const EncodeInput& input, Encoded& out) {
  return is_imagen(input.target.model) ? encode_predict(input, out) : encode_generate_content(input, out);
}

/// Collects images as OpenAI lists them.
class ImageList {
 public:
  explicit ImageList(std::string& out) : out_(out) {}

  void begin(const OperationAnswer& answer) {
    std::size_t room = 128;
    for (const std::string_view body : answer.bodies) room += body.size();
    out_.reserve(room);
    out_ += "{\"created\":" + std::to_string(answer.options.created_s) + ",\"data\":[";
  }
  /// `base64`: a JSON string's inside.
  void add(std::string_view base64) {
    out_ += count_++ == 0 ? R"({"b64_json":")" : R"(,{"b64_json":")";
    out_.append(base64).append("\"}");
  }
  std::uint64_t count() const { return count_; }
  /// Ends the list. No image at all: the provider's filter took them, or it says why in `words`.
  Result<protocol::ReplyFacts> finish(const OperationAnswer& answer, std::optional<domain::Usage> usage,
                                      std::string_view words) {
    if (count_ == 0) {
      Error error;
      error.kind = ErrorKind::UpstreamContentPolicy;
      error.code = "content_policy_violation";
      error.message = "litellm.ContentPolicyViolationError: " + std::string(answer.options.provider_label) +
                      "Exception - no image was made" +
                      (words.empty() ? std::string(".") : ": " + std::string(words.substr(0, 300)));
      return base::fail(std::move(error));
    }
    out_.push_back(']');
    if (usage && usage->prompt_tokens() + usage->completion_tokens() > 0) {
      const std::uint64_t in = usage->prompt_tokens();
      const std::uint64_t made = usage->completion_tokens();
      json::Writer writer(out_);
      out_ += R"(,"usage":)";
      writer.begin_object().key("input_tokens").number(in).key("output_tokens").number(made);
      writer.key("total_tokens").number(in + made).key("input_tokens_details").begin_object();
      writer.key("image_tokens").number(usage->of(domain::Unit::ImageInputTokens));
      writer.key("text_tokens").number(in - usage->of(domain::Unit::ImageInputTokens)).end_object().end_object();
    }
    out_.push_back('}');
    protocol::ReplyFacts facts;
    facts.images = count_;
    facts.usage = std::move(usage);
    return facts;
  }

 private:
  std::string& out_;
  std::uint64_t count_ = 0;
};

Result<protocol::ReplyFacts> decode_google(const OperationAnswer& answer, std::string& out) {
  ImageList list(out);
  list.begin(answer);
  std::optional<domain::Usage> usage;
  std::string words;
  for (const std::string_view body : answer.bodies) {
    json::Document document;
    if (auto parsed = document.parse(body); !parsed) return unreadable_answer(answer, parsed.error().message);
    const Value root = document.root();
    for (const Value prediction : root.find("predictions").elements()) {
      if (const Value bytes = prediction.find("bytesBase64Encoded"); bytes.is(json::Kind::String)) {
        list.add(bytes.inner());
      } else if (words.empty()) {
        words = prediction.find("raiFilteredReason").text().value_or("");
      }
    }
    for (const Value candidate : root.find("candidates").elements()) {
      for (const Value part : candidate.find("content").find("parts").elements()) {
        if (part.find("thought").boolean().value_or(false)) continue;
        Value data = part.find("inlineData");
        if (!data) data = part.find("inline_data");
        if (data) list.add(data.find("data").inner());
        if (words.empty()) words = part.find("text").text().value_or("");
      }
      if (words.empty()) words = candidate.find("finishReason").text().value_or("");
    }
    if (words.empty()) words = root.find("promptFeedback").find("blockReason").text().value_or("");
    usage = domain::sum(usage, read_gemini_usage(root.find("usageMetadata")));
  }
  return list.finish(answer, std::move(usage), words);
}

/// Titan Image Generator and Nova Canvas. Source: AWS's model parameters, taskType TEXT_IMAGE.
std::string canvas_body(const Drawing& drawing, Params& params) {
  params.drop({"quality"});
  std::string body;
  json::Writer writer(body);
  writer.begin_object().key("taskType").string("TEXT_IMAGE").key("textToImageParams").begin_object();
  writer.key("text").raw(drawing.prompt);
  if (const std::string_view negative = params.raw("negativeText"); !negative.empty()) {
    writer.key("negativeText").raw(negative);
  }
  writer.end_object().key("imageGenerationConfig").begin_object().key("numberOfImages").number(drawing.count);
  if (drawing.width != 0) {
    writer.key("width").number(std::uint64_t{drawing.width}).key("height").number(std::uint64_t{drawing.height});
  }
  if (!drawing.quality.empty()) {
    const bool best = drawing.quality == "hd" || drawing.quality == "high" || drawing.quality == "premium";
    writer.key("quality").string(best ? "premium" : "standard");
  }
  for (const char* name : {"cfgScale", "seed"}) {
    if (const std::string_view value = params.raw(name); !value.empty()) writer.key(name).raw(value);
  }
  writer.end_object().end_object();
  return body;
}

/// Stability's models on Bedrock: one image a request.
std::string stability_body(const Drawing& drawing, Params& params) {
  params.drop({"quality"});
  static constexpr std::string_view kRatios[] = {"1:1", "2:3", "3:2", "4:5", "5:4", "9:16", "16:9", "9:21", "21:9"};
  std::string body;
  json::Writer writer(body);
  writer.begin_object().key("prompt").raw(drawing.prompt).key("mode").string("text-to-image");
  if (const std::string_view own = params.raw("aspect_ratio"); !own.empty()) {
    writer.key("aspect_ratio").raw(own);
  } else if (const std::string_view ratio = nearest_ratio(drawing, kRatios); !ratio.empty()) {
    writer.key("aspect_ratio").string(ratio);
  }
  params.drop({"mode"});
  params.write_rest(writer);  // negative_prompt, seed
  writer.end_object();
  return body;
}

Status encode_bedrock_image(const EncodeInput& input, Encoded& out) {
  const BedrockFamily family = bedrock_family(input.target);
  const bool canvas = family == BedrockFamily::TitanImage || family == BedrockFamily::Nova;
  if (input.call.operation == Operation::ImageEdit || (!canvas && family != BedrockFamily::Stability)) {
    return refuse_param("model",
                        "litellm.BadRequestError: this operation is not known for Bedrock's " + input.target.model);
  }
  Params params(input);
  const Result<Drawing> read = read_drawing(input, params);
  if (!read) return base::fail(read.error());
  const Drawing& drawing = *read;
  if (canvas) {
    invoke_model(input, canvas_body(drawing, params), out);
    return {};
  }
  return split_requests(input, drawing.count, 1, out, [&](std::size_t, std::size_t, Encoded& next) {
    invoke_model(input, stability_body(drawing, params), next);
    return Status();
  });
}

Result<protocol::ReplyFacts> decode_bedrock(const OperationAnswer& answer, std::string& out) {
  ImageList list(out);
  list.begin(answer);
  std::string words;
  for (const std::string_view body : answer.bodies) {
    json::Document document;
    if (auto parsed = document.parse(body); !parsed) return unreadable_answer(answer, parsed.error().message);
    const Value root = document.root();
    for (const Value image : root.find("images").elements()) {
      if (image.is(json::Kind::String)) list.add(image.inner());
    }
    if (words.empty()) words = root.find("error").text().value_or("");
    for (const Value reason : root.find("finish_reasons").elements()) {
      if (words.empty()) words = reason.text().value_or("");
    }
  }
  return list.finish(answer, std::nullopt, words);
}

}  // namespace

const OperationDialect kGoogleImage{encode_google, decode_google};
const OperationDialect kBedrockImage{encode_bedrock_image, decode_bedrock};

}  // namespace turnpike::codec
