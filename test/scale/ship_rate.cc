// ship_rate DATABASE_URL|FILE ENTRIES: pushes entries of many keys, users, teams, tags and models through the shipper
// as fast as it takes them, and prints how many the database stored in a second and what that cost this process.
#include <fmt/core.h>
#include <sys/resource.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "base/clock.h"
#include "ledger/shipper.h"

namespace {

using namespace turnpike;
using journal::Text;

constexpr std::uint64_t kKeys = 500, kUsers = 100, kTeams = 20, kModels = 10, kCustomers = 200, kTags = 30;

/// The texts of one entry; a row looks at them.
struct Texts {
  std::string call_id, key, user, team, model, customer, tags;
  explicit Texts(std::uint64_t i)
      : call_id(fmt::format("call-{:032x}", i)),
        key(fmt::format("{:064x}", i % kKeys)),
        user(fmt::format("user-{}", i % kKeys % kUsers)),
        team(fmt::format("team-{}", i % kKeys % kTeams)),
        model(fmt::format("model-{}", i * 7 % kModels)),
        customer(fmt::format("customer-{}", i * 13 % kCustomers)),
        tags(fmt::format("[\"tag-{}\"]", i * 11 % kTags)) {}
};

void fill(ledger::UnshippedEntry& entry, std::uint64_t number) {
  const Texts texts(number);
  journal::EntryRow row;
  row.numbers.entry_no = number;
  row.numbers.started_us = row.numbers.ended_us = base::unix_now_us();
  row.numbers.cost_nano = 1000 + static_cast<std::int64_t>(number % 1000);
  row.numbers.prompt_tokens = 100;
  row.numbers.completion_tokens = 20;
  row.numbers.http_status = 200;
  row.text(Text::CallId) = texts.call_id;
  row.text(Text::ProviderRequestId) = texts.call_id;
  row.text(Text::KeyHash) = texts.key;
  row.text(Text::UserId) = texts.user;
  row.text(Text::TeamId) = texts.team;
  row.text(Text::EndUser) = texts.customer;
  row.text(Text::Tags) = texts.tags;
  row.text(Text::ModelGroup) = row.text(Text::Model) = row.text(Text::DeploymentId) = texts.model;
  row.text(Text::Provider) = "openai";
  row.text(Text::Route) = "/v1/chat/completions";
  row.text(Text::ApiBase) = "https://api.example.com/v1";
  row.accounts.count = 3;
  const auto account = static_cast<std::int64_t>(number % kKeys);
  row.accounts.values = {1 + account, 0, 1001 + account % 100, 0, 2001 + account % 20, 0};
  entry.entry_no = number;
  journal::encode_row(row, entry.payload);
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

int run(const std::string& where, std::uint64_t entries) {
  auto database = db::is_postgres_url(where) ? db::open_postgres(where, {}) : db::open_sqlite(where);
  if (!database || !(*database)->opened()) return fmt::print(stderr, "the database cannot be opened\n"), 2;
  auto replica = ledger::find_replica(**database, fmt::format("ship-rate-{}", base::unix_now_us()), "host", "0");
  if (!replica) return fmt::print(stderr, "{}\n", replica.error().message), 2;
  replica->epoch = 1;
  if (!ledger::register_epoch(**database, *replica, "host", "0")) return 2;
  ledger::LedgerCounters counters;
  ledger::Shipper::Options options;
  options.queued_bytes_max = INT64_MAX;
  ledger::Shipper shipper(**database, options, *replica, nullptr, counters);
  for (std::uint64_t number = 1; number <= entries; ++number) {
    auto entry = shipper.new_entry();
    fill(*entry, number);
    shipper.push(std::move(entry));
  }
  const double cpu = cpu_seconds();
  const base::Monotonic begun = base::monotonic_now();
  shipper.start();
  const bool done = shipper.drain(std::chrono::minutes(30), entries);
  const double took = std::chrono::duration<double>(base::monotonic_now() - begun).count();
  shipper.stop();
  if (!done) return fmt::print(stderr, "not everything was shipped\n"), 1;
  fmt::print("{{\"entries\":{},\"per_second\":{:.0f},\"cpu_us_per_entry\":{:.1f},\"database\":\"{}\"}}\n", entries,
             static_cast<double>(entries) / took, 1e6 * (cpu_seconds() - cpu) / static_cast<double>(entries),
             (*database)->description());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return fmt::print(stderr, "usage: ship_rate DATABASE_URL|FILE ENTRIES\n"), 2;
  return run(argv[1], std::strtoull(argv[2], nullptr, 10));
}
