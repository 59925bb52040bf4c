// Feeds exports of providers to their reader, whole and cut in two: both must read the same lines and end the same way.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "proof/reconcile.h"

namespace {

using namespace turnpike;
using proof::ExportLine;
using proof::ExportReader;

void require(bool truth) {
  if (!truth) std::abort();
}

std::string read(std::string_view first, std::string_view second) {
  std::string seen;
  proof::ReconcileTerms terms;
  terms.last_day = 30'000;
  proof::Reconciliation reconciliation(terms);
  ExportReader reader([&](const ExportLine& line) {
    const proof::Figures& figures = line.figures;
    require(line.day >= 0);
    seen += std::to_string(line.day) + line.model + std::to_string(figures.input_tokens) +
            std::to_string(figures.output_tokens) + figures.cost.to_string();
    return reconciliation.add(line);
  });
  Status status = reader.feed(first);
  if (status) status = reader.feed(second);
  if (status) status = reader.finish();
  if (!status) {
    require(!status.error().message.empty());
    return seen + status.error().message;
  }
  reconciliation.add(reader.columns());
  return seen + format_comparison(reconciliation.compare());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  const std::size_t cut = (data[0] * 256u + data[1]) % (bytes.size() + 1);
  require(read(bytes, {}) == read(bytes.substr(0, cut), bytes.substr(cut)));
  return 0;
}
