// Budgets in tokens: of everybody a budget in dollars can be of, alone or beside one; what is used counts prompt and answer.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Shared } from '../harness/replicas.mjs';
import { FakeProvider, Gateway, deployment, masterKey, runBinary, scene, temporaryDirectory, until } from '../harness/turnpike.mjs';

const used = 15; // Tokens of each call: ten of the prompt, five of the answer.
const counts = 'prompt_tokens=10,tokens=5';
let fake;
let gateway;
let number = 0;
const fresh = (word) => `${word}-${++number}`;

const post = async (target, body, method = 'POST', at = gateway) => {
  const reply = await at.call(method, target, { body });
  assert.equal(reply.status, 200, `${target}: ${reply.text}`);
  return reply.json;
};
const call = (key, { model = 'gpt', ...more } = {}, at = gateway) => at.chat({ model, max_tokens: 5, ...more }, { key });
const passes = async (...args) => {
  const reply = await call(...args);
  assert.equal(reply.status, 200, reply.text);
};
const refuses = async (key, body, words) => {
  const reply = await call(key, body);
  assert.equal(reply.status, 429, reply.text);
  assert.equal(reply.json.error.type, 'budget_exceeded', reply.text);
  assert.equal(reply.json.error.code, 'budget_spent', reply.text);
  assert.equal(reply.headers.get('x-should-retry'), 'false');
  assert.match(reply.json.error.message, words);
  return reply;
};
const verify = async (at) => {
  const verified = await runBinary(['ledger', 'verify', '--data_dir', path.join(at.directory, 'data')]);
  assert.match(verified.stdout, /The ledger agrees with itself/, verified.stdout + verified.stderr);
};

before(async () => {
  fake = await FakeProvider.start();
  const at = (name, params = {}, directives = counts) => deployment(name, fake.base(directives), { params });
  gateway = await Gateway.start({
    config: {
      model_list: [
        at('gpt'),
        at('other'),
        at('slow', {}, `${counts},latency_ms=100`),
        at('long', {}, 'prompt_tokens=10,tokens=400'),
        at('free', { input_cost_per_token: 0, output_cost_per_token: 0 }),
        { model_name: 'unpriced', litellm_params: { model: 'openai/nobody-has-heard-of-it', api_base: fake.base(counts), api_key: 'sk-provider-key-0123456789' } },
        deployment('lone', fake.base(counts), { params: { max_budget_tokens: 1, budget_duration: '1d' }, info: { id: 'lone-1' } }),
        at('groq', { model: 'groq/fake' }),
      ],
      litellm_settings: { max_end_user_budget_id: 'for-customers', tag_budget_config: { configured: { max_budget_tokens: 1, budget_duration: '30d' } } },
      router_settings: { provider_budget_config: { groq: { budget_limit_tokens: 1, time_period: '1d' } } },
      turnpike: { unknown_price: 'refuse', hold_output_prior: 16 },
    },
  });
});
after(async () => {
  await gateway?.stop();
  await fake?.stop();
  gateway?.clean();
});

