#include "price/tokenizer.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <memory>
#include <queue>
#include <string>

#include "price/embedded.h"
#include "price/token_ranks.h"

namespace turnpike::price {
namespace {

constexpr char kCl100kPattern[] =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr char kO200kPattern[] =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

// Up to here scanning all pairs again after each merge is faster than keeping a heap.
constexpr std::size_t kScanBytesMax = 96;

struct Scratch {
  struct MatchDelete {
    void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
  };
  std::unique_ptr<pcre2_match_data, MatchDelete> match{pcre2_match_data_create(1, nullptr)};
};

Scratch& scratch() {
  thread_local Scratch of_this_thread;
  return of_this_thread;
}

// The split pattern and ranks of one encoding.
class Tokenizer {
 public:
  Tokenizer(std::string_view pattern, std::string_view ranks) : ranks_(ranks) {
    int error = 0;
    PCRE2_SIZE error_at = 0;
    code_.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), PCRE2_UTF | PCRE2_UCP,
                              &error, &error_at, nullptr));
    jit_ = code_ && pcre2_jit_compile(code_.get(), PCRE2_JIT_COMPLETE) == 0;
  }

  // `text` is UTF-8. Calls `sink(rank)` for each token.
  template <class Sink>
  void encode(std::string_view text, Sink&& sink) const {
    std::size_t at = 0;
    while (at < text.size()) {
      const auto [begin, end] = next_piece(text, at);
      // The patterns leave nothing out; should the engine give up, the rest is one piece.
      if (begin > at) encode_piece(text.substr(at, begin - at), sink);
      encode_piece(text.substr(begin, end - begin), sink);
      at = end;
    }
  }

 private:
  struct Span {
    std::size_t begin;
    std::size_t end;
  };

  Span next_piece(std::string_view text, std::size_t at) const {
    pcre2_match_data* match = scratch().match.get();
    const auto subject = reinterpret_cast<PCRE2_SPTR>(text.data());
    // Checking UTF-8 anew at every piece would be quadratic; the caller has done it.
    int found =
        jit_ ? pcre2_jit_match(code_.get(), subject, text.size(), at, 0, match, nullptr) : PCRE2_ERROR_JIT_STACKLIMIT;
    if (found == PCRE2_ERROR_JIT_STACKLIMIT) {
      found = pcre2_match(code_.get(), subject, text.size(), at, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, match, nullptr);
    }
    if (found < 0) return {at, text.size()};
    const PCRE2_SIZE* bounds = pcre2_get_ovector_pointer(match);
    if (bounds[1] <= at) return {at, text.size()};
    return {bounds[0], bounds[1]};
  }

  template <class Sink>
  void encode_piece(std::string_view piece, Sink& sink) const {
    if (const std::uint32_t whole = ranks_.find(piece); whole != kNoRank) {
      sink(whole);
    } else if (piece.size() <= kScanBytesMax) {
      merge_by_scan(piece, sink);
    } else {
      merge_by_heap(piece, sink);
    }
  }

  // Part i of a piece reaches from starts[i] to starts[i + 1]; pair[i] is the rank of parts i and i + 1 together.
  template <class Sink>
  void merge_by_scan(std::string_view piece, Sink& sink) const {
    std::uint8_t starts[kScanBytesMax + 1];
    std::uint32_t pair[kScanBytesMax + 1];
    std::size_t parts = piece.size();
    const auto rank_at = [&](std::size_t i) {
      if (i + 2 > parts) return kNoRank;
      return ranks_.find(piece.substr(starts[i], std::size_t{starts[i + 2]} - starts[i]));
    };
    for (std::size_t i = 0; i <= parts; ++i) starts[i] = static_cast<std::uint8_t>(i);
    for (std::size_t i = 0; i < parts; ++i) pair[i] = rank_at(i);
    while (parts > 1) {
      const std::size_t best = static_cast<std::size_t>(std::min_element(pair, pair + parts) - pair);
      if (pair[best] == kNoRank) break;
      std::copy(starts + best + 2, starts + parts + 1, starts + best + 1);
      std::copy(pair + best + 2, pair + parts, pair + best + 1);
      --parts;
      pair[best] = rank_at(best);
      if (best > 0) pair[best - 1] = rank_at(best - 1);
    }
    for (std::size_t i = 0; i < parts; ++i) {
      sink(ranks_.find(piece.substr(starts[i], std::size_t{starts[i + 1]} - starts[i])));
    }
  }

  // The same merges in n log n: a list of parts and a heap of candidate pairs, stale ones told by their end.
  template <class Sink>
  void merge_by_heap(std::string_view piece, Sink& sink) const {
    struct Part {
      std::size_t before;
      std::size_t after;  // Start of the next part; piece.size() at the end.
      bool alive = true;
    };
    struct Candidate {
      std::uint32_t rank;
      std::size_t left;
      std::size_t end;
      // Lowest rank first, then leftmost, as the scan does.
      bool operator<(const Candidate& other) const {
        return rank != other.rank ? rank > other.rank : left > other.left;
      }
    };
    const std::size_t size = piece.size();
    std::vector<Part> parts(size);
    std::priority_queue<Candidate> heap;
    const auto propose = [&](std::size_t left) {
      const std::size_t right = parts[left].after;
      if (right == size) return;
      const std::size_t end = parts[right].after;
      const std::uint32_t rank = ranks_.find(piece.substr(left, end - left));
      if (rank != kNoRank) heap.push({rank, left, end});
    };
    for (std::size_t i = 0; i < size; ++i) parts[i] = {i == 0 ? size : i - 1, i + 1};
    for (std::size_t i = 0; i < size; ++i) propose(i);
    while (!heap.empty()) {
      const Candidate best = heap.top();
      heap.pop();
      Part& left = parts[best.left];
      if (!left.alive || left.after == size || parts[left.after].after != best.end) continue;
      parts[left.after].alive = false;
      left.after = best.end;
      if (best.end < size) parts[best.end].before = best.left;
      propose(best.left);
      if (best.left > 0) propose(left.before);
    }
    for (std::size_t i = 0; i < size; i = parts[i].after) sink(ranks_.find(piece.substr(i, parts[i].after - i)));
  }

  struct CodeDelete {
    void operator()(pcre2_code* code) const { pcre2_code_free(code); }
  };
  TokenRanks ranks_;
  std::unique_ptr<pcre2_code, CodeDelete> code_;
  bool jit_ = false;
};

