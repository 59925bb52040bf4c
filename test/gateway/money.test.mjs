// What calls cost, what budgets refuse, and what the ledger says afterwards; against a provider that reports exactly the
// usage a test wants, and against the scripted one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { FakeProvider, Gateway, deployment, masterKey, runBinary, scene, until } from '../harness/turnpike.mjs';

/** Answers every chat with `replies[model]`: usage, service tier, id; streams it when asked. */
class Provider {
  static async start(replies) {
    const provider = new Provider();
    provider.served = 0;
    provider.server = http.createServer((request, response) => {
      let body = '';
      request.on('data', (data) => (body += data));
      request.on('end', () => {
        provider.served += 1;
        const asked = JSON.parse(body);
        const { usage, tier, id = 'chatcmpl-own' } = replies[asked.model];
        const common = { id, created: 1, model: asked.model, ...(tier ? { service_tier: tier } : {}) };
        if (!asked.stream) {
          response.writeHead(200, { 'content-type': 'application/json' });
          const choices = [{ index: 0, message: { role: 'assistant', content: 'ok' }, finish_reason: 'stop' }];
          response.end(JSON.stringify({ ...common, object: 'chat.completion', choices, usage }));
          return;
        }
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        const chunk = (more) => response.write(`data: ${JSON.stringify({ ...common, object: 'chat.completion.chunk', ...more })}\n\n`);
        chunk({ choices: [{ index: 0, delta: { role: 'assistant', content: 'ok' }, finish_reason: null }] });
        chunk({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] });
        chunk({ choices: [], usage });
        response.end('data: [DONE]\n\n');
      });
    });
    provider.server.listen(0, '127.0.0.1');
    await once(provider.server, 'listening');
    provider.base = `http://127.0.0.1:${provider.server.address().port}/v1`;
    return provider;
  }
  async kill() {
    this.server.closeAllConnections();
    this.server.close();
  }
}

const perMillion = (dollars) => dollars / 1e6;
const rich = {
  input_cost_per_token: perMillion(3),
  output_cost_per_token: perMillion(15),
  cache_read_input_token_cost: '3e-07',
  cache_creation_input_token_cost: 0.00000375,
  cache_creation_input_token_cost_above_1hr: '0.000006',
  output_cost_per_reasoning_token: 2e-5,
  input_cost_per_audio_token: 4e-5,
  output_cost_per_audio_token: 8e-5,
  input_cost_per_token_above_128k_tokens: 6e-6,
  output_cost_per_token_above_128k_tokens: 2.25e-5,
  input_cost_per_token_above_200k_tokens: 9e-6,
  input_cost_per_token_flex: 1.5e-6,
  output_cost_per_token_flex: 7.5e-6,
  input_cost_per_token_priority: 6e-6,
  output_cost_per_token_priority: 3e-5,
};
const usage = (prompt, completion, more = {}) => ({ prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion, ...more });

// name: what the provider reports, the deployment's prices, the cost in dollars as it must be printed.
const bills = {
  plain: { usage: usage(1000, 10), cost: '0.00315' },
  anthropic: { usage: usage(12307, 550, { prompt_tokens_details: { cached_tokens: 0, cache_creation_tokens: 12304 } }), cost: '0.054399' },
  cached: { usage: usage(1000, 10, { prompt_tokens_details: { cached_tokens: 900 } }), cost: '0.00072' },
  deepseek: { usage: usage(1000, 10, { prompt_cache_hit_tokens: 900, prompt_cache_miss_tokens: 100 }), cost: '0.00072' },
  reasoning: { usage: usage(1000, 110, { completion_tokens_details: { reasoning_tokens: 100 } }), cost: '0.00515' },
  audio: {
    usage: usage(150, 60, { prompt_tokens_details: { audio_tokens: 50 }, completion_tokens_details: { audio_tokens: 40 } }),
    cost: '0.0058',
  },
  at_threshold: { usage: usage(128000, 10), cost: '0.38415' },
  tier_128k: { usage: usage(128001, 10), cost: '0.768231' },
  tier_200k: { usage: usage(200001, 10), cost: '1.800159' },
  flex: { usage: usage(1000, 10), tier: 'flex', cost: '0.001575' },
  priority: { usage: usage(1000, 10), tier: 'priority', cost: '0.0063' },
  standard_after_all: { usage: usage(1000, 10), tier: 'default', cost: '0.00315' },
  request_fee: { usage: usage(1000, 10), prices: { input_cost_per_token: 1e-6, output_cost_per_token: 1e-6, input_cost_per_request: 0.005 }, cost: '0.00601' },
  tiny: { usage: usage(15, 0), prices: { input_cost_per_token: '1e-10', output_cost_per_token: 0 }, cost: '0.000000002' },
  half_even: { usage: usage(5, 0), prices: { input_cost_per_token: '1e-10', output_cost_per_token: 0 }, cost: '0' },
};