// One call crosses the line, the next one finds it behind. `key` is made with what `make` returns.
const figures = `Used: ${used} tokens, Max: 1 tokens`;
const levels = {
  key: { make: () => ({ key: { max_budget_tokens: 1 } }), words: new RegExp(`^Token budget has been exceeded! ${figures} Reset: never\\. POST /key/update with a larger max_budget_tokens`) },
  'key with an alias': { make: () => ({ key: { max_budget_tokens: 1, key_alias: fresh('app') } }), words: / Key=app-\d+\. Reset: never/ },
  team: {
    make: async () => ({ key: { team_id: (await post('/team/new', { team_id: fresh('team'), max_budget_tokens: 1 })).team_id } }),
    words: new RegExp(`^Token budget has been exceeded! Team=team-\\d+ ${figures} Reset: never`),
  },
  'team member': {
    make: async () => {
      const [team_id, user_id] = [fresh('team'), fresh('user')];
      await post('/team/new', { team_id });
      await post('/team/member_add', { team_id, member: { role: 'user', user_id }, max_budget_tokens_in_team: 1 });
      return { key: { team_id, user_id } };
    },
    words: /^Token budget has been exceeded! User=user-\d+ in Team=team-\d+ Used/,
  },
  'team member by the budget all share': {
    make: async () => {
      const [team_id, user_id] = [fresh('team'), fresh('user')];
      await post('/team/new', { team_id, team_member_budget_tokens: 1 });
      await post('/team/member_add', { team_id, member: { role: 'user', user_id } });
      return { key: { team_id, user_id } };
    },
    words: /^Token budget has been exceeded! User=user-\d+ in Team=team-\d+ Used/,
  },
  user: {
    make: async () => ({ key: { user_id: (await post('/user/new', { user_id: fresh('user'), max_budget_tokens: 1, auto_create_key: false })).user_id } }),
    words: new RegExp(`^ExceededBudget: User=user-\\d+ over token budget\\. ${figures} Reset`),
  },
  organisation: {
    make: async () => ({ key: { organization_id: (await post('/organization/new', { organization_id: fresh('org'), organization_alias: 'o', max_budget_tokens: 1 })).organization_id } }),
    words: /^Token budget has been exceeded! Organization=org-\d+ Used/,
  },
  'member of an organisation': {
    make: async () => {
      const [organization_id, user_id] = [fresh('org'), fresh('user')];
      await post('/organization/new', { organization_id, organization_alias: 'o' });
      await post('/user/new', { user_id, auto_create_key: false });
      await post('/organization/member_add', { organization_id, member: { role: 'internal_user', user_id }, max_budget_tokens_in_organization: 1 });
      return { key: { organization_id, user_id } };
    },
    words: /^Token budget has been exceeded! User=user-\d+ in Organization=org-\d+ Used/,
  },
  customer: {
    make: async () => ({ body: { user: (await post('/customer/new', { user_id: fresh('customer'), max_budget_tokens: 1 })).user_id } }),
    words: /^ExceededBudget: End User=customer-\d+ over token budget\. Used/,
  },
  tag: {
    make: async () => {
      const name = fresh('tag');
      await post('/tag/new', { name, max_budget_tokens: 1 });
      return { body: { metadata: { tags: [name] } } };
    },
    words: /^Token budget has been exceeded! Tag=tag-\d+ Used/,
  },
  'tag of the configuration': { make: () => ({ body: { metadata: { tags: ['configured'] } } }), words: /^Token budget has been exceeded! Tag=configured .* Reset: 20/ },
  'budget that a key is linked to': {
    make: async () => ({ key: { budget_id: (await post('/budget/new', { budget_id: fresh('budget'), max_budget_tokens: 1 })).budget_id } }),
    words: new RegExp(`^Token budget has been exceeded! ${figures} Reset: never`),
  },
  'key and model': { make: () => ({ key: { model_max_budget: { gpt: { max_budget_tokens: 1, time_period: '1d' } } } }), words: /^LiteLLM Virtual Key: [0-9a-f]{64}, key_alias: None, exceeded token budget for model=gpt Used: .* Reset: 20/, elsewhere: true },
  'team and model': {
    make: async () => ({ key: { team_id: (await post('/team/new', { team_id: fresh('team'), model_max_budget: { gpt: { budget_limit: 5, max_budget_tokens: 1 } } })).team_id } }),
    words: /^Token budget has been exceeded! Team=team-\d+ Model=gpt Used/,
    elsewhere: true,
  },
  'user and model': {
    make: async () => ({ key: { user_id: (await post('/user/new', { user_id: fresh('user'), model_max_budget: { gpt: { max_budget_tokens: 1 } }, auto_create_key: false })).user_id } }),
    words: /^ExceededBudget: User=user-\d+ over token budget for model=gpt\. Used/,
    elsewhere: true,
  },
  'organisation and model': {
    make: async () => ({ key: { organization_id: (await post('/organization/new', { organization_id: fresh('org'), organization_alias: 'o', model_max_budget: { gpt: { max_budget_tokens: 1 } } })).organization_id } }),
    words: /^Token budget has been exceeded! Organization=org-\d+ Model=gpt Used/,
    elsewhere: true,
  },
  deployment: { make: () => ({ body: { model: 'lone' } }), words: /^Token budget has been exceeded! Deployment=lone-1 Used: .*litellm_params\.max_budget_tokens/ },
  provider: { make: () => ({ body: { model: 'groq' } }), words: /^Token budget has been exceeded! Provider=groq Used/ },
};

for (const [name, level] of Object.entries(levels)) {
  test(`a budget in tokens of ${name} that is used up refuses in its words, a free model too`, async () => {
    const { key: fields = {}, body = {} } = await level.make();
    const key = await gateway.newKey(fields);
    await passes(key, body);
    await refuses(key, body, level.words);
    if (level.elsewhere) await passes(key, { ...body, model: 'other' });
    else if (!body.model) await refuses(key, { ...body, model: 'free' }, level.words);
  });
}

