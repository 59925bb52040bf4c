#include "proof/reconcile_export.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace turnpike::proof::reconcile_export_test {
namespace {

std::string_view kind_text(CostKind kind) {
  constexpr std::string_view kNames[] = {"input", "read", "write", "output", "other"};
  return kNames[static_cast<std::size_t>(kind)];
}

/// "20784 gpt-4o (proj_a) 5: 1000/800/0 in 500 out $0.06 other", one line each.
std::string show(const ExportLine& line) {
  std::string accounts;
  for (const std::string& account : line.accounts) accounts += (accounts.empty() ? "" : " ") + account;
  const Figures& figures = line.figures;
  return fmt::format("{} {} ({}) {}: {}/{}/{} in {} out ${} {}{}\n", line.day, line.model, accounts, figures.requests,
                     figures.input_tokens, figures.cache_read_tokens, figures.cache_write_tokens, figures.output_tokens,
                     figures.cost.to_string(), kind_text(line.cost_kind), line.batch ? " batch" : "");
}

std::string read(std::string_view first, std::string_view second, ExportColumns* columns = nullptr) {
  std::string seen;
  ExportReader reader([&](const ExportLine& line) {
    seen += show(line);
    return Status();
  });
  Status status = reader.feed(first);
  if (status) status = reader.feed(second);
  if (status) status = reader.finish();
  if (columns != nullptr) *columns = reader.columns();
  return status ? seen : seen + "! " + status.error().message;
}

struct Case {
  const char* name;
  std::string_view text;
  const char* lines;
};

// Shapes: the vendors' references of their usage and cost endpoints, and the first lines of their consoles' downloads.
const Case kCases[] = {
    {"OpenAI, usage",
     R"({"object":"page","data":[{"object":"bucket","start_time":1795737600,"end_time":1795824000,"results":[
         {"object":"organization.usage.completions.result","input_tokens":1000,"output_tokens":500,
          "input_cached_tokens":800,"input_audio_tokens":0,"num_model_requests":5,"project_id":"proj_a","user_id":null,
          "api_key_id":"key_a","model":"gpt-4o-2024-08-06","batch":false},
         {"input_tokens":10,"output_tokens":0,"num_model_requests":1,"project_id":null,"model":"gpt-4o","batch":true}]}],
         "has_more":false,"next_page":null})",
     "20784 gpt-4o-2024-08-06 (proj_a key_a) 5: 1000/800/0 in 500 out $0 other\n"
     "20784 gpt-4o () 1: 10/0/0 in 0 out $0 other batch\n"},
    {"OpenAI, costs: numbers and texts, by line item and without",
     R"([{"data":[{"start_time":1795737600,"end_time":1795824000,"results":[
         {"amount":{"value":0.06,"currency":"usd"},"line_item":null,"project_id":null},
         {"amount":{"value":"1.5e-3","currency":"usd"},"line_item":"gpt-4o-2024-08-06, cached input","project_id":"p"},
         {"amount":{"value":0.0038359800000000000000000,"currency":"usd"},"line_item":"gpt-4o, output, batch"},
         {"amount":{"value":2,"currency":"usd"},"line_item":"web search tool calls"}]}]}])",
     "20784  () 0: 0/0/0 in 0 out $0.06 other\n"
     "20784 gpt-4o-2024-08-06 (p) 0: 0/0/0 in 0 out $0.0015 read\n"
     "20784 gpt-4o () 0: 0/0/0 in 0 out $0.00383598 output batch\n"
     "20784 web search tool calls () 0: 0/0/0 in 0 out $2 other\n"},
    {"Anthropic, usage",
     R"({"data":[{"starting_at":"2026-11-27T00:00:00Z","ending_at":"2026-11-28T00:00:00Z","results":[
         {"uncached_input_tokens":1500,"cache_creation":{"ephemeral_1h_input_tokens":1000,"ephemeral_5m_input_tokens":500},
          "cache_read_input_tokens":200,"output_tokens":500,"server_tool_use":{"web_search_requests":10},
          "api_key_id":"apikey_1","workspace_id":"wrkspc_1","model":"claude-opus-4-20250514","service_tier":"standard"},
         {"uncached_input_tokens":1,"cache_creation":{},"output_tokens":2,"model":"m","service_tier":"batch"}]}],
         "has_more":true,"next_page":"page_x"})",
     "20784 claude-opus-4-20250514 (wrkspc_1 apikey_1) 0: 3200/200/1500 in 500 out $0 other\n"
     "20784 m () 0: 1/0/0 in 2 out $0 other batch\n"},
    {"Anthropic, costs in cents, page after page",
     R"({"data":[{"starting_at":"2026-11-27T00:00:00Z","results":[{"amount":"123.78912","currency":"USD",
         "cost_type":"tokens","model":"claude-x","token_type":"uncached_input_tokens","workspace_id":"w"}]}]}
        {"data":[{"starting_at":"2026-11-28T00:00:00Z","results":[{"amount":"1","currency":"USD","cost_type":"web_search",
         "model":null},{"amount":"2","model":"claude-x","token_type":"cache_creation.ephemeral_5m_input_tokens"}]}]})",
     "20784 claude-x (w) 0: 0/0/0 in 0 out $1.2378912 input\n"
     "20785 web_search () 0: 0/0/0 in 0 out $0.01 other\n"
     "20785 claude-x () 0: 0/0/0 in 0 out $0.02 write\n"},
    {"OpenAI, costs of the console; a day without any is no line",
     "start_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,quantity,line_item,project_id\n"
     "1795651200,1795737600,2026-11-26T00:00:00+00:00,2026-11-27T00:00:00+00:00,,,,,\n"
     "1795737600,1795824000,2026-11-27T00:00:00+00:00,2026-11-28T00:00:00+00:00,0.0600000000000000000000000,usd,,"
     "\"gpt-4o, input\",proj_a\n",
     "20784 gpt-4o (proj_a) 0: 0/0/0 in 0 out $0.06 input\n"},
    {"Anthropic, usage of the console",
     "\xEF\xBB\xBFusage_date_utc,model_version,api_key,workspace,usage_type,context_window,usage_input_tokens_no_cache,"
     "usage_input_tokens_cache_write_5m,usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,"
     "usage_output_tokens,web_search_count\r\n"
     "2026-11-27,claude-opus-5,Closer App,Default,standard,200k,46981,15969,1,7,16932,0\r\n"
     "2026-11-27,claude-opus-5,Closer App,Default,batch,200k,1,0,0,0,2,0\r\n",
     "20784 claude-opus-5 (Closer App Default) 0: 62958/7/15970 in 16932 out $0 other\n"
     "20784 claude-opus-5 (Closer App Default) 0: 1/0/0 in 2 out $0 other batch\n"},
    {"Anthropic, costs of the console",
     "usage_date_utc,model,workspace,api_key,usage_type,context_window,token_type,cost_usd,list_price_usd,cost_type\n"
     "2026-11-27,Claude Opus 4.6,Default,OB-1,message,200k,input_no_cache,1.50,1.60,token\n"
     "2026-11-27,Claude Opus 4.6,Default,OB-1,message,200k,output,$0.50,0.50,token",
     "20784 Claude Opus 4.6 (Default OB-1) 0: 0/0/0 in 0 out $1.5 input\n"
     "20784 Claude Opus 4.6 (Default OB-1) 0: 0/0/0 in 0 out $0.5 output\n"},
    {"own names, semicolons, quotes in quotes, a line feed within",
     "Day;Model;Project;Input Tokens;Output tokens;cache-read tokens;COST;note\n\n"
     "2026-11-27;\"a;\"\"b\"\"\nc\";p;10;2.0;3;-0.5;x\n2026-11-28T23:59:59Z;m;;1\n",
     "20784 a;\"b\"\nc (p) 0: 10/3/0 in 2 out $-0.5 other\n"
     "20785 m () 0: 1/0/0 in 0 out $0 other\n"},
    {"tabs; the whole prompt goes before its parts",
     "date\tslug\tprompt_tokens\tuncached_input_tokens\n2026-11-27\tm\t5\t4\n",
     "20784 m () 0: 5/0/0 in 0 out $0 other\n"},
    {"no day above", "model,cost\nm,1\n", "! line 2: there is no column \"day\" above it"},
    {"no figures above", "day,model\n2026-11-27,m\n", "! line 2: there is no column of tokens or \"cost\" above it"},
    {"a line of sums is no day", "day,cost\n2026-11-27,1\nTotal,1\n",
     "20784  () 0: 0/0/0 in 0 out $1 other\n! line 3: \"Total\" is no day (2026-11-27)"},
    {"a day is missing", "day,cost\n,1\n", "! line 2: the day is missing"},
    {"a count that is none", "day,input_tokens\n2026-11-27,\"1,000\"\n", "! line 2: \"1,000\" is no count"},
    {"more than anybody counts", "day,input_tokens\n2026-11-27,1000000000000001\n",
     "! line 2: \"1000000000000001\" is no count"},
    {"an amount that is none", "day,cost\n2026-11-27,\"0,06\"\n", "! line 2: not an amount of money: 0,06"},
    {"another currency", "day,cost,currency\n2026-11-27,1,eur\n", "! line 2: amounts are read in US dollars only"},
    {"fields without a name", "day,cost\n2026-11-27,1,2\n", "! line 2: there are more fields than names above them"},
    {"an open quote", "day,cost\n2026-11-27,\"1\n", "! line 2: a quote is not closed"},
    {"nothing", " \n", "! it is empty"},
    {"a page cut off", R"({"data":[{"starting_at":"2026-11-27")", "! it ends in the middle of page 1"},
    {"a list cut off", R"([{"data":[]},)", "! it ends in the middle of page 2"},
    {"no page", R"({"error":{"message":"no such key"}})", "! page 1: it is no page of a usage or cost report"},
    {"something behind", R"({"data":[]} x)", "! behind page 1 stands what is no page"},
    {"a week in one", R"({"data":[{"start_time":1795737600,"end_time":1796342400,"results":[]}]})",
     "! page 1: a bucket is longer than a day; ask for bucket_width=1d"},
    {"an hour in one", R"({"data":[{"start_time":1795737600,"end_time":1795741200,"results":[{"model":"m"}]}]})",
     "20784 m () 0: 0/0/0 in 0 out $0 other\n"},
    {"half a token", R"({"data":[{"start_time":1795737600,"results":[{"input_tokens":1.5}]}]})",
     "! page 1: 1.5 is no count"},
    {"euros", R"({"data":[{"start_time":1795737600,"results":[{"amount":{"value":1,"currency":"eur"}}]}]})",
     "! page 1: amounts are read in US dollars only"},
};

