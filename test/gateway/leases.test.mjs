// Two replicas on one PostgreSQL spend the same budgets: never more than there is, to the last call, whoever is killed or
// cut off. LEASE_SECONDS is the length of the random traffic: short here, longer in ./check --full.
import assert from 'node:assert/strict';
import path from 'node:path';
import test, { after, before } from 'node:test';
import { Postgres } from '../harness/postgres.mjs';
import { FakeProvider, Gateway, deployment, runBinary, scene, sleep, until } from '../harness/turnpike.mjs';

const seconds = Number(process.env.LEASE_SECONDS ?? 3);
const priceNano = 10_000_000; // Of one call, whatever it says.
let server;
let fake;
before(async () => {
  [server, fake] = await Promise.all([Postgres.start({ durable: true }), FakeProvider.start()]);
});
after(async () => {
  await server.stop();
  await fake.stop();
});

function config(url, turnpike = {}) {
  const params = { input_cost_per_token: 0, output_cost_per_token: 0, input_cost_per_request: priceNano / 1e9 };
  return {
    model_list: [deployment('m', fake.base(), { params }), deployment('slow', fake.base('latency_ms=300'), { params })],
    general_settings: { database_url: url },
    turnpike: { shutdown_grace: 0, ...turnpike },
  };
}

/** Two replicas on a database of their own. */
async function pair(own, turnpike) {
  const name = server.fresh();
  const start = () => Gateway.start({ config: config(server.url(name), turnpike), flags: ['--num_workers', '1'] });
  const first = own(await start());
  const second = own(await start());
  return { name, gateways: [first, second] };
}
const ask = (gateway, key, model = 'm') => gateway.chat({ model }, { key });
const statuses = (replies) => replies.reduce((counts, reply) => ({ ...counts, [reply.status]: (counts[reply.status] ?? 0) + 1 }), {});
const spentNano = (name) => Number(server.query(name, 'SELECT coalesce(sum(spent_nano), 0) FROM account_window w JOIN account a USING (account_id) WHERE a.kind = 6')[0][0]);
/** Both know the key. */
async function warm(gateways, key) {
  for (const gateway of gateways) assert.notEqual((await gateway.call('GET', '/v1/models', { key })).status, 401);
}

for (const [mode, budget, expected] of [
  ['strict', 10.5, 10],
  ['default', 10.5, 11],
]) {
  test(`AC-BUDGET-2: 60 calls at once over two replicas, ${mode}: ${expected} pass, each other says when to come back`, async () => {
    await scene(
      (own) => pair(own, { budget_mode: mode }),
      async ({ name, gateways }) => {
        const key = await gateways[0].newKey({ max_budget: (budget * priceNano) / 1e9 });
        await warm(gateways, key);
        const replies = await Promise.all(Array.from({ length: 60 }, (_, i) => ask(gateways[i % 2], key)));
        assert.deepEqual(statuses(replies), { 200: expected, 429: 60 - expected }, replies.find((reply) => ![200, 429].includes(reply.status))?.text);
        await until(() => spentNano(name) === expected * priceNano, 'what was served to be booked');
        // A moment later it is spent for everybody, and refused without asking.
        for (const gateway of gateways) {
          let refused;
          await until(async () => (refused = await ask(gateway, key)).json.error.message.includes(`Current cost: ${(expected * priceNano) / 1e9},`), 'its refusals to know all that is spent', 2000);
          assert.equal(refused.status, 429);
          assert.equal(refused.json.error.code, mode === 'strict' ? 'budget_held' : 'budget_spent');
          assert.ok(Number(refused.headers.get('retry-after') ?? 1) >= 1);
        }
      },
    );
  });
}

test('strict: killed and restarted replicas never exceed a budget, and what a dead one held comes back with it', async () => {
  await scene(
    (own) => pair(own, { budget_mode: 'strict' }),
    async ({ name, gateways }, own) => {
      const calls = 60 * seconds;
      const key = await gateways[0].newKey({ max_budget: (calls * priceNano) / 1e9 });
      await warm(gateways, key);
      let served = 0;
      let early = 0;
      const refusals = new Set();
      let running = true;
      const load = gateways.map(async (_, at) => {
        while (running) {
          const replies = await Promise.all(
            Array.from({ length: 4 }, () => ask(gateways[at], key, Math.random() < 0.2 ? 'slow' : 'm').catch(() => ({ status: 0 }))),
          );
          for (const reply of replies) {
            if (reply.status === 200) served += 1;
            else if (reply.status !== 0) {
              refusals.add(reply.status);
              if (reply.status === 429 && served < calls * 0.9) early += 1;
            }
          }
          await sleep(10);
        }
      });
      try {
        await sleep(seconds * 300);
        const victim = gateways[1];
        victim.ownsDirectory = false;
        await victim.kill();
        await sleep(200);
        gateways[1] = own(await Gateway.start({ config: config(server.url(name), { budget_mode: 'strict' }), directory: victim.directory, port: victim.port, flags: ['--num_workers', '1'] }));
        gateways[1].ownsDirectory = true;
        await until(() => served >= calls * 0.5, 'half of the budget to be spent', 20_000);
        await until(async () => (await ask(gateways[0], key)).status === 429, 'the budget to be spent', 20_000);
      } finally {
        running = false;
        await Promise.all(load);
      }
      await until(async () => (await ask(gateways[1], key)).status === 429, 'the other to know it');
      await until(() => Number(server.query(name, 'SELECT count(*) FROM entry')[0][0]) >= served, 'every call to be booked');
      const spent = spentNano(name);
      assert.ok(spent <= calls * priceNano, `${spent} of ${calls * priceNano} nanodollars`);
      // Strict books a call that a kill left open at what it held: what was served and these are all of it.
      assert.ok(spent >= (calls - 1) * priceNano, `all of it could be spent: ${spent}`);
      console.log(`strict, one of two killed: ${served} served of ${calls}, ${early} refused below 90 %, statuses ${[...refusals].join(' ')}`);
      const verified = await runBinary(['ledger', 'verify', '--data_dir', path.join(gateways[0].directory, 'data'), '--database_url', server.url(name)], { ms: 60_000 });
      assert.equal(verified.code, 0, verified.stdout + verified.stderr);
    },
  );
});

