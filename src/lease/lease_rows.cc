#include "lease/lease_rows.h"

#include <fmt/format.h>

#include <charconv>

#include "base/text.h"
#include "db/replica_state.h"

namespace turnpike::lease {
namespace {

using db::as_int;
using db::as_text;
using db::Value;

/// An array as PostgreSQL reads it: {1,2,3}.
class Array {
 public:
  void add(std::int64_t number) { text_ += fmt::format("{}{}", text_.size() == 1 ? "" : ",", number); }
  Value value() const { return text_ + "}"; }

 private:
  std::string text_ = "{";
};

struct Keys {
  explicit Keys(const std::vector<LeaseLine>& lines, bool only_fresh) {
    for (const LeaseLine& line : lines) {
      if (only_fresh && !line.fresh) continue;
      accounts.add(line.key.account_id);
      windows.add(line.key.window_id);
      any = true;
    }
  }
  std::vector<Value> values() const { return {accounts.value(), windows.value()}; }
  Array accounts, windows;
  bool any = false;
};

/// The database's clock, or a test's, as SQL.
std::string moment(std::optional<std::int64_t> now_us) {
  return now_us ? std::to_string(*now_us) : "(extract(epoch FROM now()) * 1000000)::bigint";
}

LeaseKey key_of(const db::Row& row) {
  return {as_int(row[0]), as_int(row[1])};
}

// In all statements {now} is what time it is, and {applies} whether this operation has passed the fence in this very
// transaction: they are sent together, before anybody knows. One that arrives late or twice changes nothing.
constexpr std::string_view kApplies =
    "EXISTS (SELECT 1 FROM replica_lease WHERE replica_no = {} AND op_epoch = {} AND op_no = {} AND xmin ="
    " pg_current_xact_id()::xid)";

constexpr std::string_view kMakeNumbers = "INSERT INTO replica_lease (replica_no) VALUES ($1) ON CONFLICT DO NOTHING";
constexpr std::string_view kLockNumbers =
    "SELECT op_epoch, op_no, {now} FROM replica_lease WHERE replica_no = $1 FOR UPDATE";
// A statement of its own behind the lock: a process that has registered since is seen. What passes is `fence`'s to say;
// here it is said once more, for the statements behind it.
constexpr std::string_view kPassFence = R"sql(
WITH known AS (
  SELECT epoch, shipped_no, state FROM replica WHERE replica_no = $1 AND ($6 = '' OR journal_id = $6)
), moved AS (
  UPDATE replica_lease l SET op_epoch = $2, op_no = $3, alive_us = {now},
         steady_since_us = CASE WHEN l.alive_us <= {now} - 3000000 THEN {now} ELSE l.steady_since_us END
    FROM known k
   WHERE l.replica_no = $1 AND NOT (l.op_epoch = $2 AND l.op_no >= $3)
     AND CASE WHEN $5 <> 0 THEN k.epoch <= $2
              ELSE k.epoch = $2 AND ($4 = 0 OR (l.op_epoch = $2 AND l.op_no >= $4)) END
  RETURNING 1
)
SELECT k.epoch, (SELECT count(*) FROM moved),
       1 + (SELECT count(*) FROM replica_lease WHERE replica_no <> $1 AND alive_us > {now} - 3000000),
       (SELECT count(*) FROM replica_lease WHERE replica_no < $1 AND alive_us > {now} - 3000000), k.shipped_no, k.state
  FROM known k)sql";
// The commit of its start is lost.
constexpr std::string_view kRaiseEpoch =
    "UPDATE replica SET epoch = $2 WHERE replica_no = $1 AND epoch < $2 AND {applies}";

// A new escrow begins with what was spent before, but for what a replica used that opened the window by itself. The
// rows of account_window are locked first: shipping moves them and the escrow together.
constexpr std::string_view kMakeWindows = R"sql(
INSERT INTO account_window (account_id, window_id)
SELECT a, w FROM unnest($1::bigint[], $2::bigint[]) q(a, w) WHERE {applies} ORDER BY 1, 2 ON CONFLICT DO NOTHING)sql";
constexpr std::string_view kLockWindows = R"sql(
SELECT 1 FROM account_window t JOIN unnest($1::bigint[], $2::bigint[]) q(a, w) ON t.account_id = q.a AND t.window_id = q.w
ORDER BY t.account_id, t.window_id FOR UPDATE OF t)sql";
constexpr std::string_view kMakeEscrows = R"sql(
INSERT INTO escrow (account_id, window_id, limit_nano, base_nano)
SELECT q.a, q.w, c.limit_nano + CASE WHEN c.increase_until_us > {now} THEN c.increase_nano ELSE 0 END, t.spent_nano
       - (SELECT coalesce(sum(l.used_nano), 0) FROM lease l WHERE l.account_id = q.a AND l.window_id = q.w)
  FROM unnest($1::bigint[], $2::bigint[]) q(a, w)
  JOIN account_window t ON t.account_id = q.a AND t.window_id = q.w
  LEFT JOIN account c ON c.account_id = q.a
 WHERE {applies} ORDER BY 1, 2 ON CONFLICT DO NOTHING)sql";
