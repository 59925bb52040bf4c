#include "account/key_life.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <optional>
#include <thread>

#include "account/key_records.h"
#include "account/key_rows.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/id.h"
#include "base/log.h"
#include "base/text.h"
#include "base/thread_name.h"
#include "json/document.h"
#include "json/write.h"

namespace turnpike::account {
namespace {

constexpr std::int64_t kAtOnce = 100;
constexpr std::size_t kNameBytesMax = 100;

/// A file's name that nobody can lead elsewhere with an alias.
std::string file_name(const KeyRow& row) {
  std::string name;
  for (const char c : row.key_alias.value_or("")) {
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    name += plain ? c : '_';
  }
  return name.empty() || name.size() > kNameBytesMax ? row.hash : name;
}

Status write_secret(const std::filesystem::path& path, const std::string& secret) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  const std::string line = secret + "\n";
  bool good = file >= 0 && ::write(file, line.data(), line.size()) == static_cast<ssize_t>(line.size());
  good = good && ::fsync(file) == 0;
  if (file >= 0) good = ::close(file) == 0 && good;
  if (!good) return base::fail(ErrorKind::Unavailable, "The new secret of a key cannot be written to " + path.string());
  return {};
}

Result<std::vector<KeyRow>> due_keys(db::Transaction& transaction, std::string_view column, std::int64_t now_us) {
  const auto rows = transaction.run(
      select_key() + " WHERE k." + std::string(column) + " <= $1 ORDER BY k." + std::string(column) + " LIMIT $2",
      {now_us, kAtOnce});
  if (!rows) return base::fail(rows.error());
  return read_key_rows(transaction, *rows, now_us);
}

/// Metadata without what raised the budget.
std::string without_raise(const std::string& metadata_json) {
  json::Document metadata;
  if (!metadata.parse(metadata_json)) return metadata_json;
  std::string text;
  json::Writer writer(text);
  writer.begin_object();
  for (const json::Value::Pair member : metadata.root().members()) {
    const std::string name = member.key.text().value_or("");
    if (name != "temp_budget_increase" && name != "temp_budget_expiry") writer.key(name).raw(member.value.raw());
  }
  writer.end_object();
  return text;
}

/// One round of looking after keys.
struct Round {
  db::Database& database;
  const KeyLifeOptions& options;
  Actor actor;

  Status in_unit(const std::function<Status(Records&)>& work) {
    std::vector<Change> changes;
    std::vector<AccountNews> news;
    const Status done = database.transact_now([&](db::Transaction& transaction) -> Status {
      Records records(transaction, actor);
      Status worked = work(records);
      changes = records.changes();
      news = records.account_news();
      return worked;
    });
    if (done && options.done && (!changes.empty() || !news.empty())) options.done(changes, news);
    return done;
  }

  /// Whether there is a row; asked without holding up anybody's change.
  Result<bool> is_due(std::string_view sql) {
    bool due = false;
    const Status read = database.read_now([&](db::Transaction& transaction) -> Status {
      const auto rows = transaction.run(sql, {actor.now_us});
      if (!rows) return base::fail(rows.error());
      due = !rows->rows.empty();
      return {};
    });
    if (!read) return base::fail(read.error());
    return due;
  }

  Result<std::size_t> end_raises() {
    const Result<bool> due_now = is_due("SELECT hash FROM verification_key WHERE temp_budget_expiry_us <= $1 LIMIT 1");
    if (!due_now) return base::fail(due_now.error());
    if (!*due_now) return std::size_t{0};
    std::size_t ended = 0;
    const Status done = in_unit([&](Records& records) -> Status {
      Result<std::vector<KeyRow>> due = due_keys(records.transaction(), "temp_budget_expiry_us", actor.now_us);
      if (!due) return base::fail(std::move(due.error()));
      for (const KeyRow& row : *due) {
        KeyRow after = row;
        after.metadata_json = without_raise(row.metadata_json);
        Result<KeyRow> updated = update_key(records, row, std::move(after), "temp_budget_ended");
        if (!updated) return base::fail(std::move(updated.error()));
      }
      ended = due->size();
      return {};
    });
    if (!done) return base::fail(done.error());
    return ended;
  }

  Result<std::size_t> end_secrets() {
    const Result<bool> due_now = is_due("SELECT hash FROM deprecated_key WHERE revoke_at_us <= $1 LIMIT 1");
    if (!due_now) return base::fail(due_now.error());
    if (!*due_now) return std::size_t{0};
    std::size_t ended = 0;
    const Status done = in_unit([&](Records& records) -> Status {
      const Result<std::size_t> count = end_deprecated_keys(records, static_cast<std::size_t>(kAtOnce));
      if (!count) return base::fail(count.error());
      ended = *count;
      return {};
    });
    if (!done) return base::fail(done.error());
    return ended;
  }