test('each kind of token, tier and fee costs what its price says, the same in a stream, and the key has the sum', async () => {
  await scene(
    async (own) => {
      const provider = own(await Provider.start(bills));
      const models = Object.entries(bills).map(([name, { prices }]) => ({
        model_name: name,
        litellm_params: { model: `openai/${name}`, api_base: provider.base, api_key: 'sk-provider' },
        model_info: prices ?? rich,
      }));
      return own(await Gateway.start({ config: { model_list: models } }));
    },
    async (gateway) => {
      const key = await gateway.newKey({ max_budget: 100 });
      let total = 0n;
      const nano = (text) => {
        assert.match(text, /^\d+(\.\d{1,9})?$/, 'decimal text, no exponent');
        const [whole, fraction = ''] = text.split('.');
        return BigInt(whole) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0'));
      };
      for (const [model, { cost, tier }] of Object.entries(bills)) {
        const plain = await gateway.chat({ model }, { key });
        assert.equal(plain.status, 200, `${model}: ${plain.text}`);
        assert.equal(plain.headers.get('x-litellm-response-cost'), cost, model);
        const stream = await gateway.stream({ model }, { key });
        for (const reply of [plain, stream]) {
          const raw = await gateway.call('GET', `/spend/logs?request_id=${reply.headers.get('x-litellm-call-id')}`);
          assert.equal(/"spend":([^,]+),/.exec(raw.text)[1], cost, `${model} in the ledger`);
          assert.doesNotMatch(raw.json[0].turnpike.marks, /cost_unknown|estimated/);
          assert.equal(raw.json[0].metadata.usage_object?.service_tier, tier === 'default' ? undefined : tier, model);
        }
        total += 2n * nano(cost);
      }
      const info = await gateway.call('GET', `/key/info?key=${key}`);
      assert.equal(nano(/"spend":([^,}]+)/.exec(info.text)[1]), total);
      const verified = await runBinary(['ledger', 'verify', '--config', gateway.file, '--data_dir', path.join(gateway.directory, 'data')]);
      assert.equal(verified.code, 0, verified.stdout + verified.stderr);
      assert.match(verified.stdout, /^ok +V8 +each attempt .*\(30 of 30 billed again\)/m);
    },
  );
});

test('providers that report their own cost are believed where they are trusted, and ours stays beside it', async () => {
  const replies = { m: { usage: usage(1000, 10, { cost: 0.0123456789 }) } };
  await scene(
    async (own) => {
      const provider = own(await Provider.start(replies));
      const entry = (name, via) => ({
        model_name: name,
        litellm_params: { model: `${via}/m`, api_base: provider.base, api_key: 'sk-provider' },
        model_info: { input_cost_per_token: 1e-6, output_cost_per_token: 1e-6 },
      });
      return own(await Gateway.start({ config: { model_list: [entry('trusted', 'openrouter'), entry('not', 'openai')] } }));
    },
    async (gateway) => {
      const key = await gateway.newKey({ max_budget: 1 });
      const costOf = async (model) => {
        const reply = await gateway.chat({ model }, { key });
        assert.equal(reply.status, 200, reply.text);
        const [row] = await gateway.rows(`request_id=${reply.headers.get('x-litellm-call-id')}`, 1);
        return [reply.headers.get('x-litellm-response-cost'), row];
      };
      const [trusted, row] = await costOf('trusted');
      assert.equal(trusted, '0.012345679');
      assert.match(row.turnpike.marks, /provider_cost/);
      assert.equal(row.metadata.usage_object.list_cost_nano, 1_010_000);
      const [own, plain] = await costOf('not');
      assert.equal(own, '0.00101');
      assert.doesNotMatch(plain.turnpike.marks, /provider_cost/);
    },
  );
});

