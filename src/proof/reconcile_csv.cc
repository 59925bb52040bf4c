#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "proof/reconcile_export.h"

namespace turnpike::proof {
namespace {

enum class Column : std::uint8_t {
  Unread,
  Day,
  Model,
  LineItem,       // Model, and what of it was paid for.
  Account,        // Any number of them.
  Input,          // The whole prompt,
  UncachedInput,  // or the rest of it beside the next two.
  CacheRead,
  CacheWrite,  // Any number of them, added up.
  Output,
  Requests,
  Cost,  // Dollars.
  Currency,
  Batch,  // A yes or no.
  Tier,   // "batch" among others.
  Kind,   // What the cost is for.
};

struct Name {
  std::string_view name;
  Column column;
};

/// Names in lower case, whatever stands between their words as "_". The first ones are our own (docs/reconcile.md), the
/// others those of OpenAI's and Anthropic's downloads and of programs that ask their endpoints.
constexpr Name kNames[] = {
    {"day", Column::Day},
    {"model", Column::Model},
    {"project", Column::Account},
    {"key", Column::Account},
    {"requests", Column::Requests},
    {"input_tokens", Column::Input},
    {"cache_read_tokens", Column::CacheRead},
    {"cache_write_tokens", Column::CacheWrite},
    {"output_tokens", Column::Output},
    {"cost", Column::Cost},
    {"batch", Column::Batch},

    {"date", Column::Day},
    {"usage_date", Column::Day},
    {"usage_date_utc", Column::Day},
    {"start_time", Column::Day},
    {"start_time_iso", Column::Day},
    {"starting_at", Column::Day},
    {"model_version", Column::Model},
    {"model_id", Column::Model},
    {"model_name", Column::Model},
    {"slug", Column::Model},
    {"line_item", Column::LineItem},
    {"project_id", Column::Account},
    {"project_name", Column::Account},
    {"workspace", Column::Account},
    {"workspace_id", Column::Account},
    {"workspace_name", Column::Account},
    {"api_key", Column::Account},
    {"api_key_id", Column::Account},
    {"api_key_name", Column::Account},
    {"account", Column::Account},
    {"prompt_tokens", Column::Input},
    {"tokens_in", Column::Input},
    {"uncached_input_tokens", Column::UncachedInput},
    {"input_uncached_tokens", Column::UncachedInput},
    {"usage_input_tokens_no_cache", Column::UncachedInput},
    {"input_cached_tokens", Column::CacheRead},
    {"cached_tokens", Column::CacheRead},
    {"tokens_cached", Column::CacheRead},
    {"cache_read_input_tokens", Column::CacheRead},
    {"usage_input_tokens_cache_read", Column::CacheRead},
    {"input_cache_write_tokens", Column::CacheWrite},
    {"cache_creation_input_tokens", Column::CacheWrite},
    {"cache_creation_ephemeral_5m_input_tokens", Column::CacheWrite},
    {"cache_creation_ephemeral_1h_input_tokens", Column::CacheWrite},
    {"usage_input_tokens_cache_write_5m", Column::CacheWrite},
    {"usage_input_tokens_cache_write_1h", Column::CacheWrite},
    {"completion_tokens", Column::Output},
    {"tokens_out", Column::Output},
    {"usage_output_tokens", Column::Output},
    {"num_model_requests", Column::Requests},
    {"num_requests", Column::Requests},
    {"calls", Column::Requests},
    {"cost_usd", Column::Cost},
    {"amount_value", Column::Cost},
    {"amount_usd", Column::Cost},
    {"spend", Column::Cost},
    {"currency", Column::Currency},
    {"amount_currency", Column::Currency},
    {"service_tier", Column::Tier},
    {"usage_type", Column::Tier},
    {"token_type", Column::Kind},
};

std::string plain_name(std::string_view name) {
  std::string plain;
  for (const char c : base::to_lower(base::trim(name))) {
    const bool word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (word) {
      plain.push_back(c);
    } else if (!plain.empty() && plain.back() != '_') {
      plain.push_back('_');
    }
  }
  while (plain.ends_with('_')) plain.pop_back();
  return plain;
}

Column column_named(std::string_view name) {
  const std::string plain = plain_name(name);
  const auto* const found = std::ranges::find(kNames, std::string_view(plain), &Name::name);
  return found == std::end(kNames) ? Column::Unread : found->column;
}

bool is_repeatable(Column column) {
  return column == Column::Unread || column == Column::Account || column == Column::CacheWrite;
}
bool is_tokens(Column column) {
  return column >= Column::Input && column <= Column::Output;
}
bool is_figure(Column column) {
  return is_tokens(column) || column == Column::Requests || column == Column::Cost;
}

/// What separates fields, by the line of names.
char separator_of(std::string_view header) {
  char found = ',';
  for (const char candidate : {';', '\t'}) {
    if (std::ranges::count(header, candidate) > std::ranges::count(header, found)) found = candidate;
  }
  return found;
}

/// RFC 4180, with any of three separators and any line end.
class CsvFormat : public ExportReader::Format {
 public:
  CsvFormat(ExportReader::OnLine on_line, ExportColumns& columns) : on_line_(std::move(on_line)), export_(columns) {}

