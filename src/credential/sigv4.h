#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "credential/credential.h"

namespace turnpike::credential {

/// A request as it will be sent, for AWS to recognise: once signed, nothing of it may change.
struct SigningInput {
  std::string_view method = "POST";
  std::string_view path = "/";  // Percent-encoded, with its query: "/model/a%3A0/converse".
  std::string_view host;        // http::Origin::append_host
  std::string_view fields;      // Rendered lines ("Content-Type: application/json\r\n").
  std::span<const std::string_view> body;
  std::string_view region;   // "us-east-1"
  std::string_view service;  // "bedrock", "sts"
  std::int64_t now_s = 0;    // Unix seconds; AWS takes five minutes of skew.
};

/// The lines to add behind `fields`: X-Amz-Date, X-Amz-Security-Token (of a temporary credential), Authorization.
/// Every field is signed but those that a proxy may change. Pure.
///
/// Source: AWS General Reference, "Signature Version 4"; every service but S3, so the path is encoded once more.
std::string sigv4_fields(const SigningInput& input, const Credential& credential);

}  // namespace turnpike::credential
