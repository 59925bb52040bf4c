#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "http/public_address.h"
#include "pipeline/attempt.h"

namespace turnpike::pipeline {

/// Fetches the files that a call names by URL and its target wants as bytes into `call.fetched`, where further attempts
/// find them: a few at a time, over connections of the call's own.
///
/// Limits: turnpike.media_fetch_* (count, bytes of each and of all, time); `kRedirectsMax`; http and https; ports
///         80 and 443 of public addresses, any port of what the operator allows. Each address and each redirect is
///         checked, and the connection goes to the address that was checked (AC-SEC-6). No cookie, no credential is
///         sent.
/// `cancel`: the attempt's.
/// Errors: InvalidRequest naming the field; Timeout of the attempt; CallerGone.
Task<Status> fetch_media(Call& call, std::vector<std::string> urls, AttemptLimits limits, http::Cancel& cancel);

/// An http(s) URL in the parts that a fetch needs.
struct MediaUrl {
  http::Origin origin;
  std::string path;  // With query.
};
/// Errors: InvalidRequest with what is wrong.
Result<MediaUrl> parse_media_url(std::string_view url);
/// Where a redirect leads to; the empty text when that is no URL.
std::string follow_redirect(std::string_view from, std::string_view location);

/// What a file is by its first bytes, else by `content_type`; empty when neither says.
std::string media_type(std::string_view bytes, std::string_view content_type);

/// Where in a JSON text the string `value` stands: "messages[0].content[1].image_url.url"; empty when it does not.
std::string field_of(std::string_view json, std::string_view value);

/// The addresses that may be asked for a file.
class MediaAddresses final : public http::AddressFilter {
 public:
  /// `allow` as in turnpike.media_fetch_allow; `host` is the one about to be asked.
  MediaAddresses(const std::vector<std::string>& allow, std::string_view host);
  bool allows(const net::Address& address) const override;

 private:
  bool host_allowed_ = false;
  std::vector<http::AddressRange> ranges_;
};

}  // namespace turnpike::pipeline
