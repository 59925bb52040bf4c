// Which deployment answers, seen from outside: the strategies, what keeps calls together, and who may answer at all. The
// draws themselves are held to their definitions in src/router/distribution_test.cc; here the whole way is shown.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { FakeProvider, Gateway, deployment, sleep, until } from '../harness/turnpike.mjs';

let quick;
let other;
let gateway;

/** A deployment that is known by its id. */
const member = (group, id, more = {}) =>
  deployment(group, (more.at ?? quick).base(more.does ?? ''), { params: more.params, info: { id, ...more.info } });

/** A prompt whose beginning is long enough to be kept by a provider, one for each subject. */
const about = (subject, question = 'And?') => ({
  messages: [
    { role: 'system', content: `You know all about ${subject}. ${'Answer in one sentence and cite the page. '.repeat(120)}` },
    { role: 'user', content: `Tell me about ${subject}.` },
    { role: 'assistant', content: 'Well.' },
    { role: 'user', content: question },
  ],
});

before(async () => {
  quick = await FakeProvider.start(['--tokens', '4']);
  other = await FakeProvider.start(['--tokens', '4']);
  const four = (group) => ['a', 'b', 'c', 'd'].map((id) => member(group, `${group}-${id}`));
  gateway = await Gateway.start({
    config: {
      model_list: [
        member('weights', 'nine', { params: { weight: 9 } }),
        member('weights', 'one', { params: { weight: 1 } }),
        member('busy', 'busy-quick'),
        member('busy', 'busy-slow', { does: 'latency_ms=300' }),
        member('latency', 'latency-first'),
        member('latency', 'latency-second', { at: other }),
        member('usage', 'usage-3', { params: { rpm: 3 } }),
        member('usage', 'usage-6', { params: { rpm: 6 } }),
        member('cost', 'dear', { params: { input_cost_per_token: 0.00001 } }),
        member('cost', 'cheap', { params: { input_cost_per_token: 0.0000001 } }),
        ...['by-key', 'by-user', 'by-header', 'session', 'prefix', 'affinity'].flatMap(four),
        member('access', 'beta', { info: { access_groups: ['beta'] } }),
        member('access', 'open', {}),
        member('agents', 'tool', { params: { tag_regex: ['^User-Agent: tool/'] } }),
        member('agents', 'rest', { params: { tags: ['default'] } }),
        member('regions', 'eu', { params: { region_name: 'eu' }, does: 'status=500' }),
        member('regions-us', 'us', { params: { region_name: 'us' } }),
        member('wait', 'wait-one', { does: 'latency_ms=1500', params: { max_parallel_requests: 1 } }),
        member('wait-else', 'else'),
      ],
      router_settings: {
        enable_tag_filtering: true,
        num_retries: 0,
        disable_cooldowns: true,
        routing_strategy_args: { ttl: 3600, max_latency_list_size: 10 },
        model_group_routing_strategy: {
          busy: 'least-busy',
          latency: 'latency-based-routing',
          usage: 'usage-based-routing-v2',
          cost: 'cost-based-routing',
        },
        model_group_affinity_config: {
          session: ['session_affinity'],
          prefix: ['prompt_caching'],
          affinity: ['deployment_affinity'],
        },
        fallbacks: [{ regions: ['regions-us'] }, { wait: ['wait-else'] }],
      },
      turnpike: {
        sticky: [
          { model_group: 'by-key', by: 'key' },
          { model_group: 'by-user', by: 'user' },
          { model_group: 'by-header', by: 'header', header: 'x-cohort' },
        ],
      },
    },
  });
});

after(async () => {
  await gateway?.stop();
  await quick?.stop();
  await other?.stop();
});

/** The deployment that answered. */
async function served(body, options) {
  const reply = await gateway.chat(body, options);
  assert.equal(reply.status, 200, reply.text);
  return reply.headers.get('x-litellm-model-id');
}

/** How often each deployment answered. */
function count(ids) {
  const seen = {};
  for (const id of ids) seen[id] = (seen[id] ?? 0) + 1;
  return seen;
}

async function many(times, body, options) {
  const ids = [];
  for (let i = 0; i < times; ++i) ids.push(await served(typeof body === 'function' ? body(i) : body, typeof options === 'function' ? options(i) : options));
  return ids;
}

/** The calls of each name stay with one deployment, and the names are spread over all of them. */
async function staysTogether(group, bodyOf, optionsOf) {
  const chosen = new Map();
  for (let round = 0; round < 3; ++round) {
    for (let name = 0; name < 40; ++name) {
      const id = await served({ model: group, ...bodyOf(name, round) }, optionsOf(name, round));
      assert.equal(id, chosen.get(name) ?? id, `${name} in round ${round}`);
      chosen.set(name, id);
    }
  }
  assert.equal(new Set(chosen.values()).size, 4, 'forty names reach each of four');
  return [...chosen.values()];
}

