#include "provider/target.h"

#include <gtest/gtest.h>

namespace turnpike::provider {
namespace {

TEST(HideSecrets, TakesOutWhatAProviderQuotes) {
  Target target;
  target.hidden = {base::Secret("key-without-a-shape"), base::Secret("a header's value"), base::Secret("abc")};
  std::string text = "wrong key key-without-a-shape (key-without-a-shape), a header's value, abc";
  hide_secrets(text, target);
  EXPECT_EQ(text, "wrong key *** (***), ***, abc");
}

}  // namespace
}  // namespace turnpike::provider
