#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/money.h"
#include "base/result.h"

/// What a provider says was used and what it asks for it, read from the files it lets people download.
namespace turnpike::proof {

/// What an amount of money was asked for, where the export says so.
enum class CostKind : std::uint8_t { Input, CacheRead, CacheWrite, Output, Other };
constexpr std::size_t kCostKinds = 5;

/// Tokens, requests and money, of one side.
struct Figures {
  std::uint64_t requests = 0;
  std::uint64_t input_tokens = 0;  // The whole prompt, with what was read from a cache
  std::uint64_t cache_read_tokens = 0;
  std::uint64_t cache_write_tokens = 0;  // and what was written to one.
  std::uint64_t output_tokens = 0;
  Money cost;

  /// Sums stop at the end of their range.
  void add(const Figures& other);
  std::uint64_t tokens() const;
  bool operator==(const Figures&) const = default;
};

struct ExportLine {
  std::int64_t day = 0;  // UTC days since 1970.
  std::string model;     // Empty: the export does not say.
  std::vector<std::string>
      accounts;  // Names of whoever pays: project, workspace or key of the provider, by id or name.
  bool batch = false;
  CostKind cost_kind = CostKind::Other;
  Figures figures;
};

/// What stands in the files, whatever its values.
struct ExportColumns {
  bool tokens = false, cache_reads = false, cache_writes = false, requests = false, costs = false;
  bool more_to_come = false;  // The last page says that others follow.
  std::uint64_t lines = 0;

  void add(const ExportColumns& other);
};

/// Reads an export from its bytes, in pieces of any size: JSON pages of OpenAI's or Anthropic's usage and cost reports
/// (one page, several one after the other, or a list of them), or CSV with a line of names (docs/reconcile.md). Which
/// of them it is is seen by the first byte.
///
/// Limits: `kPageBytesMax` for a page of JSON, `kFieldBytesMax` for a field and `kColumnsMax` for a line of CSV.
/// Errors: InvalidRequest with the line or the page and what is wrong there; whatever `on_line` returns. The reader is
///         spent then: the same error comes again.
class ExportReader {
 public:
  static constexpr std::size_t kPageBytesMax = 256 << 20;
  static constexpr std::size_t kFieldBytesMax = 64 << 10;
  static constexpr std::size_t kColumnsMax = 256;
  /// More of anything in one line is not believed.
  static constexpr std::uint64_t kCountMax = 1'000'000'000'000'000;

  using OnLine = std::function<Status(const ExportLine&)>;
  explicit ExportReader(OnLine on_line);
  ~ExportReader();

  Status feed(std::string_view bytes);
  Status finish();
  const ExportColumns& columns() const { return columns_; }

  /// One way of writing an export.
  class Format {
   public:
    virtual ~Format() = default;
    virtual Status feed(std::string_view bytes) = 0;
    virtual Status finish() = 0;
  };

 private:
  OnLine on_line_;
  ExportColumns columns_;
  std::unique_ptr<Format> format_;  // Null until the first byte that counts.
  Status state_;
};

std::unique_ptr<ExportReader::Format> make_csv_format(ExportReader::OnLine on_line, ExportColumns& columns);
std::unique_ptr<ExportReader::Format> make_json_format(ExportReader::OnLine on_line, ExportColumns& columns);

// What both formats read alike.

/// "uncached_input_tokens", "input_no_cache", "cached input", "cache_creation.ephemeral_5m_input_tokens", "output", ...
CostKind cost_kind_of(std::string_view name);
/// "gpt-4o-2024-08-06, cached input" as the model and what of it was paid for.
void take_line_item(std::string_view item, ExportLine& line);
/// A bare date, ISO 8601, or whole seconds since 1970, as a UTC day.
Result<std::int64_t> day_of(std::string_view text);
Result<std::uint64_t> count_of(std::string_view text);

}  // namespace turnpike::proof
