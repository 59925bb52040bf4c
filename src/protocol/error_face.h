#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace turnpike::protocol {

/// How an error looks from outside: HTTP status and OpenAI error type.
struct Face {
  int status;
  std::string_view type;
};

/// LiteLLM's later faces (spec http-api 5.3) or those of 1.81 where they differ (`turnpike.litellm_compat`).
enum class Compat : unsigned char { Later, V1_81 };

/// Switches without `default`: a new kind does not compile until it has a face.
Face http_face(ErrorKind kind, Compat compat = Compat::Later);

/// The status a caller gets for this error: the provider's own where it said one, else the face's.
int status_of(const Error& error, Compat compat = Compat::Later);

/// {"error":{"message","type","param","code"}}: `code` is the error's own or the status as text.
std::string openai_error_body(const Error& error, Compat compat = Compat::Later);

/// Header lines an error carries besides the usual: Retry-After, x-should-retry.
std::string error_fields(const Error& error);

}  // namespace turnpike::protocol
