// One mistake for each check of .clang-tidy: tools/check_tidy.py wants to hear of every one of them, so that a check
// that has gone deaf is noticed. Never built.
#include "sample.h"
#include <coroutine>
#include <cstring>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

struct Task {
  struct promise_type {
    Task get_return_object() { return {}; }
    std::suspend_never initial_suspend() { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() {}
  };
};
struct Padded {
  char small;
  long large;
};
struct Base {
  virtual ~Base() = default;
  Base() = default;
  Base(const Base&) = default;
  Base& operator=(const Base&) = default;
  int common = 0;
};
struct Derived : Base {
  int more = 0;
};
tl::expected<int, std::string> might_fail();
const std::string& name_of(int which);

template <typename T>
T moved_twice(T text) {
  T first = std::move(text);
  return first + text;  // bugprone-use-after-move
}

class Held {
 public:
  std::string_view view() {
    std::string_view text = std::string("temporary");  // bugprone-dangling-handle
    return text;
  }
};

std::optional<int> unpacked(std::optional<int> given) {
  std::optional<int> taken = *given;  // bugprone-optional-value-conversion
  return std::optional<int>(given.value());
}

int mistakes(const std::vector<std::string>& names, const Derived& derived, int limit) {
  std::mutex mutex;
  std::scoped_lock<std::mutex>{mutex};  // bugprone-unused-raii
  might_fail();                         // bugprone-unused-return-value
  int total = 0;
  int at = 0;
  while (at < limit) ++total;  // bugprone-infinite-loop
  const char* letters = "abc";
  total += static_cast<int>(sizeof(letters) / sizeof(letters[0]));  // bugprone-sizeof-expression
  std::string dashes('-', 50);                                      // bugprone-string-constructor
  Padded a{}, b{};
  total += std::memcmp(&a, &b, sizeof(Padded));   // bugprone-suspicious-memory-comparison
  auto later = [total]() -> Task { co_return; };  // cppcoreguidelines-avoid-capturing-lambda-coroutines
  Base half = derived;                            // cppcoreguidelines-slicing
  for (const std::string name : names) total += static_cast<int>(name.size());  // performance-for-range-copy
  const std::string copy = name_of(1);  // performance-unnecessary-copy-initialization
  total += static_cast<int>(copy.size()) + half.common;
  return total + static_cast<int>(moved_twice(std::string("x")).size());
}
