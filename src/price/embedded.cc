#include "price/embedded.h"

#include <cstddef>

// The assembler includes the files as they are; a C++ array of the same bytes would take the compiler minutes.
#define LEDGER_EMBED(name, file)                      \
  asm(".pushsection .rodata." #name                   \
      ",\"a\",@progbits\n"                            \
      ".balign 64\n"                                  \
      ".hidden " #name                                \
      "_begin\n"                                      \
      ".hidden " #name                                \
      "_end\n"                                        \
      ".globl " #name                                 \
      "_begin\n"                                      \
      ".globl " #name "_end\n" #name                  \
      "_begin:\n"                                     \
      ".incbin \"" PRICE_TABLES "/" file "\"\n" #name \
      "_end:\n"                                       \
      ".byte 0\n"                                     \
      ".popsection\n");                               \
  extern "C" const char name##_begin[];               \
  extern "C" const char name##_end[]

LEDGER_EMBED(turnpike_prices, "prices.bin");
LEDGER_EMBED(turnpike_cl100k, "cl100k_base.bin");
LEDGER_EMBED(turnpike_o200k, "o200k_base.bin");

namespace turnpike::price {
namespace {

std::string_view between(const char* begin, const char* end) {
  return {begin, static_cast<std::size_t>(end - begin)};
}

}  // namespace

std::string_view embedded_prices() {
  return between(turnpike_prices_begin, turnpike_prices_end);
}

std::string_view embedded_cl100k_ranks() {
  return between(turnpike_cl100k_begin, turnpike_cl100k_end);
}

std::string_view embedded_o200k_ranks() {
  return between(turnpike_o200k_begin, turnpike_o200k_end);
}

}  // namespace turnpike::price
