// A ledger with many entries of the thirty days that end today, put into PostgreSQL by statements: rows, totals of accounts
// and aggregates agree as if they had been shipped.
export const replicaNo = 77;
const dayUs = 86_400_000_000;
const firstAccount = 900_000;

const daily = (kind, entity, rows = 'entry e', column = entity) => `
INSERT INTO daily SELECT day, ${kind}, ${column}, key_hash, model_group, model, provider, route, sum(cost_nano), count(*), sum(CASE WHEN status <> 0 THEN 1 ELSE 0 END), 0,
  sum(prompt_tokens), sum(completion_tokens), 0, 0 FROM ${rows} WHERE replica_no = ${replicaNo} GROUP BY day, ${column}, key_hash, model_group, model, provider, route`;

/** `count` entries of 50 keys, 100 users, 20 teams, 4 organisations, 50 customers, 30 tags and 4 models; from a million on of 500 keys and 10 models. */
export function fillLedger(postgres, database, count) {
  const [keys, models] = count < 1_000_000 ? [50, 4] : [500, 10];
  const today = Math.floor(Date.now() / 86_400_000);
  const first = today - 29;
  const statements = [];
  const run = (sql) => statements.push(sql);
  for (let day = first; day < today; day += 1) run(`CREATE TABLE entry_${day} PARTITION OF entry FOR VALUES FROM (${day}) TO (${day + 1})`);
  run(`INSERT INTO replica (replica_no, journal_id, epoch, shipped_no) VALUES (${replicaNo}, 'filled', 1, ${count})`);
  run(`INSERT INTO entry (day, replica_no, entry_no, kind, call_id, started_us, ended_us, status, http_status, cost_nano, prompt_tokens, completion_tokens, key_hash, team_id, user_id,
      organization_id, end_user, tags, route, model_group, model, provider, deployment_id, api_base, accounts)
    SELECT day, ${replicaNo}, n, 0, 'call-' || n, day * ${dayUs} + n % 86400 * 1000000, day * ${dayUs} + n % 86400 * 1000000 + 1000, CASE WHEN n % 50 = 0 THEN 1 ELSE 0 END,
      CASE WHEN n % 50 = 0 THEN 429 ELSE 200 END, 1000 + n % 1000, 100, 20, lpad(to_hex(n % ${keys}), 64, '0'), 'team-' || n % 20, 'user-' || n % 100, 'org-' || n % 4, 'customer-' || n % 50,
      '["tag-' || n % 30 || '"]', '/v1/chat/completions', 'model-' || n / ${keys} % ${models}, 'model-' || n / ${keys} % ${models}, 'openai', 'deployment-' || n / ${keys} % ${models}, 'https://api.example.com/v1',
      '[' || ${firstAccount} + n % ${keys} || ',0]'
    FROM (SELECT n, ${first} + (n - 1) * 30 / ${count} AS day FROM generate_series(1::bigint, ${count}) n) numbers`);
  run(`INSERT INTO account_window (account_id, window_id, spent_nano, calls) SELECT ${firstAccount} + entry_no % ${keys}, 0, sum(cost_nano), count(*) FROM entry WHERE replica_no = ${replicaNo} GROUP BY 1`);
  for (const [kind, column] of [[6, 'key_hash'], [5, 'user_id'], [3, 'team_id'], [2, 'organization_id'], [7, 'end_user']]) run(daily(kind, column));
  run(daily(8, 'tag', 'entry e, jsonb_array_elements_text(e.tags::jsonb) AS tags_of(tag)'));
  run(`INSERT INTO deployment_day SELECT day, deployment_id, model_group, model, provider, api_base, sum(cost_nano), count(*), sum(CASE WHEN status <> 0 THEN 1 ELSE 0 END),
      sum(CASE WHEN http_status = 429 THEN 1 ELSE 0 END), sum(prompt_tokens), sum(completion_tokens) FROM entry WHERE replica_no = ${replicaNo} GROUP BY 1, 2, 3, 4, 5, 6`);
  run(`INSERT INTO replica_day SELECT ${replicaNo}, day, count(*), sum(cost_nano) FROM entry WHERE replica_no = ${replicaNo} GROUP BY day`);
  run('ANALYZE entry');
  run('ANALYZE daily');
  postgres.query(database, statements.join(';\n'));
  const date = (day) => new Date(day * 86_400_000).toISOString().slice(0, 10);
  return { first: date(first), last: date(today) };
}