  Status feed(std::string_view bytes) override {
    if (!header_read_) {
      const std::size_t end = bytes.find('\n');
      header_ += bytes.substr(0, end);
      if (header_.size() > ExportReader::kFieldBytesMax) return wrong("the line of names does not end");
      if (end == std::string_view::npos) return {};
      if (Status read = read_header(); !read) return read;
      bytes.remove_prefix(end + 1);
    }
    return take(bytes);
  }

  Status finish() override {
    if (!header_read_) {
      if (Status read = read_header(); !read) return read;
    }
    if (in_quotes_) return wrong("a quote is not closed");
    return end_line();
  }

 private:
  tl::unexpected<Error> wrong(std::string_view what) const {
    return base::fail(ErrorKind::InvalidRequest, fmt::format("line {}: {}", line_no_, what));
  }

  Status read_header() {
    header_read_ = true;
    separator_ = separator_of(header_);
    if (Status taken = take(header_); !taken) return taken;
    if (in_quotes_) return wrong("a quote is not closed");
    end_field();
    for (std::size_t i = 0; i < fields_used_; ++i) {
      Column column = column_named(fields_[i]);
      // The first column of a kind counts: start_time and start_time_iso say the same.
      if (!is_repeatable(column) && has(column)) column = Column::Unread;
      columns_.push_back(column);
    }
    fields_used_ = 0;
    fields_.front().clear();
    ++line_no_;
    whole_input_ = has(Column::Input);
    export_.tokens = std::ranges::any_of(columns_, is_tokens);
    export_.cache_reads = has(Column::CacheRead);
    export_.cache_writes = has(Column::CacheWrite);
    export_.requests = has(Column::Requests);
    export_.costs = has(Column::Cost);
    if (!has(Column::Day)) return wrong("there is no column \"day\" above it");
    if (!export_.tokens && !export_.costs) return wrong("there is no column of tokens or \"cost\" above it");
    return {};
  }

  bool has(Column column) const { return std::ranges::find(columns_, column) != columns_.end(); }

  Status take(std::string_view bytes) {
    for (const char c : bytes) {
      if (in_quotes_) {
        if (c == '\n') ++newlines_;
        if (c == '"') {
          in_quotes_ = false;
          after_quote_ = true;
        } else {
          field().push_back(c);
        }
      } else if (c == '"' && (after_quote_ || field().empty())) {
        if (after_quote_) field().push_back('"');
        in_quotes_ = true;
        after_quote_ = false;
      } else if (c == separator_) {
        end_field();
        if (fields_used_ >= ExportReader::kColumnsMax) return wrong("there are too many fields");
      } else if (c == '\n') {
        if (Status ended = end_line(); !ended) return ended;
      } else if (c != '\r') {
        after_quote_ = false;
        field().push_back(c);
      }
      if (fields_used_ < fields_.size() && fields_[fields_used_].size() > ExportReader::kFieldBytesMax) {
        return wrong("a field does not end");
      }
    }
    return {};
  }

