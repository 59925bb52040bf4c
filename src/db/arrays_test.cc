#include "db/arrays.h"

#include <gtest/gtest.h>

namespace turnpike::db::arrays_test {
namespace {

std::string text_of(const Value& value) {
  return as_text(value);
}

TEST(Arrays, AColumnIsATextThatPostgresqlReads) {
  const std::vector<Value> rows = {
      std::int64_t{1},
      std::string("plain"),
      {},
      std::string("a\"b\\c"),
      {},
      std::string("{1,2},NULL"),
      {},
      std::string(""),
      std::int64_t{-5},
      std::string("m\u00fcller"),
      {},
      Value(),
  };
  EXPECT_EQ(unnest_text(rows, 4), "unnest($1::bigint[], $2::text[], $3::text[], $4::text[])");
  const std::vector<Value> arrays = array_values(rows, 4);
  ASSERT_EQ(arrays.size(), 4u);
  EXPECT_EQ(text_of(arrays[0]), "{1,NULL,-5}");
  EXPECT_EQ(text_of(arrays[1]), "{\"plain\",\"{1,2},NULL\",\"m\u00fcller\"}");
  EXPECT_EQ(text_of(arrays[2]), "{NULL,NULL,NULL}");
  EXPECT_EQ(text_of(arrays[3]), R"({"a\"b\\c","",NULL})");
}

TEST(Arrays, PlacesAreCountedFromOne) {
  EXPECT_EQ(places(3), "$1, $2, $3");
  EXPECT_EQ(places(0), "");
}

}  // namespace
}  // namespace turnpike::db::arrays_test