TEST(ReconcileExport, ReadsTheSameLinesHoweverTheBytesAreCut) {
  for (const Case& c : kCases) {
    for (std::size_t cut = 0; cut <= c.text.size(); ++cut) {
      SCOPED_TRACE(std::string(c.name) + ", cut at " + std::to_string(cut));
      EXPECT_EQ(read(c.text.substr(0, cut), c.text.substr(cut)), c.lines);
      if (testing::Test::HasFailure()) return;
    }
  }
}

TEST(ReconcileExport, KnowsWhichColumnsThereAre) {
  ExportColumns columns;
  read(kCases[0].text, "", &columns);
  EXPECT_TRUE(columns.tokens && columns.cache_reads && columns.requests);
  EXPECT_FALSE(columns.costs || columns.cache_writes || columns.more_to_come);
  EXPECT_EQ(columns.lines, 2);
  read(kCases[2].text, "", &columns);
  EXPECT_TRUE(columns.tokens && columns.cache_writes && columns.more_to_come);
  EXPECT_FALSE(columns.requests);
  read(kCases[3].text, "", &columns);
  EXPECT_TRUE(columns.costs);
  EXPECT_FALSE(columns.tokens || columns.more_to_come);
}

TEST(ReconcileExport, BoundsWhatItKeeps) {
  const std::string long_field(ExportReader::kFieldBytesMax + 1, 'x');
  EXPECT_EQ(read("day,cost,note\n", "2026-11-27,1," + long_field), "! line 2: a field does not end");
  EXPECT_EQ(read("day,cost,", long_field), "! line 1: the line of names does not end");
  EXPECT_EQ(read("day,cost\n", std::string(ExportReader::kColumnsMax + 1, ',')), "! line 2: there are too many fields");
}

TEST(ReconcileExport, ASpentReaderStaysSo) {
  ExportReader reader([](const ExportLine&) { return base::fail(ErrorKind::InvalidRequest, "enough"); });
  EXPECT_FALSE(reader.feed("day,cost\n2026-11-27,1\n"));
  const Status again = reader.feed("2026-11-27,1\n");
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().message, "enough");
  EXPECT_FALSE(reader.finish());
}

}  // namespace
}  // namespace turnpike::proof::reconcile_export_test
