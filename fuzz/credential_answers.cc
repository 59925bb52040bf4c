#include "credential/aws_answers.h"
#include "credential/aws_profile.h"
#include "credential/google_key.h"
#include "credential/token_request.h"

// What token servers answer and what credential files hold: one byte says who reads it.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace turnpike::credential;
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data + 1), size - 1);
  switch (data[0] % 7) {
    case 0:
      static_cast<void>(read_token(text, "Fuzz", 1'700'000'000));
      break;
    case 1:
      static_cast<void>(read_sts_credentials(text, 1'700'000'000));
      break;
    case 2:
      static_cast<void>(read_metadata_credentials(text, 1'700'000'000));
      break;
    case 3: {
      AwsProfiles profiles;
      profiles.read_config(text);
      profiles.read_credentials(text);
      break;
    }
    case 4:
      static_cast<void>(parse_google_key(text));
      break;
    case 5:
      static_cast<void>(read_impersonated_token(text));
      break;
    default:
      static_cast<void>(is_container_host(text));
  }
  return 0;
}