test('a price table from a file or a URL is read whole or refused whole, and its version can be seen', async () => {
  const table = (input) => JSON.stringify({ 'openai/own-model': { input_cost_per_token: input, output_cost_per_token: '2e-06', litellm_provider: 'openai', mode: 'chat' } });
  await scene(
    async (own) => {
      const provider = own(await Provider.start({ 'own-model': { usage: usage(1000, 10) } }));
      return { own, provider };
    },
    async ({ own, provider }) => {
      const config = { model_list: [{ model_name: 'm', litellm_params: { model: 'openai/own-model', api_base: provider.base, api_key: 'sk-provider' } }] };
      const file = path.join(fs.mkdtempSync('/tmp/turnpike-prices-'), 'prices.json');
      const cost = async (gateway) => (await gateway.chat({ model: 'm' }, { key: await gateway.newKey() })).headers.get('x-litellm-response-cost');
      const version = async (gateway) => (await gateway.call('GET', '/health/readiness')).json.price_table;

      fs.writeFileSync(file, table(1e-6));
      const gateway = own(await Gateway.start({ config, env: { LITELLM_MODEL_COST_MAP_URL: file } }));
      assert.equal(await cost(gateway), '0.00102');
      const first = await version(gateway);
      assert.match(first, /prices\.json sha256:[0-9a-f]{8}/);
      await until(() => gateway.stderr.includes(first), 'the log to name it too');

      // A reload takes a new table over; a broken one changes nothing.
      fs.writeFileSync(file, table('5e-06'));
      assert.equal((await gateway.call('POST', '/config/reload')).status, 200);
      assert.equal(await cost(gateway), '0.00502');
      const second = await version(gateway);
      assert.notEqual(second, first);
      fs.writeFileSync(file, table(1e-6).slice(0, -3));
      assert.equal((await gateway.call('POST', '/config/reload')).status, 200);
      assert.equal(await cost(gateway), '0.00502');
      assert.equal(await version(gateway), second);
      await until(() => /LITELLM_MODEL_COST_MAP_URL=.*broken JSON.*the price table in force stays/.test(gateway.stderr), 'the refusal in the log');

      // At start a broken one leaves the compiled-in table: no price for this model.
      fs.writeFileSync(file, table(-1));
      const broken = own(await Gateway.start({ config, env: { LITELLM_MODEL_COST_MAP_URL: `file://${file}` } }));
      await until(() => /openai\/own-model: input_cost_per_token: .*the compiled-in price table is in force/.test(broken.stderr), 'the refusal in the log');
      assert.match(await version(broken), /^\d{4}-\d\d-\d\d sha256:/);

      const server = http.createServer((request, response) => response.end(table(7e-6)));
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      try {
        const url = `http://127.0.0.1:${server.address().port}/prices.json`;
        const remote = own(await Gateway.start({ config, env: { LITELLM_MODEL_COST_MAP_URL: url } }));
        assert.equal(await cost(remote), '0.00702');
        assert.ok((await version(remote)).startsWith(url));
        const local = own(await Gateway.start({ config, env: { LITELLM_MODEL_COST_MAP_URL: url, LITELLM_LOCAL_MODEL_COST_MAP: 'True' } }));
        assert.match(await version(local), /^\d{4}-\d\d-\d\d sha256:/);
      } finally {
        server.closeAllConnections();
        server.close();
        fs.rmSync(path.dirname(file), { recursive: true });
      }
    },
  );
});