test('a clean stop returns what was leased; without the database leased money is still spent, then it is 503', async () => {
  await scene(
    (own) => pair(own, { budget_wait: 0.3 }),
    async ({ name, gateways }) => {
      const key = await gateways[0].newKey({ max_budget: (1000 * priceNano) / 1e9 });
      await warm(gateways, key);
      for (const gateway of gateways) for (let i = 0; i < 5; ++i) assert.equal((await ask(gateway, key)).status, 200);
      const granted = () => Number(server.query(name, 'SELECT coalesce(sum(granted_nano), 0) FROM lease')[0][0]);
      assert.ok(granted() > 10 * priceNano, 'some is leased ahead');
      await gateways[1].stop();
      assert.equal(server.query(name, `SELECT count(*) FROM lease JOIN replica USING (replica_no) WHERE state = 1 AND granted_nano <> used_nano`)[0][0], '0', 'the stopped one keeps nothing');
      await server.pause('SIGQUIT');
      try {
        let passed = 0;
        let reply;
        while ((reply = await ask(gateways[0], key)).status === 200) passed += 1;
        assert.ok(passed >= 1, 'what is leased is spent without the database');
        assert.equal(reply.status, 503, reply.text);
        assert.equal(reply.json.error.code, 'budget_unavailable');
        assert.ok(Number(reply.headers.get('retry-after')) >= 1);
      } finally {
        await server.resume();
      }
      await until(async () => (await ask(gateways[0], key)).status === 200, 'money to come again', 10_000);
    },
  );
});

test('edits are in force on both within a second: less, more, spend set to 0, no budget, a budget again', async () => {
  await scene(
    (own) => pair(own),
    async ({ gateways }) => {
      const [here, there] = gateways;
      const key = await here.newKey({ max_budget: (100 * priceNano) / 1e9 });
      const update = async (fields) => assert.equal((await here.call('POST', '/key/update', { body: { key, ...fields } })).status, 200);
      const soon = (gateway, status, what) => until(async () => (await ask(gateway, key)).status === status, what, 1500);
      for (const gateway of gateways) assert.equal((await ask(gateway, key)).status, 200);
      await update({ max_budget: priceNano / 1e9 });
      for (const gateway of gateways) await soon(gateway, 429, 'the lower budget to refuse');
      await update({ max_budget: (100 * priceNano) / 1e9 });
      for (const gateway of gateways) await soon(gateway, 200, 'the higher budget to admit');
      await update({ max_budget: priceNano / 1e9 });
      for (const gateway of gateways) await soon(gateway, 429, 'the lower budget to refuse again');
      await update({ spend: 0 });
      await soon(there, 200, 'what was spent to be forgotten');
      await update({ max_budget: null });
      for (let i = 0; i < 4; ++i) for (const gateway of gateways) await soon(gateway, 200, 'no budget to admit');
      await update({ max_budget: priceNano / 1e9 });
      for (const gateway of gateways) await soon(gateway, 429, 'the new budget to know what was spent without one');
    },
  );
});

test('AC-RESET-2: a budget of 2 s begins anew on both, and a call is booked where it started', async () => {
  await scene(
    (own) => pair(own, { budget_mode: 'strict' }),
    async ({ name, gateways }) => {
      const key = await gateways[0].newKey({ max_budget: (4 * priceNano) / 1e9, budget_duration: '2s' });
      await warm(gateways, key);
      const end = Date.now() + 7_000;
      let served = 0;
      while (Date.now() < end) {
        const replies = await Promise.all(gateways.flatMap((gateway) => [ask(gateway, key), ask(gateway, key, 'slow')]));
        for (const reply of replies) {
          assert.ok([200, 429].includes(reply.status), reply.text);
          if (reply.status === 200) served += 1;
          else assert.match(reply.json.error.message, /Reset: \d{4}-/);
        }
      }
      await until(() => Number(server.query(name, 'SELECT count(*) FROM entry WHERE status = 0')[0][0]) === served, 'all to be booked');
      const windows = server.query(name, 'SELECT window_id, spent_nano FROM account_window JOIN account a USING (account_id) WHERE a.kind = 6 AND spent_nano > 0 ORDER BY 1');
      assert.ok(windows.length >= 3, JSON.stringify(windows));
      for (const [window, spent] of windows) assert.ok(Number(spent) <= 4 * priceNano, `window ${window}: ${spent}`);
      for (const [window, spent] of windows.slice(1, -1)) assert.equal(Number(spent), 4 * priceNano, `window ${window} was used up`);
      const strays = server.query(
        name,
        `SELECT count(*) FROM entry e, account_window w JOIN account a USING (account_id) WHERE a.kind = 6 AND e.accounts LIKE '%[' || w.account_id || ',' || w.window_id || ']%' AND (e.started_us < w.window_id * 1000000 OR e.started_us >= w.window_id * 1000000 + CASE WHEN w.window_id = 0 THEN 9e18::bigint - 1 ELSE 2000000 END)`,
      );
      assert.equal(strays[0][0], '0', 'calls in windows they did not start in');
    },
  );
});
