#include "api/page.h"

#include <gtest/gtest.h>

#include "base/base64.h"
#include "base/hash.h"

namespace turnpike::api::page_test {
namespace {

PageFacts facts() {
  PageFacts facts;
  facts.base_url = "http://localhost:4000";
  facts.version = "0.1";
  facts.models = {"openai/*", "gpt-4o"};
  facts.example = "gpt-4o";
  return facts;
}

struct HostCase {
  std::string_view host;
  std::string_view url;
};
const HostCase kHosts[] = {
    {"localhost:4000", "http://localhost:4000"},  {"gateway.example.com", "http://gateway.example.com"},
    {"[::1]:4000", "http://[::1]:4000"},          {"", "http://localhost:4000"},
    {"evil\"><script>", "http://localhost:4000"}, {"a b", "http://localhost:4000"},
    {"a/../b", "http://localhost:4000"},          {"host#fragment", "http://localhost:4000"},
    {"$(reboot)", "http://localhost:4000"},
};

TEST(BaseUrl, ShowsOnlyPlainHosts) {
  for (const HostCase& c : kHosts) EXPECT_EQ(base_url(c.host), c.url) << c.host;
}

TEST(PageText, IsComplete) {
  const std::string text = page_text(facts());
  for (const char* part :
       {"http://localhost:4000/v1", "openai/*, gpt-4o", "curl http://localhost:4000/v1/chat/completions",
        "Authorization: Bearer $TURNPIKE_KEY", R"('{"model":"gpt-4o")", "/health/readiness", "/metrics"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
}

TEST(PageText, AsksForNoKeyWhereThereIsNone) {
  PageFacts keyless = facts();
  keyless.keyless = true;
  EXPECT_EQ(page_text(keyless).find("Authorization"), std::string::npos);
  EXPECT_NE(page_text(keyless).find("no master key"), std::string::npos);
}

TEST(CurlLine, SurvivesAnyModelName) {
  const std::string line = curl_line(facts(), "it's \"x\"\n`id`");
  EXPECT_NE(line.find(R"('{"model":"it'\''s \"x\"\n`id`",)"), std::string::npos) << line;
}

TEST(PageHtml, EscapesWhatItShows) {
  PageFacts evil = facts();
  evil.models = {"<script>alert('1')</script>"};
  const std::string html = page_html(evil);
  EXPECT_EQ(html.find("<script"), std::string::npos);
  EXPECT_NE(html.find("&lt;script&gt;"), std::string::npos);
}

TEST(PageHtml, BoundsTheListOfModels) {
  PageFacts many = facts();
  many.models.assign(5000, "m");
  EXPECT_LT(page_html(many).size(), 16'000u);
  EXPECT_NE(page_html(many).find("and 4940 more"), std::string::npos);
}

// A browser refuses a style sheet whose hash differs: the policy must name the bytes between the tags.
TEST(PagePolicy, NamesTheStyleSheet) {
  const std::string html = page_html(facts());
  const std::size_t begin = html.find("<style>") + 7;
  const base::Sha256 digest = base::sha256(html.substr(begin, html.find("</style>") - begin));
  const std::string base64 = base::to_base64({reinterpret_cast<const char*>(digest.data()), digest.size()});
  EXPECT_NE(page_policy().find("style-src 'sha256-" + base64 + "'"), std::string::npos) << page_policy();
  EXPECT_EQ(html.find(" style="), std::string::npos);
  EXPECT_EQ(html.find("<script"), std::string::npos);
  EXPECT_EQ(html.find("http://", html.find("</main>")), std::string::npos);
}

}  // namespace
}  // namespace turnpike::api::page_test
