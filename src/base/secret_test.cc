#include "base/secret.h"

#include <gtest/gtest.h>

namespace turnpike::base::secret_test {
namespace {

TEST(Secret, ShowsOnlyEndsOfLongValues) {
  EXPECT_EQ(Secret("sk-0123456789abcdef").masked(), "sk-...cdef");
  EXPECT_EQ(Secret("short").masked(), "***");
  EXPECT_TRUE(Secret("sk-a").equals("sk-a"));
  for (const char* other : {"", "sk-", "sk-b", "sk-aa"}) EXPECT_FALSE(Secret("sk-a").equals(other)) << other;
}

TEST(WithoutCredentials, KeepsWhatPeopleMaySee) {
  const struct {
    const char* url;
    const char* shown;
  } rows[] = {
      {"https://host/v1", "https://host/v1"},
      {"https://user:pw@host:1/v1?key=x#y", "https://host:1/v1"},
      {"https://user:p/w@host/v1", "https://host/v1"},
      {"https://user:p?w@host/v1", "https://host/v1"},
      {"https://user:p@w@host", "https://host"},
      {"user:pw@host/v1", "host/v1"},
      {"postgresql://:pw@host/db?sslmode=x", "postgresql://host/db"},
      {"not a url", "not a url"},
      {"", ""},
  };
  for (const auto& row : rows) EXPECT_EQ(without_credentials(row.url), row.shown) << row.url;
}

}  // namespace
}  // namespace turnpike::base::secret_test
