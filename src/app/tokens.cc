#include "account/jwt_callers.h"
#include "app/process.h"

namespace turnpike::app {

/// The same keys as long as they come from the same places: a reload fetches none.
std::shared_ptr<account::JwtKeys> Process::token_keys(const config::JwtSettings& jwt) {
  if (!jwt.enabled) {
    token_keys_ = nullptr;
    return nullptr;
  }
  if (token_keys_ && token_keys_->urls() == jwt.public_key_urls && token_keys_->ttl() == jwt.public_key_ttl)
    return token_keys_;
  account::JwtKeys::Options options;
  options.urls = jwt.public_key_urls;
  options.ttl = jwt.public_key_ttl;
  token_keys_ = std::make_shared<account::JwtKeys>(std::move(options));
  return token_keys_;
}

std::shared_ptr<account::JwtCallers> Process::token_callers(net::IoThread& thread, const pipeline::Snapshot& snapshot,
                                                            std::shared_ptr<account::JwtKeys> keys,
                                                            std::function<void(const domain::Caller&)> on_read) {
  if (!keys) return nullptr;
  account::JwtCallers::Parts parts;
  parts.thread = &thread;
  parts.database = database_.get();
  parts.keys = std::move(keys);
  parts.settings = snapshot.settings->general.jwt;
  parts.access_groups = snapshot.access_groups;
  parts.on_read = std::move(on_read);
  return std::make_shared<account::JwtCallers>(std::move(parts));
}

}  // namespace turnpike::app