test('an unknown price is never 0: refused on a budget, marked and counted without one', async () => {
  await scene(
    async (own) => {
      const fake = own(await FakeProvider.start());
      const params = { model: 'openai/nobody-knows-it', api_base: fake.base(), api_key: 'sk-provider' };
      const model_list = [
        { model_name: 'unknown', litellm_params: params },
        { model_name: 'image-only', litellm_params: params, model_info: { output_cost_per_image: 0.04 } },
      ];
      return { own, model_list };
    },
    async ({ own, model_list }) => {
      const marks = async (gateway, reply) => {
        assert.equal(reply.status, 200, reply.text);
        return (await gateway.rows(`request_id=${reply.headers.get('x-litellm-call-id')}`, 1))[0].turnpike.marks;
      };
      // Written, the setting decides for everybody.
      const strict = own(await Gateway.start({ config: { model_list, turnpike: { unknown_price: 'refuse' } } }));
      const key = await strict.newKey({ max_budget: 1 });
      for (const { model_name } of model_list) {
        const refused = await strict.chat({ model: model_name }, { key });
        assert.equal(refused.status, 400, refused.text);
        assert.equal(refused.json.error.code, 'unknown_price');
        assert.match(refused.json.error.message, /No price is known for model .*nobody-knows-it/);
        assert.match(await marks(strict, await strict.chat({ model: model_name }, { key: await strict.newKey() })), /cost_unknown/);
      }
      assert.match(await strict.metrics(), /^turnpike_cost_unknown_total 2$/m);
      // Left alone, an address of the operator's own costs nothing, and says so.
      const open = own(await Gateway.start({ config: { model_list } }));
      const reply = await open.chat({ model: 'unknown' }, { key: await open.newKey({ max_budget: 1 }) });
      assert.match(await marks(open, reply), /cost_unknown.*self_hosted/);
    },
  );
});

const slow = 'latency_ms=700';
const shortReply = { input_cost_per_token: 0.001, output_cost_per_token: 0.001 };

/** Gateway with one deployment per directive list; calls cost 0.001 $ a token. */
async function priced(own, settings = {}, more = []) {
  const fake = own(await FakeProvider.start());
  const model = (name, directives, prices = shortReply) => ({
    model_name: name,
    litellm_params: { model: `openai/${name}`, api_base: fake.base(directives), api_key: 'sk-provider' },
    model_info: prices,
  });
  const gateway = own(
    await Gateway.start({
      config: {
        model_list: [
          model('quick', 'prompt_tokens=8,tokens=92'), // 0.1 $
          model('slow', `prompt_tokens=8,tokens=92,${slow}`),
          model('stream', 'prompt_tokens=8,tokens=92,token_ms=20'),
          model('free', '', { input_cost_per_token: 0, output_cost_per_token: 0 }),
          model('free-broken', 'status=500', { input_cost_per_token: 0, output_cost_per_token: '0.0' }),
          ...more.map((entry) => entry(fake)),
        ],
        router_settings: { num_retries: 0, fallbacks: [{ 'free-broken': ['quick'] }] },
        ...settings,
      },
    }),
  );
  return { fake, gateway };
}

test('a refusal says whose budget it was and why, and whether it makes sense to come back', async () => {
  await scene((own) => priced(own), async ({ gateway, fake }) => {
    const key = await gateway.newKey({ max_budget: 0.15, key_alias: 'short of money' });
    // The first holds its 0.1 $, the second is let across the line, the third meets money that is only held.
    const running = [1, 2].map(() => gateway.chat({ model: 'slow', max_tokens: 92 }, { key }));
    await until(async () => (await fake.account()).calls >= 2, 'two calls at the provider');
    const held = await gateway.chat({ model: 'slow', max_tokens: 92 }, { key });
    assert.equal(held.status, 429, held.text);
    assert.equal(held.headers.get('x-should-retry'), 'true');
    assert.equal(held.headers.get('retry-after'), '1');
    assert.equal(held.json.error.type, 'budget_exceeded');
    assert.equal(held.json.error.code, 'budget_held');
    assert.match(held.json.error.message, /^Budget has been exceeded! Current cost: 0, Max budget: 0\.15 Key=short of money\. Reset: never\. Held by calls in flight: 0\.15\. This call needs: 0\.1\.$/);
    for (const reply of await Promise.all(running)) assert.equal(reply.status, 200, reply.text);
    const spent = await gateway.chat({ model: 'quick', max_tokens: 92 }, { key });
    assert.equal(spent.status, 429);
    assert.equal(spent.headers.get('x-should-retry'), 'false');
    assert.equal(spent.headers.get('retry-after'), null);
    assert.equal(spent.json.error.code, 'budget_spent');
    assert.equal(spent.json.error.message, 'Budget has been exceeded! Current cost: 0.2, Max budget: 0.15 Key=short of money. Reset: never. POST /key/update with a larger max_budget raises it.');
    assert.match(await gateway.metrics(), /^turnpike_budget_refusals_total\{kind="key",reason="spent"\} 1$/m);
    assert.match(await gateway.metrics(), /^turnpike_budget_refusals_total\{kind="key",reason="held"\} 1$/m);
    assert.equal((await fake.account()).calls, 2, 'refused before a byte went upstream');
  });
});