test('the whole gateway has a budget in tokens', () =>
  scene(
    (own) => Gateway.start({ config: { model_list: [deployment('gpt', fake.base(counts))], litellm_settings: { max_budget_tokens: 1 } } }).then(own),
    async (small) => {
      assert.equal((await call(await small.newKey(), {}, small)).status, 200);
      for (const key of [await small.newKey(), masterKey]) {
        const refused = await call(key, {}, small);
        assert.equal(refused.status, 429, refused.text);
        assert.match(refused.json.error.message, /^Token budget has been exceeded! Proxy=litellm-proxy-budget Used: 15 tokens, Max: 1 tokens .*litellm_settings\.max_budget_tokens/);
      }
    },
  ));

test('GET /provider/budgets shows tokens beside dollars', async () => {
  await call(await gateway.newKey(), { model: 'groq' });
  const { providers } = (await gateway.call('GET', '/provider/budgets')).json;
  assert.equal(providers.groq.budget_limit, null);
  assert.equal(providers.groq.budget_limit_tokens, 1);
  assert.equal(providers.groq.spend_tokens, used);
});

test('customers nobody knows get the default budget in tokens before their first call is admitted', async () => {
  await post('/budget/new', { budget_id: 'for-customers', max_budget_tokens: 1 });
  const key = await gateway.newKey();
  const user = fresh('stranger');
  const replies = await Promise.all(Array.from({ length: 8 }, () => call(key, { user })));
  assert.equal(replies.filter((reply) => reply.status === 200).length, 1, replies.map((reply) => reply.text).join('\n'));
  await refuses(key, { user }, /^ExceededBudget: End User=stranger-\d+ over token budget/);
  await post('/budget/update', { budget_id: 'for-customers', max_budget_tokens: 1000 });
  await passes(key, { user });
  await post('/budget/update', { budget_id: 'for-customers', max_budget_tokens: null });
});

test('of two budgets on one key each is counted in its own unit and either refuses', async () => {
  const key = await gateway.newKey({ max_budget: 1, max_budget_tokens: 1 });
  await passes(key);
  await refuses(key, {}, /^Token budget has been exceeded! Used: 15 tokens, Max: 1 tokens/);
  const info = await gateway.keyInfo(key);
  assert.deepEqual([info.spend, info.spend_tokens, info.max_budget, info.max_budget_tokens], [0.00002, used, 1, 1]);
  await post('/key/update', { key, max_budget: 0.00001, max_budget_tokens: 1000 });
  await refuses(key, {}, /^Budget has been exceeded! Current cost: 0\.00002, Max budget: 0\.00001 /);
  // What is spent in dollars alone does not hinder a model that is free; its tokens count.
  await passes(key, { model: 'free' });
  assert.equal((await gateway.keyInfo(key)).spend_tokens, 2 * used);
});

test('edits are in force at once; a budget that is taken away counts no more', async () => {
  const key = await gateway.newKey({ max_budget_tokens: 1 });
  await passes(key);
  await refuses(key, {}, /Max: 1 tokens/);
  await post('/key/update', { key, max_budget_tokens: used + 1 });
  await passes(key);
  await refuses(key, {}, /Used: 30 tokens, Max: 16 tokens/);
  const changed = await post('/key/update', { key, max_budget_tokens: null });
  assert.deepEqual([changed.max_budget_tokens, changed.spend_tokens], [null, null]);
  await passes(key);
  await post('/key/update', { key, max_budget_tokens: 31 });
  assert.equal((await gateway.keyInfo(key)).spend_tokens, 2 * used, 'what was used without a budget is not counted');
  await passes(key);
  await refuses(key, {}, /Used: 45 tokens, Max: 31 tokens/);

  const team_id = fresh('team');
  await post('/team/new', { team_id, max_budget_tokens: 1 });
  const ofTeam = await gateway.newKey({ team_id });
  await passes(ofTeam);
  const { team_info } = (await gateway.call('GET', `/team/info?team_id=${team_id}`)).json;
  assert.deepEqual([team_info.max_budget_tokens, team_info.spend_tokens], [1, used]);
  await post('/team/update', { team_id, max_budget_tokens: null });
  await passes(ofTeam);
});

test('a window ends for tokens as for dollars', async () => {
  const key = await gateway.newKey({ max_budget_tokens: 1, budget_duration: '1s' });
  let refused;
  await until(async () => {
    assert.equal((await call(key)).status, 200);
    refused = await call(key);
    return refused.status === 429; // Else the window has turned between the two.
  }, 'a refusal');
  assert.ok(Number(refused.headers.get('retry-after')) <= 2, refused.headers.get('retry-after'));
  await until(async () => (await call(key)).status === 200, 'the next window', 4000);
  const info = await gateway.keyInfo(key);
  assert.ok(info.spend_tokens <= used, `of the running window: ${info.spend_tokens}`);
});

