#include "credential/aws_profile.h"

#include "base/text.h"

namespace turnpike::credential {
namespace {

/// Calls `line` with section, name and value of every setting. Nested settings (indented below a name without a value,
/// "s3 =") are none of ours.
template <class Line>
void read_ini(std::string_view text, const Line& line) {
  std::string section;
  for (std::string_view raw : base::split(text, '\n')) {
    const bool indented = raw.starts_with(' ') || raw.starts_with('\t');
    const std::string_view written = base::trim(raw);
    if (written.empty() || written.front() == '#' || written.front() == ';') continue;
    if (written.front() == '[') {
      section = base::trim(written.substr(1, written.find(']') - 1));
      continue;
    }
    const std::size_t equals = written.find('=');
    if (indented || equals == std::string_view::npos) continue;
    std::string_view value = base::trim(written.substr(equals + 1));
    // A comment behind a value begins after white space.
    for (const std::string_view mark : {" #", " ;", "\t#", "\t;"}) value = value.substr(0, value.find(mark));
    line(section, base::to_lower(base::trim(written.substr(0, equals))), std::string(base::trim(value)));
  }
}

}  // namespace

void AwsProfiles::read_config(std::string_view text) {
  read_ini(text, [this](std::string_view section, std::string name, std::string value) {
    constexpr std::string_view kProfile = "profile";
    if (section.starts_with(kProfile) && section.size() > kProfile.size()) {
      section = base::trim(section.substr(kProfile.size()));
    } else if (section != "default") {
      return;  // [sso-session x], [services x]
    }
    profiles_[std::string(section)].insert_or_assign(std::move(name), std::move(value));
  });
}

void AwsProfiles::read_credentials(std::string_view text) {
  read_ini(text, [this](std::string_view section, std::string name, std::string value) {
    profiles_[std::string(section)].insert_or_assign(std::move(name), std::move(value));
  });
}

const AwsProfiles::Settings* AwsProfiles::find(std::string_view name) const {
  const auto it = profiles_.find(name);
  return it == profiles_.end() ? nullptr : &it->second;
}

}  // namespace turnpike::credential
