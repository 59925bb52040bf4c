// AC-RESET-1 to -3 and the daily end of AC-BUDGET-5 on two replicas that share a PostgreSQL, and with Redis added. Their clock
// is the test's (test/harness/clock.mjs): it is set to just before a window ends and goes on by itself. EVERY_STORE=1: all
// turns with Redis, too.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Clock } from '../harness/clock.mjs';
import { Shared, ask, priceNano } from '../harness/replicas.mjs';
import { deployment, sleep, until } from '../harness/turnpike.mjs';

const callsPerWindow = 3;
const max_budget = (callsPerWindow * priceNano) / 1e9;
const beforeMs = 800; // How long before the end of a window the clock is set.
const longMs = 1_200; // How long a call takes that starts before it and ends behind it.
const withinMs = 2_000; // AC-RESET-1: of the boundary.
const durations = ['1d', '1w', '1mo'];

// In the order of time, for the clock goes only forward. `ends`: when the windows end that begin there.
const turns = [
  { what: 'a Sunday of 23 hours', zone: 'Europe/Berlin', at: '2027-03-27T23:00:00Z', ends: { '1d': '2027-03-28T22:00:00Z', '1w': '2027-04-03T22:00:00Z' } },
  {
    what: 'midnight of a Sunday, the first of a month',
    zone: 'Asia/Shanghai',
    at: '2027-07-31T16:00:00Z',
    ends: { '1d': '2027-08-01T16:00:00Z', '1w': '2027-08-07T16:00:00Z', '1mo': '2027-08-31T16:00:00Z' },
  },
  { what: 'midnight of a Wednesday', zone: 'Asia/Shanghai', at: '2027-08-03T16:00:00Z', ends: { '1d': '2027-08-04T16:00:00Z' } },
  { what: 'a Sunday of 25 hours', zone: 'Europe/Berlin', at: '2027-10-30T22:00:00Z', ends: { '1d': '2027-10-31T23:00:00Z', '1w': '2027-11-06T23:00:00Z' } },
];

class Pair {
  static async start(shared, zone) {
    const pair = new Pair();
    pair.shared = shared;
    pair.started = [];
    const own = (gateway) => (pair.started.push(gateway), gateway);
    const config = { models: [deployment('long', shared.fake.base(`latency_ms=${longMs}`))], litellm_settings: { timezone: zone, max_end_user_budget_id: 'daily' } };
    const env = { LITELLM_KEY_ROTATION_CHECK_INTERVAL_SECONDS: '1' }; // So often each writes down what has turned.
    Object.assign(pair, await shared.pair(own, { budget_week_start: 'sunday' }, { config, env }));
    shared.server.query(
      pair.name,
      `CREATE TABLE turned (account_id bigint, window_id bigint);
       CREATE FUNCTION note_turn() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO turned VALUES (NEW.account_id, NEW.window_id); RETURN NULL; END';
       CREATE TRIGGER note_turn AFTER UPDATE ON account FOR EACH ROW WHEN (OLD.window_id <> NEW.window_id) EXECUTE FUNCTION note_turn()`,
    );
    await pair.post('/budget/new', { budget_id: 'daily', max_budget, budget_duration: '1d' });
    pair.keys = {};
    // A limit that is never reached: with Redis each call asks for it.
    for (const duration of durations) pair.keys[duration] = await pair.gateways[0].newKey({ max_budget, budget_duration: duration, rpm_limit: 100_000 });
    pair.roomy = await pair.gateways[0].newKey({ max_budget: 10, budget_duration: '1d' });
    pair.plain = await pair.gateways[0].newKey();
    return pair;
  }
  async stop() {
    for (const gateway of this.started) {
      if (!gateway.ended) await gateway.kill();
      gateway.clean();
    }
  }
  async post(target, body, at = 0) {
    const reply = await this.gateways[at].call('POST', target, { body });
    assert.equal(reply.status, 200, `${target}: ${reply.text}`);
    return reply.json;
  }
  /** Who spends: a key of each duration, and a customer whose budget is the default of all. */
  spender(duration, at) {
    if (duration) return ask(this.gateways[at], this.keys[duration]);
    return this.gateways[at].chat({ model: 'm', user: 'customer' }, { key: this.plain });
  }
  /** How many calls pass, on both by turns, until both refuse. */
  async spend(duration) {
    let passed = 0;
    for (let refused = 0, at = 0; refused < 2; at = 1 - at) {
      const reply = await this.spender(duration, at);
      assert.ok([200, 429].includes(reply.status), reply.text);
      if (reply.status === 429) assert.match(reply.json.error.message, /Reset: 2027-/);
      [passed, refused] = reply.status === 200 ? [passed + 1, 0] : [passed, refused + 1];
    }
    return passed;
  }
}

