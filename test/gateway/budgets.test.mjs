// Budgets of everybody: of whomever a call belongs to, of one model, of the whole gateway, of those that are asked. Each
// refuses in its own words, begins anew by the clock, follows every edit and tells when it is nearly spent.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { FakeProvider, Gateway, deployment, masterKey, scene, until } from '../harness/turnpike.mjs';

// So little that one call crosses it and the next one finds it spent.
const one = 1e-7;
let fake;
let gateway;
let number = 0;
const fresh = (word) => `${word}-${++number}`;

const post = async (target, body, method = 'POST') => {
  const reply = await gateway.call(method, target, { body });
  assert.equal(reply.status, 200, `${target}: ${reply.text}`);
  return reply.json;
};
const call = (key, { model = 'gpt', ...more } = {}, options = {}) => gateway.chat({ model, max_tokens: 5, ...more }, { key, ...options });
const passes = async (...args) => {
  const reply = await call(...args);
  assert.equal(reply.status, 200, reply.text);
};
/** Until the entry is booked where other threads and the database see it. */
const refuses = async (key, body, words, options) => {
  const reply = await call(key, body, options);
  assert.equal(reply.status, 429, reply.text);
  assert.equal(reply.json.error.type, 'budget_exceeded', reply.text);
  assert.equal(reply.json.error.code, 'budget_spent', reply.text);
  assert.equal(reply.headers.get('x-should-retry'), 'false');
  assert.match(reply.json.error.message, words);
  return reply;
};

before(async () => {
  fake = await FakeProvider.start();
  const at = (name, params = {}) => deployment(name, fake.base(), { params });
  gateway = await Gateway.start({
    config: {
      model_list: [
        at('gpt'),
        at('other'),
        at('free', { input_cost_per_token: 0, output_cost_per_token: 0 }),
        deployment('lone', fake.base(), { params: { max_budget: one, budget_duration: '1d' }, info: { id: 'lone-1' } }),
        deployment('pair', fake.base(), { params: { max_budget: one }, info: { id: 'pair-spent' } }),
        deployment('pair', fake.base(), { info: { id: 'pair-left' } }),
        deployment('groq', fake.base(), { params: { model: 'groq/fake' } }),
      ],
      litellm_settings: {
        timezone: 'Asia/Shanghai',
        max_end_user_budget_id: 'for-customers',
        tag_budget_config: { configured: { max_budget: one, budget_duration: '30d' } },
      },
      router_settings: { provider_budget_config: { groq: { budget_limit: one, time_period: '1d' } } },
      turnpike: { budget_week_start: 'sunday' },
    },
  });
});
after(async () => {
  await gateway?.stop();
  await fake?.stop();
  gateway?.clean();
});

