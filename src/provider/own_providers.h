#pragma once

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/settings.h"
#include "provider/provider.h"

namespace turnpike::provider {

/// The rows that the configuration adds to the catalogue. Made once per snapshot; whoever points at a row of it holds
/// it (Target::own_rows).
class OwnProviders {
 public:
  explicit OwnProviders(const std::vector<config::ProviderRow>& rows);
  OwnProviders(const OwnProviders&) = delete;

  const Provider* find(std::string_view name) const;
  const std::deque<Provider>& rows() const { return rows_; }

 private:
  void add(const config::ProviderRow& row);
  std::string_view keep(std::string text) { return texts_.emplace_back(std::move(text)); }

  std::deque<Provider> rows_;
  std::deque<std::string> texts_;
  std::deque<std::vector<FieldRule>> rules_;
  std::deque<std::string_view> variables_;
};

}  // namespace turnpike::provider