/** What a pair does around the end of a window; what is said of it. */
async function turn(clock, pair, { at, ends }) {
  const boundary = Date.parse(at);
  const all = [...durations, undefined];
  const turning = all.filter((duration) => !duration || ends[duration]);
  clock.set(boundary - 60_000);
  for (const duration of all) await pair.spend(duration);
  clock.set(boundary - beforeMs);
  const first = new Map();
  const late = Promise.all(pair.gateways.map((gateway) => ask(gateway, pair.roomy, 'long')));
  for (let i = 0; first.size < turning.length && clock.now() < boundary + withinMs; i += 1) {
    for (const duration of turning.filter((one) => !first.has(one))) {
      const asked = clock.now();
      if ((await pair.spender(duration, i % 2)).status === 200) first.set(duration, asked);
    }
    await sleep(20);
  }
  assert.deepEqual((await late).map((reply) => reply.status), [200, 200]);
  const off = turning.map((duration) => (first.get(duration) ?? Infinity) - boundary);
  for (const ms of off) assert.ok(Math.abs(ms) <= withinMs, `the first call of a new window: ${off.join(', ')} ms from the boundary`);
  // The calls that have passed above were the first of the new windows.
  for (const duration of turning) assert.equal(await pair.spend(duration), callsPerWindow - 1, `calls of a window of ${duration ?? 'a customer'}`);
  for (const duration of durations) {
    for (const gateway of pair.gateways) {
      const reset = (await gateway.keyInfo(pair.keys[duration])).budget_reset_at;
      if (ends[duration]) assert.equal(Date.parse(reset), Date.parse(ends[duration]), `${duration}: ${reset}`);
      else assert.ok(Date.parse(reset) > boundary, `${duration}: ${reset}`);
    }
    if (!ends[duration]) assert.equal(await pair.spend(duration), 0, `the window of ${duration} goes on`);
  }
  return `the first calls of the new windows ${off.join(', ')} ms from the boundary`;
}

/** One turn of each window, nothing erased, and no call in a window it did not start in. */
async function audit(pair, boundaries) {
  const { shared, name, gateways } = pair;
  for (const gateway of gateways) await until(async () => /^turnpike_ledger_unshipped_entries 0$/m.test(await gateway.metrics()), 'everything to be shipped');
  const rows = (sql) => shared.server.query(name, sql);
  for (const boundary of boundaries) await until(() => rows(`SELECT 1 FROM turned WHERE window_id = ${boundary / 1000}`).length > 0, 'windows to be written down');
  assert.deepEqual(rows('SELECT account_id, window_id, count(*) FROM turned GROUP BY 1, 2 HAVING count(*) > 1'), [], 'windows that have turned twice');
  const booked = `SELECT entry_no, cost_nano, started_us, ended_us, value::bigint AS account_id, lead(value::bigint) OVER (PARTITION BY replica_no, entry_no ORDER BY at) AS window_id, at
    FROM entry, json_array_elements_text(accounts::json) WITH ORDINALITY pair(value, at) WHERE kind = 0`;
  const pairs = `SELECT * FROM (${booked}) b WHERE at % 2 = 1`;
  assert.deepEqual(
    rows(`SELECT p.* FROM (${pairs}) p WHERE started_us < window_id * 1000000
      OR EXISTS (SELECT 1 FROM account_window w WHERE w.account_id = p.account_id AND w.window_id > p.window_id AND w.window_id * 1000000 <= p.started_us)`),
    [],
    'calls in windows they did not start in',
  );
  for (const boundary of boundaries)
    assert.ok(rows(`SELECT 1 FROM (${pairs}) p WHERE started_us < ${boundary}000 AND ended_us > ${boundary}000`).length >= 2, 'calls ran across the boundary');
  assert.deepEqual(
    rows(`SELECT w.account_id, w.window_id FROM account_window w LEFT JOIN (SELECT account_id, window_id, sum(cost_nano) AS cost FROM (${pairs}) p GROUP BY 1, 2) s
      USING (account_id, window_id) WHERE w.spent_nano <> coalesce(s.cost, 0)`),
    [],
    'windows that have not spent what their calls cost',
  );
}

