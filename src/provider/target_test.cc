#include "provider/target.h"

#include <gtest/gtest.h>

namespace turnpike::provider::target_test {
namespace {

TEST(HideSecrets, TakesOutWhatAProviderQuotes) {
  Target target;
  target.hidden = {base::Secret("key-without-a-shape"), base::Secret("a header's value"), base::Secret("abc")};
  std::string text = "wrong key key-without-a-shape (key-without-a-shape), a header's value, abc";
  hide_secrets(text, target);
  EXPECT_EQ(text, "wrong key *** (***), ***, abc");

  credential::Credential fetched;
  fetched.token = base::Secret("ya29.token");
  fetched.session_token = base::Secret("FwoGZXIvYXdzE");
  text = "key-without-a-shape ya29.token FwoGZXIvYXdzE";
  hide_secrets(text, target, &fetched);
  EXPECT_EQ(text, "*** *** ***");
}

}  // namespace
}  // namespace turnpike::provider::target_test