// AC-BUDGET-1: who a call belongs to, and the words of the refusal (http-api 5.2). `key` is made with what `make` returns.
const levels = {
  key: { make: () => ({ key: { max_budget: one } }), words: /^Budget has been exceeded! Current cost: [\d.]+, Max budget: 0.0000001 Reset: never\. POST \/key\/update/ },
  'key with an alias': { make: () => ({ key: { max_budget: one, key_alias: fresh('app') } }), words: / Key=app-\d+\. Reset: never/ },
  team: {
    make: async () => ({ key: { team_id: (await post('/team/new', { team_id: fresh('team'), max_budget: one })).team_id } }),
    words: /^Budget has been exceeded! Team=team-\d+ Current cost: [\d.]+, Max budget: 0.0000001 Reset: never/,
  },
  'team member': {
    make: async () => {
      const team_id = fresh('team');
      const user_id = fresh('user');
      await post('/team/new', { team_id });
      await post('/team/member_add', { team_id, member: { role: 'user', user_id }, max_budget_in_team: one });
      return { key: { team_id, user_id } };
    },
    words: /^Budget has been exceeded! User=user-\d+ in Team=team-\d+ Current cost/,
  },
  user: {
    make: async () => ({ key: { user_id: (await post('/user/new', { user_id: fresh('user'), max_budget: one, auto_create_key: false })).user_id } }),
    words: /^ExceededBudget: User=user-\d+ over budget\. Spend=[\d.]+, Budget=0.0000001 Reset/,
  },
  organisation: {
    make: async () => ({ key: { organization_id: (await post('/organization/new', { organization_id: fresh('org'), organization_alias: 'o', max_budget: one })).organization_id } }),
    words: /^Budget has been exceeded! Organization=org-\d+ Current cost/,
  },
  'member of an organisation': {
    make: async () => {
      const organization_id = fresh('org');
      const user_id = fresh('user');
      await post('/organization/new', { organization_id, organization_alias: 'o' });
      await post('/user/new', { user_id, auto_create_key: false });
      await post('/organization/member_add', { organization_id, member: { role: 'internal_user', user_id }, max_budget_in_organization: one });
      return { key: { organization_id, user_id } };
    },
    words: /^Budget has been exceeded! User=user-\d+ in Organization=org-\d+ Current cost/,
  },
  customer: {
    make: async () => ({ body: { user: (await post('/customer/new', { user_id: fresh('customer'), max_budget: one })).user_id } }),
    words: /^ExceededBudget: End User=customer-\d+ over budget\. Spend=/,
  },
  tag: {
    make: async () => {
      const name = fresh('tag');
      await post('/tag/new', { name, max_budget: one });
      return { body: { metadata: { tags: [name] } } };
    },
    words: /^Budget has been exceeded! Tag=tag-\d+ Current cost/,
  },
  'tag of the configuration': { make: () => ({ body: { metadata: { tags: ['configured'] } } }), words: /^Budget has been exceeded! Tag=configured .* Reset: \d{4}-\d\d-(30|31|2\d)T16:00:00\.000000Z/ },
  'key and model': { make: () => ({ key: { model_max_budget: { gpt: { budget_limit: one, time_period: '1d' } } } }), words: /^LiteLLM Virtual Key: [0-9a-f]{64}, key_alias: None, exceeded budget for model=gpt .* Reset: .*T16:00:00/, elsewhere: true },
  'team and model': {
    make: async () => ({ key: { team_id: (await post('/team/new', { team_id: fresh('team'), model_max_budget: { gpt: { budget_limit: one } } })).team_id } }),
    words: /^Budget has been exceeded! Team=team-\d+ Model=gpt Current cost/,
    elsewhere: true,
  },
  'user and model': {
    make: async () => ({ key: { user_id: (await post('/user/new', { user_id: fresh('user'), model_max_budget: { gpt: one }, auto_create_key: false })).user_id } }),
    words: /^ExceededBudget: User=user-\d+ over budget for model=gpt\. Spend/,
    elsewhere: true,
  },
  'organisation and model': {
    make: async () => ({ key: { organization_id: (await post('/organization/new', { organization_id: fresh('org'), organization_alias: 'o', model_max_budget: { gpt: { max_budget: one } } })).organization_id } }),
    words: /^Budget has been exceeded! Organization=org-\d+ Model=gpt Current cost/,
    elsewhere: true,
  },
  deployment: { make: () => ({ body: { model: 'lone' } }), words: /^Budget has been exceeded! Deployment=lone-1 Current cost: [\d.]+, Max budget: 0.0000001 Reset: .*T16:00:00.*litellm_params\.max_budget/ },
  provider: { make: () => ({ body: { model: 'groq' } }), words: /^Budget has been exceeded! Provider=groq Current cost/ },
};

for (const [name, level] of Object.entries(levels)) {
  test(`a spent budget of ${name} refuses in its words, and a free model passes`, async () => {
    const { key: fields = {}, body = {} } = await level.make();
    const key = await gateway.newKey(fields);
    await passes(key, body);
    await refuses(key, body, level.words);
    if (!body.model) await passes(key, { ...body, model: 'free' });
    if (level.elsewhere) await passes(key, { ...body, model: 'other' });
  });
}

test('who has no money left is passed over while another of the group has some', async () => {
  const key = await gateway.newKey();
  for (let i = 0; i < 6; ++i) await passes(key, { model: 'pair' });
  const rows = await gateway.rows(`api_key=${key}`, 6);
  const spent = rows.filter((row) => row.model_id === 'pair-spent').length;
  assert.ok(spent <= 1, `${spent} calls on a budget that one call spends`);
});

test('GET /provider/budgets shows what is left of whom', async () => {
  await call(await gateway.newKey(), { model: 'groq' });
  const { providers } = (await gateway.call('GET', '/provider/budgets')).json;
  assert.deepEqual(Object.keys(providers), ['groq']);
  assert.equal(providers.groq.budget_limit, one);
  assert.equal(providers.groq.time_period, '1d');
  assert.ok(providers.groq.spend > 0);
  assert.match(providers.groq.budget_reset_at, /T16:00:00\.000000Z$/);
});