// Made at first use: most processes never count a token.
const Tokenizer& tokenizer_of(Encoding encoding) {
  if (encoding == Encoding::O200kBase) {
    static const Tokenizer o200k(kO200kPattern, embedded_o200k_ranks());
    return o200k;
  }
  static const Tokenizer cl100k(kCl100kPattern, embedded_cl100k_ranks());
  return cl100k;
}

// Length of the UTF-8 character at the head of `text`; 0 when it is none.
std::size_t character_size(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < size) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  if (first == 0xe0 && byte(1) < 0xa0) return 0;  // Longer than needed.
  if (first == 0xed && byte(1) > 0x9f) return 0;  // Surrogates.
  if (first == 0xf0 && byte(1) < 0x90) return 0;
  if (first == 0xf4 && byte(1) > 0x8f) return 0;  // Beyond U+10FFFF.
  return size;
}

// Whether `text` is UTF-8 throughout; else `repaired` holds it with U+FFFD for each byte that is not.
bool check_utf8(std::string_view text, std::string& repaired) {
  constexpr std::string_view kReplacement = "\xef\xbf\xbd";
  std::size_t good = 0;
  while (good < text.size()) {
    const std::size_t size = character_size(text.substr(good));
    if (size == 0) break;
    good += size;
  }
  if (good == text.size()) return true;
  repaired.assign(text.substr(0, good));
  for (std::size_t at = good; at < text.size();) {
    const std::size_t size = character_size(text.substr(at));
    repaired += size == 0 ? kReplacement : text.substr(at, size);
    at += std::max<std::size_t>(size, 1);
  }
  return false;
}

template <class Sink>
void encode_text(Encoding encoding, std::string_view text, Sink&& sink) {
  std::string repaired;
  const std::string_view utf8 = check_utf8(text, repaired) ? text : std::string_view(repaired);
  tokenizer_of(encoding).encode(utf8, sink);
}

}  // namespace

Encoding encoding_of(std::string_view model) {
  constexpr std::string_view kFineTuned = "ft:";
  constexpr std::string_view kNewer[] = {"gpt-4o", "gpt-4.1", "gpt-4.5", "gpt-5",        "gpt-oss",   "chatgpt-4o",
                                         "o1",     "o3",      "o4",      "gpt-realtime", "gpt-audio", "codex"};
  if (const std::size_t slash = model.rfind('/'); slash != std::string_view::npos) model.remove_prefix(slash + 1);
  if (model.starts_with(kFineTuned)) model.remove_prefix(kFineTuned.size());
  const bool newer =
      std::any_of(std::begin(kNewer), std::end(kNewer), [&](std::string_view name) { return model.starts_with(name); });
  return newer ? Encoding::O200kBase : Encoding::Cl100kBase;
}

std::uint64_t count_tokens(Encoding encoding, std::string_view text) {
  std::uint64_t count = 0;
  encode_text(encoding, text, [&](std::uint32_t) { ++count; });
  return count;
}

std::vector<std::uint32_t> encode(Encoding encoding, std::string_view text) {
  std::vector<std::uint32_t> tokens;
  encode_text(encoding, text, [&](std::uint32_t rank) { tokens.push_back(rank); });
  return tokens;
}

}  // namespace turnpike::price
