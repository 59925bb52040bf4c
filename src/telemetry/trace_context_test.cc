#include "telemetry/trace_context.h"

#include <gtest/gtest.h>

namespace turnpike::telemetry::trace_context_test {
namespace {

struct Case {
  const char* name;
  const char* header;
  bool accepted;
  bool sampled;
};

const Case kCases[] = {
    {"sampled", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", true, true},
    {"not sampled", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", true, false},
    {"other flags", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-fe", true, false},
    {"a later version", "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more", true, true},
    {"absent", "", false, true},
    {"version ff", "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false, true},
    {"version 00 with more", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x", false, true},
    {"capitals", "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", false, true},
    {"trace of zeros", "00-00000000000000000000000000000000-00f067aa0ba902b7-01", false, true},
    {"span of zeros", "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", false, true},
    {"too short", "00-4bf92f35-00f067aa0ba902b7-01", false, true},
    {"letters in the flags", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-zz", false, true},
};

TEST(TraceContext, ContinuesAValidTraceAndBeginsOneOtherwise) {
  for (const Case& row : kCases) {
    SCOPED_TRACE(row.name);
    base::Random random(7);
    const TraceContext context = continue_trace(row.header, random);
    EXPECT_EQ(context.trace_id == "4bf92f3577b34da6a3ce929d0e0e4736", row.accepted);
    EXPECT_EQ(context.parent_span_id, row.accepted ? "00f067aa0ba902b7" : "");
    EXPECT_EQ(context.sampled, row.sampled);
    EXPECT_EQ(context.trace_id.size(), 32u);
    EXPECT_EQ(context.span_id.size(), 16u);
    EXPECT_NE(context.span_id, "00f067aa0ba902b7");
    const TraceContext next = continue_trace(context.header(), random);
    EXPECT_EQ(next.trace_id, context.trace_id) << "what we send is valid";
    EXPECT_EQ(next.parent_span_id, context.span_id);
  }
}

}  // namespace
}  // namespace turnpike::telemetry::trace_context_test
