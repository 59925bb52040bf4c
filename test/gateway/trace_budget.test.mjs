// The last dollar of a hard budget, with many calls at once and through a SIGKILL (AC-BUDGET-1, -2, -6, -9).
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, test } from 'node:test';
import { FakeProvider, Gateway, deployment, runBinary, scene, temporaryDirectory, until } from '../harness/turnpike.mjs';

let fake;
before(async () => {
  fake = await FakeProvider.start();
});
after(async () => {
  await fake?.stop();
});

const ask = { model: 'gpt', max_tokens: 20, fake: { tokens: 20, prompt_tokens: 10, latency_ms: 30 } };
const cost = 10 * 1000 + 20 * 2000;  // Nanodollars, by the prices of `deployment()`.
const nano = (dollars) => Math.round(Number(dollars) * 1e9);
const calls = 60;

test('60 calls at once on a budget of ten and a half: at most eleven are served, then it is spent, also after a SIGKILL', async (t) => {
  await scene(
    async (own) => {
      const directory = temporaryDirectory();
      own({ ended: true, clean: () => fs.rmSync(directory, { recursive: true, force: true }) });
      const config = { model_list: [deployment('gpt', fake.base())] };
      return { own, directory, config, first: own(await Gateway.start({ directory, config })) };
    },
    async ({ own, directory, config, first }) => {
      const budget = (10.5 * cost) / 1e9;
      const key = await first.newKey({ key_alias: 'tight', max_budget: budget });
      const callsBefore = (await fake.account()).calls;
      const served = async () => (await fake.account()).calls - callsBefore;

      const replies = await Promise.all(Array.from({ length: calls }, () => first.chat(ask, { key })));
      const good = replies.filter((reply) => reply.status === 200);
      const refused = replies.filter((reply) => reply.status !== 200);
      t.diagnostic(`${good.length} of ${calls} at once were served`);
      assert.ok(good.length >= 1 && good.length <= 11, `${good.length} served`);
      assert.equal(await served(), good.length, 'a refused call sends nothing');
      for (const reply of refused) {
        assert.equal(reply.status, 429, reply.text);
        assert.equal(reply.json.error.type, 'budget_exceeded');
        const spent = reply.headers.get('x-should-retry') === 'false';
        if (!spent) {
          assert.equal(reply.headers.get('x-should-retry'), 'true', 'held by calls in flight');
          assert.equal(reply.headers.get('retry-after'), '1');
        }
      }

      // One after the other until nothing is left: the crossing call passes, none after it.
      let last;
      for (let i = 0; i < 12; ++i) {
        last = await first.chat(ask, { key });
        if (last.status !== 200) break;
        good.push(last);
      }
      assert.equal(last.status, 429, last.text);
      assert.equal(last.headers.get('x-should-retry'), 'false');
      assert.match(last.json.error.message, /tight/);
      assert.match(last.json.error.message, /0\.000525/, 'the limit');
      assert.match(last.json.error.message, /0\.00055/, 'what was spent');
      assert.equal(good.length, 11);
      assert.equal(await served(), 11);
      assert.equal(nano((await first.keyInfo(key)).spend), 11 * cost);

      // The budget is as spent as it was, whatever had not been shipped.
      first.signal('SIGKILL');
      await first.exit;
      const second = own(await Gateway.start({ directory, config, port: first.port }));
      const again = await second.chat(ask, { key });
      assert.equal(again.status, 429, again.text);
      assert.equal(again.headers.get('x-should-retry'), 'false');
      assert.equal(nano((await second.keyInfo(key)).spend), 11 * cost);

      // A raised budget counts within a second, and only for what it was raised by.
      const raised = await second.call('POST', '/key/update', { body: { key, max_budget: (12.5 * cost) / 1e9 } });
      assert.equal(raised.status, 200, raised.text);
      await until(async () => (await second.chat(ask, { key })).status === 200, 'the raised budget to count', 1000);
      assert.equal((await second.chat(ask, { key })).status, 200);
      assert.equal((await second.chat(ask, { key })).status, 429);
      assert.equal(await served(), 13);
      assert.equal(nano((await second.keyInfo(key)).spend), 13 * cost);
      const rows = await second.rows(`api_key=${key}`, 13);
      assert.equal(rows.reduce((sum, row) => sum + nano(row.spend), 0), 13 * cost);
      await second.stop();
      const verified = await runBinary(['ledger', 'verify', '--data_dir', `${directory}/data`]);
      assert.equal(verified.code, 0, verified.stdout + verified.stderr);
    },
  );
});
