// Replicas on one PostgreSQL under load while everything breaks: processes are killed and come back on their disk, the
// database server crashes once, and somebody provokes deadlocks with what the replicas write. One seed decides about all of
// it; at the end the books must be exact.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Child, FakeProvider, Gateway, deployment, freePort, runBinary, sleep, temporaryDirectory, until } from './turnpike.mjs';
import { Postgres } from './postgres.mjs';
import { Chance } from './random.mjs';

const loadProgram = path.join(path.dirname(fileURLToPath(import.meta.url)), 'chaos_load.mjs');
const price = 5 * 1000 + 3 * 2000; // Nanodollars of each call: 5 prompt tokens, 3 completion tokens.
const endUsers = ['anna', 'bert', 'carla', 'dora'];
const tags = ['red', 'green', 'blue'];

/** Transactions that lock the rows of totals in the order in which nobody else does. */
class DeadlockProvoker {
  constructor(server, database, directory) {
    Object.assign(this, { server, database, running: true });
    this.file = path.join(directory, 'provoke.sql');
    const touch = (which) => `UPDATE account_window SET calls = calls WHERE account_id = (SELECT ${which}(account_id) FROM account_window);`;
    const round = `BEGIN; ${touch('max')} SELECT pg_sleep(0.01); ${touch('min')} COMMIT; SELECT pg_sleep(0.03);\n`;
    fs.writeFileSync(this.file, round.repeat(2000));
    this.deadlocks = 0;
    this.done = this.#run();
  }
  async #run() {
    while (this.running) {
      this.child = new Child(['psql', '-qXAt', '-f', this.file, this.server.url(this.database)], { env: { PATH: process.env.PATH } });
      await this.child.exit;
      this.deadlocks += (this.child.stderr.match(/deadlock detected/g) ?? []).length;
      await sleep(20); // The server may be away.
    }
  }
  async stop() {
    this.running = false;
    if (!this.child.ended) this.child.signal('SIGKILL');
    await this.done;
  }
}

