#include "price/tokenizer.h"

#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <random>
#include <sstream>

#include "price/embedded.h"
#include "price/prompt_tokens.h"
#include "price/token_ranks.h"

namespace turnpike::price::tokenizer_test {
namespace {

struct Vector {
  Encoding encoding;
  std::string sample;
  std::vector<std::uint32_t> tokens;
};

std::vector<Vector> vectors() {
  std::ifstream file(std::string(TURNPIKE_SOURCE_DIR) + "/test/data/tokenizer/vectors.txt");
  std::vector<Vector> out;
  std::string line;
  const auto value_of = [&](std::string_view key) {
    return line.starts_with(key) ? line.substr(key.size()) : std::string();
  };
  while (std::getline(file, line)) {
    if (line.empty()) continue;
    Vector vector{value_of("EncodingName: ") == "o200k_base" ? Encoding::O200kBase : Encoding::Cl100kBase, {}, {}};
    std::getline(file, line);
    vector.sample = value_of("Sample: ");
    std::getline(file, line);
    std::istringstream numbers(value_of("Encoded: ["));
    std::uint32_t token = 0;
    char comma = 0;
    while (numbers >> token) {
      vector.tokens.push_back(token);
      numbers >> comma;
    }
    out.push_back(std::move(vector));
  }
  return out;
}

TEST(Tokenizer, MatchesThePublishedVectors) {
  const std::vector<Vector> all = vectors();
  ASSERT_EQ(all.size(), 121);
  for (const Vector& vector : all) {
    SCOPED_TRACE(vector.sample);
    EXPECT_EQ(encode(vector.encoding, vector.sample), vector.tokens);
    EXPECT_EQ(count_tokens(vector.encoding, vector.sample), vector.tokens.size());
  }
}

TEST(Tokenizer, EveryTokenOfBothTablesIsFound) {
  for (const auto& [bytes, size] :
       {std::pair{embedded_cl100k_ranks(), 100'256u}, std::pair{embedded_o200k_ranks(), 199'998u}}) {
    const TokenRanks ranks(bytes);
    ASSERT_EQ(ranks.size(), size);
    for (std::uint32_t rank = 0; rank < size; ++rank) ASSERT_EQ(ranks.find(ranks.token(rank)), rank);
    EXPECT_EQ(ranks.find("no such token at all"), kNoRank);
    EXPECT_EQ(ranks.find(""), kNoRank);
  }
}

// The plain algorithm, quadratic and easy to believe: merge the leftmost pair of lowest rank until none is left.
std::vector<std::uint32_t> merge_plainly(const TokenRanks& ranks, std::string_view piece) {
  if (const std::uint32_t whole = ranks.find(piece); whole != kNoRank) return {whole};
  std::vector<std::string> parts;
  for (const char c : piece) parts.emplace_back(1, c);
  while (true) {
    std::uint32_t best = kNoRank;
    std::size_t best_at = 0;
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
      if (const std::uint32_t rank = ranks.find(parts[i] + parts[i + 1]); rank < best) {
        best = rank;
        best_at = i;
      }
    }
    if (best == kNoRank) break;
    parts[best_at] += parts[best_at + 1];
    parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(best_at) + 1);
  }
  std::vector<std::uint32_t> out;
  for (const std::string& part : parts) out.push_back(ranks.find(part));
  return out;
}

TEST(Tokenizer, ShortAndLongWordsMergeAsThePlainAlgorithmDoes) {
  const TokenRanks ranks(embedded_cl100k_ranks());
  std::mt19937_64 random(6);
  for (const std::size_t length : {2, 7, 30, 95, 96, 97, 98, 200, 700}) {
    for (int round = 0; round < 10; ++round) {
      // Lower-case letters only: one piece of the split pattern.
      std::string word;
      while (word.size() < length) word.push_back(static_cast<char>('a' + random() % (round < 5 ? 26 : 2)));
      ASSERT_EQ(encode(Encoding::Cl100kBase, word), merge_plainly(ranks, word)) << word;
    }
  }
}

TEST(Tokenizer, OneUnbrokenRunCostsNoQuadraticTime) {
  constexpr std::size_t kBytes = 1 << 18;
  std::mt19937_64 random(7);
  std::string letters, symbols;
  for (std::size_t i = 0; i < kBytes; ++i) {
    letters.push_back(static_cast<char>('a' + random() % 26));
    symbols.push_back("!#$%&*+-=?@^_~"[random() % 14]);
  }
  std::string lines;
  for (std::size_t i = 0; i < kBytes / 2; ++i) lines += " \n";
  std::string han;
  for (std::size_t i = 0; i < kBytes / 3; ++i) han += "\u754c";
  std::string same(kBytes, 'a'), upper(kBytes, 'A'), spaces(kBytes, ' '), digits(kBytes, '7');
  for (const Encoding encoding : {Encoding::Cl100kBase, Encoding::O200kBase}) {
    for (const std::string* text : {&letters, &symbols, &lines, &han, &same, &upper, &spaces, &digits}) {
      SCOPED_TRACE(text->substr(0, 8));
      const auto start = std::chrono::steady_clock::now();
      const std::uint64_t whole = count_tokens(encoding, *text);
      // Quadratic would be minutes; the sanitizers and a busy machine get their due.
      EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
      EXPECT_GT(whole, kBytes / 200);
      EXPECT_LE(whole, kBytes);
    }
  }
}