  /// Whoever reads an account finds the window that runs; this keeps the rows from falling behind.
  Result<std::size_t> turn_windows() {
    const Result<bool> due_now = is_due("SELECT account_id FROM account WHERE window_ends_us <= $1 LIMIT 1");
    if (!due_now) return base::fail(due_now.error());
    if (!*due_now) return std::size_t{0};
    std::int64_t turned = 0;
    const Status done = database.transact_now([&](db::Transaction& transaction) -> Status {
      const Result<std::int64_t> count = db::turn_windows(transaction, actor.now_us);
      if (count) turned = *count;
      return count ? Status() : base::fail(count.error());
    });
    if (!done) return base::fail(done.error());
    return static_cast<std::size_t>(turned);
  }

  Status rotate(const std::string& hash) {
    std::array<std::uint8_t, 16> random{};
    base::fill_random(random.data(), random.size());
    const std::string secret = "sk-" + base::to_base64url(random);
    std::filesystem::path fresh, place;
    const Status done = in_unit([&](Records& records) -> Status {
      Result<std::optional<KeyRow>> row = find_key(records.transaction(), hash, actor.now_us);
      if (!row) return base::fail(std::move(row.error()));
      // Another replica was faster, or somebody changed it.
      if (!*row || !(*row)->key_rotation_us || *(*row)->key_rotation_us > actor.now_us) return {};
      const std::string name = file_name(**row);
      place = std::filesystem::path(options.rotated_keys_dir) / name;
      fresh = std::filesystem::path(options.rotated_keys_dir) / ("." + name + ".new");
      if (Status written = write_secret(fresh, secret); !written) return written;
      KeyRow after = **row;
      after.hash = base::sha256_hex(secret);
      after.key_name = "sk-..." + secret.substr(secret.size() - 4);
      const std::optional<std::int64_t> old_until =
          options.grace_seconds > 0 ? std::optional(actor.now_us + options.grace_seconds * 1'000'000) : std::nullopt;
      Result<KeyRow> rotated = rotate_key(records, **row, std::move(after), old_until);
      if (!rotated) return base::fail(std::move(rotated.error()));
      return {};
    });
    if (!done || fresh.empty()) return done;
    std::error_code failed;
    std::filesystem::rename(fresh, place, failed);
    if (failed)
      base::log(base::LogLevel::Error, "The new secret of key {} stands in {}: {}", hash, fresh.string(),
                failed.message());
    base::log(base::LogLevel::Info, "key {} rotated by itself, its new secret is in {}", hash, place.string());
    return {};
  }

  Result<std::size_t> rotate_due() {
    if (options.rotated_keys_dir.empty()) return std::size_t{0};
    std::vector<std::string> hashes;
    const Status read = database.read_now([&](db::Transaction& transaction) -> Status {
      Result<std::vector<KeyRow>> due = due_keys(transaction, "key_rotation_us", actor.now_us);
      if (!due) return base::fail(std::move(due.error()));
      hashes.clear();
      for (const KeyRow& row : *due) hashes.push_back(row.hash);
      return {};
    });
    if (!read) return base::fail(read.error());
    for (const std::string& hash : hashes) {
      if (Status rotated = rotate(hash); !rotated) return base::fail(std::move(rotated.error()));
    }
    return hashes.size();
  }
};

}  // namespace

Result<std::size_t> tend_keys(db::Database& database, const KeyLifeOptions& options, std::int64_t now_us) {
  Round round{database, options, Actor{"turnpike", {}, {}, now_us, true, options.calendar}};
  std::size_t count = 0;
  for (const auto& step : {&Round::end_raises, &Round::end_secrets, &Round::rotate_due, &Round::turn_windows}) {
    const Result<std::size_t> done = (round.*step)();
    if (!done) return base::fail(done.error());
    count += *done;
  }
  return count;
}

struct KeyLife::State {
  db::Database& database;
  KeyLifeOptions options;
  std::mutex mutex;
  std::condition_variable woken;
  bool stopping = false;
  std::thread thread;

  void run() {
    std::unique_lock guard(mutex);
    while (!woken.wait_for(guard, options.interval, [this] { return stopping; })) {
      guard.unlock();
      if (const Result<std::size_t> done = tend_keys(database, options, base::unix_now_us()); !done)
        base::log(base::LogLevel::Warning, "Keys could not be looked after: {}", done.error().message);
      guard.lock();
    }
  }
};

KeyLife::KeyLife(db::Database& database, KeyLifeOptions options)
    : state_(new State{database, std::move(options), {}, {}, false, {}}) {
  state_->thread = std::thread([state = state_.get()] {
    base::name_background_thread("keys");
    state->run();
  });
}

KeyLife::~KeyLife() {
  {
    const std::lock_guard guard(state_->mutex);
    state_->stopping = true;
  }
  state_->woken.notify_one();
  state_->thread.join();
}

}  // namespace turnpike::account
