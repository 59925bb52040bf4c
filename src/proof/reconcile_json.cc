#include <fmt/format.h>

#include <optional>

#include "base/text.h"
#include "json/document.h"
#include "proof/reconcile_export.h"

namespace turnpike::proof {
namespace {

using json::Kind;
using json::Value;

std::string text_of(const Value& value) {
  return value.text().value_or(std::string());
}

/// A count that is there; null is none.
Status add_count(const Value& value, std::uint64_t& total, bool& there) {
  if (!value || value.is(Kind::Null)) return {};
  const auto count = value.whole();
  if (!count || *count > ExportReader::kCountMax) {
    return base::fail(ErrorKind::InvalidRequest, fmt::format("{} is no count", value.raw().substr(0, 64)));
  }
  total += *count;
  there = true;
  return {};
}

/// Cents as decimal text, as Anthropic writes them.
Result<Money> parse_cents(const std::string& cents) {
  return Money::parse(cents + "e-2");
}

/// OpenAI: {"value": 0.06, "currency": "usd"}; Anthropic: "123.78912" in cents. The currency of the latter stands
/// beside.
Result<Money> cost_of(const Value& amount, const Value& currency_beside) {
  const bool whole_amount = amount.is(Kind::Object);
  const std::string currency = text_of(whole_amount ? amount.find("currency") : currency_beside);
  if (!currency.empty() && !base::equals_ignoring_case(currency, "usd")) {
    return base::fail(ErrorKind::InvalidRequest, "amounts are read in US dollars only");
  }
  if (!whole_amount) return parse_cents(text_of(amount));
  const Value value = amount.find("value");
  return Money::parse(value.is(Kind::String) ? text_of(value) : std::string(value.raw()));
}

/// When a bucket begins; one that is longer than a day belongs to none.
Result<std::int64_t> day_of_bucket(const Value& bucket) {
  const Value begin = bucket.find("start_time") ? bucket.find("start_time") : bucket.find("starting_at");
  const Value end = bucket.find("end_time") ? bucket.find("end_time") : bucket.find("ending_at");
  const auto in_days = [](const Value& time) {
    return day_of(time.is(Kind::String) ? text_of(time) : std::string(time.raw()));
  };
  const auto day = in_days(begin);
  if (!day || !end || end.is(Kind::Null)) return day;
  const auto last = in_days(end);
  if (!last) return last;
  if (*last > *day + 1) {
    return base::fail(ErrorKind::InvalidRequest, "a bucket is longer than a day; ask for bucket_width=1d");
  }
  return day;
}

class JsonFormat : public ExportReader::Format {
 public:
  JsonFormat(ExportReader::OnLine on_line, ExportColumns& columns) : on_line_(std::move(on_line)), export_(columns) {}

  /// Pages stand alone, one after the other, or in a list: what is around them is passed over.
  Status feed(std::string_view bytes) override {
    for (const char c : bytes) {
      if (depth_ == 0) {
        if (c == '{') {
          page_.clear();
        } else if (Status passed = pass(c); !passed) {
          return passed;
        } else {
          continue;
        }
      }
      page_.push_back(c);
      if (page_.size() > ExportReader::kPageBytesMax) return wrong("it is too long");
      if (in_text_) {
        in_text_ = escaped_ || c != '"';
        escaped_ = !escaped_ && c == '\\';
      } else if (c == '"') {
        in_text_ = true;
      } else if (c == '{') {
        ++depth_;
      } else if (c == '}' && --depth_ == 0) {
        ++page_no_;
        if (Status read = read_page(); !read) return wrong(read.error().message);
      }
    }
    return {};
  }

  Status finish() override {
    if (depth_ > 0 || lists_ > 0) {
      return base::fail(ErrorKind::InvalidRequest, fmt::format("it ends in the middle of page {}", page_no_ + 1));
    }
    return {};
  }

 private:
  tl::unexpected<Error> wrong(std::string_view what) const {
    return base::fail(ErrorKind::InvalidRequest, fmt::format("page {}: {}", page_no_, what));
  }

