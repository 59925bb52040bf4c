#include "account/sealed.h"

#include <gtest/gtest.h>

namespace turnpike::account::sealed_test {
namespace {

const Sealer kSealer{base::Secret("sk-salt-1234")};

// Made with PyNaCl 1.5, SecretBox(sha256(b"sk-salt-1234")), as LiteLLM does it.
TEST(Sealer, OpensWhatLiteLlmHasSealed) {
  const struct {
    const char* name;
    const char* sealed;
    const char* text;
  } rows[] = {
      {"URL-safe", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXv4fcrLsIH91w4JFc4Pzp4Iy3-U4ds15_VLBWw9BJvRqs", "sk-prov-ü-secret"},
      {"standard", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXv4fcrLsIH91w4JFc4Pzp4Iy3+U4ds15/VLBWw9BJvRqs", "sk-prov-ü-secret"},
      {"padded",
       "AgICAgICAgICAgICAgICAgICAgICAgICgh8xoMmTUN5UwwDJ25nsaZCVsZoB_mwy-CrvSHiddIVFSA==", "sk-proj-0123456789"},
  };
  for (const auto& row : rows) EXPECT_EQ(kSealer.open(row.sealed), row.text) << row.name;
}

TEST(Sealer, OpensItsOwnAndNothingElse) {
  for (const std::string& text : {std::string(), std::string("sk-1"), std::string(5000, 'x'), std::string("a\0b", 3)}) {
    const std::string sealed = kSealer.seal(text);
    EXPECT_EQ(sealed.find_first_of("+/"), std::string::npos);
    EXPECT_NE(sealed, kSealer.seal(text));  // Each has a nonce of its own.
    EXPECT_EQ(kSealer.open(sealed), text);
    EXPECT_EQ(Sealer(base::Secret("other")).open(sealed), std::nullopt);
    std::string changed = sealed;
    changed[40] = changed[40] == 'A' ? 'B' : 'A';
    EXPECT_EQ(kSealer.open(changed), std::nullopt);
  }
  for (const char* text : {"", "sk-plain", "AAECAwQF", "not base64!"}) EXPECT_EQ(kSealer.open(text), std::nullopt);
}

TEST(Sealer, TheSaltKeyGoesBeforeTheMasterKey) {
  const base::Secret master("sk-master");
  const std::string by_salt = make_sealer("salt", master).seal("x");
  EXPECT_EQ(Sealer(base::Secret("salt")).open(by_salt), "x");
  for (const std::optional<std::string>& none : {std::optional<std::string>(), std::optional<std::string>("")}) {
    EXPECT_EQ(Sealer(master).open(make_sealer(none, master).seal("x")), "x");
  }
  EXPECT_FALSE(make_sealer(std::nullopt, base::Secret()).ready());
}

TEST(SealStrings, SealsValuesAndLeavesNamesAndNumbers) {
  const std::string text =
      R"({"model":"openai/gpt-4o","rpm":10,"extra_headers":{"x":"y"},"tags":["a"],"f":true,"n":null})";
  const Result<std::string> sealed = seal_strings(kSealer, text);
  ASSERT_TRUE(sealed);
  for (const char* secret : {"openai", "\"y\"", "\"a\""}) EXPECT_EQ(sealed->find(secret), std::string::npos) << secret;
  EXPECT_NE(sealed->find("\"rpm\":10"), std::string::npos);
  EXPECT_EQ(open_strings(kSealer, *sealed).value_or(""), text);
  const Result<std::string> other = open_strings(Sealer(base::Secret("other")), *sealed);
  ASSERT_FALSE(other);
  EXPECT_TRUE(other.error().message.starts_with("model cannot be decrypted")) << other.error().message;
  EXPECT_FALSE(seal_strings(Sealer(), text));
}

}  // namespace
}  // namespace turnpike::account::sealed_test
