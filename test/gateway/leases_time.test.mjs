// Budgets over two replicas in time: one is killed and comes back, windows end. LEASE_SECONDS is the length of the traffic
// under which one is killed: short here, longer in ./check --full.
import assert from 'node:assert/strict';
import path from 'node:path';
import test, { after, before } from 'node:test';
import { Shared, ask, priceNano, warm } from '../harness/replicas.mjs';
import { runBinary, scene, sleep, until } from '../harness/turnpike.mjs';

const seconds = Number(process.env.LEASE_SECONDS ?? 3);
let shared;
before(async () => {
  shared = await Shared.start();
});
after(() => shared?.stop());

// Of the two modes the shorter run has one.
for (const mode of process.env.LEASE_SECONDS ? ['strict', 'default'] : ['strict']) {
  test(`${mode}: killed and restarted replicas keep to a budget, and what a dead one held comes back with it`, async () => {
    await scene(
      (own) => shared.pair(own, { budget_mode: mode }),
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
          gateways[1] = own(await shared.gateway(name, { budget_mode: mode }, { directory: victim.directory, port: victim.port }));
          gateways[1].ownsDirectory = true;
          await until(() => refusals.has(429) && served >= calls * 0.9, 'the budget to be spent', 30_000 + seconds * 2_000);
          await sleep(500);
        } finally {
          running = false;
          await Promise.all(load);
        }
        await until(async () => (await ask(gateways[1], key)).status === 429, 'the other to know it');
        await until(() => Number(shared.server.query(name, 'SELECT count(*) FROM entry')[0][0]) >= served, 'every call to be booked');
        const spent = shared.spentNano(name);
        const over = mode === 'strict' ? 0 : 1; // The call that crosses the line.
        assert.ok(spent <= (calls + over) * priceNano, `${spent} of ${calls * priceNano} nanodollars`);
        assert.ok(spent >= (calls - 1) * priceNano, `all of it could be spent: ${spent}`);
        console.log(`${mode}, one of two killed: ${served} served of ${calls}, ${spent - calls * priceNano} nanodollars over, ${early} refused below 90 %, statuses ${[...refusals].join(' ')}`);
        const verified = await runBinary(['ledger', 'verify', '--data_dir', path.join(gateways[0].directory, 'data'), '--database_url', shared.server.url(name)], { ms: 60_000 });
        assert.equal(verified.code, 0, verified.stdout + verified.stderr);
      },
    );
  });
}

test('AC-RESET-2: a budget of a second begins anew on both, and a call is booked where it started', async () => {
  await scene(
    (own) => shared.pair(own, { budget_mode: 'strict' }),
    async ({ name, gateways }) => {
      const key = await gateways[0].newKey({ max_budget: (4 * priceNano) / 1e9, budget_duration: '1s' });
      await warm(gateways, key);
      const end = Date.now() + 4_000;
      let served = 0;
      while (Date.now() < end) {
        const replies = await Promise.all(gateways.flatMap((gateway) => [ask(gateway, key), ask(gateway, key, 'slow')]));
        for (const reply of replies) {
          assert.ok([200, 429].includes(reply.status), reply.text);
          if (reply.status === 200) served += 1;
          else assert.match(reply.json.error.message, /Reset: \d{4}-/);
        }
      }
      await until(() => Number(shared.server.query(name, 'SELECT count(*) FROM entry WHERE status = 0')[0][0]) === served, 'all to be booked');
      const windows = shared.server.query(name, 'SELECT w.window_id, w.spent_nano FROM account_window w JOIN account a USING (account_id) WHERE a.kind = 6 AND w.spent_nano > 0 ORDER BY 1');
      assert.ok(windows.length >= 3, JSON.stringify(windows));
      for (const [window, spent] of windows) assert.ok(Number(spent) <= 4 * priceNano, `window ${window}: ${spent}`);
      for (const [window, spent] of windows.slice(1, -1)) assert.equal(Number(spent), 4 * priceNano, `window ${window} was used up`);
      const strays = shared.server.query(
        name,
        `SELECT count(*) FROM entry e, account_window w JOIN account a USING (account_id) WHERE a.kind = 6 AND e.accounts LIKE '%[' || w.account_id || ',' || w.window_id || ']%' AND (e.started_us < w.window_id * 1000000 OR e.started_us >= w.window_id * 1000000 + CASE WHEN w.window_id = 0 THEN 9e18::bigint - 1 ELSE 1000000 END)`,
      );
      assert.equal(strays[0][0], '0', 'calls in windows they did not start in');
    },
  );
});

test('windows that turn while the database is away: money asked for before is there; later a part of the budget by default, none in strict', async () => {
  const calls = 80; // Of a window; a half of a quarter of them is each replica's when a window begins without the database.
  const windowMs = 2_000;
  await scene(
    (own) => shared.pair(own, { budget_wait: 0.8 }),
    async ({ name, gateways: [gateway, other] }) => {
      const terms = { max_budget: (calls * priceNano) / 1e9, budget_duration: `${windowMs / 1000}s` };
      const byDefault = await gateway.newKey(terms);
      const strict = await gateway.newKey({ ...terms, metadata: { budget_mode: 'strict' } });
      await warm([gateway, other], byDefault);
      let served = 0;
      const status = async (key) => {
        const reply = await ask(gateway, key);
        if (reply.status === 200) served += 1;
        return reply.status;
      };
      const both = () => Promise.all([status(byDefault), status(strict)]);
      const left = () => windowMs - (Date.now() % windowMs);
      assert.deepEqual(await both(), [200, 200]);
      await sleep(left());
      const turn = Date.now() + left();
      const held = () => shared.number(name, `SELECT count(*) FROM lease WHERE window_id = ${Math.round(turn / 1000)} AND granted_nano > 0`);
      for (let i = 0; i < 5; ++i) assert.deepEqual(await both(), [200, 200]);
      await until(() => held() === 2, 'money of the next window', turn - Date.now());
      await shared.server.pause('SIGQUIT');
      try {
        await sleep(Math.max(0, turn - Date.now()));
        for (let i = 0; i < 3; ++i) assert.deepEqual(await both(), [200, 200], 'the window begins with what was asked for');
        await sleep(Math.max(0, turn + windowMs + 50 - Date.now()));
        assert.deepEqual(await both(), [200, 503], 'a window that nobody has heard of');
        let more = 1;
        while ((await status(byDefault)) === 200) more += 1;
        assert.ok(more <= calls / 8, `${more} calls of a window that was opened without the database`);
      } finally {
        await shared.server.resume();
      }
      await until(() => shared.number(name, 'SELECT count(*) FROM entry WHERE status = 0') === served, 'all to be booked', 10_000);
    },
  );
});