/** Everybody who can have a budget, made a moment ago, without a time for its reset. */
async function freshlyMade(pair) {
  const fields = { max_budget, budget_duration: '1d' };
  const made = await pair.post('/key/generate', fields);
  const user = await pair.post('/user/new', { user_id: 'fresh', auto_create_key: false, ...fields });
  const team = await pair.post('/team/new', { team_id: 'fresh', ...fields });
  const customer = await pair.post('/customer/new', { user_id: 'fresh', ...fields });
  const seen = await Promise.all(
    pair.gateways.flatMap((gateway) => [
      gateway.keyInfo(made.key),
      ...['/user/info?user_id=fresh', '/team/info?team_id=fresh', '/customer/info?end_user_id=fresh'].map(async (target) => (await gateway.call('GET', target)).json),
    ]),
  );
  return [user, team, customer, ...seen].map((json) => /"budget_reset_at":\s*"([^"]+)"/.exec(JSON.stringify(json))?.[1]);
}

describe('two replicas', { concurrency: 2 }, () => {
  for (const redis of [false, true]) {
    describe(redis ? 'on PostgreSQL and Redis' : 'on PostgreSQL alone', { concurrency: 1 }, () => {
      let clock;
      let shared;
      const pairs = {};
      const played = redis && !process.env.EVERY_STORE ? turns.filter((one) => one.zone === 'Asia/Shanghai') : turns;
      before(async () => {
        clock = new Clock('2027-03-20T12:00:00Z');
        shared = await Shared.start({ redis, clock });
        const zones = [...new Set(played.map((one) => one.zone))];
        const started = await Promise.all(zones.map((zone) => Pair.start(shared, zone)));
        zones.forEach((zone, i) => (pairs[zone] = started[i]));
      });
      after(async () => {
        for (const pair of Object.values(pairs)) await pair.stop();
        await shared?.stop();
        clock?.clean();
      });

      for (const one of played) {
        test(`AC-RESET-1, -2, AC-BUDGET-5: ${one.zone}, ${one.what}`, async (t) => t.diagnostic(await turn(clock, pairs[one.zone], one)));
      }
      test('AC-RESET-2: each window has turned once, and every call is booked where it started', async () => {
        for (const [zone, pair] of Object.entries(pairs)) await audit(pair, played.filter((one) => one.zone === zone).map((one) => Date.parse(one.at)));
      });
      test('AC-RESET-3: whoever is made with a duration begins anew in the future, on both', async () => {
        const pair = pairs['Asia/Shanghai'];
        for (const reset of await freshlyMade(pair)) {
          assert.ok(Date.parse(reset) > clock.now(), `${reset}`);
          assert.ok(Date.parse(reset) <= clock.now() + 86_400_000, `${reset}`);
          assert.match(reset, /T16:00:00/);
        }
      });
    });
  }
});