test('the whole gateway has a budget that holds for everybody', () =>
  scene(
    (own) => Gateway.start({ config: { model_list: [deployment('gpt', fake.base())], litellm_settings: { max_budget: one, budget_duration: '1d' } } }).then(own),
    async (small) => {
      const ask = (key) => small.chat({ model: 'gpt', max_tokens: 5 }, { key });
      assert.equal((await ask(await small.newKey())).status, 200);
      for (const key of [await small.newKey(), masterKey]) {
        const refused = await ask(key);
        assert.equal(refused.status, 429, refused.text);
        assert.match(refused.json.error.message, /^Budget has been exceeded! Proxy=litellm-proxy-budget Current cost: [\d.]+, Max budget: 0.0000001 Reset: \d{4}-.*T00:00:00.*litellm_settings\.max_budget/);
      }
    },
  ));

test('customers nobody knows get the default budget before the first of eight calls at once is admitted', async () => {
  await post('/budget/new', { budget_id: 'for-customers', max_budget: one, budget_duration: '1d' });
  const key = await gateway.newKey();
  const user = fresh('stranger');
  const replies = await Promise.all(Array.from({ length: 8 }, () => call(key, { user })));
  assert.equal(replies.filter((reply) => reply.status === 200).length, 1, replies.map((reply) => reply.text).join('\n'));
  await refuses(key, { user }, /^ExceededBudget: End User=stranger-\d+ over budget/);
  await passes(key, { user: fresh('stranger') });
  // An edit of the budget reaches those it is the default of.
  await post('/budget/update', { budget_id: 'for-customers', max_budget: 5 });
  await passes(key, { user });
  await post('/budget/update', { budget_id: 'for-customers', max_budget: null });
});

test('a window ends, and what was spent in it is nobody\'s hindrance in the next', async () => {
  const key = await gateway.newKey({ max_budget: one, budget_duration: '1s' });
  let refused;
  await until(async () => {
    assert.equal((await call(key)).status, 200);
    refused = await call(key);
    return refused.status === 429; // Else the window has turned between the two.
  }, 'a refusal');
  assert.ok(Number(refused.headers.get('retry-after')) <= 2, refused.headers.get('retry-after'));
  assert.match(refused.json.error.message, /Reset: 20/);
  await until(async () => (await call(key)).status === 200, 'the next window', 4000);
  const info = await gateway.keyInfo(key);
  assert.ok(Date.parse(info.budget_reset_at) > Date.now() - 100, 'always ahead');
  assert.ok(info.spend < 1e-4, `of the running window: ${info.spend}`);
  await until(async () => (await gateway.call('GET', `/spend/logs?api_key=${key}`)).json.length >= 2, 'the entries of all windows');
});

test('budget_reset_at is ahead from the start, on the clocks and in the weeks of the configuration', async () => {
  const ahead = (time, pattern) => {
    assert.match(time ?? 'none', pattern);
    assert.ok(Date.parse(time) > Date.now(), time);
  };
  const key = await gateway.newKey({ max_budget: 5, budget_duration: '1d' });
  ahead((await gateway.keyInfo(key)).budget_reset_at, /T16:00:00\.000000Z$/);
  const team = await post('/team/new', { team_id: fresh('team'), max_budget: 5, budget_duration: '1w' });
  ahead(team.budget_reset_at, /T16:00:00\.000000Z$/);
  assert.equal(new Date(team.budget_reset_at).getUTCDay(), 6, 'Sunday there begins while it is Saturday here');
  const user = await post('/user/new', { user_id: fresh('user'), max_budget: 5, budget_duration: '1mo', auto_create_key: false });
  const inShanghai = new Date(Date.parse(user.budget_reset_at) + 8 * 3600e3).toISOString();
  assert.match(inShanghai, /-01T00:00:00/);
  const customer = await post('/customer/new', { user_id: fresh('customer'), max_budget: 5, budget_duration: '2h' });
  ahead(customer.litellm_budget_table.budget_reset_at, /:00:00\.000000Z$/);
  // Another duration moves the end and keeps the spend; without one it never ends.
  await passes(key);
  await gateway.rows(`api_key=${key}`, 1);
  await post('/key/update', { key, budget_duration: '1mo' });
  const moved = await gateway.keyInfo(key);
  assert.match(new Date(Date.parse(moved.budget_reset_at) + 8 * 3600e3).toISOString(), /-01T00:00:00/);
  assert.ok(moved.spend > 0);
  await post('/key/update', { key, budget_duration: null });
  assert.equal((await gateway.keyInfo(key)).budget_reset_at, null);
});

