// What administrators see and change from outside: budgets in /metrics, limits that follow an edit or a reload, the prefix of
// all routes, and an id on every reply.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, test } from 'node:test';
import { FakeProvider, Gateway, deployment, scene } from '../harness/turnpike.mjs';

let fake;
before(async () => {
  fake = await FakeProvider.start();
});
after(() => fake?.stop());

const start = (own, config = {}, more = {}) =>
  Gateway.start({ config: { model_list: [deployment('gpt', fake.base())], ...config, turnpike: { shutdown_grace: 0, ...config.turnpike } }, ...more }).then(own);

/** The value of the series of one key, as text: it is exact. */
async function budgetOf(gateway, name, alias) {
  const line = (await gateway.metrics()).split('\n').find((text) => text.startsWith(`${name}{`) && text.includes(`api_key_alias="${alias}"`));
  return line?.slice(line.lastIndexOf(' ') + 1);
}
const left = (gateway, alias) => budgetOf(gateway, 'litellm_remaining_api_key_budget_metric', alias);
const whole = (gateway, alias) => budgetOf(gateway, 'litellm_api_key_max_budget_metric', alias);

test('the budgets of keys stand in /metrics, exact, as calls and edits change them', async () => {
  await scene(start, async (gateway) => {
    const key = await gateway.newKey({ key_alias: 'counted', max_budget: 2 });
    const free = await gateway.newKey({ key_alias: 'unlimited' });
    const ask = async (who) => assert.equal((await gateway.chat({ model: 'gpt', fake: { prompt_tokens: 100, tokens: 7 } }, { key: who })).status, 200);
    await ask(key);
    await ask(free);
    assert.equal(await left(gateway, 'counted'), '1.999886');
    assert.equal(await whole(gateway, 'counted'), '2.0');
    assert.equal(await left(gateway, 'unlimited'), undefined, 'a key without a budget has no series');
    const { token } = (await gateway.call('GET', '/key/list?key_alias=counted&return_full_object=true')).json.keys[0];
    assert.ok((await gateway.metrics()).includes(`litellm_remaining_api_key_budget_metric{api_key_alias="counted",hashed_api_key="${token}"} 1.999886\n`));
    assert.match(await gateway.metrics(), /^# TYPE litellm_api_key_max_budget_metric gauge$/m);
    assert.match(await gateway.metrics(), /^turnpike_key_budgets_omitted 0$/m);

    assert.equal((await gateway.call('POST', '/key/update', { body: { key, max_budget: 3 } })).status, 200);
    assert.equal(await left(gateway, 'counted'), '2.999886');
    assert.equal((await gateway.call('POST', '/key/update', { body: { key, max_budget: null } })).status, 200);
    assert.equal(await whole(gateway, 'counted'), undefined);
    assert.equal((await gateway.call('POST', '/key/update', { body: { key, max_budget: 4 } })).status, 200);
    assert.equal(await whole(gateway, 'counted'), '4.0');
    assert.equal((await gateway.call('POST', '/key/delete', { body: { keys: [key] } })).status, 200);
    assert.equal(await whole(gateway, 'counted'), undefined, 'a deleted key has no series');
    assert.equal(await gateway.newKey({ key, key_alias: 'made again', max_budget: 6 }), key);
    await ask(key);
    assert.equal(await whole(gateway, 'counted'), '6.0', 'the account goes on under the name it had');
    await gateway.stop();
  });
});

test('many edits of one key at once: what the ledger enforces is what the database says', async () => {
  await scene((own) => start(own, {}, { flags: ['--num_workers', '3'] }), async (gateway) => {
    const key = await gateway.newKey({ key_alias: 'edited', max_budget: 1 });
    assert.equal((await gateway.chat({ model: 'gpt' }, { key })).status, 200);
    for (let round = 1; round <= 5; round += 1) {
      const edits = Array.from({ length: 40 }, (_, i) => gateway.call('POST', '/key/update', { body: { key, max_budget: round * 1000 + i, ...(i % 4 === 0 ? { spend: i } : {}) } }));
      for (const edit of await Promise.all(edits)) assert.equal(edit.status, 200, edit.text);
      const info = await gateway.keyInfo(key);
      assert.equal(Number(await whole(gateway, 'edited')), info.max_budget);
      assert.equal(Number(await left(gateway, 'edited')), info.max_budget - info.spend);
    }
    await gateway.stop();
  });
});

test('SERVER_ROOT_PATH serves every route below a prefix too; every reply has an id', async () => {
  await scene((own) => start(own, {}, { env: { SERVER_ROOT_PATH: '/gateway/' } }), async (gateway) => {
    const ids = new Set();
    const ask = async (method, target, options) => {
      const reply = await gateway.call(method, target, options);
      const id = reply.headers.get('x-request-id');
      assert.match(id, /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/, target);
      assert.ok(!ids.has(id), target);
      ids.add(id);
      assert.ok(reply.headers.get('x-litellm-version'), target);
      return reply.status;
    };
    const body = { model: 'gpt', messages: [{ role: 'user', content: 'hi' }] };
    for (const prefix of ['/gateway', '']) {
      assert.equal(await ask('POST', `${prefix}/v1/chat/completions`, { body }), 200);
      assert.equal(await ask('POST', `${prefix}/openai/deployments/gpt/chat/completions`, { body }), 200);
      assert.equal(await ask('GET', `${prefix}/v1/models`), 200);
      assert.equal(await ask('GET', `${prefix}/health/readiness`, { key: null }), 200);
      assert.equal(await ask('POST', `${prefix}/key/generate`, { body: {} }), 200);
      assert.equal(await ask('POST', `${prefix}/key/generate`, { body: {}, key: 'sk-nobody-0123456789' }), 401);
      assert.equal(await ask('GET', `${prefix}/no/such/route`), 404);
      assert.equal(await ask('GET', `${prefix}/key/generate`), 405);
    }
    assert.equal(await ask('GET', '/gatewayv1/models'), 404);
    assert.equal(await ask('GET', '/gateway/gateway/v1/models'), 404);
    await gateway.stop();
  });
  await scene(
    (own) => start(own, {}, { env: { SERVER_ROOT_PATH: '/a b' }, ready: false }),
    async (gateway) => {
      assert.equal((await gateway.wait()).code, 1);
      assert.match(gateway.stderr, /SERVER_ROOT_PATH must be a path/);
    },
  );
});

test('max_request_size_mb and budget_mode follow a reload', async () => {
  await scene(start, async (gateway) => {
    const config = JSON.parse(fs.readFileSync(gateway.file, 'utf8'));
    const reload = async (change) => {
      change(config);
      fs.writeFileSync(`${gateway.file}.next`, JSON.stringify(config));
      fs.renameSync(`${gateway.file}.next`, gateway.file);
      const reply = await gateway.call('POST', '/config/reload');
      assert.equal(reply.status, 200, reply.text);
      assert.ok(!/next start/.test(reply.text), reply.text);
    };
    const large = () => gateway.call('POST', '/v1/chat/completions', { body: { model: 'gpt', messages: [{ role: 'user', content: 'x'.repeat(150_000) }] } });
    assert.equal((await large()).status, 200);
    await reload((next) => (next.general_settings.max_request_size_mb = 0.1));
    assert.equal((await large()).status, 413);
    await reload((next) => delete next.general_settings.max_request_size_mb);
    assert.equal((await large()).status, 200);

    // One call may take more than is left, except in strict mode.
    const crossing = async () => gateway.chat({ model: 'gpt', max_tokens: 1000 }, { key: await gateway.newKey({ max_budget: 0.001 }) });
    assert.equal((await crossing()).status, 200);
    await reload((next) => (next.turnpike.budget_mode = 'strict'));
    const refused = await crossing();
    assert.equal(refused.status, 429, refused.text);
    assert.equal(refused.json.error.code, 'budget_held');
    await reload((next) => (next.turnpike.budget_mode = 'default'));
    assert.equal((await crossing()).status, 200);
    await reload((next) => (next.turnpike.budget_crossing = 'refuse'));
    assert.equal((await crossing()).status, 429);
    await gateway.stop();
  });
});
