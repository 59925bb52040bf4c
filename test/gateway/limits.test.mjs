// Limits of requests, tokens and parallel calls on one replica: everybody's hold, a refusal takes nothing, and nothing leaks.
import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { Chance } from '../harness/random.mjs';
import { FakeProvider, Gateway, deployment, scene, until } from '../harness/turnpike.mjs';

const windowSeconds = 2; // Of every limit here, in the place of a minute.
let fake;
let gateway;
before(async () => {
  fake = await FakeProvider.start();
  gateway = await Gateway.start({ config: config(), flags: ['--num_workers', '2'], env: { LITELLM_RATE_LIMIT_WINDOW_SIZE: String(windowSeconds) } });
});
after(async () => {
  await gateway?.stop();
  await fake?.stop();
});

function config(more = {}) {
  return {
    model_list: [
      deployment('gpt', fake.base('prompt_tokens=10,tokens=5')),
      deployment('other', fake.base('prompt_tokens=10,tokens=5')),
      deployment('large', fake.base('prompt_tokens=60,cached_tokens=40,tokens=30')),
      deployment('slow', fake.base('latency_ms=400')),
      deployment('slowest', fake.base('latency_ms=2000')),
      deployment('stream', fake.base('token_ms=3,tokens=40')),
      deployment('late', fake.base('slow_first_ms=100,token_ms=3,tokens=20')),
      deployment('broken', fake.base('cut_after=2,tokens=20,token_ms=2'), { params: { num_retries: 0 } }),
      deployment('refusing', fake.base('status=500'), { params: { num_retries: 0 } }),
      deployment('timeout', fake.base('silent=true'), { params: { timeout: 0.05, num_retries: 0 } }),
    ],
    router_settings: { disable_cooldowns: true, num_retries: 0 },
    turnpike: { shutdown_grace: 0, ...more.turnpike },
    ...(more.general_settings ? { general_settings: more.general_settings } : {}),
  };
}

const post = async (target, body) => {
  const reply = await gateway.call('POST', target, { body });
  assert.equal(reply.status, 200, `${target}: ${reply.text}`);
  return reply.json;
};
const chat = (key, body = {}, options = {}) => gateway.chat({ model: 'gpt', ...body }, { key, ...options });

/** How many of so many calls, one after the other, pass. */
async function passes(key, tries, body = {}, options = {}) {
  let passed = 0;
  for (let i = 0; i < tries; ++i) {
    const reply = await chat(key, body, options);
    assert.ok(reply.status === 200 || reply.status === 429, reply.text);
    passed += reply.status === 200 ? 1 : 0;
  }
  return passed;
}

test('a refusal says whose limit, how much, and when to come again; then the call passes', async () => {
  const key = await gateway.newKey({ rpm_limit: 3, key_alias: 'three' });
  const first = await chat(key);
  assert.equal(first.headers.get('x-ratelimit-api_key-limit-requests'), '3');
  assert.equal(first.headers.get('x-ratelimit-api_key-remaining-requests'), '2');
  assert.equal(first.headers.get('x-litellm-key-rpm-limit'), '3');
  assert.equal(await passes(key, 2), 2);
  const begun = Date.now();
  const refused = await chat(key);
  assert.equal(refused.status, 429, refused.text);
  assert.equal(refused.json.error.type, 'rate_limit_error');
  assert.match(refused.json.error.message, /Rate limit exceeded for api_key: three\. Limit type: requests\. Current limit: 3, Remaining: 0\. Limit resets at: .* UTC\. Current usage: 3\./);
  const wait = Number(refused.headers.get('retry-after'));
  assert.ok(Number.isInteger(wait) && wait >= 1 && wait <= windowSeconds + 1, String(wait));
  assert.equal(refused.headers.get('x-ratelimit-limit-requests'), '3');
  assert.equal(refused.headers.get('x-ratelimit-remaining-requests'), '0');
  assert.match(refused.headers.get('x-ratelimit-reset-requests'), /^\d+s$/);
  assert.equal(refused.headers.get('rate_limit_type'), 'requests');
  await until(async () => (await chat(key)).status === 200, 'room again', wait * 1000 + 500);
  assert.ok(Date.now() - begun > windowSeconds * 1000 - 1500, 'not before the window has passed');
  assert.match(await gateway.metrics(), /turnpike_limit_refusals_total\{kind="api_key",limit="requests"\} [1-9]/);
});