constexpr std::string_view kMakeLeases = R"sql(
INSERT INTO lease (account_id, window_id, replica_no)
SELECT a, w, $3 FROM unnest($1::bigint[], $2::bigint[]) q(a, w) WHERE {applies} ORDER BY 1, 2 ON CONFLICT DO NOTHING)sql";
constexpr std::string_view kLockEscrows = R"sql(
SELECT 1 FROM escrow e JOIN unnest($1::bigint[], $2::bigint[]) q(a, w) ON e.account_id = q.a AND e.window_id = q.w
ORDER BY e.account_id, e.window_id FOR UPDATE OF e)sql";

// A statement of its own after the locks, so that it sees what was committed before they were had. Within it each group
// is judged as if all before it were granted.
constexpr std::string_view kDecide = R"sql(
WITH live AS (
  SELECT 1 + count(*) AS replicas FROM replica_lease WHERE replica_no <> $1 AND alive_us > {now} - 3000000
), line AS (
  SELECT q.*, e.recall_no, e.tight_until_us > {now} AS tight, e.wanted_until_us > {now} AS wanted,
         q.seen > l.recall_seen AS sees, coalesce(t.spent_nano, 0) - l.used_nano AS elsewhere,
         coalesce(e.limit_nano - e.base_nano - e.granted_nano, 4611686018427387904) + q.back - q.debt AS room
    FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[])
         AS q(a, w, back, debt, want, committed, seen)
    JOIN escrow e ON e.account_id = q.a AND e.window_id = q.w
    JOIN lease l ON l.account_id = q.a AND l.window_id = q.w AND l.replica_no = $1
    LEFT JOIN account_window t ON t.account_id = q.a AND t.window_id = q.w
   WHERE {applies}
), others AS (
  SELECT li.a, li.w, bool_and(l.recall_seen >= li.recall_no) AS answered
    FROM line li JOIN lease l ON l.account_id = li.a AND l.window_id = li.w
    JOIN replica_lease r ON r.replica_no = l.replica_no
   WHERE l.replica_no <> $1 AND l.granted_nano > 0 AND r.alive_us > {now} - 3000000
   GROUP BY li.a, li.w
), said AS (
  SELECT li.*, o.a IS NULL OR (li.tight AND o.answered) AS last_word
    FROM line li LEFT JOIN others o ON o.a = li.a AND o.w = li.w
), ask AS (
  SELECT g.grp, g.a, g.w, g.need, g.may_cross <> 0 AND li.last_word AS crosses,
         li.room - sum(g.need) OVER (PARTITION BY g.a, g.w ORDER BY g.grp) + g.need AS left_before
    FROM unnest($9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[]) AS g(grp, a, w, need, may_cross)
    JOIN said li ON li.a = g.a AND li.w = g.w
), judged AS (
  SELECT *, left_before >= need OR (crosses AND left_before > 0) AS fits FROM ask
), granted AS (
  SELECT grp FROM judged GROUP BY grp HAVING bool_and(fits)
), give AS (
  SELECT j.a, j.w, coalesce(sum(j.need) FILTER (WHERE gr.grp IS NOT NULL), 0)::bigint AS given,
         bool_or(NOT j.fits) AS short_of
    FROM judged j LEFT JOIN granted gr ON gr.grp = j.grp GROUP BY j.a, j.w
), decided AS (
  SELECT li.*, coalesce(g.short_of, false) AS short_of,
         coalesce(g.short_of, false) AND NOT li.last_word AND NOT li.tight AS recalls,
         coalesce(g.given, 0)
         + CASE WHEN li.want > 0 AND NOT li.tight AND NOT li.wanted AND NOT coalesce(g.short_of, false)
                THEN greatest(0, least(li.want, (li.room - coalesce(g.given, 0)) / (2 * (SELECT replicas FROM live)))) ELSE 0 END AS give
    FROM said li LEFT JOIN give g ON g.a = li.a AND g.w = li.w
), upd AS (
  UPDATE escrow e SET granted_nano = e.granted_nano - d.back + d.debt + d.give, recall_no = e.recall_no + d.recalls::int,
         tight_until_us = CASE WHEN d.recalls THEN {now} + 5000000 ELSE e.tight_until_us END,
         wanted_until_us = CASE WHEN d.short_of THEN {now} + 2000000 ELSE e.wanted_until_us END
    FROM decided d WHERE e.account_id = d.a AND e.window_id = d.w
  RETURNING e.account_id AS a, e.window_id AS w, e.recall_no, greatest(0, e.tight_until_us - {now}) AS tight_us
), mine AS (
  UPDATE lease l SET granted_nano = l.granted_nano + d.debt + d.give - d.back, committed_nano = d.committed,
         recall_seen = greatest(l.recall_seen, d.seen)
    FROM decided d WHERE l.account_id = d.a AND l.window_id = d.w AND l.replica_no = $1
  RETURNING l.account_id AS a, l.window_id AS w, l.granted_nano
), answer AS (
  SELECT d.a, d.w, d.give, m.granted_nano, d.room - d.give AS room, d.short_of, d.last_word, u.recall_no, u.tight_us,
         (SELECT string_agg(grp::text, ' ' ORDER BY grp) FROM granted) AS granted_groups,
         CASE WHEN d.recalls THEN 'c ' || d.a || ' ' || d.w || ' ' || u.recall_no
              WHEN d.wanted AND (d.back > 0 OR d.sees) THEN 'r ' || d.a || ' ' || d.w END AS told, d.elsewhere
    FROM decided d JOIN upd u ON u.a = d.a AND u.w = d.w JOIN mine m ON m.a = d.a AND m.w = d.w
)
SELECT answer.*, CASE WHEN told IS NOT NULL THEN pg_notify('turnpike_money', told) END FROM answer ORDER BY a, w)sql";

