#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace turnpike::price {

/// A byte-pair encoding whose ranks are compiled in. Other model families are estimated with one of them: what the
/// provider reports is what is billed.
enum class Encoding : std::uint8_t { Cl100kBase, O200kBase };

/// By model name, provider prefix and "ft:" allowed: gpt-4o, gpt-4.1, gpt-4.5, gpt-5, chatgpt-4o, gpt-oss and the
/// o-series use o200k_base; everything else cl100k_base, whose counts are the higher ones.
Encoding encoding_of(std::string_view model);

/// The exact number of tokens of ordinary text (names of special tokens are text like any other). Bytes that are not
/// UTF-8 count as U+FFFD.
///
/// Source:    OpenAI's tiktoken: split pattern of the encoding, then merges by rank (`data/tokenizer/README.md`).
/// Cost:      tens of MB/s; n log n in the worst case, also for one unbroken word. Above 32 KB not for an I/O thread.
/// Threading: any thread; scratch memory is kept per thread.
std::uint64_t count_tokens(Encoding encoding, std::string_view text);

/// The tokens themselves.
std::vector<std::uint32_t> encode(Encoding encoding, std::string_view text);

}  // namespace turnpike::price