test('a budget of 0 refuses everything but a free model, and a free call cannot fall back to a paid one', async () => {
  await scene((own) => priced(own), async ({ gateway, fake }) => {
    const key = await gateway.newKey({ max_budget: 0 });
    const refused = await gateway.chat({ model: 'quick' }, { key });
    assert.equal(refused.status, 429, refused.text);
    assert.equal(refused.json.error.code, 'budget_spent');
    const free = await gateway.chat({ model: 'free' }, { key });
    assert.equal(free.status, 200, free.text);
    const [row] = await gateway.rows(`request_id=${free.headers.get('x-litellm-call-id')}`, 1);
    assert.match(row.turnpike.marks, /free/);
    assert.equal(row.spend, 0);
    const before = (await fake.account()).calls;
    const broken = await gateway.chat({ model: 'free-broken' }, { key });
    assert.notEqual(broken.status, 200, broken.text);
    assert.equal((await fake.account()).calls, before + 1, 'the paid fallback was not tried');
    assert.equal((await gateway.keyInfo(key)).spend, 0);
  });
});

for (const [mode, most] of [['default', 10], ['strict', 10]]) {
  test(`sixty calls at once on a budget of ten, ${mode} mode`, async () => {
    await scene((own) => priced(own, { turnpike: { budget_mode: mode } }), async ({ gateway, fake }) => {
      const key = await gateway.newKey({ max_budget: 1 });
      const replies = await Promise.all(Array.from({ length: 60 }, () => gateway.chat({ model: 'slow', max_tokens: 92 }, { key })));
      const served = replies.filter((reply) => reply.status === 200).length;
      assert.ok(replies.every((reply) => reply.status === 200 || reply.status === 429));
      assert.ok(served >= 1 && served <= most, `${served} served`);
      assert.equal((await fake.account()).calls, served, 'the rest never reached the provider');
      assert.equal((await gateway.keyInfo(key)).spend, served / 10);
      // Money that was only held is there again: in the end the budget is used up, never more.
      let sequential = 0;
      while ((await gateway.chat({ model: 'quick', max_tokens: 92 }, { key })).status === 200) sequential += 1;
      const spend = (await gateway.keyInfo(key)).spend;
      assert.equal(Math.round(spend * 10), served + sequential);
      assert.ok(spend <= 1, `${spend} spent`); // Ten times 0.1 leaves nothing to cross with.
    });
  });
}

test('strict mode stays below the limit whatever a caller writes into max_tokens', async () => {
  await scene((own) => priced(own, { turnpike: { budget_mode: 'strict' } }), async ({ gateway }) => {
    const key = await gateway.newKey({ max_budget: 1 });
    for (const body of [{ max_tokens: 1_000_000_000 }, { max_tokens: 900_000_000, n: 128 }, { max_completion_tokens: 2000 }, {}]) {
      const reply = await gateway.chat({ model: 'quick', ...body }, { key });
      assert.equal(reply.status, 429, `${JSON.stringify(body)}: ${reply.text}`);
      assert.equal(reply.json.error.code, 'budget_held');
    }
    assert.equal((await gateway.keyInfo(key)).spend, 0);
  });
});

test('coding assistants: 100k-token prompts, eight at once, none refused on $25', async () => {
  const assistant = (fake) => ({
    model_name: 'assistant',
    litellm_params: { model: 'openai/assistant', api_base: fake.base('prompt_tokens=100000,tokens=400,latency_ms=150'), api_key: 'sk-provider' },
    model_info: { input_cost_per_token: 3e-6, output_cost_per_token: 1.5e-5, max_output_tokens: 64000 },
  });
  await scene((own) => priced(own, {}, [assistant]), async ({ gateway }) => {
    const key = await gateway.newKey({ max_budget: 25 });
    const prompt = 'function example(argument) { return argument; }\n'.repeat(8500); // 400 KB.
    let served = 0;
    for (let round = 0; round < 4; round += 1) {
      const replies = await Promise.all(
        Array.from({ length: 8 }, () => gateway.chat({ model: 'assistant', max_tokens: 32000, messages: [{ role: 'user', content: prompt }] }, { key })),
      );
      for (const reply of replies) assert.equal(reply.status, 200, reply.text.slice(0, 300));
      served += replies.length;
    }
    assert.equal((await gateway.keyInfo(key)).spend.toFixed(6), (served * 0.306).toFixed(6));
  });
});

