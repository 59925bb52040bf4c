// A large ledger on PostgreSQL: how long reports take, that dropping old days moves no call, and how fast entries are
// stored. LEDGER_ROWS says how many there are; 10,000,000 in ./check --full.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fillLedger } from '../harness/filled_ledger.mjs';
import { Postgres } from '../harness/postgres.mjs';
import { FakeProvider, Gateway, deployment, root, runBinary, until } from '../harness/turnpike.mjs';

const count = Number(process.env.LEDGER_ROWS ?? 100_000);
const keptDays = 10;
let fake;
let postgres;
let database;
let gateway;
let range;

const start = (turnpike = {}) =>
  Gateway.start({
    config: { model_list: [deployment('gpt', fake.base('prompt_tokens=5,tokens=2'))], turnpike: { shutdown_grace: 0, ...turnpike } },
    env: { DATABASE_URL: postgres.url(database) },
    flags: ['--num_workers', '1'],
  });

before(async () => {
  postgres = await Postgres.start();
  fake = await FakeProvider.start();
  database = postgres.fresh();
  gateway = await start();
  const begun = Date.now();
  range = fillLedger(postgres, database, count);
  console.log(`${count} entries made in ${Date.now() - begun} ms`);
});
after(async () => {
  await gateway?.stop();
  await fake?.stop();
  await postgres?.stop();
});

const days = () => `start_date=${range.first}&end_date=${range.last}`;
const verify = async (flags = []) => {
  const found = await runBinary(['ledger', 'verify', '--database_url', postgres.url(database), '--data_dir', path.join(gateway.directory, 'data'), ...flags], { ms: 3_600_000 });
  assert.equal(found.code, 0, found.stdout + found.stderr);
};

/** Milliseconds of each call, `atOnce` under way, until `done` says so. */
async function calls(key, done, atOnce = 2) {
  const took = [];
  const one = async () => {
    while (!done()) {
      const begun = performance.now();
      const reply = await gateway.chat({ model: 'gpt' }, { key });
      took.push(performance.now() - begun);
      assert.equal(reply.status, 200, reply.text);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, one));
  return took.sort((a, b) => a - b);
}
const quantile = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];

test(`each report of ${count} entries within a second`, async () => {
  const reports = {
    ...Object.fromEntries(['user', 'team', 'organization', 'tag', 'customer'].map((of) => [`/${of}/daily/activity`, `/${of}/daily/activity?${days()}`])),
    'report of a team': `/global/spend/report?${days()}&team_id=team-3`,
    'one team': `/team/daily/activity?${days()}&team_ids=team-3`,
    'last page': `/user/daily/activity?${days()}&page=50`,
    'logs by day': `/spend/logs?${days()}&user_id=user-7`,
    'logs by day, all': `/spend/logs?${days()}`,
    'a page of entries': `/spend/logs/v2?${days()}&page_size=50`,
    'entries of a key': `/spend/logs/v2?${days()}&api_key=${'7'.padStart(64, '0')}`,
    ...Object.fromEntries(['spend', 'spend/logs', 'spend/keys?limit=20', 'spend/models?limit=20', 'spend/teams', 'spend/provider', 'spend/all_tag_names', 'all_end_users'].map((of) => [`/global/${of}`, `/global/${of}`])),
    ...Object.fromEntries(['spend/tags', 'activity', 'activity/model', 'activity/exceptions', 'activity/cache_hits', 'spend/report'].map((of) => [`/global/${of}`, `/global/${of}?${days()}`])),
    'exceptions of deployments': `/global/activity/exceptions/deployment?${days()}&model_group=model-3`,
    'report of a key': `/global/spend/report?${days()}&group_by=api_key`,
    '/tag/distinct': '/tag/distinct',
  };
  const slow = [];
  for (const [name, target] of Object.entries(reports)) {
    let best = Infinity;
    for (let turn = 0; turn < 3 && best > 300; turn += 1) {
      const begun = performance.now();
      const reply = await gateway.call('GET', target);
      best = Math.min(best, performance.now() - begun);
      assert.equal(reply.status, 200, `${target}: ${reply.text.slice(0, 300)}`);
    }
    console.log(`${best.toFixed(0).padStart(6)} ms  ${name}`);
    if (best >= 1000) slow.push(`${name}: ${best.toFixed(0)} ms`);
  }
  assert.deepEqual(slow, []);
  const { metadata } = (await gateway.call('GET', `/team/daily/activity?${days()}&team_ids=team-3&page_size=1000`)).json;
  assert.ok(metadata.total_api_requests > 0);
});

test('dropping old days moves no call, and takes nothing from sums', async () => {
  const key = await gateway.newKey();
  await calls(key, ((end) => () => Date.now() > end)(Date.now() + 300));
  const before = await calls(key, ((end) => () => Date.now() > end)(Date.now() + 1000));
  const report = `/global/spend/report?${days()}&group_by=team&team_id=team-3`;
  const sums = (await gateway.call('GET', report)).text;
  let dropped = false;
  const during = calls(key, () => dropped);
  const second = await start({ ledger_retention_days: keptDays });
  try {
    await until(() => /entries of \d+ days are gone/.test(second.stderr), 'old days to be gone', 60_000);
  } finally {
    dropped = true;
    await second.stop();
  }
  const took = await during;
  assert.equal(Number(postgres.query(database, 'SELECT count(*) FROM dropped_day')[0][0]), 29 - keptDays);
  assert.equal(Number(postgres.query(database, "SELECT count(*) FROM pg_inherits WHERE inhparent = 'entry'::regclass")[0][0]), keptDays + 1 + 7);
  const [p99, p99During] = [quantile(before, 0.99), quantile(took, 0.99)];
  console.log(`p99 of calls: ${p99.toFixed(1)} ms before (${before.length} calls), ${p99During.toFixed(1)} ms while ${29 - keptDays} days were dropped (${took.length} calls; another gateway started meanwhile)`);
  assert.ok(p99During <= 5 * p99 + 100, 'calls did not wait for it');
  assert.equal((await gateway.call('GET', report)).text, sums);
  await verify();
});

test('entries are stored faster than five thousand a second', { skip: fs.existsSync(path.join(root, 'build/release/ship_rate')) ? false : 'build/release/ship_rate is not built: tools/build release ship_rate' }, () => {
  const entries = process.env.LEDGER_ROWS ? 200_000 : 10_000;
  const printed = execFileSync(path.join(root, 'build/release/ship_rate'), [postgres.url(postgres.fresh()), String(entries)], { encoding: 'utf8' });
  console.log(printed.trim());
  assert.ok(JSON.parse(printed).per_second >= 5000, printed);
});
