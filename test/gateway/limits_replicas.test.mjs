// Limits over two replicas on one PostgreSQL: counted together in Redis, by shares without it; what a replica that is killed
// held is free again; rests of deployments reach the other replica.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, describe, test } from 'node:test';
import { Postgres } from '../harness/postgres.mjs';
import { Redis } from '../harness/redis.mjs';
import { FakeProvider, Gateway, deployment, scene, sleep, until } from '../harness/turnpike.mjs';

let fake;
let postgres;
let redis;
before(async () => {
  [fake, postgres, redis] = await Promise.all([FakeProvider.start(), Postgres.start(), Redis.start()]);
});
after(async () => {
  await redis?.stop();
  await postgres?.stop();
  await fake?.stop();
});

/** Two replicas on a database of their own, with the Redis of this file or without one. */
async function replicas(own, { shared = true, windowSeconds = 3, models = [], router = {} } = {}) {
  const database = postgres.url(postgres.fresh());
  const config = {
    model_list: [deployment('gpt', fake.base()), deployment('slow', fake.base('latency_ms=30000')), ...models],
    general_settings: { database_url: database },
    router_settings: { num_retries: 0, ...(shared ? { redis_url: redis.url } : {}), ...router },
    turnpike: { shutdown_grace: 0, redis_timeout: 5 }, // Seconds: here nothing is late but the machine.
  };
  const start = () => Gateway.start({ config, flags: ['--num_workers', '1'], env: { LITELLM_RATE_LIMIT_WINDOW_SIZE: String(windowSeconds), TURNPIKE_TEST_DATABASE: '' } });
  const first = own(await start()); // One after the other: the first makes the tables.
  const second = own(await start());
  if (!shared) await until(async () => (await Promise.all([first, second].map((one) => ready(one)))).every((one) => one.replicas === 2), 'each to know of the other');
  return [first, second];
}

const ready = async (gateway) => (await gateway.call('GET', '/health/readiness')).json;
const passed = (replies) => replies.filter((reply) => reply.status === 200).length;

/** A provider that notes how many calls it has at a time. */
async function countingProvider(own) {
  const seen = { now: 0, most: 0, calls: 0 };
  const server = http.createServer((request, response) => {
    seen.now += 1;
    seen.calls += 1;
    seen.most = Math.max(seen.most, seen.now);
    request.resume();
    setTimeout(() => {
      seen.now -= 1;
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ id: 'c', object: 'chat.completion', created: 1, model: 'm', choices: [{ index: 0, message: { role: 'assistant', content: 'ok' }, finish_reason: 'stop' }], usage: { prompt_tokens: 5, completion_tokens: 1, total_tokens: 6 } }));
    }, 100);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  own({ ended: false, kill: () => server.close() });
  return { seen, base: `http://127.0.0.1:${server.address().port}/v1` };
}