test('an administrator raises, lowers and edits while calls run, and it holds at once', async () => {
  await scene((own) => priced(own), async ({ gateway }) => {
    const key = await gateway.newKey({ max_budget: 0.05 });
    const update = async (fields) => {
      const reply = await gateway.call('POST', '/key/update', { body: { key, ...fields } });
      assert.equal(reply.status, 200, reply.text);
    };
    const status = async () => (await gateway.chat({ model: 'quick', max_tokens: 92 }, { key })).status;
    assert.equal(await status(), 200); // Crosses.
    assert.equal(await status(), 429);
    await update({ max_budget: 0.5 });
    assert.equal(await status(), 200);
    const running = gateway.chat({ model: 'slow', max_tokens: 92 }, { key });
    await update({ spend: 0.5 });
    assert.equal(await status(), 429);
    assert.equal((await running).status, 200);
    await until(async () => Math.abs((await gateway.keyInfo(key)).spend - 0.6) < 1e-9, 'the running call on top of the edit');
    await update({ spend: 0, max_budget: null });
    assert.equal(await status(), 200);
    assert.equal((await gateway.keyInfo(key)).spend, 0.1);
  });
});

test('a key deleted in flight leaves its entry; made again it begins anew', async () => {
  await scene((own) => priced(own), async ({ gateway, fake }) => {
    const secret = 'sk-made-by-hand-0123456789';
    const key = await gateway.newKey({ key: secret, max_budget: 0.05 });
    const running = gateway.stream({ model: 'stream' }, { key });
    await until(async () => (await fake.account()).calls >= 1, 'the call at the provider');
    assert.equal((await gateway.call('POST', '/key/delete', { body: { keys: [key] } })).status, 200);
    const reply = await running;
    assert.equal(reply.status, 200);
    assert.equal(reply.events.at(-1), '[DONE]');
    const [row] = await gateway.rows(`request_id=${reply.headers.get('x-litellm-call-id')}`, 1);
    assert.equal(row.spend, 0.1);
    assert.equal((await gateway.chat({ model: 'quick' }, { key })).status, 401);
    await gateway.newKey({ key: secret, max_budget: 10 });
    assert.equal((await gateway.keyInfo(key)).spend, 0);
    assert.equal((await gateway.chat({ model: 'quick' }, { key })).status, 200);
    assert.equal((await gateway.keyInfo(key)).spend, 0.1);
    const verified = await runBinary(['ledger', 'verify', '--data_dir', path.join(gateway.directory, 'data')]);
    assert.equal(verified.code, 0, verified.stdout);
  });
});

test('the record id is ours alone: repeated or empty provider ids and repeated call ids give a row each', async () => {
  const replies = { same: { usage: usage(10, 10), id: 'chatcmpl-always-this' }, none: { usage: usage(10, 10), id: '' } };
  await scene(
    async (own) => {
      const provider = own(await Provider.start(replies));
      const models = Object.keys(replies).map((name) => deployment(name, provider.base));
      return own(await Gateway.start({ config: { model_list: models } }));
    },
    async (gateway) => {
      const key = await gateway.newKey();
      for (const model of ['same', 'none']) {
        for (let i = 0; i < 25; i += 1) {
          const reply = await gateway.chat({ model }, { key, headers: { 'x-litellm-call-id': `mine-${model}` } });
          assert.equal(reply.status, 200, reply.text);
        }
      }
      const same = await gateway.rows('request_id=mine-same', 25);
      assert.equal(new Set(same.map((row) => row.turnpike.record_id)).size, 25);
      await gateway.rows('request_id=mine-none', 25);
      await gateway.rows('request_id=chatcmpl-always-this', 25);
      const [one] = await gateway.rows(`request_id=${same[0].turnpike.record_id}`, 1);
      assert.equal(one.turnpike.provider_request_id, 'chatcmpl-always-this');
    },
  );
});