constexpr std::string_view kRestore = R"sql(
WITH line AS (
  SELECT q.*, greatest(0, q.granted - l.granted_nano) AS more
    FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[]) AS q(a, w, granted, committed)
    JOIN lease l ON l.account_id = q.a AND l.window_id = q.w AND l.replica_no = $1
   WHERE {applies}
), upd AS (
  UPDATE escrow e SET granted_nano = e.granted_nano + li.more FROM line li WHERE e.account_id = li.a AND e.window_id = li.w
)
UPDATE lease l SET granted_nano = l.granted_nano + li.more, committed_nano = li.committed
  FROM line li WHERE l.account_id = li.a AND l.window_id = li.w AND l.replica_no = $1)sql";

constexpr std::string_view kRecalls = R"sql(
SELECT l.account_id, l.window_id, e.recall_no, greatest(0, e.tight_until_us - {now}) FROM lease l
  JOIN escrow e ON e.account_id = l.account_id AND e.window_id = l.window_id
 WHERE l.replica_no = $1 AND l.granted_nano > 0 AND l.recall_seen < e.recall_no ORDER BY 1, 2)sql";
// In one statement: what is used and what is stored are of the same moment.
constexpr std::string_view kOwn = R"sql(
SELECT l.account_id, l.window_id, l.granted_nano, l.used_nano, r.shipped_no
  FROM replica r LEFT JOIN lease l ON l.replica_no = r.replica_no WHERE r.replica_no = $1 ORDER BY 1, 2)sql";

// A lease of which something is free; strict accounts wait for an operator's word.
constexpr std::string_view kReclaimable =
    "l.granted_nano > greatest(l.used_nano, l.committed_nano) AND NOT EXISTS (SELECT 1 FROM account a WHERE"
    " a.account_id = l.account_id AND a.strict <> 0)";
