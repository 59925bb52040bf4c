// A Redis that misbehaves costs no call and next to no time: limits fall back to this replica's share, and it is used again
// soon after it has come back.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Redis } from '../harness/redis.mjs';
import { FakeProvider, Gateway, deployment, freePort, scene, sleep, until } from '../harness/turnpike.mjs';

let fake;
let redis;
before(async () => {
  [fake, redis] = await Promise.all([FakeProvider.start(), Redis.start()]);
});
after(async () => {
  await redis?.stop();
  await fake?.stop();
});

function start({ url = redis.url, turnpike = {}, seconds = 60 } = {}) {
  return Gateway.start({
    config: { model_list: [deployment('gpt', fake.base())], router_settings: { redis_url: url, num_retries: 0 }, turnpike: { shutdown_grace: 0, ...turnpike } },
    flags: ['--num_workers', '1'],
    env: { LITELLM_RATE_LIMIT_WINDOW_SIZE: String(seconds) },
  });
}

const breaker = async (gateway) => Number(/^turnpike_redis_breaker_state (\d)$/m.exec(await gateway.metrics())[1]);
const seen = async (gateway) => (await gateway.call('GET', '/health/readiness')).json.redis;

/** Calls one after the other; every one passes. How long they took, in ms, sorted. */
async function timed(gateway, key, calls) {
  const took = [];
  for (let i = 0; i < calls; ++i) {
    const begun = performance.now();
    const reply = await gateway.chat({ model: 'gpt' }, { key });
    took.push(performance.now() - begun);
    assert.equal(reply.status, 200, reply.text);
  }
  return took.sort((a, b) => a - b);
}
const p99 = (took) => took[Math.ceil(took.length * 0.99) - 1];

test('no call fails for Redis, none waits for it after the first 200 ms, and it is used again within five seconds', async () => {
  await scene(async (own) => own(await start()), async (gateway) => {
    const key = await gateway.newKey({ rpm_limit: 1_000_000, tpm_limit: 100_000_000, max_parallel_requests: 100 });
    await timed(gateway, key, 50);
    const usual = p99(await timed(gateway, key, 200));
    assert.equal(await seen(gateway), 'connected');
    const faults = [
      ['black-holed', () => redis.freeze(), () => redis.thaw()],
      ['refused', () => redis.pause(), () => redis.resume()],
      ['read-only', () => redis.ask('REPLICAOF', '127.0.0.1', '1'), () => redis.ask('REPLICAOF', 'NO', 'ONE')],
      ['another password', () => (redis.ask('CONFIG', 'SET', 'requirepass', 'another'), redis.ask('-a', 'another', '--no-auth-warning', 'CLIENT', 'KILL', 'TYPE', 'normal')), () => redis.ask('-a', 'another', '--no-auth-warning', 'CONFIG', 'SET', 'requirepass', '')],
      ['late', () => redis.ask('CLIENT', 'PAUSE', '30000', 'ALL'), async () => (await redis.pause(), redis.resume())],
    ];
    for (const [what, begin, end] of faults) {
      await begin();
      const begun = performance.now();
      const first = await timed(gateway, key, 3);
      await until(async () => (await gateway.chat({ model: 'gpt' }, { key })).status === 200 && (await breaker(gateway)) === 1, `${what}: Redis to be left alone`, 1000);
      await sleep(200 - (performance.now() - begun));
      const added = p99(await timed(gateway, key, 200)) - usual;
      console.log(`# ${what}: first call ${first[2].toFixed(1)} ms, p99 added ${added.toFixed(2)} ms (usual ${usual.toFixed(2)} ms)`);
      assert.ok(added <= Math.max(5, usual), `${what}: p99 added ${added}`);
      assert.equal(await seen(gateway), 'unreachable');
      await end();
      const mended = performance.now();
      await until(async () => (await breaker(gateway)) === 0, `${what}: to be used again`, 5000);
      console.log(`# ${what}: used again after ${(performance.now() - mended).toFixed(0)} ms`);
      await timed(gateway, key, 3);
    }
  });
});

test('what limits are held to while Redis is away is chosen: the share, nothing, or no call', async () => {
  const url = `redis://127.0.0.1:${await freePort()}`;
  const statuses = async (mode) => {
    let found;
    await scene(async (own) => own(await start({ url, turnpike: mode ? { rate_limit_on_store_failure: mode } : {} })), async (gateway) => {
      const key = await gateway.newKey({ rpm_limit: 1 });
      found = [];
      for (let i = 0; i < 3; ++i) {
        const reply = await gateway.chat({ model: 'gpt' }, { key });
        found.push(reply.status);
        if (reply.status === 503) assert.match(reply.headers.get('retry-after'), /^[1-9]/);
      }
      // Whoever has no limit does not mind.
      assert.equal((await gateway.chat({ model: 'gpt' }, { key: await gateway.newKey() })).status, 200);
    });
    return found;
  };
  const [byDefault, open, closed] = await Promise.all([statuses(), statuses('open'), statuses('closed')]);
  assert.deepEqual(byDefault, [200, 429, 429]);
  assert.deepEqual(open, [200, 200, 200]);
  assert.deepEqual(closed, [503, 503, 503]);
});

test('a Redis that has lost everything doubles no limit and changes no spend', async () => {
  await scene(async (own) => own(await start()), async (gateway) => {
    const key = await gateway.newKey({ rpm_limit: 6 });
    const one = async () => (await gateway.chat({ model: 'gpt' }, { key })).status;
    for (let i = 0; i < 4; ++i) assert.equal(await one(), 200);
    const rows = await gateway.rows(`api_key=${key}`, 4);
    const spend = (await gateway.keyInfo(key)).spend;
    redis.ask('FLUSHALL');
    const after = [];
    for (let i = 0; i < 8; ++i) after.push(await one());
    assert.equal(after.filter((status) => status === 200).length, 2, String(after));
    assert.ok((await gateway.keyInfo(key)).spend >= spend && rows.length === 4);
  });
});