test('the master key on calls is warned of and counted, and can be forbidden', async () => {
  await scene((own) => priced(own), async ({ gateway }) => {
    for (let i = 0; i < 3; i += 1) assert.equal((await gateway.chat({ model: 'quick' })).status, 200);
    assert.match(await gateway.metrics(), /^turnpike_master_key_calls_total 3(\.0)?$/m);
    const lines = () => gateway.stderr.split('The master key is used for calls').length - 1;
    await until(() => lines() > 0, 'the warning');
    assert.equal(lines(), 1, 'one line a minute');
  });
  await scene((own) => priced(own, { general_settings: { master_key: masterKey, forbid_master_key_inference: true } }), async ({ gateway }) => {
    const refused = await gateway.chat({ model: 'quick' });
    assert.equal(refused.status, 403, refused.text);
    assert.match(refused.json.error.message, /POST \/key\/generate/);
    assert.equal((await gateway.chat({ model: 'quick' }, { key: await gateway.newKey() })).status, 200);
  });
});

test('/spend/logs filters, sums by day, and shows a key its own rows only', async () => {
  await scene((own) => priced(own), async ({ gateway }) => {
    const one = await gateway.newKey({ user_id: 'ann', key_alias: 'one' });
    const two = await gateway.newKey({ user_id: 'bob' });
    for (const key of [one, one, two]) assert.equal((await gateway.chat({ model: 'quick', user: 'end-1' }, { key })).status, 200);
    const failed = await gateway.chat({ model: 'free-broken', disable_fallbacks: true }, { key: one });
    assert.equal(failed.status, 500, failed.text);
    const rows = await gateway.rows('user_id=ann', 3);
    assert.ok(rows.every((row) => row.user === 'ann' && row.metadata.user_api_key_alias === 'one'));
    await gateway.rows(`api_key=${one}`, 3);
    const hash = rows[0].api_key;
    assert.match(hash, /^[0-9a-f]{64}$/);
    await gateway.rows(`api_key=${hash}`, 3);
    const [row] = await gateway.rows(`request_id=${failed.headers.get('x-litellm-call-id')}`, 1);
    assert.equal(row.status, 'failure');
    assert.equal(row.spend, 0);
    assert.equal(row.total_tokens, 0);
    assert.equal(row.cache_hit, 'False');
    assert.deepEqual(row.response, {});
    assert.equal(row.metadata.status, 'failure');
    assert.equal(row.metadata.user_api_key, hash);
    assert.equal(row.metadata.error_information.error_code, '500');
    assert.notEqual(row.metadata.error_information.traceback, null);
    assert.ok(row.metadata.error_information.error_message.length > 0);
    const today = new Date().toISOString().slice(0, 10);
    const [day] = (await gateway.call('GET', `/spend/logs?start_date=${today}&end_date=${today}`)).json;
    assert.equal(day.startTime, today);
    assert.equal(day.spend, 0.3);
    assert.equal(day[hash], 0.2);
    assert.deepEqual(day.users, { ann: 0.2, bob: 0.1 });
    assert.equal(day.models.quick, 0.3);
    assert.equal((await gateway.call('GET', `/spend/logs?start_date=${today}&end_date=${today}&summarize=false`)).json.length, 4);
    assert.deepEqual((await gateway.call('GET', '/spend/logs?start_date=2001-01-01&end_date=2001-01-02')).json, []);
    const limited = await gateway.call('GET', '/spend/logs?limit=2');
    assert.equal(limited.json.length, 2);
    assert.equal(limited.headers.get('x-turnpike-truncated'), '2');
    assert.equal((await gateway.call('GET', '/spend/logs?start_date=tomorrow')).status, 400);
    // A key reads its own.
    const own = await gateway.call('GET', '/spend/logs', { key: two });
    assert.equal(own.json.length, 1);
    assert.equal((await gateway.call('GET', `/spend/logs?api_key=${hash}`, { key: two })).status, 403);
    const keys = await gateway.call('GET', '/spend/keys');
    assert.deepEqual(keys.json.slice(0, 2).map((entry) => entry.spend), [0.2, 0.1]);
  });
});
