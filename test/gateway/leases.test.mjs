// Two replicas on one PostgreSQL spend the same budgets with and without the database, whatever an administrator changes. (To the
// last call and no further: budgets_replicas.test.mjs.)
import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import { Shared, ask, priceNano, warm } from '../harness/replicas.mjs';
import { Gateway, deployment, scene, until } from '../harness/turnpike.mjs';

let shared;
before(async () => {
  shared = await Shared.start();
});
after(() => shared?.stop());

test('a clean stop returns what was leased; without the database leased money is still spent, then it is 503', async () => {
  await scene(
    (own) => shared.pair(own, { budget_wait: 0.3 }),
    async ({ name, gateways }) => {
      const key = await gateways[0].newKey({ max_budget: (1000 * priceNano) / 1e9 });
      await warm(gateways, key);
      for (const gateway of gateways) for (let i = 0; i < 5; ++i) assert.equal((await ask(gateway, key)).status, 200);
      const granted = () => Number(shared.server.query(name, 'SELECT coalesce(sum(granted_nano), 0) FROM lease')[0][0]);
      assert.ok(granted() > 10 * priceNano, 'some is leased ahead');
      await gateways[1].stop();
      assert.equal(shared.server.query(name, `SELECT count(*) FROM lease JOIN replica USING (replica_no) WHERE state = 1 AND granted_nano <> used_nano`)[0][0], '0', 'the stopped one keeps nothing');
      await shared.server.pause('SIGINT');
      try {
        let passed = 0;
        let reply;
        while ((reply = await ask(gateways[0], key)).status === 200) passed += 1;
        assert.ok(passed >= 1, 'what is leased is spent without the database');
        assert.equal(reply.status, 503, reply.text);
        assert.equal(reply.json.error.code, 'budget_unavailable');
        assert.ok(Number(reply.headers.get('retry-after')) >= 1);
      } finally {
        await shared.server.resume();
      }
      await until(async () => (await ask(gateways[0], key)).status === 200, 'money to come again', 10_000);
    },
  );
});

test('a fallback that costs fifty times as much gets its money from the database; what nobody has is not asked for', async () => {
  const name = shared.server.fresh();
  const config = shared.config(name);
  const dear = { input_cost_per_token: 0, output_cost_per_token: 0, input_cost_per_request: (50 * priceNano) / 1e9 };
  config.model_list.push(deployment('broken', shared.fake.base('status=500'), { params: { ...dear, input_cost_per_request: priceNano / 1e9 } }), deployment('dear', shared.fake.base(), { params: dear }));
  config.router_settings = { num_retries: 0, fallbacks: [{ broken: ['dear'] }] };
  await scene(
    async (own) => {
      const start = async () => own(await Gateway.start({ config, flags: ['--num_workers', '1'] }));
      return [await start(), await start()];
    },
    async (gateways) => {
      const key = await gateways[0].newKey({ max_budget: (100 * priceNano) / 1e9 });
      await warm(gateways, key);
      assert.equal((await ask(gateways[1], key)).status, 200, 'the other replica has some of the money');
      assert.equal((await ask(gateways[0], key, 'broken')).status, 200);
      const refused = await ask(gateways[0], await gateways[0].newKey({ max_budget: (20 * priceNano) / 1e9, metadata: { budget_mode: 'strict' } }), 'broken');
      assert.equal(refused.status, 500, 'the error of the first attempt: money was not why the call failed first');
      await until(() => shared.number(name, "SELECT count(*) FROM entry WHERE status = 1 AND marks & 32768 <> 0") === 1, 'the mark retry_unaffordable');
    },
  );
});

test('edits are in force on both within a second: less, more, spend set to 0, no budget, a budget again', async () => {
  await scene(
    (own) => shared.pair(own),
    async ({ name, gateways }) => {
      const [here, there] = gateways;
      const key = await here.newKey({ max_budget: (100 * priceNano) / 1e9 });
      const update = async (fields) => assert.equal((await here.call('POST', '/key/update', { body: { key, ...fields } })).status, 200);
      let last;
      let served = 0;
      const next = async (gateway) => {
        last = await ask(gateway, key);
        if (last.status === 200) served += 1;
        return last.status;
      };
      const soon = async (gateway, status, what) => {
        await until(async () => (await next(gateway)) === status, what, 1500).catch((error) => assert.fail(`${error.message}: ${last.text}`));
      };
      for (const gateway of gateways) assert.equal(await next(gateway), 200);
      await update({ max_budget: priceNano / 1e9 });
      for (const gateway of gateways) await soon(gateway, 429, 'the lower budget to refuse');
      await update({ max_budget: (100 * priceNano) / 1e9 });
      for (const gateway of gateways) await soon(gateway, 200, 'the higher budget to admit');
      await update({ max_budget: priceNano / 1e9 });
      for (const gateway of gateways) await soon(gateway, 429, 'the lower budget to refuse again');
      const booked = () => Number(shared.server.query(name, 'SELECT count(*) FROM entry WHERE status = 0 AND kind = 0')[0][0]);
      await until(() => booked() === served, 'what was served to be booked: else it comes on top of the 0');
      await update({ spend: 0 });
      await soon(there, 200, 'what was spent to be forgotten');
      await update({ max_budget: null });
      for (let i = 0; i < 4; ++i) for (const gateway of gateways) await soon(gateway, 200, 'no budget to admit');
      await update({ max_budget: priceNano / 1e9 });
      for (const gateway of gateways) await soon(gateway, 429, 'the new budget to know what was spent without one');
    },
  );
});
