#include "api/page.h"

#include <algorithm>

#include "api/handlers.h"
#include "api/model_list.h"
#include "base/hash.h"
#include "base/text.h"
#include "json/write.h"

namespace turnpike::api {
namespace {

constexpr std::size_t kModelsShownMax = 60;
constexpr std::size_t kHostBytesMax = 255;

constexpr std::string_view kStyle = R"css(
:root{--ink:#1c2430;--soft:#5a6675;--line:#d9dfe7;--paper:#fff;--back:#f4f6f9;--accent:#0b5cad}
@media (prefers-color-scheme:dark){:root{--ink:#e6eaf0;--soft:#9aa6b5;--line:#2e3947;--paper:#18202b;--back:#10161e;--accent:#7ab7f5}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--ink);font:16px/1.6 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:46rem;margin:0 auto;padding:2.5rem 1.25rem 4rem}
h1{font-size:1.9rem;margin:0;letter-spacing:-.01em}
h2{font-size:1.05rem;margin:2rem 0 .5rem}
p{margin:.4rem 0}
.soft{color:var(--soft)}
a{color:var(--accent)}
code,pre{font:.875rem/1.55 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
pre{background:var(--paper);border:1px solid var(--line);border-radius:8px;padding:.9rem 1rem;margin:.5rem 0;overflow-x:auto;white-space:pre-wrap;overflow-wrap:anywhere}
ul{list-style:none;display:flex;flex-wrap:wrap;gap:.4rem;padding:0;margin:.5rem 0}
li{background:var(--paper);border:1px solid var(--line);border-radius:6px;padding:.1rem .55rem;overflow-wrap:anywhere}
nav{display:flex;flex-wrap:wrap;gap:.3rem 1.4rem}
)css";

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

/// Inside single quotes of a shell a single quote is left, written and entered again.
std::string shell_quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      out += c;
    }
  }
  return out + "'";
}

/// Whether a deployment answers chat calls, as far as configuration and price table tell.
bool chats(const router::Deployment& deployment) {
  if (!deployment.mode.empty()) return deployment.mode == "chat";
  const auto* prices = static_cast<const price::Prices*>(deployment.prices.get());
  return prices == nullptr || prices->mode.empty() || prices->mode == "chat";
}

/// The model of a wildcard's provider that the example calls: a small current one where we know it, else the first that
/// the price table calls a chat model.
std::string example_of(const router::Deployment& wildcard, const price::Catalogue& catalogue) {
  constexpr std::string_view kUsual = "openai/gpt-4o-mini";
  if (wildcard.target.provider == nullptr) return {};
  const std::string prefix = std::string(wildcard.target.provider->name) + "/";
  if (wildcard.model_group != prefix + "*") return {};
  if (kUsual.starts_with(prefix)) return std::string(kUsual);
  for (const std::string& model : catalogue.names_of(wildcard.target.provider->name)) {
    const std::optional<price::Prices> known = catalogue.find(prefix + model);
    if (known && known->mode == "chat") return prefix + model;
  }
  return {};
}

/// A plain model first, a wildcard's only where there is none.
std::string find_example(const pipeline::Snapshot& snapshot) {
  std::string fallback;
  for (const router::ModelGroupRef& group : snapshot.routing->groups()) {
    if (group->deployments.empty()) continue;
    const router::Deployment& first = *group->deployments.front();
    if (first.wildcard) {
      if (fallback.empty()) fallback = example_of(first, *snapshot.prices);
    } else if (chats(first)) {
      return group->name;
    }
  }
  return fallback;
}

std::string example_model(const PageFacts& facts) {
  return facts.example.empty() ? "your-model" : facts.example;
}

std::string_view introduction() {
  return "An AI gateway: applications speak the OpenAI API to it, it checks their key and budget, calls the model's "
         "provider and books the cost.";
}

std::string key_sentence(const PageFacts& facts) {
  if (facts.keyless) return "This gateway has no master key: calls need no key. Do not offer it to others like this.";
  return "Put your virtual key (sk-...) in place of $TURNPIKE_KEY. Whoever holds the master key makes keys with POST "
         "/key/generate.";
}

bool wants_html(std::string_view accept) {
  return accept.find("text/html") != std::string_view::npos;
}

}  // namespace

std::string base_url(std::string_view host) {
  const bool plain = !host.empty() && host.size() <= kHostBytesMax && std::ranges::all_of(host, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view(".-_:[]").find(c) != std::string_view::npos;
  });
  return "http://" + (plain ? std::string(host) : std::string("localhost:4000"));
}