test('everybody a call belongs to has limits of his own', async () => {
  await post('/budget/new', { budget_id: 'slow-lane', rpm_limit: 2 });
  await post('/organization/new', { organization_id: 'org', organization_alias: 'org', rpm_limit: 2 });
  await post('/organization/new', { organization_id: 'org-model', organization_alias: 'org-model', model_rpm_limit: { gpt: 2 } });
  await post('/team/new', { team_id: 'team', rpm_limit: 2 });
  await post('/team/new', { team_id: 'team-model', model_rpm_limit: { gpt: 2 } });
  await post('/team/new', { team_id: 'of-org', organization_id: 'org' });
  await post('/team/new', { team_id: 'of-org-model', organization_id: 'org-model' });
  await post('/team/new', { team_id: 'members' });
  await post('/user/new', { user_id: 'user', rpm_limit: 2, auto_create_key: false });
  await post('/user/new', { user_id: 'member', auto_create_key: false });
  await post('/team/member_add', { team_id: 'members', member: { user_id: 'member', role: 'user' } });
  await post('/team/member_update', { team_id: 'members', user_id: 'member', rpm_limit: 2 });
  await post('/customer/new', { user_id: 'customer', budget_id: 'slow-lane' });
  await post('/tag/new', { name: 'tagged', rpm_limit: 2 });
  const cases = [
    ['api_key', { rpm_limit: 2 }],
    ['api_key', { budget_id: 'slow-lane' }],
    ['model_per_key', { model_rpm_limit: { gpt: 2 } }],
    ['model_per_key', { metadata: { model_rpm_limit: { gpt: 2 } } }],
    ['team', { team_id: 'team' }],
    ['model_per_team', { team_id: 'team-model' }],
    ['team_member', { team_id: 'members', user_id: 'member' }],
    ['user', { user_id: 'user' }],
    ['organization', { team_id: 'of-org' }],
    ['model_per_organization', { team_id: 'of-org-model' }],
    ['end_user', {}, { user: 'customer' }],
    ['tag', {}, { metadata: { tags: ['tagged'] } }],
  ];
  for (const [whose, fields, body] of cases) {
    const key = await gateway.newKey(fields);
    const what = `${whose} ${JSON.stringify(fields)}`;
    assert.equal(await passes(key, 2, body), 2, what);
    const refused = await chat(key, body);
    assert.equal(refused.status, 429, `${what}: ${refused.text}`);
    assert.match(refused.json.error.message, new RegExp(`exceeded for ${whose}: `), what);
    if (whose.startsWith('model_per_')) assert.equal((await chat(key, { ...body, model: 'other' })).status, 200, what);
  }
});

test('a refusal by one limit takes nothing of another', async () => {
  await post('/team/new', { team_id: 'narrow', rpm_limit: 1 });
  const key = await gateway.newKey({ team_id: 'narrow', rpm_limit: 10, tpm_limit: 10_000, max_parallel_requests: 1 });
  const before = await chat(key);
  assert.equal(before.headers.get('x-ratelimit-api_key-remaining-requests'), '9');
  assert.equal(await passes(key, 20), 0);
  await post('/team/update', { team_id: 'narrow', rpm_limit: 100 });
  const later = await chat(key);
  assert.equal(later.status, 200, later.text);
  assert.equal(later.headers.get('x-ratelimit-api_key-remaining-requests'), '8');
});