class Chaos {
  constructor(seed, replicas, seconds) {
    Object.assign(this, { seed, seconds, chance: new Chance(seed), kills: 0, retries: 0 });
    this.replicas = Array.from({ length: replicas }, () => ({ directory: temporaryDirectory() }));
  }
  async setUp() {
    [this.server, this.fake] = await Promise.all([Postgres.start({ settings: { synchronous_commit: 'on', deadlock_timeout: '20ms' } }), FakeProvider.start()]);
    this.database = this.server.fresh();
    this.config = {
      model_list: [deployment('gpt', this.fake.base('prompt_tokens=5,tokens=3'))],
      general_settings: { database_url: this.server.url(this.database), allow_requests_on_db_unavailable: true },
      turnpike: { shutdown_grace: 0, journal_segment_bytes: '1MiB' },
    };
    for (const replica of this.replicas) replica.port = await freePort();
    await this.start(this.replicas[0]); // It migrates.
    await Promise.all(this.replicas.slice(1).map((replica) => this.start(replica)));
    await this.makeAccounts(this.replicas[0].gateway);
  }
  async start(replica, ready = true) {
    replica.gateway = await Gateway.start({ config: this.config, directory: replica.directory, port: replica.port, ready });
  }
  async makeAccounts(gateway) {
    const make = async (target, body) => {
      const reply = await gateway.call('POST', target, { body });
      assert.equal(reply.status, 200, `${target}: ${reply.text}`);
      return reply.json;
    };
    const budget = { max_budget: 1000 };
    const { team_id } = await make('/team/new', { team_alias: 'chaos', ...budget });
    await make('/user/new', { user_id: 'owner', auto_create_key: false, ...budget });
    for (const user_id of endUsers) await make('/customer/new', { user_id, ...budget });
    for (const name of tags) await make('/tag/new', { name, ...budget });
    this.keys = [];
    for (let i = 0; i < 4; i += 1) this.keys.push(await gateway.newKey({ team_id: i % 2 ? team_id : undefined, user_id: 'owner', ...budget }));
  }
  /** What happens when, in milliseconds from the start. */
  plan() {
    const at = () => this.chance.int(200, this.seconds * 1000 - 200);
    const events = [{ at: at(), what: 'server', away: this.chance.int(100, 500) }];
    for (let i = this.chance.int(2, 2 + this.replicas.length); i > 0; i -= 1)
      events.push({ at: at(), what: 'kill', replica: this.chance.pick(this.replicas), away: this.chance.int(0, 400) });
    return events.sort((a, b) => a.at - b.at);
  }
  async carryOut(event) {
    if (event.what === 'server') {
      await this.server.pause('SIGQUIT');
      await sleep(event.away);
      await this.server.resume();
      return;
    }
    const { replica } = event;
    if (replica.busy || replica.gateway.ended) return; // Killed a moment ago.
    replica.busy = true;
    await replica.gateway.kill();
    this.kills += 1;
    await sleep(event.away);
    await this.start(replica, false);
    replica.busy = false;
  }
  async run() {
    const { ports, rate } = { ports: this.replicas.map((replica) => replica.port), rate: Number(process.env.CHAOS_RATE ?? 500) };
    const load = new Child([process.execPath, loadProgram, JSON.stringify({ ports, rate, connections: 24, keys: this.keys, endUsers, tags, seed: this.seed })]);
    this.load = load;
    this.provoker = new DeadlockProvoker(this.server, this.database, this.replicas[0].directory);
    await until(() => load.stdout.includes('calling'), 'the load');
    const begun = Date.now();
    const running = [];
    for (const event of this.plan()) {
      await sleep(Math.max(0, begun + event.at - Date.now()));
      running.push(this.carryOut(event));
    }
    await sleep(Math.max(0, begun + this.seconds * 1000 - Date.now()));
    await Promise.all(running);
    load.signal('SIGTERM');
    assert.equal((await load.wait()).code, 0, load.stderr);
    this.report = JSON.parse(load.stdout.split('\n').find((line) => line.startsWith('{')));
    await this.provoker.stop();
  }
  async settle() {
    for (const { gateway } of this.replicas) {
      await gateway.ready();
      await until(async () => {
        const text = await gateway.metrics();
        this.unshipped = /^turnpike_ledger_unshipped_entries (\d+)$/m.exec(text)[1];
        return this.unshipped === '0' && /^litellm_in_flight_requests 0(\.0)?$/m.test(text) && text;
      }, 'everything to be shipped', 15_000).then((text) => {
        for (const line of text.matchAll(/^turnpike_ship_retries_total\{[^}]*\} (\d+)$/gm)) this.retries += Number(line[1]);
      });
    }
    this.spends = [];
    for (const { gateway } of this.replicas) this.spends.push(await Promise.all(this.keys.map(async (key) => (await gateway.keyInfo(key)).spend)));
    for (const { gateway } of this.replicas) await gateway.stop();
  }
  number(sql) {
    return Number(this.server.query(this.database, sql)[0]?.[0] ?? 0);
  }
  /** One row per answer that a caller has seen whole, no call twice, and every total is the sum of its rows. */
  check() {
    const { answered, made } = this.report;
    const rows = this.server.query(this.database, "SELECT call_id, status, cost_nano FROM entry WHERE kind = 0 AND call_id LIKE 'c%'");
    const byId = new Map();
    for (const [id, status, cost] of rows) {
      assert.ok(!byId.has(id), `${id} has two rows`);
      byId.set(id, { status, cost: Number(cost) });
    }
    for (const id of answered) {
      assert.equal(byId.get(id)?.status, '0', `${id} was answered`);
      assert.equal(byId.get(id).cost, price);
    }
    assert.ok(rows.length <= made, 'no row without a call');
    const successes = rows.filter(([, status]) => status === '0').length;
    assert.ok(successes - answered.length <= made - answered.length);
    this.checkTotals();
    return { made, answered: answered.length, rows: rows.length, successes };
  }
  checkTotals() {
    const total = this.number('SELECT sum(cost_nano) FROM entry');
    assert.equal(this.number('SELECT sum(cost_nano) FROM replica_day'), total, 'sums by replica and day');
    assert.equal(this.number('SELECT sum(cost_nano) FROM daily WHERE entity_kind = 6'), total, 'daily sums of keys');
    const same = (what, left, right) => assert.deepEqual(this.server.query(this.database, left), this.server.query(this.database, right), what);
    for (const [kind, column] of [[6, 'key_hash'], [3, 'team_id'], [5, 'user_id'], [7, 'end_user']]) {
      same(
        `daily sums by ${column}`,
        `SELECT entity, sum(cost_nano), sum(calls) FROM daily WHERE entity_kind = ${kind} GROUP BY 1 ORDER BY 1`,
        `SELECT ${column}, sum(cost_nano), count(*) FROM entry WHERE coalesce(${column}, '') <> '' GROUP BY 1 ORDER BY 1`,
      );
    }
    same(
      'daily sums by tag',
      'SELECT entity, sum(cost_nano), sum(calls) FROM daily WHERE entity_kind = 8 GROUP BY 1 ORDER BY 1',
      "SELECT tag, sum(cost_nano), count(*) FROM entry, json_array_elements_text(tags::json) tag WHERE coalesce(tags, '') <> '' GROUP BY 1 ORDER BY 1",
    );
    // An entry of a call that a crash cut off names its accounts, though not the team, user or tag they belong to.
    same(
      'totals of key, user, team, end user and tag',
      'SELECT account_id, sum(spent_nano), sum(calls) FROM account_window WHERE calls > 0 GROUP BY 1 ORDER BY 1',
      `SELECT pair.account, sum(cost_nano), count(*) FROM entry, LATERAL (
         SELECT value::bigint AS account FROM json_array_elements_text(accounts::json) WITH ORDINALITY e(value, at) WHERE at % 2 = 1) pair
       GROUP BY 1 ORDER BY 1`,
    );
    const kinds = this.server.query(this.database, 'SELECT DISTINCT kind FROM account JOIN account_window USING (account_id) WHERE calls > 0 ORDER BY 1').map(([kind]) => Number(kind));
    for (const kind of [3, 5, 6, 7, 8]) assert.ok(kinds.includes(kind), `accounts of kind ${kind} were booked on: ${kinds}`);
    const spent = this.server.query(this.database, 'SELECT a.entity, t.spent_nano FROM account a JOIN account_window t USING (account_id) WHERE a.kind = 6');
    const known = spent.map(([, nano]) => Number(nano)).filter(Boolean).sort();
    for (const list of this.spends) assert.deepEqual(list.map((dollars) => Math.round(dollars * 1e9)).filter(Boolean).sort(), known, 'what /key/info says on every replica');
  }
  async verify() {
    for (const { directory } of this.replicas) {
      const ended = await runBinary(['ledger', 'verify', '--data_dir', path.join(directory, 'data'), '--database_url', this.server.url(this.database)], { ms: 60_000 });
      assert.equal(ended.code, 0, ended.stdout + ended.stderr);
    }
  }
  async tearDown() {
    if (this.provoker?.running) await this.provoker.stop();
    if (this.load && !this.load.ended) await this.load.kill();
    for (const { gateway, directory } of this.replicas) {
      if (gateway && !gateway.ended) await gateway.kill();
      fs.rmSync(directory, { recursive: true, force: true });
    }
    if (this.fake && !this.fake.ended) await this.fake.kill();
    if (this.server) await this.server.stop();
  }
}

/** Plays one seed; what it came to. */
export async function playChaos({ seed, replicas, seconds }) {
  const chaos = new Chaos(seed, replicas, seconds);
  try {
    await chaos.setUp();
    await chaos.run();
    await chaos.settle();
    const counts = chaos.check();
    await chaos.verify();
    return { ...counts, kills: chaos.kills, provoked: chaos.provoker.deadlocks, retries: chaos.retries, others: chaos.report.others };
  } finally {
    await chaos.tearDown();
  }
}