std::string curl_line(const PageFacts& facts, std::string_view model) {
  std::string body;
  json::Writer writer(body);
  writer.begin_object().key("model").string(model).key("messages").begin_array().begin_object();
  writer.key("role").string("user").key("content").string("Hello").end_object().end_array().end_object();
  std::string line = "curl " + facts.base_url + "/v1/chat/completions \\\n";
  if (!facts.keyless) line += "  -H \"Authorization: Bearer $TURNPIKE_KEY\" \\\n";
  return line + "  -H 'Content-Type: application/json' \\\n  -d " + shell_quoted(body);
}

std::string page_text(const PageFacts& facts) {
  std::string out = "Turnpike " + facts.version + "\n" + std::string(introduction()) + "\n\n";
  out += "Base URL   " + facts.base_url + "/v1   (OpenAI API; without /v1 works too)\n";
  out += "Models     ";
  const std::size_t shown = std::min(facts.models.size(), kModelsShownMax);
  for (std::size_t i = 0; i < shown; ++i) out += (i == 0 ? "" : ", ") + facts.models[i];
  if (facts.models.empty()) out += "none configured yet";
  if (shown < facts.models.size()) out += ", and " + std::to_string(facts.models.size() - shown) + " more";
  out += "\n\n" + curl_line(facts, example_model(facts)) + "\n\n" + key_sentence(facts) + "\n\n";
  out += "Models of a key  " + facts.base_url + "/v1/models\n";
  out += "Health           " + facts.base_url + "/health/readiness\n";
  out += "Metrics          " + facts.base_url + "/metrics\n";
  out += "Routes           " + facts.base_url + "/routes\n";
  return out;
}

std::string page_html(const PageFacts& facts) {
  std::string out =
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Turnpike</title>\n<style>";
  out += kStyle;
  out += "</style>\n</head>\n<body>\n<main>\n<h1>Turnpike</h1>\n<p class=\"soft\">Version " + escaped(facts.version) +
         "</p>\n";
  out += "<p>" + escaped(introduction()) + "</p>\n";
  out += "<h2>Base URL</h2>\n<pre>" + escaped(facts.base_url) + "/v1</pre>\n";
  out += "<h2>Try it</h2>\n<pre>" + escaped(curl_line(facts, example_model(facts))) + "</pre>\n";
  out += "<p class=\"soft\">" + escaped(key_sentence(facts)) + "</p>\n<h2>Models</h2>\n";
  if (facts.models.empty()) {
    out +=
        "<p>None configured yet: add a <code>model_list</code> to the configuration, or set a provider key such as "
        "<code>OPENAI_API_KEY</code> and start again.</p>\n";
  } else {
    const std::size_t shown = std::min(facts.models.size(), kModelsShownMax);
    out += "<ul>\n";
    for (std::size_t i = 0; i < shown; ++i) out += "<li><code>" + escaped(facts.models[i]) + "</code></li>\n";
    out += "</ul>\n";
    if (shown < facts.models.size()) {
      out += "<p class=\"soft\">and " + std::to_string(facts.models.size() - shown) + " more</p>\n";
    }
  }
  const auto link = [&](std::string_view path, std::string_view text) {
    out += "<a href=\"" + escaped(facts.root_path) + std::string(path) + "\">" + std::string(text) + "</a>\n";
  };
  out += "<h2>Look inside</h2>\n<nav>\n";
  link("/health/readiness", "Health");
  link("/metrics", "Metrics");
  link("/routes", "Routes");
  out += "</nav>\n</main>\n</body>\n</html>\n";
  return out;
}

std::string page_policy() {
  // CSP wants the plain base64 alphabet with padding; 32 bytes always end in one "=".
  std::string hash = base::to_base64url(base::sha256(kStyle));
  std::ranges::replace(hash, '-', '+');
  std::ranges::replace(hash, '_', '/');
  return "default-src 'none'; style-src 'sha256-" + hash +
         "='; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
}

Task<Result<Reply>> front_page(const Context& context) {
  PageFacts facts;
  facts.root_path = context.hooks.root_path;
  facts.base_url = base_url(context.request().find("host")) + facts.root_path;
  facts.version = context.hooks.version;
  facts.models = context.snapshot->routing->public_names();
  facts.example = find_example(*context.snapshot);
  facts.keyless = context.settings().general.master_key.empty();
  Reply reply;
  http::add_field(reply.fields, "Vary", "Accept");
  http::add_field(reply.fields, "X-Content-Type-Options", "nosniff");
  if (wants_html(context.request().find("accept"))) {
    reply.content_type = "text/html; charset=utf-8";
    reply.body = page_html(facts);
    http::add_field(reply.fields, "Content-Security-Policy", page_policy());
    http::add_field(reply.fields, "Referrer-Policy", "no-referrer");
  } else {
    reply.content_type = "text/plain; charset=utf-8";
    reply.body = page_text(facts);
  }
  co_return reply;
}

}  // namespace turnpike::api
