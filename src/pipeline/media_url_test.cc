#include <gtest/gtest.h>

#include "pipeline/fetch_media.h"

namespace turnpike::pipeline::media_url_test {
namespace {

TEST(MediaUrl, SplitsAndRefuses) {
  struct Case {
    const char* url;
    const char* shown;  // "scheme host port path", or why not.
  };
  const Case cases[] = {
      {"https://example.com/a/b.png?v=1#top", "https example.com 443 /a/b.png?v=1"},
      {"HTTP://Example.COM:8080", "http example.com 8080 /"},
      {"https://example.com?x=1", "https example.com 443 /?x=1"},
      {"https://example.com./a", "https example.com 443 /a"},
      {"https://[2606:4700::1111]/a", "https 2606:4700::1111 443 /a"},
      {"https://user:pass@example.com/a", "it names no host that can be asked, or holds credentials"},
      {"https://127.0.0.1@example.com/a", "it names no host that can be asked, or holds credentials"},
      {"https:///a", "it names no host that can be asked, or holds credentials"},
      {"https://example.com:99999/a", "it names no host that can be asked, or holds credentials"},
      {"ftp://example.com/a", "it is no http or https URL"},
      {"file:///etc/passwd", "it is no http or https URL"},
      {"gopher://example.com/", "it is no http or https URL"},
      {"//example.com/a", "it is no http or https URL"},
      {"", "it is no http or https URL"},
      {"https://example.com/a b", "it holds a character that must be percent-encoded"},
      {"https://example.com/a\r\nX: y", "it holds a character that must be percent-encoded"},
      {"https://example.com/\xc3\xa9", "it holds a character that must be percent-encoded"},
  };
  for (const Case& c : cases) {
    const Result<MediaUrl> parts = parse_media_url(c.url);
    const std::string shown = parts ? std::string(parts->origin.tls ? "https " : "http ") + parts->origin.host + " " +
                                          std::to_string(parts->origin.port) + " " + parts->path
                                    : parts.error().message;
    EXPECT_EQ(shown, c.shown) << c.url;
  }
  EXPECT_FALSE(parse_media_url("https://example.com/" + std::string(9000, 'a')));
}

TEST(MediaUrl, RedirectsResolve) {
  struct Case {
    const char* from;
    const char* location;
    const char* to;
  };
  const Case cases[] = {
      {"https://a.example/x/y?q", "https://b.example/z", "https://b.example/z"},
      {"https://a.example/x/y", "//b.example/z", "https://b.example/z"},
      {"https://a.example:8443/x/y", "/z?u=http://c", "https://a.example:8443/z?u=http://c"},
      {"https://a.example/x/y?q=/r", "z", "https://a.example/x/z"},
      {"https://a.example", "z", "https://a.example/z"},
      {"https://a.example/x", "?u=http://c", "https://a.example/?u=http://c"},
      {"https://a.example/x", "file:///etc/passwd", "file:///etc/passwd"},
      {"https://a.example/x", "", ""},
  };
  for (const Case& c : cases) EXPECT_EQ(follow_redirect(c.from, c.location), c.to) << c.from << " " << c.location;
}

TEST(MediaType, TrustsTheBytesBeforeTheHost) {
  using namespace std::string_view_literals;
  struct Case {
    std::string_view bytes;
    std::string_view said;
    std::string_view mime;
  };
  const Case cases[] = {
      {"\x89PNG\r\n\x1a\n..."sv, "image/jpeg", "image/png"},
      {"\xff\xd8\xff\xe0..."sv, "", "image/jpeg"},
      {"GIF89a...", "application/octet-stream", "image/gif"},
      {"RIFF\x24\0\0\0WEBPVP8 "sv, "", "image/webp"},
      {"RIFF\x24\0\0\0WAVEfmt "sv, "", "audio/wav"},
      {"ABCDEFGHWEBP", "text/plain", "text/plain"},
      {"%PDF-1.7", "", "application/pdf"},
      {"\0\0\0\x20"
       "ftypisom"sv,
       "", "video/mp4"},
      {"hello", "Text/Plain; charset=utf-8", "text/plain"},
      {"hello", "application/octet-stream", ""},
      {"hello", "", ""},
      {"", "image/png", "image/png"},
  };
  for (const Case& c : cases) EXPECT_EQ(media_type(c.bytes, c.said), c.mime) << c.bytes;
}

TEST(FieldOf, NamesWhereAUrlStands) {
  const char* body =
      R"({"model":"m","messages":[{"role":"system","content":"x"},{"role":"user","content":[{"type":"text","text":"y"},)"
      R"({"type":"image_url","image_url":{"url":"https:\/\/a.example\/b"}}]}]})";
  EXPECT_EQ(field_of(body, "https://a.example/b"), "messages[1].content[1].image_url.url");
  EXPECT_EQ(field_of(body, "y"), "messages[1].content[0].text");
  EXPECT_EQ(field_of(body, "nowhere"), "");
  EXPECT_EQ(field_of("{", "y"), "");
}

TEST(MediaAddresses, ArePublicOnesOnUsualPortsAndWhatIsAllowed) {
  const std::vector<std::string> allow = {"10.1.0.0/16", "files.internal", "127.0.0.1"};
  struct Case {
    const char* host;
    const char* address;
    std::uint16_t port;
    bool allowed;
  };
  const Case cases[] = {
      {"example.com", "8.8.8.8", 443, true},
      {"example.com", "8.8.8.8", 80, true},
      {"example.com", "8.8.8.8", 22, false},
      {"example.com", "10.1.2.3", 443, true},
      {"example.com", "10.1.2.3", 9000, true},
      {"example.com", "10.2.0.1", 443, false},
      {"example.com", "127.0.0.1", 8080, true},
      {"example.com", "127.0.0.2", 443, false},
      {"files.internal", "192.168.0.9", 9000, true},
      {"FILES.internal", "::1", 1, true},
      {"my.files.internal", "192.168.0.9", 443, false},
  };
  for (const Case& c : cases) {
    const net::Address address = net::Address::parse(c.address, c.port).at(0);
    EXPECT_EQ(MediaAddresses(allow, c.host).allows(address), c.allowed) << c.host << " " << c.address << " " << c.port;
  }
}

}  // namespace
}  // namespace turnpike::pipeline::media_url_test
