#include "provider/own_aim.h"

namespace turnpike::provider {

Result<std::string> account_base_url(const AimInput&) {
  return std::string();
}

void complete_other(const AimInput&, Target&) {}

}  // namespace turnpike::provider