test('a strict budget in tokens is never passed, however many calls come at once', async () => {
  const most = 400;
  const key = await gateway.newKey({ max_budget_tokens: most, metadata: { budget_mode: 'strict' } });
  const replies = await Promise.all(Array.from({ length: 40 }, () => call(key, { model: 'slow' })));
  const passed = replies.filter((reply) => reply.status === 200).length;
  assert.ok(passed >= 1 && passed * used <= most, `${passed} passed`);
  const held = replies.find((reply) => reply.status === 429);
  assert.equal(held.json.error.code, 'budget_held', held.text);
  assert.equal(held.headers.get('x-should-retry'), 'true');
  assert.match(held.json.error.message, /Held by calls in flight: \d+ tokens\. This call needs: \d+ tokens\./);
  let last;
  do last = await call(key);
  while (last.status === 200);
  assert.equal(last.status, 429, last.text);
  const { spend_tokens } = await gateway.keyInfo(key);
  assert.ok(spend_tokens <= most && spend_tokens > most - 200, `${spend_tokens} of ${most}`);
});

test('a stream counts what it has written, longer than anybody expected or not', async () => {
  const key = await gateway.newKey({ max_budget_tokens: 300 });
  const stream = await gateway.stream({ model: 'long' }, { key });
  assert.equal(stream.status, 200, stream.text);
  await refuses(key, {}, /Used: 410 tokens, Max: 300 tokens/);
  assert.equal((await gateway.keyInfo(key)).spend_tokens, 410);
  const [row] = await gateway.rows(`api_key=${key}`, 1);
  assert.equal(row.total_tokens, 410);
});

test('a budget in tokens asks for no price', async () => {
  await passes(await gateway.newKey({ max_budget_tokens: 1000 }), { model: 'unpriced' });
  const refused = await call(await gateway.newKey({ max_budget: 1000 }), { model: 'unpriced' });
  assert.equal(refused.json.error.code, 'unknown_price', refused.text);
});

test('thresholds are told in tokens, each once', async () => {
  const team_id = fresh('team');
  await post('/team/new', { team_id, soft_budget_tokens: 10, max_budget_tokens: 15 });
  const key = await gateway.newKey({ team_id });
  await passes(key);
  const told = async () => {
    const events = (await gateway.call('GET', '/health/events?kind=budget_alerts')).json;
    return (events.events ?? events).map((event) => event.text).filter((text) => text.includes(team_id));
  };
  await until(async () => (await told()).length === 3, 'three events');
  assert.deepEqual(await told(), [
    `Team=${team_id} has spent 15 tokens, its soft_budget_tokens is 10 tokens.`,
    `Team=${team_id} has spent 15 tokens of its max_budget_tokens of 15 tokens (80 %).`,
    `Team=${team_id} has spent 15 tokens of its max_budget_tokens of 15 tokens (100 %).`,
  ]);
});

test('who made a key for himself gives it no more tokens than his user has', async () => {
  const { key: own } = await post('/user/new', { user_id: fresh('user'), max_budget_tokens: 100 });
  for (const [fields, status] of [[{ max_budget_tokens: 101 }, 403], [{ max_budget_tokens: 100 }, 200]]) {
    const reply = await gateway.call('POST', '/key/generate', { key: own, body: fields });
    assert.equal(reply.status, status, reply.text);
    if (status === 403) assert.equal(reply.json.error.param, 'max_budget_tokens', reply.text);
  }
});

