#include "credential/shared_source.h"

#include <mutex>
#include <unordered_map>

#include "base/hash.h"

namespace turnpike::credential {

std::shared_ptr<CredentialSource> shared_source(const std::string& identity,
                                                const std::function<std::shared_ptr<CredentialSource>()>& make) {
  static std::mutex mutex;
  static std::unordered_map<std::string, std::weak_ptr<CredentialSource>> sources;
  const std::string digest = base::sha256_hex(identity);
  const std::lock_guard lock(mutex);
  if (const auto it = sources.find(digest); it != sources.end()) {
    if (std::shared_ptr<CredentialSource> known = it->second.lock()) return known;
  }
  std::erase_if(sources, [](const auto& one) { return one.second.expired(); });
  std::shared_ptr<CredentialSource> made = make();
  sources[digest] = made;
  return made;
}

}  // namespace turnpike::credential
