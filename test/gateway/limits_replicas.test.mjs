// Limits over two replicas on one PostgreSQL: counted together in Redis, by shares without it; what a replica that is killed
// held is free again; rests of deployments reach the other replica.
import assert from 'node:assert/strict';
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
    turnpike: { shutdown_grace: 0 },
  };
  const start = () => Gateway.start({ config, flags: ['--num_workers', '1'], env: { LITELLM_RATE_LIMIT_WINDOW_SIZE: String(windowSeconds), TURNPIKE_TEST_DATABASE: '' } });
  const first = own(await start()); // One after the other: the first makes the tables.
  const second = own(await start());
  if (!shared) await until(async () => (await Promise.all([first, second].map((one) => ready(one)))).every((one) => one.replicas === 2), 'each to know of the other');
  return [first, second];
}

const ready = async (gateway) => (await gateway.call('GET', '/health/readiness')).json;
const passed = (replies) => replies.filter((reply) => reply.status === 200).length;

// They wait more than they work: side by side they take as long as the longest.
describe('two replicas', { concurrency: 3 }, () => {
  test('with Redis no window of any time admits more than the limit, and replicas hear of changes and rests', async () => {
    const resting = (key) => deployment('resting', fake.base('status=429,retry_after=30'), { params: { api_key: key } });
    await scene((own) => replicas(own, { models: [resting('sk-one'), resting('sk-two')] }), async ([first, second]) => {
      assert.match(first.printed, /Limits are counted by all replicas together in redis:/);
      assert.equal((await ready(first)).redis, 'connected');
      const key = await first.newKey({ rpm_limit: 60 });
      const admitted = [];
      const begun = Date.now();
      const one = async (gateway) => {
        const reply = await gateway.chat({ model: 'gpt' }, { key });
        assert.ok(reply.status === 200 || reply.status === 429, reply.text);
        if (reply.status === 200) admitted.push(Date.now());
      };
      const calls = [];
      for (let i = 0; i < 200; ++i) {
        await sleep(begun + i * 25 - Date.now());
        calls.push(one(i % 3 === 0 ? first : second)); // Uneven: shares would admit less.
      }
      await Promise.all(calls);
      admitted.sort((a, b) => a - b);
      let most = 0;
      for (let i = 0; i < admitted.length; ++i) most = Math.max(most, admitted.filter((at) => at >= admitted[i] && at < admitted[i] + 2900).length);
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
      await until(async () => (await first.metrics()).includes('litellm_in_flight_requests 2'), 'both places to be taken');
      assert.equal((await second.chat({ model: 'gpt' }, { key })).status, 429);
      first.signal('SIGKILL');
      const killed = Date.now();
      await Promise.all(held);
      await until(async () => (await second.chat({ model: 'gpt' }, { key })).status === 200, 'the places of the dead', 10_000);
      console.log(`# places of a killed replica: free after ${Date.now() - killed} ms`);
      assert.ok(Date.now() - killed > 1000, 'they were not free all the time');
    });
  });

  test('without Redis each replica admits its share, and says so', async () => {
    await scene((own) => replicas(own, { shared: false, windowSeconds: 60 }), async ([first, second]) => {
      assert.match(first.printed, /Limits without Redis: each replica admits its share/);
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
