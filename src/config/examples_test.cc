#include <gtest/gtest.h>

#include <filesystem>

#include "config/settings.h"

namespace turnpike::config::examples_test {
namespace {

TEST(Examples, AreCleanWhenTheirVariablesAreSet) {
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(std::string(TURNPIKE_SOURCE_DIR) + "/examples")) {
    if (entry.path().extension() != ".yaml") continue;
    ++files;
    LoadOptions options;
    options.path = entry.path().string();
    options.environment = [](const std::string& name) -> std::optional<std::string> {
      return name.ends_with("_KEY") || name.ends_with("_SECOND") ? std::optional<std::string>("sk-" + name)
                                                                 : std::nullopt;
    };
    const Loaded loaded = load(options);
    ASSERT_NE(loaded.settings, nullptr) << options.path;
    for (const Diagnostic& diagnostic : loaded.diagnostics) ADD_FAILURE() << format(diagnostic);
    EXPECT_FALSE(loaded.settings->models.empty());
  }
  EXPECT_GE(files, 5);
}

}  // namespace
}  // namespace turnpike::config::examples_test