test('what is no budget in tokens is refused by its name', async () => {
  const cases = [
    ['/key/generate', { max_budget_tokens: -1 }, 'max_budget_tokens'],
    ['/key/generate', { max_budget_tokens: 1.5 }, 'max_budget_tokens'],
    ['/key/generate', { max_budget_tokens: 5, soft_budget_tokens: 5 }, 'soft_budget_tokens'],
    ['/key/generate', { model_max_budget: { gpt: { max_budget_tokens: -1 } } }, 'model_max_budget'],
    ['/team/new', { max_budget_tokens: '5' }, 'max_budget_tokens'],
    ['/team/new', { max_budget_tokens: 5, soft_budget_tokens: 6 }, 'soft_budget_tokens'],
    ['/team/new', { team_member_budget_tokens: -1 }, 'team_member_budget_tokens'],
    ['/user/new', { soft_budget_tokens: 'few' }, 'soft_budget_tokens'],
    ['/user/new', { max_budget_tokens: 5, soft_budget_tokens: 6 }, 'soft_budget_tokens'],
    ['/budget/new', { max_budget_tokens: 1e16 }, 'max_budget_tokens'],
    ['/budget/new', { max_budget_tokens: 5, soft_budget_tokens: 6 }, 'soft_budget_tokens'],
    ['/customer/new', { user_id: fresh('customer'), max_budget_tokens: 5, soft_budget_tokens: 6 }, 'soft_budget_tokens'],
  ];
  for (const [target, body, param] of cases) {
    const reply = await gateway.call('POST', target, { body });
    assert.equal(reply.status, 400, `${target} ${JSON.stringify(body)}: ${reply.text}`);
    assert.equal(reply.json.error.param, param, reply.text);
  }
});

for (const strict of [false, true]) {
  test(`tokens of calls that a SIGKILL interrupts are booked at the next start${strict ? ', as many as were held where budgets are strict' : ''}`, () =>
    scene(
      () => temporaryDirectory(),
      async (directory, own) => {
        own({ ended: true, clean: () => fs.rmSync(directory, { recursive: true, force: true }) }); // Behind the gateways.
        const config = { model_list: [deployment('gpt', fake.base(counts)), deployment('slow', fake.base('prompt_tokens=10,tokens=400,token_ms=20'))], turnpike: { budget_mode: strict ? 'strict' : 'default' } };
        const first = own(await Gateway.start({ config, directory }));
        const key = await first.newKey({ max_budget_tokens: 100_000 });
        await passes(key, {}, first);
        const reply = await fetch(`${first.url}/v1/chat/completions`, {
          method: 'POST',
          headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
          body: JSON.stringify({ model: 'slow', stream: true, max_tokens: 400, messages: [{ role: 'user', content: 'hi' }] }),
        });
        await reply.body.getReader().read(); // The answer is in the journal when its first piece has left.
        await first.kill();
        const second = own(await Gateway.start({ config, directory }));
        const info = await second.keyInfo(key);
        assert.equal(info.spend_tokens > used, true, 'the prompt at least');
        assert.equal(info.spend_tokens > used + 400, strict, `${info.spend_tokens} tokens`);
        const rows = await second.rows(`api_key=${key}`, 2);
        assert.equal(rows.reduce((sum, row) => sum + row.total_tokens, 0), info.spend_tokens);
        await passes(key, {}, second);
        second.signal('SIGTERM');
        await second.wait();
        await verify(second);
      },
    ));
}

test('two replicas stay within one budget in tokens, and know what the other has used', async () => {
  const shared = await Shared.start();
  try {
    await scene(
      async (own) => shared.pair(own, {}, { config: { models: [deployment('counted', shared.fake.base(counts))] } }),
      async ({ name, gateways }) => {
        const most = 20 * used;
        const bulk = (key) => Promise.all(Array.from({ length: 60 }, (_, i) => call(key, { model: 'counted' }, gateways[i % 2])));
        for (const [metadata, beyond] of [[{ budget_mode: 'strict' }, 0], [{}, used]]) {
          const key = await gateways[0].newKey({ max_budget_tokens: most, metadata });
          const passed = (await bulk(key)).filter((reply) => reply.status === 200).length;
          let last = { status: 200 };
          let more = 0;
          for (; last.status === 200 && more < 60; more += 1) last = await call(key, { model: 'counted' }, gateways[more % 2]);
          assert.equal(last.status, 429, last.text);
          const tokens = (passed + more - 1) * used;
          assert.ok(tokens > 0 && tokens <= most + beyond, `${tokens} of ${most} tokens, ${JSON.stringify(metadata)}`);
          for (const one of gateways) await until(async () => (await one.keyInfo(key)).spend_tokens === tokens, 'what both have used to be known');
        }
        assert.equal(shared.number(name, 'SELECT count(*) FROM lease l JOIN account a USING (account_id) WHERE a.kind = 106') > 0, true);
        for (const one of gateways) {
          one.signal('SIGTERM');
          await one.wait();
        }
        const verified = await runBinary(['ledger', 'verify', '--data_dir', path.join(gateways[0].directory, 'data'), '--database_url', shared.server.url(name)], { ms: 60_000 });
        assert.match(verified.stdout, /The ledger agrees with itself/, verified.stdout + verified.stderr);
      },
    );
  } finally {
    await shared.stop();
  }
});