test('edits are in force at once: spend, limit, an increase for a time, the budget that a key is linked to', async () => {
  const key = await gateway.newKey({ max_budget: 1 });
  await passes(key);
  await post('/key/update', { key, spend: 1 });
  await refuses(key, {}, /Current cost: 1, Max budget: 1 /);
  await post('/key/update', { key, max_budget: 2 });
  await passes(key);
  await post('/key/update', { key, max_budget: 0.5 });
  await refuses(key, {}, /Max budget: 0\.5 /);
  await post('/key/update', { key, temp_budget_increase: 3, temp_budget_expiry: new Date(Date.now() + 60_000).toISOString() });
  await passes(key);
  await post('/key/update', { key, temp_budget_increase: 3, temp_budget_expiry: new Date(Date.now() + 400).toISOString() });
  await until(async () => (await call(key)).status === 429, 'the end of the increase', 4000);

  await post('/budget/new', { budget_id: 'shared', max_budget: one });
  const linked = await gateway.newKey({ budget_id: 'shared' });
  await passes(linked);
  await refuses(linked, {}, /Max budget: 0\.0000001 /);
  await post('/budget/update', { budget_id: 'shared', max_budget: 4 });
  await passes(linked);
  const reset = await gateway.call('POST', `/key/${linked}/reset_spend`, { body: { reset_to: 0 } });
  assert.equal(reset.json.spend, 0, reset.text);
});

test('a strict budget among lenient ones lets nobody cross', async () => {
  const key = await gateway.newKey({ max_budget: one, metadata: { budget_mode: 'strict' } });
  const refused = await call(key);
  assert.equal(refused.status, 429, refused.text);
  assert.equal(refused.json.error.code, 'budget_held', refused.text);
  assert.equal(refused.headers.get('x-should-retry'), 'true');
  assert.equal(refused.headers.get('retry-after'), '1');
  await passes(await gateway.newKey({ max_budget: one }));
});

test('soft budgets and thresholds are events, each once', async () => {
  const team_id = fresh('team');
  await post('/team/new', { team_id, soft_budget: 1e-7, max_budget: 2e-7 });
  const key = await gateway.newKey({ team_id });
  await passes(key);
  const told = async () => {
    const events = (await gateway.call('GET', '/health/events?kind=budget_alerts')).json;
    return (events.events ?? events).map((event) => event.text).filter((text) => text.includes(team_id));
  };
  await until(async () => (await told()).length === 3, 'three events');
  const texts = await told();
  assert.match(texts[0], /^Team=team-\d+ has spent [\d.]+, its soft_budget is 0\.0000001\.$/);
  assert.match(texts[1], /of its max_budget of 0\.0000002 \(80 %\)/);
  assert.match(texts[2], /\(100 %\)/);
  await passes(key, { model: 'free' });
  await gateway.rows(`api_key=${key}`, 2);
  assert.equal((await told()).length, 3, 'once per window');
});

test('what is no budget is refused by its name', async () => {
  const cases = [
    ['/key/generate', { budget_duration: 'soon' }, 'budget_duration'],
    ['/key/generate', { model_max_budget: { gpt: { budget_limit: -1 } } }, 'model_max_budget'],
    ['/team/new', { budget_duration: '1y' }, 'budget_duration'],
    ['/team/new', { model_max_budget: { gpt: 'much' } }, 'model_max_budget'],
    ['/budget/new', { budget_mode: 'lenient' }, 'budget_mode'],
    ['/user/new', { budget_duration: '-1d' }, 'budget_duration'],
  ];
  for (const [target, body, param] of cases) {
    const reply = await gateway.call('POST', target, { body });
    assert.equal(reply.status, 400, `${target} ${JSON.stringify(body)}: ${reply.text}`);
    assert.equal(reply.json.error.param, param, reply.text);
  }
});