  Status pass(char c) {
    if (c == '[') ++lists_;
    const bool closes = c == ']' && lists_ > 0;
    if (closes) --lists_;
    if (closes || c == '[' || c == ',' || c == ' ' || c == '\t' || c == '\r' || c == '\n') return {};
    return base::fail(ErrorKind::InvalidRequest, fmt::format("behind page {} stands what is no page", page_no_));
  }

  Status read_page() {
    json::Document document;
    if (Status parsed = document.parse(page_); !parsed) return parsed;
    const Value data = document.root().find("data");
    if (!data.is(Kind::Array)) return base::fail(ErrorKind::InvalidRequest, "it is no page of a usage or cost report");
    export_.more_to_come = document.root().find("has_more").boolean().value_or(false);
    for (const Value bucket : data.elements()) {
      const auto day = day_of_bucket(bucket);
      if (!day) return base::fail(day.error());
      for (const Value result : bucket.find("results").elements()) {
        if (Status read = read_result(result, *day); !read) return read;
      }
    }
    return {};
  }

  Status read_result(const Value& result, std::int64_t day) {
    line_ = {};
    line_.day = day;
    line_.model = text_of(result.find("model"));
    for (const char* name : {"project_id", "project_name", "workspace_id", "api_key_id"}) {
      if (std::string account = text_of(result.find(name)); !account.empty()) {
        line_.accounts.push_back(std::move(account));
      }
    }
    line_.batch = result.find("batch").boolean().value_or(false) || text_of(result.find("service_tier")) == "batch";
    if (Status counted = read_tokens(result); !counted) return counted;
    if (Status costs = read_cost(result); !costs) return costs;
    return on_line_(line_);
  }

  Status read_tokens(const Value& result) {
    struct Count {
      Value value;
      std::uint64_t* total;
      bool* column;
    };
    Figures& figures = line_.figures;
    const Value written = result.find("cache_creation");
    const Value whole = result.find("input_tokens");
    const Count kCounts[] = {
        {whole, &figures.input_tokens, &export_.tokens},
        {whole ? Value() : result.find("uncached_input_tokens"), &figures.input_tokens, &export_.tokens},
        {result.find("input_cached_tokens"), &figures.cache_read_tokens, &export_.cache_reads},
        {result.find("cache_read_input_tokens"), &figures.cache_read_tokens, &export_.cache_reads},
        {result.find("input_cache_write_tokens"), &figures.cache_write_tokens, &export_.cache_writes},
        {written.find("ephemeral_5m_input_tokens"), &figures.cache_write_tokens, &export_.cache_writes},
        {written.find("ephemeral_1h_input_tokens"), &figures.cache_write_tokens, &export_.cache_writes},
        {result.find("output_tokens"), &figures.output_tokens, &export_.tokens},
        {result.find("num_model_requests"), &figures.requests, &export_.requests},
    };
    for (const Count& count : kCounts) {
      if (Status counted = add_count(count.value, *count.total, *count.column); !counted) return counted;
    }
    if (!whole) figures.input_tokens += figures.cache_read_tokens + figures.cache_write_tokens;
    return {};
  }

  Status read_cost(const Value& result) {
    const Value amount = result.find("amount");
    if (!amount || amount.is(Kind::Null)) return {};
    const auto cost = cost_of(amount, result.find("currency"));
    if (!cost) return base::fail(cost.error());
    line_.figures.cost = *cost;
    export_.costs = true;
    if (const std::string item = text_of(result.find("line_item")); !item.empty()) take_line_item(item, line_);
    if (const std::string kind = text_of(result.find("token_type")); !kind.empty())
      line_.cost_kind = cost_kind_of(kind);
    // Searches and sessions have no model: they stand under their own name.
    if (line_.model.empty()) line_.model = text_of(result.find("cost_type"));
    return {};
  }

  ExportReader::OnLine on_line_;
  ExportColumns& export_;
  std::string page_;
  std::uint64_t page_no_ = 0, depth_ = 0, lists_ = 0;
  bool in_text_ = false, escaped_ = false;
  ExportLine line_;
};

}  // namespace

std::unique_ptr<ExportReader::Format> make_json_format(ExportReader::OnLine on_line, ExportColumns& columns) {
  return std::make_unique<JsonFormat>(std::move(on_line), columns);
}

}  // namespace turnpike::proof