test('simple-shuffle follows the weights', async () => {
  const seen = count(await many(400, { model: 'weights' }));
  // Four standard deviations of 400 draws are 24.
  assert.ok(Math.abs(seen.nine - 360) <= 24, JSON.stringify(seen));
});

test('least-busy goes where less is under way', async () => {
  const first = gateway.chat({ model: 'busy' });
  const ids = [];
  const calls = [first];
  for (let i = 0; i < 60; ++i) {
    calls.push(gateway.chat({ model: 'busy' }).then((reply) => ids.push(reply.headers.get('x-litellm-model-id'))));
    await sleep(10);
  }
  await Promise.all(calls);
  const seen = count(ids);
  assert.ok(seen['busy-quick'] > 4 * (seen['busy-slow'] ?? 0), JSON.stringify(seen));
});

test('latency-based routing leaves who becomes slow', async () => {
  await quick.script({ latency_ms: 0 });
  await other.script({ latency_ms: 40 });
  await many(20, { model: 'latency' });
  assert.ok(count(await many(20, { model: 'latency' }))['latency-first'] >= 19);
  await quick.script({ latency_ms: 150 });
  // Six slow answers of ten turn the middle.
  await many(8, { model: 'latency' });
  assert.ok(count(await many(20, { model: 'latency' }))['latency-second'] >= 19);
  await quick.script({ latency_ms: 0 });
  await other.script({ latency_ms: 0 });
});

test('usage-based routing v2 fills the limits of the minute exactly and then says when to come back', async () => {
  const second = new Date().getSeconds();
  if (second > 50) await sleep((61 - second) * 1000); // All calls in one minute.
  const replies = await Promise.all(Array.from({ length: 12 }, () => gateway.chat({ model: 'usage' })));
  const seen = count(replies.filter((reply) => reply.status === 200).map((reply) => reply.headers.get('x-litellm-model-id')));
  assert.deepEqual(seen, { 'usage-3': 3, 'usage-6': 6 });
  const refused = replies.filter((reply) => reply.status === 429);
  assert.equal(refused.length, 3);
  for (const reply of refused) {
    const wait = Number(reply.headers.get('retry-after'));
    assert.ok(wait >= 1 && wait <= 61, `retry-after ${wait}`); // The oldest second of the window counts whole.
  }
});

test('cost-based routing takes the cheapest', async () => {
  assert.deepEqual(count(await many(10, { model: 'cost' })), { cheap: 10 });
});

test('calls of a key stay together where turnpike.sticky says so', async () => {
  const keys = await Promise.all(Array.from({ length: 40 }, () => gateway.newKey({})));
  await staysTogether('by-key', () => ({}), (name) => ({ key: keys[name] }));
});

test('calls of a user stay together', async () => {
  await staysTogether('by-user', (name) => ({ user: `user-${name}` }), () => ({}));
});

test('calls with one value of a header stay together, also in another process', async () => {
  const options = (name) => ({ headers: { 'x-cohort': `cohort-${name}` } });
  const chosen = await staysTogether('by-header', () => ({}), options);
  const config = JSON.parse((await import('node:fs')).readFileSync(gateway.file, 'utf8'));
  const replica = await Gateway.start({ config });
  try {
    for (let name = 0; name < 40; ++name) {
      const reply = await replica.chat({ model: 'by-header' }, options(name));
      assert.equal(reply.headers.get('x-litellm-model-id'), chosen[name]);
    }
  } finally {
    await replica.stop();
  }
  const free = new Set(await many(40, { model: 'by-header' }));
  assert.equal(free.size, 4, 'without the header the strategy chooses');
});

test('turns of a session stay together however the session is named', async () => {
  const forms = [
    (name) => [{ litellm_session_id: `s-${name}` }, {}],
    (name) => [{}, { headers: { 'x-litellm-session-id': `s-${name}` } }],
    (name) => [{ metadata: { session_id: `s-${name}` } }, {}],
  ];
  await staysTogether('session', (name, round) => forms[round](name)[0], (name, round) => forms[round](name)[1]);
});

test('turns that begin with the same prompt stay together', async () => {
  await staysTogether('prefix', (name, round) => about(`subject ${name}`, `Question ${round}?`), () => ({}));
  const free = new Set(await many(40, { model: 'prefix' }));
  assert.equal(free.size, 4, 'a short prompt is in no cache');
});

test('calls of a key stay together where deployment_affinity says so', async () => {
  const keys = await Promise.all(Array.from({ length: 40 }, () => gateway.newKey({})));
  await staysTogether('affinity', () => ({}), (name) => ({ key: keys[name] }));
});