constexpr std::string_view kReclaim = R"sql(
WITH taken AS (
  UPDATE lease l SET granted_nano = greatest(l.used_nano, l.committed_nano) FROM replica_lease r, lease old
   WHERE l.replica_no = ANY($2::bigint[]) AND r.replica_no = l.replica_no AND r.alive_us <= $1 AND {}
     AND old.account_id = l.account_id AND old.window_id = l.window_id AND old.replica_no = l.replica_no
  RETURNING l.account_id, l.window_id, l.replica_no, old.granted_nano - l.granted_nano AS nano
), marked AS (
  UPDATE replica SET state = $4 WHERE state = $3 AND replica_no IN (SELECT replica_no FROM taken)
)
UPDATE escrow e SET granted_nano = e.granted_nano - t.nano
  FROM (SELECT account_id, window_id, sum(nano) AS nano FROM taken GROUP BY 1, 2) t
 WHERE e.account_id = t.account_id AND e.window_id = t.window_id)sql";

/// One operation: what is asked for it, all at once, and what the answers mean.
class Applying {
 public:
  Applying(std::int64_t replica_no, const LeaseOperation& operation, std::optional<std::int64_t> now_us,
           std::vector<LeaseNotice>* told)
      : replica_no_(replica_no),
        operation_(operation),
        now_(moment(now_us)),
        applies_(fmt::format(kApplies, replica_no, operation.epoch, operation.op_no)),
        told_(told) {
    answer_.op_no = operation.op_no;
  }

  Result<LeaseAnswer> run(db::Transaction& transaction) {
    ask();
    std::vector<db::Statement> statements;
    for (const Asked& one : asked_) statements.push_back({one.sql, one.values});
    constexpr bool kEndsUnit = true;
    const Result<std::vector<db::Rows>> found = transaction.run_all(statements, kEndsUnit);
    if (!found) return base::fail(found.error());
    for (std::size_t i = 0; i < asked_.size(); ++i) {
      if (asked_[i].read == nullptr) continue;
      if (const Status read = (this->*asked_[i].read)((*found)[i]); !read) return base::fail(read.error());
      if (is_fenced_ && answer_.result != LeaseResult::Applied) break;
    }
    return std::move(answer_);
  }

 private:
  using Read = Status (Applying::*)(const db::Rows&);
  struct Asked {
    std::string sql;
    std::vector<Value> values;
    Read read = nullptr;
  };
  void add(std::string_view sql, std::vector<Value> values, Read read = nullptr) {
    asked_.push_back({fmt::format(fmt::runtime(sql), fmt::arg("now", now_), fmt::arg("applies", applies_)),
                      std::move(values), read});
  }

  void ask() {
    const bool is_ask = operation_.verb == LeaseVerb::Ask;
    const bool is_restore = operation_.verb == LeaseVerb::Restore;
    add(kMakeNumbers, {replica_no_});
    add(kLockNumbers, {replica_no_}, &Applying::read_numbers);
    add(kPassFence,
        {replica_no_, operation_.epoch, operation_.op_no, operation_.acked_no, std::int64_t{is_restore ? 1 : 0},
         operation_.journal_id},
        &Applying::read_fence);
    if (is_restore) add(kRaiseEpoch, {replica_no_, operation_.epoch});
    make_rows();
    if (is_ask) decide();
    if (is_restore) restore();
    add(kRecalls, {replica_no_}, &Applying::read_recalls);
    if (!is_ask) add(kOwn, {replica_no_}, &Applying::read_own);
  }

  Status read_numbers(const db::Rows& rows) {
    const db::Row& row = rows.rows.front();
    numbers_.op_epoch = as_int(row[0]);
    numbers_.op_no = as_int(row[1]);
    answer_.database_us = as_int(row[2]);
    return {};
  }

  /// A restored backup may be older than the replica, and may have given its number to another.
  static Status forgotten() {
    Error error;
    error.kind = ErrorKind::Unavailable;
    error.code = kForgottenReplica;
    error.message = "the database does not know this replica";
    return base::fail(std::move(error));
  }
  Status read_fence(const db::Rows& rows) {
    if (rows.rows.empty()) return forgotten();
    const db::Row& row = rows.rows.front();
    answer_.shipped_no = as_int(row[4]);
    numbers_.epoch = as_int(row[0]);
    answer_.result = fence(numbers_, operation_);
    is_fenced_ = true;
    if ((as_int(row[1]) == 1) != (answer_.result == LeaseResult::Applied))
      return base::fail(ErrorKind::Internal, "the database and the gateway disagree about an operation");
    if (answer_.result != LeaseResult::Applied) return {};
    answer_.live_replicas = as_int(row[2]);
    answer_.rank = as_int(row[3]);
    answer_.given_up = db::is_given_up(as_int(row[5]));
    return {};
  }

