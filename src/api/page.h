#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace turnpike::api {

/// What the page at "/" tells. Nothing of it is secret: the page needs no key.
struct PageFacts {
  std::string base_url;   // "http://localhost:4000", with the root path.
  std::string root_path;  // "/gateway" or nothing: before the path of every link.
  std::string version;
  std::vector<std::string> models;
  std::string example;   // A chat model that can be called as it stands; empty: none is known.
  bool keyless = false;  // No master key: calls need no key.
};

/// "http://" and the Host header where that is a plain host and port; a local default where it is anything else. Only
/// ever shown, nothing is decided by it (AC-SEC-2).
std::string base_url(std::string_view host);

/// For curl. Ends with a line feed.
std::string page_text(const PageFacts& facts);
/// For browsers: self-contained, no script.
std::string page_html(const PageFacts& facts);
/// The Content-Security-Policy under which `page_html` is complete: nothing but its own style sheet, named by hash.
std::string page_policy();

/// The curl line of the page, ready for a POSIX shell whatever the model is called.
std::string curl_line(const PageFacts& facts, std::string_view model);

}  // namespace turnpike::api