test('a change of a limit holds at the next call, and null ends it', async () => {
  const key = await gateway.newKey({ rpm_limit: 1 });
  assert.equal(await passes(key, 3), 1);
  await post('/key/update', { key, rpm_limit: 3 });
  assert.equal(await passes(key, 4), 2);
  await post('/key/update', { key, rpm_limit: null });
  assert.equal(await passes(key, 10), 10);
  assert.equal((await gateway.keyInfo(key)).rpm_limit, null);
  await post('/key/update', { key, rpm_limit: 0 });
  assert.equal(await passes(key, 2), 0);
});

test('tokens: the prompt is reserved, the end sets it right, reads of a cache do not count', async () => {
  const key = await gateway.newKey({ tpm_limit: 200 });
  let used = 0;
  // What is left while a call runs is the limit without what the calls before have used and what this one reserves.
  const call = async (what, body, uses) => {
    const reply = await chat(key, body);
    assert.equal(reply.status, 200, reply.text);
    const reserved = 200 - used - Number(reply.headers.get('x-ratelimit-api_key-remaining-tokens'));
    assert.ok(reserved >= 1 && reserved <= 20, `${what}: ${reserved} reserved`);
    used += uses;
  };
  await call('the first', {}, 15);
  await call('after one', {}, 15);
  await call('after two', { model: 'large' }, 50); // 60 - 40 of the cache + 30.
  await call('after reads of a cache', { stream: true }, 15);
  await call('after a stream', {}, 15);
  const refused = await chat(key, { messages: [{ role: 'user', content: 'word '.repeat(1000) }] });
  assert.equal(refused.status, 429, refused.text);
  assert.match(refused.json.error.message, /Limit type: tokens.* more than the limit: it can never pass/);
  assert.equal(refused.headers.get('x-should-retry'), 'false');
  assert.match(refused.headers.get('x-ratelimit-limit-tokens'), /^200$/);
});

test('parallel calls: as many as may, and the next when one ends', async () => {
  const key = await gateway.newKey({ max_parallel_requests: 2 });
  const calls = [1, 2].map(() => chat(key, { model: 'slow' }));
  await until(async () => (await gateway.metrics()).includes('litellm_in_flight_requests 2'), 'two calls');
  const refused = await chat(key);
  assert.equal(refused.status, 429, refused.text);
  assert.match(refused.json.error.message, /Limit type: max_parallel_requests\. Current limit: 2/);
  assert.equal(refused.headers.get('retry-after'), '1');
  for (const call of await Promise.all(calls)) assert.equal(call.status, 200);
  // One after the other, over many connections: none of them is taken for a second one.
  const one = await gateway.newKey({ max_parallel_requests: 1 });
  assert.equal(await passes(one, 60, {}, { headers: { connection: 'close' } }), 60);
});

/** Opens a streamed call and hangs up at a moment that chance has chosen. */
function abort(model, key, random) {
  const body = JSON.stringify({ model, stream: true, messages: [{ role: 'user', content: 'hi' }] });
  const request = `POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${key}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  return new Promise((resolve) => {
    const socket = net.connect({ port: gateway.port, host: '127.0.0.1' }, () => socket.write(request));
    const end = () => {
      socket.destroy();
      resolve();
    };
    socket.on('error', end);
    socket.on('close', end);
    const moment = random();
    if (moment < 0.25) setTimeout(end, random() * 10);
    else if (moment < 0.75) setTimeout(end, 10 + random() * 150);
    else socket.on('data', (data) => data.includes('[DONE]') && end());
    setTimeout(end, 400);
  });
}

test('streams aborted at any moment leave no place taken', async () => {
  const calls = Number(process.env.ABORTED_STREAMS ?? 200);
  const chance = new Chance(Number(process.env.SEED ?? 7));
  const random = () => chance.next();
  const key = await gateway.newKey({ max_parallel_requests: 2 });
  const models = ['stream', 'stream', 'late', 'broken', 'refusing', 'timeout', 'gpt'];
  let begun = 0;
  const one = async () => {
    while (begun < calls) {
      begun += 1;
      await abort(models[Math.floor(random() * models.length)], key, random);
    }
  };
  await Promise.all(Array.from({ length: 24 }, one));
  const end = Date.now();
  await until(
    async () => (await Promise.all([chat(key, { model: 'slow' }), chat(key, { model: 'slow' })])).every((reply) => reply.status === 200),
    'two parallel calls',
    3000,
  );
  console.log(`# ${calls} aborted streams; two calls side by side passed ${Date.now() - end} ms after the last`);
  const third = [1, 2, 3].map(() => chat(key, { model: 'slow' }));
  assert.equal((await Promise.all(third)).filter((reply) => reply.status === 200).length, 2, 'and no place too many');
});