  /// Fields keep their memory from line to line.
  std::string& field() {
    if (fields_.size() == fields_used_) fields_.emplace_back();
    return fields_[fields_used_];
  }
  void end_field() {
    field();
    ++fields_used_;
    if (fields_.size() > fields_used_) fields_[fields_used_].clear();
    after_quote_ = false;
  }

  Status end_line() {
    end_field();
    const Status told = tell_line();
    fields_used_ = 0;
    fields_.front().clear();
    line_no_ += 1 + std::exchange(newlines_, 0);
    return told;
  }

  Status tell_line() {
    if (fields_used_ > columns_.size()) return wrong("there are more fields than names above them");
    // A line of nothing, or a day on which nothing was used.
    bool anything = false;
    for (std::size_t i = 0; i < fields_used_; ++i) {
      anything = anything || (is_figure(columns_[i]) && !base::trim(fields_[i]).empty());
    }
    if (!anything) return {};
    line_ = {};
    day_said_ = false;
    for (std::size_t i = 0; i < fields_used_; ++i) {
      const std::string_view text = base::trim(fields_[i]);
      if (text.empty()) continue;
      if (Status taken = take_field(columns_[i], text); !taken) return wrong(taken.error().message);
    }
    if (!day_said_) return wrong("the day is missing");
    if (!whole_input_) line_.figures.input_tokens += line_.figures.cache_read_tokens + line_.figures.cache_write_tokens;
    return on_line_(line_);
  }

  static Status add_count(std::uint64_t& total, std::string_view text) {
    const auto count = count_of(text);
    if (!count) return base::fail(count.error());
    total += *count;
    return {};
  }

  Status take_field(Column column, std::string_view text) {
    Figures& figures = line_.figures;
    switch (column) {
      case Column::Unread:
        return {};
      case Column::Day:
        return take_day(text);
      case Column::Model:
        line_.model = text;
        return {};
      case Column::LineItem:
        take_line_item(text, line_);
        return {};
      case Column::Account:
        line_.accounts.emplace_back(text);
        return {};
      case Column::Input:
        return add_count(figures.input_tokens, text);
      case Column::UncachedInput:
        return whole_input_ ? Status() : add_count(figures.input_tokens, text);
      case Column::CacheRead:
        return add_count(figures.cache_read_tokens, text);
      case Column::CacheWrite:
        return add_count(figures.cache_write_tokens, text);
      case Column::Output:
        return add_count(figures.output_tokens, text);
      case Column::Requests:
        return add_count(figures.requests, text);
      case Column::Cost:
        return take_cost(text);
      case Column::Currency:
        if (base::equals_ignoring_case(text, "usd")) return {};
        return base::fail(ErrorKind::InvalidRequest, "amounts are read in US dollars only");
      case Column::Batch:
        line_.batch = line_.batch || base::equals_ignoring_case(text, "true") || text == "1";
        return {};
      case Column::Tier:
        line_.batch = line_.batch || base::equals_ignoring_case(text, "batch");
        return {};
      case Column::Kind:
        line_.cost_kind = cost_kind_of(text);
        return {};
    }
    return {};
  }

  Status take_day(std::string_view text) {
    const auto day = day_of(text);
    if (!day) return base::fail(day.error());
    line_.day = *day;
    day_said_ = true;
    return {};
  }

  Status take_cost(std::string_view text) {
    if (text.starts_with('$')) text.remove_prefix(1);
    const auto cost = Money::parse(text);
    if (!cost) return base::fail(cost.error());
    line_.figures.cost = *cost;
    return {};
  }

  ExportReader::OnLine on_line_;
  ExportColumns& export_;
  std::string header_;
  bool header_read_ = false;
  char separator_ = ',';
  std::vector<Column> columns_;
  std::vector<std::string> fields_;  // Of the current line; the first `fields_used_` have ended.
  std::size_t fields_used_ = 0;
  bool in_quotes_ = false, after_quote_ = false;
  std::uint64_t line_no_ = 1, newlines_ = 0;
  ExportLine line_;
  bool whole_input_ = false, day_said_ = false;
};

}  // namespace

std::unique_ptr<ExportReader::Format> make_csv_format(ExportReader::OnLine on_line, ExportColumns& columns) {
  return std::make_unique<CsvFormat>(std::move(on_line), columns);
}

}  // namespace turnpike::proof
