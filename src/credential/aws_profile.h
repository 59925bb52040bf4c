#pragma once

#include <map>
#include <string>
#include <string_view>

namespace turnpike::credential {

/// The profiles of the shared files of AWS's tools: settings by profile.
///
/// Source: AWS SDKs and Tools Reference Guide, "Shared config and credentials files". In `config` a profile other than
///         "default" is written "[profile name]"; what `credentials` says of a key wins.
class AwsProfiles {
 public:
  using Settings = std::map<std::string, std::string, std::less<>>;

  void read_config(std::string_view text);
  void read_credentials(std::string_view text);
  /// Null when no file has it.
  const Settings* find(std::string_view name) const;

 private:
  std::map<std::string, Settings, std::less<>> profiles_;
};

}  // namespace turnpike::credential
