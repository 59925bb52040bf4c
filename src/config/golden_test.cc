#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "config/effective.h"
#include "config/settings.h"

namespace turnpike::config::golden_test {
namespace {

namespace fs = std::filesystem;

const fs::path kConfigs = fs::path(TURNPIKE_SOURCE_DIR) / "test/data/configs";
constexpr std::string_view kSecret = "value-nobody-may-see";

std::optional<std::string> fixed_environment(const std::string& name) {
  static const std::map<std::string, std::string> kVariables = {
      {"OPENAI_API_KEY", "sk-value-nobody-may-see"},
      {"ANTHROPIC_API_KEY", "value-nobody-may-see"},
      {"AZURE_API_KEY", "value-nobody-may-see"},
      {"AZURE_API_BASE", "https://user:value-nobody-may-see@eu.example.com/?key=value-nobody-may-see"},
      {"LITELLM_MASTER_KEY", "sk-value-nobody-may-see"},
      {"REDIS_HOST", "127.0.0.1"},
      {"REDIS_PORT", "6379"},
  };
  const auto found = kVariables.find(name);
  if (found == kVariables.end()) return std::nullopt;
  return found->second;
}

std::string text_of(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  std::stringstream text;
  text << stream.rdbuf();
  return text.str();
}

Loaded load_config(const fs::path& path) {
  LoadOptions options;
  options.path = path.string();
  options.environment = &fixed_environment;
  options.built_in_provider = [](std::string_view name) { return name == "openai"; };
  if (path.filename() == "06-example.yaml") options.allow_unenforced = {"pii-mask-presidio"};
  return load(options);
}

/// What people would see, with the directory of the checkout left out.
std::string told(const Loaded& loaded) {
  std::string out;
  const std::string directory = kConfigs.string() + "/";
  for (const Diagnostic& diagnostic : loaded.diagnostics) {
    std::string line = format(diagnostic);
    for (std::size_t at = line.find(directory); at != std::string::npos; at = line.find(directory)) {
      line.erase(at, directory.size());
    }
    out += "# " + line + "\n";
  }
  return out;
}

void expect_golden(const fs::path& golden, const std::string& actual) {
  if (std::getenv("TURNPIKE_WRITE_GOLDEN") != nullptr) std::ofstream(golden, std::ios::binary) << actual;
  EXPECT_EQ(text_of(golden), actual) << golden;
  EXPECT_EQ(actual.find(kSecret), std::string::npos) << golden;
}

std::vector<fs::path> yaml_files(const fs::path& directory) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (entry.path().extension() == ".yaml") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

TEST(Golden, ConfigsThatLoad) {
  const std::vector<fs::path> files = yaml_files(kConfigs);
  ASSERT_EQ(files.size(), 12U);
  for (const fs::path& file : files) {
    const Loaded loaded = load_config(file);
    ASSERT_NE(loaded.settings, nullptr) << file << "\n" << told(loaded);
    fs::path golden = file;
    expect_golden(golden.replace_extension(".effective"), told(loaded) + to_yaml(*loaded.settings));
  }
}

TEST(Golden, BrokenConfigsAreRefusedWithPlaceAndRemedy) {
  const std::vector<fs::path> files = yaml_files(kConfigs / "broken");
  ASSERT_GE(files.size(), 11U);
  for (const fs::path& file : files) {
    const Loaded loaded = load_config(file);
    EXPECT_EQ(loaded.settings, nullptr) << file;
    EXPECT_EQ(worst(loaded.diagnostics), Severity::Error) << file;
    fs::path golden = file;
    expect_golden(golden.replace_extension(".expected"), told(loaded));
  }
}

}  // namespace
}  // namespace turnpike::config::golden_test