// What a caller may send in one body: four times the bytes may cost no more than some ten times as long.
TEST(Tokenizer, AMegabyteOfOneCharacterGrowsNearlyInStep) {
  const auto seconds = [](Encoding encoding, const std::string& text) {
    const auto start = std::chrono::steady_clock::now();
    EXPECT_GT(count_tokens(encoding, text), text.size() / 200);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  for (const Encoding encoding : {Encoding::Cl100kBase, Encoding::O200kBase}) {
    for (const char c : {'a', ' ', '7'}) {
      SCOPED_TRACE(c);
      const double quarter = seconds(encoding, std::string(1 << 18, c));
      const double whole = seconds(encoding, std::string(1 << 20, c));
      EXPECT_LT(whole, 20.0);
      EXPECT_LT(whole, 10 * quarter + 0.5);  // Quadratic: sixteen times, of minutes.
    }
  }
}

TEST(Tokenizer, BytesThatAreNoTextCountAsReplacements) {
  const std::string broken = "a\xff\xc3(\xed\xa0\x80z";
  const std::string repaired = "a\ufffd\ufffd(\ufffd\ufffd\ufffdz";
  for (const Encoding encoding : {Encoding::Cl100kBase, Encoding::O200kBase}) {
    EXPECT_EQ(encode(encoding, broken), encode(encoding, repaired));
    EXPECT_EQ(count_tokens(encoding, "\xf0\x9f\x98"), count_tokens(encoding, "\ufffd\ufffd\ufffd"));
    EXPECT_EQ(count_tokens(encoding, ""), 0);
  }
}

TEST(Tokenizer, ModelNameChoosesTheEncoding) {
  for (const char* name : {"gpt-4o", "openai/gpt-4o-mini", "gpt-5.6", "o3-mini", "ft:gpt-4.1:org", "azure/eu/gpt-4o"}) {
    EXPECT_EQ(encoding_of(name), Encoding::O200kBase) << name;
  }
  for (const char* name :
       {"gpt-4", "gpt-4-turbo", "gpt-3.5-turbo", "text-embedding-3-small", "claude-sonnet-4-5", ""}) {
    EXPECT_EQ(encoding_of(name), Encoding::Cl100kBase) << name;
  }
}

struct Prompt {
  const char* name;
  const char* body;
  std::uint64_t tokens;
  std::uint64_t messages;
};

// cl100k_base: "hello" 1, "hi" 1, " world" 1, "user" 1, "system" 1, "Bob" 1.
constexpr Prompt kPrompts[] = {
    {"one message", R"({"messages":[{"role":"user","content":"hello"}]})", 3 + 1 + 1 + 3, 1},
    {"escapes are text", R"({"messages":[{"role":"user","content":"hello\u0020world"}]})", 3 + 1 + 2 + 3, 1},
    {"two messages and a name",
     R"({"messages":[{"role":"system","content":"hi"},{"role":"user","name":"Bob","content":"hello"}]})",
     3 + 2 + 3 + 2 + 2 + 3, 2},
    {"parts and an image",
     R"({"messages":[{"role":"user","content":[{"type":"text","text":"hello"},{"type":"image_url","image_url":{"url":"x"}},
        {"type":"image_url","image_url":{"url":"x","detail":"low"}}]}]})",
     3 + 1 + 1 + 765 + 85 + 3, 1},
    {"tool call",
     R"({"messages":[{"role":"user","content":null,"tool_calls":[{"function":{"name":"hi","arguments":"hello"}}]}]})",
     3 + 1 + 2 + 3, 1},
    {"tools as written", R"({"messages":[],"tools":"hello"})", 3 + 3, 0},  // The quotes are tokens of their own.
    {"completion", R"({"prompt":"hello world"})", 2, 0},
    {"completions", R"({"prompt":["hello","hi"]})", 2, 0},
    {"embedding of tokens", R"({"input":[[1,2,3],[4]]})", 4, 0},
    {"embedding of texts", R"({"input":["hello world","hi"]})", 3, 0},
    {"nothing", R"({"model":"x"})", 0, 0},
};

TEST(PromptTokens, CountsByThePublishedRule) {
  for (const Prompt& c : kPrompts) {
    SCOPED_TRACE(c.name);
    const Result<PromptCount> count = count_prompt_tokens(Encoding::Cl100kBase, c.body);
    ASSERT_TRUE(count) << count.error().message;
    EXPECT_EQ(count->tokens, c.tokens);
    EXPECT_EQ(count->messages, c.messages);
    EXPECT_EQ(count_prompt(Encoding::Cl100kBase, c.body).tokens, c.tokens);
  }
  EXPECT_FALSE(count_prompt_tokens(Encoding::Cl100kBase, "{\"messages\":["));
  EXPECT_EQ(count_prompt(Encoding::Cl100kBase, "{\"messages\":[").tokens, 3);
}

}  // namespace
}  // namespace turnpike::price::tokenizer_test