  void make_rows() {
    if (const Keys fresh(operation_.lines, true); fresh.any) {
      add(kMakeWindows, fresh.values());
      add(kLockWindows, fresh.values());
      add(kMakeEscrows, fresh.values());
      std::vector<Value> values = fresh.values();
      values.emplace_back(replica_no_);
      add(kMakeLeases, std::move(values));
    }
    if (const Keys all(operation_.lines, false); all.any) add(kLockEscrows, all.values());
  }

  void decide() {
    if (operation_.lines.empty()) return;
    Array columns[7], groups[5];
    for (const LeaseLine& line : operation_.lines) {
      const std::int64_t numbers[7] = {line.key.account_id, line.key.window_id,  line.back_nano,  line.debt_nano,
                                       line.want_nano,      line.committed_nano, line.recall_seen};
      for (std::size_t i = 0; i < 7; ++i) columns[i].add(numbers[i]);
    }
    for (std::size_t group = 0; group < operation_.groups.size(); ++group) {
      for (const LeaseNeed& need : operation_.groups[group]) {
        const LeaseKey key = operation_.lines[need.line].key;
        const std::int64_t numbers[5] = {static_cast<std::int64_t>(group), key.account_id, key.window_id, need.nano,
                                         need.may_cross ? 1 : 0};
        for (std::size_t i = 0; i < 5; ++i) groups[i].add(numbers[i]);
      }
    }
    std::vector<Value> values = {replica_no_};
    for (const Array& column : columns) values.push_back(column.value());
    for (const Array& column : groups) values.push_back(column.value());
    add(kDecide, std::move(values), &Applying::read_grants);
  }

  Status read_grants(const db::Rows& rows) {
    // Rows of windows long past are deleted: the replica finds out what there is, and they are made again.
    if (rows.rows.size() != operation_.lines.size())
      return base::fail(ErrorKind::Unavailable, "leases that were known are gone");
    for (const db::Row& row : rows.rows) read_grant(row);
    const std::string granted = as_text(rows.rows.front()[9]);
    for (const std::string_view group : base::split(granted, ' ')) {
      std::size_t number = 0;
      if (std::from_chars(group.data(), group.data() + group.size(), number).ec == std::errc())
        answer_.granted_groups.push_back(number);
    }
    return {};
  }

  void read_grant(const db::Row& row) {
    LeaseGrant grant;
    grant.key = key_of(row);
    grant.give_nano = as_int(row[2]);
    grant.granted_nano = as_int(row[3]);
    grant.room_nano = as_int(row[4]);
    grant.short_of = as_int(row[5]) != 0;
    grant.last_word = as_int(row[6]) != 0;
    grant.recall_no = as_int(row[7]);
    grant.tight_us = as_int(row[8]);
    grant.elsewhere_nano = as_int(row[11]);
    answer_.grants.push_back(grant);
    if (told_ == nullptr || db::is_null(row[10])) return;
    const bool recalled = as_text(row[10]).starts_with('c');
    told_->push_back({recalled ? LeaseNotice::Kind::Recalled : LeaseNotice::Kind::Returned, grant.key,
                      recalled ? grant.recall_no : 0});
  }

  void restore() {
    if (operation_.lines.empty()) return;
    Array columns[4];
    for (const LeaseLine& line : operation_.lines) {
      const std::int64_t numbers[4] = {line.key.account_id, line.key.window_id, line.granted_nano, line.committed_nano};
      for (std::size_t i = 0; i < 4; ++i) columns[i].add(numbers[i]);
    }
    add(kRestore, {replica_no_, columns[0].value(), columns[1].value(), columns[2].value(), columns[3].value()});
  }

  Status read_recalls(const db::Rows& rows) {
    for (const db::Row& row : rows.rows) answer_.recalls.push_back({key_of(row), as_int(row[2]), as_int(row[3])});
    return {};
  }

  Status read_own(const db::Rows& rows) {
    for (const db::Row& row : rows.rows) {
      answer_.shipped_no = as_int(row[4]);
      if (!db::is_null(row[0])) answer_.own.push_back({key_of(row), as_int(row[2]), as_int(row[3])});
    }
    return {};
  }