test('a key of an access group sees only the deployments of that group', async () => {
  const beta = await gateway.newKey({ models: ['beta'] });
  const named = await gateway.newKey({ models: ['access'] });
  assert.deepEqual(count(await many(20, { model: 'access' }, { key: beta })), { beta: 20 });
  assert.equal(new Set(await many(40, { model: 'access' }, { key: named })).size, 2);
});

test("a pattern of the caller's program is as good as a tag", async () => {
  assert.deepEqual(count(await many(10, { model: 'agents' }, { headers: { 'user-agent': 'tool/1.0' } })), { tool: 10 });
  assert.deepEqual(count(await many(10, { model: 'agents' }, { headers: { 'user-agent': 'else/1.0' } })), { rest: 10 });
});

test('AC-FALL-3: a fallback does not leave the region that the request names', async () => {
  const free = await gateway.chat({ model: 'regions' });
  assert.equal(free.status, 200, free.text);
  assert.equal(free.headers.get('x-litellm-model-id'), 'us');
  const bound = await gateway.chat({ model: 'regions', allowed_model_region: 'eu' });
  assert.equal(bound.status, 500, bound.text);
  const byId = await gateway.chat({ model: 'regions', allowed_model_region: 'eu', fallbacks: ['us'] });
  assert.equal(byId.status, 500, 'nor by the id of a deployment');
});

test('who waits for a place goes on to the fallback in time', async () => {
  const holder = gateway.chat({ model: 'wait' });
  await until(async () => (await quick.account()).open > 0, 'the place to be taken');
  const began = Date.now();
  const waiting = await gateway.chat({ model: 'wait', timeout: 0.9 });
  assert.equal(waiting.status, 200, waiting.text);
  assert.equal(waiting.headers.get('x-litellm-model-id'), 'else');
  const took = Date.now() - began;
  assert.ok(took >= 550 && took < 900, `two thirds of 900 ms: ${took}`);
  assert.equal((await holder).headers.get('x-litellm-model-id'), 'wait-one');
});

test('what a model surely cannot do goes to one that can, as long as there is one', async () => {
  // In the price list deepseek-reasoner does not call functions and gpt-4o does.
  const cannot = (group) => member(group, `${group}-cannot`, { info: { base_model: 'deepseek/deepseek-reasoner' } });
  const can = (group) => member(group, `${group}-can`, { info: { base_model: 'gpt-4o' } });
  const config = { model_list: [cannot('both'), can('both'), cannot('lone')], router_settings: { enable_pre_call_checks: true } };
  const careful = await Gateway.start({ config });
  try {
    const tools = [{ type: 'function', function: { name: 'f', parameters: { type: 'object', properties: {} } } }];
    const ids = async (body) => {
      const seen = new Set();
      for (let i = 0; i < 24; ++i) {
        const reply = await careful.chat(body);
        assert.equal(reply.status, 200, reply.text);
        seen.add(reply.headers.get('x-litellm-model-id'));
      }
      return [...seen].sort();
    };
    assert.deepEqual(await ids({ model: 'both' }), ['both-can', 'both-cannot']);
    assert.deepEqual(await ids({ model: 'both', tools }), ['both-can']);
    assert.deepEqual(await ids({ model: 'both', tools: [] }), ['both-can', 'both-cannot']);
    assert.deepEqual(await ids({ model: 'lone', tools }), ['lone-cannot'], 'the list may be wrong');
  } finally {
    await careful.stop();
  }
});

test('a second attempt beside a slow first one never goes to the same deployment', async () => {
  const first = await FakeProvider.start(['--tokens', '4']);
  const free = { input_cost_per_token: 0, output_cost_per_token: 0 }; // So that no share of spend refuses the race.
  const racing = await Gateway.start({
    config: {
      model_list: [
        member('race', 'race-first', { at: first, params: { weight: 1, ...free } }),
        member('race', 'race-full', { does: 'latency_ms=2000', params: { weight: 0, ...free, max_parallel_requests: 1 } }),
      ],
      turnpike: { hedging: [{ model_group: 'race', extra_spend_percent: 100 }] },
    },
  });
  try {
    for (let i = 0; i < 25; ++i) assert.equal((await racing.chat({ model: 'race' })).status, 200); // What slow is.
    await first.script({ latency_ms: 500 });
    const holder = racing.chat({ model: 'race-full' });
    await until(async () => (await quick.account()).open > 0, 'the place to be taken');
    const before = (await first.account()).calls;
    const reply = await racing.chat({ model: 'race' });
    assert.equal(reply.headers.get('x-litellm-model-id'), 'race-first');
    assert.equal((await first.account()).calls - before, 1);
    assert.equal((await holder).status, 200);
  } finally {
    await racing.stop();
    await first.stop();
  }
});