test('a call that budget and limit both refuse gets the answer of the budget', async () => {
  const key = await gateway.newKey({ rpm_limit: 1, max_budget: 0.00001 });
  assert.equal((await chat(key)).status, 200);
  const refused = await chat(key);
  assert.equal(refused.status, 429, refused.text);
  assert.equal(refused.json.error.type, 'budget_exceeded');
  assert.equal(refused.headers.get('x-should-retry'), 'false');
});

test('the whole gateway has a limit of parallel calls; a call may wait for room', async () => {
  await scene(
    async (own) =>
      own(await Gateway.start({ config: config({ general_settings: { global_max_parallel_requests: 2, token_rate_limit_type: 'output' }, turnpike: { limit_wait_ms: 2000 } }), env: { LITELLM_RATE_LIMIT_WINDOW_SIZE: '60' } })),
    async (other) => {
      const keys = await Promise.all([1, 2, 3, 4].map(() => other.newKey()));
      const begun = Date.now();
      const replies = await Promise.all(keys.map((key) => other.chat({ model: 'slow' }, { key })));
      assert.deepEqual(replies.map((reply) => reply.status), [200, 200, 200, 200]);
      assert.ok(Date.now() - begun >= 790, 'two after two');
      const output = await other.newKey({ tpm_limit: 5 });
      assert.equal((await other.chat({ model: 'gpt' }, { key: output })).status, 200);
      const refused = await other.chat({ model: 'gpt' }, { key: output });
      assert.equal(refused.status, 429, 'five tokens were written; the wait would be too long');
    },
  );
});

test('who waits for room is served in the order of coming, and who leaves makes way', async () => {
  const params = { general_settings: { global_max_parallel_requests: 1 }, turnpike: { limit_wait_ms: 20_000 } };
  await scene(
    async (own) => own(await Gateway.start({ config: config(params), flags: ['--num_workers', '2'] })),
    async (other) => {
      const waiting = async () => Number(/^turnpike_limit_waiting (\d+)$/m.exec(await other.metrics())[1]);
      const ended = [];
      const calls = [];
      const gone = new AbortController();
      const call = (i, model, options) => calls.push(other.chat({ model }, options).then((reply) => ended.push([i, reply.status]), () => {}));
      call(0, 'slowest');
      await until(async () => (await fake.account()).open === 1, 'the first to be under way');
      for (let i = 1; i < 9; ++i) {
        call(i, 'slow', i === 3 ? { signal: gone.signal } : {});
        await until(async () => (await waiting()) === i || ended.length > 0, `call ${i} to wait`);
      }
      assert.equal(ended.length, 0, 'all came while the first was under way');
      gone.abort();
      await until(async () => (await waiting()) < 8, 'the caller who has gone to be missed', 1000);
      await Promise.all(calls);
      assert.deepEqual(ended, [0, 1, 2, 4, 5, 6, 7, 8].map((i) => [i, 200]));
      assert.equal(await waiting(), 0);
    },
  );
});