  const std::int64_t replica_no_;
  const LeaseOperation& operation_;
  const std::string now_, applies_;
  std::vector<LeaseNotice>* const told_;
  std::vector<Asked> asked_;
  LeaseNumbers numbers_;
  bool is_fenced_ = false;
  LeaseAnswer answer_;
};

}  // namespace

Result<LeaseAnswer> apply_operation(db::Transaction& transaction, std::int64_t replica_no,
                                    const LeaseOperation& operation, std::optional<std::int64_t> now_us,
                                    std::vector<LeaseNotice>* told) {
  return Applying(replica_no, operation, now_us, told).run(transaction);
}

Status reclaim_leases(db::Transaction& transaction, std::int64_t by_replica, std::int64_t dead_after_us,
                      std::optional<std::int64_t> now_us) {
  const auto since = transaction.run(
      fmt::format("SELECT {} - $2, steady_since_us FROM replica_lease WHERE replica_no = $1", moment(now_us)),
      {by_replica, dead_after_us});
  if (!since) return base::fail(since.error());
  if (since->rows.empty() || as_int(since->rows[0][1]) > as_int(since->rows[0][0])) return {};
  const Value silent_since = since->rows[0][0];
  // One whose row is locked is storing entries this very moment: it is slow, not gone.
  const auto silent = transaction.run(
      fmt::format("SELECT s.replica_no FROM replica s JOIN replica_lease r ON r.replica_no = s.replica_no WHERE"
                  " r.alive_us <= $1 AND EXISTS (SELECT 1 FROM lease l WHERE l.replica_no = s.replica_no AND {})"
                  " ORDER BY s.replica_no FOR UPDATE OF s SKIP LOCKED",
                  kReclaimable),
      {silent_since});
  if (!silent) return base::fail(silent.error());
  if (silent->rows.empty()) return {};
  Array replicas;
  for (const db::Row& row : silent->rows) replicas.add(as_int(row[0]));
  // A lease changes under its escrow's lock only: what the last statement sees stays so.
  const auto locked = transaction.run(
      fmt::format("SELECT 1 FROM escrow e WHERE EXISTS (SELECT 1 FROM lease l WHERE l.account_id = e.account_id AND"
                  " l.window_id = e.window_id AND l.replica_no = ANY($1::bigint[]) AND {})"
                  " ORDER BY e.account_id, e.window_id FOR UPDATE OF e",
                  kReclaimable),
      {replicas.value()});
  if (!locked) return base::fail(locked.error());
  const auto done = transaction.run(fmt::format(kReclaim, kReclaimable),
                                    {silent_since, replicas.value(), db::kReplicaLive, db::kReplicaReclaimed});
  return done ? Status() : base::fail(done.error());
}

Result<std::int64_t> stuck_nano(db::Transaction& transaction, std::int64_t dead_after_us) {
  const auto sum = transaction.run(
      "SELECT coalesce(sum(l.granted_nano - greatest(l.used_nano, l.committed_nano)), 0)::bigint FROM lease l JOIN"
      " replica_lease r ON r.replica_no = l.replica_no JOIN account a ON a.account_id = l.account_id WHERE r.alive_us "
      "<="
      " (extract(epoch FROM now()) * 1000000)::bigint - $1 AND a.kind < 100 AND l.window_id >= a.window_id AND "
      "l.granted_nano >"
      " greatest(l.used_nano, l.committed_nano)",
      {dead_after_us});
  if (!sum) return base::fail(sum.error());
  return as_int(sum->rows.at(0).at(0));
}

Status delete_old_leases(db::Transaction& transaction) {
  // Everybody else locks the escrow first.
  const auto escrows = transaction.run(
      "DELETE FROM escrow e USING account a WHERE a.account_id = e.account_id AND e.window_id < a.window_id AND 3 <="
      " (SELECT count(*) FROM account_window w WHERE w.account_id = e.account_id AND w.window_id > e.window_id)",
      {});
  if (!escrows) return base::fail(escrows.error());
  const auto leases = transaction.run(
      "DELETE FROM lease l USING account a WHERE a.account_id = l.account_id AND l.window_id < a.window_id AND NOT"
      " EXISTS (SELECT 1 FROM escrow e WHERE e.account_id = l.account_id AND e.window_id = l.window_id) AND 3 <="
      " (SELECT count(*) FROM account_window w WHERE w.account_id = l.account_id AND w.window_id > l.window_id)",
      {});
  return leases ? Status() : base::fail(leases.error());
}

}  // namespace turnpike::lease
