#include "base/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>

namespace turnpike::base {
namespace {

template <auto free>
struct Free {
  template <class T>
  void operator()(T* pointer) const {
    free(pointer);
  }
};

/// What a search needs beside the expression; one for each thread.
struct Scratch {
  std::unique_ptr<pcre2_match_data, Free<pcre2_match_data_free>> match{pcre2_match_data_create(1, nullptr)};
  std::unique_ptr<pcre2_match_context, Free<pcre2_match_context_free>> context{pcre2_match_context_create(nullptr)};
  Scratch() { pcre2_set_match_limit(context.get(), Regex::kStepsMax); }
};

PCRE2_SPTR units(std::string_view text) {
  return reinterpret_cast<PCRE2_SPTR>(text.data());
}

}  // namespace

struct Regex::Code {
  std::unique_ptr<pcre2_code, Free<pcre2_code_free>> code;
};

Result<Regex> Regex::compile(std::string_view written) {
  int error = 0;
  PCRE2_SIZE at = 0;
  auto code = std::make_shared<Code>();
  code->code.reset(pcre2_compile(units(written), written.size(), PCRE2_NEVER_BACKSLASH_C, &error, &at, nullptr));
  if (code->code) return Regex(std::move(code));
  std::array<PCRE2_UCHAR, 256> text{};
  pcre2_get_error_message(error, text.data(), text.size());
  return fail(ErrorKind::InvalidRequest, std::string(reinterpret_cast<const char*>(text.data())) + " (at character " +
                                             std::to_string(at + 1) + ")");
}

bool Regex::found_in(std::string_view text) const {
  thread_local const Scratch scratch;
  return pcre2_match(code_->code.get(), units(text), text.size(), 0, 0, scratch.match.get(), scratch.context.get()) >=
         0;
}

}  // namespace turnpike::base