// They wait more than they work: side by side they take as long as the longest.
describe('two replicas', { concurrency: 4 }, () => {
  test('with Redis no window of any time admits more than the limit, and replicas hear of changes and rests', async () => {
    const resting = (key) => deployment('resting', fake.base('status=429,retry_after=30'), { params: { api_key: key } });
    await scene((own) => replicas(own, { models: [resting('sk-one'), resting('sk-two')] }), async ([first, second]) => {
      assert.match(first.printed, /Limits are counted by all replicas together in redis:/);
      assert.equal((await ready(first)).redis, 'connected');
      const key = await first.newKey({ rpm_limit: 60 });
      const admitted = [];
      const begun = Date.now();
      const one = async (gateway) => {
        const sent = Date.now();
        const reply = await gateway.chat({ model: 'gpt' }, { key });
        assert.ok(reply.status === 200 || reply.status === 429, reply.text);
        if (reply.status === 200) admitted.push({ sent, answered: Date.now() });
      };
      const calls = [];
      for (let i = 0; i < 200; ++i) {
        await sleep(begun + i * 25 - Date.now());
        calls.push(one(i % 3 === 0 ? first : second)); // Uneven: shares would admit less.
      }
      await Promise.all(calls);
      // A call was admitted between its two times: those that lie whole in a stretch were admitted in it, however slow the machine.
      const within = (from) => admitted.filter((one) => one.sent >= from && one.answered < from + 3000).length;
      const most = Math.max(...admitted.map((one) => within(one.sent)));
      console.log(`# limit 60 in 3 s, 200 calls in 5 s: ${admitted.length} admitted, ${most} in the fullest window`);
      assert.ok(most <= 60, String(most));
      // Two windows begin in five seconds: all of the first, and what of it has passed by then.
      assert.ok(admitted.length >= 98 && admitted.length <= 121, String(admitted.length));
      assert.match(await first.metrics(), /turnpike_redis_breaker_state 0\n/);

      // What an administrator changes at one replica, and what one has put to rest, the other knows within a second.
      const other = await first.newKey({ rpm_limit: 1 });
      assert.equal(passed([await second.chat({ model: 'gpt' }, { key: other }), await second.chat({ model: 'gpt' }, { key: other })]), 1);
      await first.call('POST', '/key/update', { body: { key: other, rpm_limit: 100 } });
      await until(async () => (await second.chat({ model: 'gpt' }, { key: other })).status === 200, 'the new limit', 1000);
      await fake.reset();
      const rested = await Promise.all([1, 2, 3].map(() => first.chat({ model: 'resting' })));
      assert.ok(rested.every((reply) => reply.status === 429));
      const cooling = async (gateway) => (await gateway.metrics()).match(/litellm_deployment_state\{[^}]*resting[^}]*\} 2/g)?.length ?? 0;
      assert.ok((await cooling(first)) > 0, 'it rests where it failed');
      await until(async () => (await cooling(second)) === (await cooling(first)), 'the rest to be known to the other', 1000);
    });
  });

  test('a replica that is killed keeps no places', async () => {
    await scene((own) => replicas(own, { windowSeconds: 60 }), async ([first, second]) => {
      const key = await first.newKey({ max_parallel_requests: 2 });
      const held = [1, 2].map(() => first.chat({ model: 'slow' }, { key }).catch(() => undefined));
      await until(async () => (await second.chat({ model: 'gpt' }, { key })).status === 429, 'both places to be taken');
      first.signal('SIGKILL');
      const killed = Date.now();
      await Promise.all(held);
      await until(async () => (await second.chat({ model: 'gpt' }, { key })).status === 200, 'the places of the dead', 10_000);
      console.log(`# places of a killed replica: free after ${Date.now() - killed} ms`);
      assert.ok(Date.now() - killed > 1000, 'they were not free all the time');
    });
  });

  test('with Redis deployments are asked as often, and by as many calls at a time, as they may over all replicas', async () => {
    let provider;
    const open = async (own) => {
      provider = await countingProvider(own);
      const models = [
        deployment('bounded', fake.base(), { params: { rpm: 13 }, info: { id: 'bounded-13' } }),
        deployment('bounded', fake.base(), { params: { rpm: 7 }, info: { id: 'bounded-7' } }),
        deployment('tokens', fake.base('prompt_tokens=20,tokens=5'), { params: { tpm: 250 }, info: { id: 'tokens-250' } }),
        deployment('narrow', provider.base, { params: { max_parallel_requests: 3 }, info: { id: 'narrow-3' } }),
      ];
      return replicas(own, { windowSeconds: 60, models, router: { optional_pre_call_checks: ['enforce_model_rate_limits'] } });
    };
    await scene(open, async ([first, second]) => {
      const many = (count, model) => Promise.all(Array.from({ length: count }, (_, i) => (i % 4 === 0 ? first : second).chat({ model })));
      const bounded = await many(40, 'bounded');
      const served = (id) => bounded.filter((reply) => reply.status === 200 && reply.headers.get('x-litellm-model-id') === id).length;
      assert.deepEqual([served('bounded-13'), served('bounded-7')], [13, 7]);
      const refused = bounded.filter((reply) => reply.status !== 200);
      for (const reply of refused) {
        assert.equal(reply.status, 429, reply.text);
        assert.match(reply.json.error.message, /the limits of every deployment are used up/);
        const wait = Number(reply.headers.get('retry-after'));
        assert.ok(wait >= 50 && wait <= 61, `the window slides: ${wait}`);
      }
      assert.match(await second.metrics(), /turnpike_limit_refusals_total\{kind="deployment",limit="requests"\} [1-9]/);

      // What was used beyond the reserved prompt counts when the answer has come: one after the other ten calls of 25 fit.
      let passes = 0;
      for (let i = 0; i < 14; ++i) passes += (await (i % 2 === 0 ? first : second).chat({ model: 'tokens' })).status === 200 ? 1 : 0;
      assert.equal(passes, 10);

      const narrow = await many(12, 'narrow');
      assert.equal(passed(narrow), 12, 'who finds no place waits for one');
      assert.deepEqual([provider.seen.most, provider.seen.calls], [3, 12]);
    });
  });

  test('without Redis each replica admits its share, and says so', async () => {
    const models = [deployment('rare', fake.base(), { params: { rpm: 1 }, info: { id: 'rare' } })];
    await scene((own) => replicas(own, { shared: false, windowSeconds: 60, models }), async ([first, second]) => {
      assert.match(first.printed, /Limits without Redis: each replica admits its share/);
      await until(() => /2 replicas without Redis .* 1 limit\(s\) are too low: rpm of deployment rare 1/.test(first.printed), 'the limit that two cannot share to be named');
      const key = await first.newKey({ rpm_limit: 11 });
      const each = [];
      for (const gateway of [first, second]) {
        let count = 0;
        for (let i = 0; i < 11; ++i) {
          const reply = await gateway.chat({ model: 'gpt' }, { key });
          count += reply.status === 200 ? 1 : 0;
          if (reply.status === 429) assert.match(reply.json.error.message, /This replica's share of a limit of 11/);
        }
        each.push(count);
      }
      assert.deepEqual(each.sort(), [5, 6]);
    });
  });
});
