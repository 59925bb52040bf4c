// Shares of limits: priorities divide what a model takes, limits are promised or give way, organisations lie in shards.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Postgres } from '../harness/postgres.mjs';
import { Redis } from '../harness/redis.mjs';
import { Child, FakeProvider, Gateway, deployment, scene, sleep, until } from '../harness/turnpike.mjs';

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

const priorities = { priority_reservation: { prod: 0.8, dev: 0.1 }, priority_reservation_settings: { default_priority: 0.3 } };

/** Two replicas on a database of their own, with the Redis of this file or without one. */
async function replicas(own, { shared, models }) {
  const config = {
    model_list: models,
    general_settings: { database_url: postgres.url(postgres.fresh()) },
    litellm_settings: priorities,
    router_settings: { num_retries: 0, ...(shared ? { redis_url: redis.url } : {}) },
    turnpike: { shutdown_grace: 0, redis_timeout: 5 }, // Seconds: here nothing is late but the machine.
  };
  const start = () => Gateway.start({ config, flags: ['--num_workers', '1'], env: { TURNPIKE_TEST_DATABASE: '' } });
  const gateways = [own(await start())]; // One after the other: the first makes the tables.
  gateways.push(own(await start()));
  const ready = async (gateway) => (await gateway.call('GET', '/health/readiness')).json;
  if (!shared) await until(async () => (await Promise.all(gateways.map(ready))).every((one) => one.replicas === 2), 'each to know of the other');
  return gateways;
}

const keyOf = (gateway, priority, more = {}) => gateway.newKey({ metadata: { priority }, ...more });

/** How many of so many calls pass, one after the other; the last refusal. */
async function calls(gateways, key, count, body) {
  let passed = 0;
  let refused;
  for (let i = 0; i < count; ++i) {
    const reply = await gateways[i % 3 === 0 ? gateways.length - 1 : 0].chat(body, { key });
    assert.ok(reply.status === 200 || reply.status === 429, reply.text);
    if (reply.status === 200) passed += 1;
    else refused = reply;
  }
  return { passed, refused };
}

/** What goes by minutes of the clock is not looked at while one ends. */
async function withinOneMinute() {
  const left = 60_000 - (Date.now() % 60_000);
  if (left < 5_000) await sleep(left + 10);
}

// They wait more than they work.
describe('shares', { concurrency: 4 }, () => {
  test('priorities borrow while a model has room and are held to their shares when it is crowded', async () => {
    const limited = (name, params) => deployment(name, fake.base('prompt_tokens=10,tokens=10'), { params });
    const config = {
      model_list: [
        { ...limited('gpt', { rpm: 14 }), model_info: { id: 'gpt-14' } }, limited('gpt', { rpm: 6 }),
        limited('teams', { rpm: 20 }), limited('wide', { tpm: 400 }), limited('free', {}), limited('tight', { rpm: 2 }),
      ],
      litellm_settings: priorities,
      router_settings: { num_retries: 0, fallbacks: [{ tight: ['free'] }] },
      turnpike: { shutdown_grace: 0 },
    };
    await scene((own) => Gateway.start({ config, flags: ['--num_workers', '2'] }).then(own), async (gateway) => {
      const [dev, prod, other] = [await keyOf(gateway, 'dev'), await keyOf(gateway, 'prod'), await keyOf(gateway, 'night')];
      // Half of 20 is lent to whoever comes.
      const lent = await calls([gateway], dev, 15, { model: 'gpt' });
      assert.equal(lent.passed, 10);
      const { refused } = lent;
      assert.equal(refused.json.error.type, 'rate_limit_error');
      assert.match(refused.json.error.message, /Rate limit exceeded for priority: dev:gpt\. Limit type: requests\. Current limit: 2, Remaining: 0\. Limit resets at: .* UTC\. Current usage: 10\. A share of 20 in model gpt/);
      const wait = Number(refused.headers.get('retry-after'));
      assert.ok(Number.isInteger(wait) && wait >= 50 && wait <= 61, String(wait));
      assert.equal(refused.headers.get('x-ratelimit-limit-requests'), '2');
      assert.equal(refused.headers.get('x-ratelimit-remaining-requests'), '0');
      assert.equal(refused.headers.get('rate_limit_type'), 'requests');
      // By the name of a deployment one comes to the same model.
      assert.equal((await gateway.chat({ model: 'gpt-14' }, { key: dev })).status, 429);
      // Whoever has no share of his own has one with all others like him: 6, of which both take.
      assert.equal((await calls([gateway], other, 4, { model: 'gpt' })).passed, 4);
      assert.equal((await calls([gateway], await gateway.newKey(), 4, { model: 'gpt' })).passed, 2);
      // What is left is the share of prod: no call of it is refused before the model is full.
      const rest = await calls([gateway], prod, 10, { model: 'gpt' });
      assert.equal(rest.passed, 4);
      assert.match(rest.refused.json.error.message, /exceeded for model: gpt\. Limit type: requests\. Current limit: 20/);

      // The word of the team counts.
      await gateway.call('POST', '/team/new', { body: { team_id: 'first', metadata: { priority: 'prod' } } });
      const ofTeam = await keyOf(gateway, 'dev', { team_id: 'first' });
      assert.equal((await calls([gateway], ofTeam, 20, { model: 'teams' })).passed, 16);
      // Tokens are known when the answer has come: 200 of 400 are lent.
      assert.equal((await calls([gateway], dev, 15, { model: 'wide' })).passed, 10);
      const tokens = await calls([gateway], prod, 15, { model: 'wide' });
      assert.equal(tokens.passed, 10);
      // A model that says no limits has nothing to divide; one that has no room leads to its fallback.
      assert.equal((await calls([gateway], dev, 12, { model: 'free' })).passed, 12);
      const tight = [];
      for (let i = 0; i < 3; ++i) tight.push(await gateway.chat({ model: 'tight' }, { key: dev }));
      assert.deepEqual(tight.map((reply) => [reply.status, reply.json.model]), [[200, 'tight'], [200, 'free'], [200, 'free']]);
      assert.equal(tight[2].headers.get('rate_limit_type'), null);
      const metrics = await gateway.metrics();
      assert.match(metrics, /turnpike_limit_refusals_total\{kind="priority",limit="requests"\} [1-9]/);
      assert.match(metrics, /turnpike_limit_refusals_total\{kind="model",limit="requests"\} [1-9]/);
    });
  });

  test('with Redis shares are exact over replicas', async () => {
    const models = [deployment('gpt', fake.base(), { params: { rpm: 20 } })];
    await scene((own) => replicas(own, { shared: true, models }), async (gateways) => {
      const [dev, prod] = [await keyOf(gateways[0], 'dev'), await keyOf(gateways[0], 'prod')];
      const lent = await calls(gateways, dev, 15, { model: 'gpt' });
      assert.equal(lent.passed, 10, 'as many as one replica would lend');
      assert.match(lent.refused.json.error.message, /exceeded for priority: dev:gpt\. .*Current limit: 2, /);
      assert.equal((await calls(gateways, prod, 15, { model: 'gpt' })).passed, 10);
    });
  });

  test('without Redis each replica divides its share of the model', async () => {
    const models = [deployment('gpt', fake.base(), { params: { rpm: 20 } })];
    await scene((own) => replicas(own, { shared: false, models }), async (gateways) => {
      const [dev, prod] = [await keyOf(gateways[0], 'dev'), await keyOf(gateways[0], 'prod')];
      for (const gateway of gateways) {
        const lent = await calls([gateway], dev, 8, { model: 'gpt' });
        assert.equal(lent.passed, 5, 'half of 10');
        assert.match(lent.refused.json.error.message, /Current limit: 1, .*This replica's share of a limit of 2\./);
        assert.equal((await calls([gateway], prod, 8, { model: 'gpt' })).passed, 5);
      }
    });
  });

  test('a limit that gives holds while its model is in trouble or in much use, one that is promised always', async () => {
    const config = {
      model_list: [
        deployment('gpt', fake.base()), deployment('broken', fake.base('status=500')),
        deployment('narrow', fake.base(), { params: { rpm: 10 } }),
      ],
      router_settings: { num_retries: 0 },
      turnpike: { shutdown_grace: 0 },
    };
    await scene((own) => Gateway.start({ config, flags: ['--num_workers', '2'] }).then(own), async (gateway) => {
      await withinOneMinute();
      const key = await gateway.newKey({ rpm_limit: 2, rpm_limit_type: 'dynamic' });
      assert.equal((await gateway.keyInfo(key)).metadata.rpm_limit_type, 'dynamic');
      assert.equal((await calls([gateway], key, 6, { model: 'gpt' })).passed, 6);
      assert.equal((await gateway.chat({ model: 'broken' }, { key })).status, 500);
      const refused = await gateway.chat({ model: 'broken' }, { key });
      assert.equal(refused.status, 429, refused.text);
      assert.match(refused.json.error.message, /exceeded for api_key: .* Current limit: 2, Remaining: 0\. .*Current usage: 7\./);
      assert.equal((await gateway.chat({ model: 'gpt' }, { key })).status, 200, 'another model is well');

      const eager = await gateway.newKey({ rpm_limit: 1, rpm_limit_type: 'dynamic' });
      assert.equal((await calls([gateway], eager, 8, { model: 'narrow' })).passed, 5, 'half of what the model takes');
      // What a team says of its limit holds for that.
      await gateway.call('POST', '/team/new', { body: { team_id: 'gives', rpm_limit: 1, rpm_limit_type: 'dynamic' } });
      assert.equal((await calls([gateway], await gateway.newKey({ team_id: 'gives' }), 4, { model: 'gpt' })).passed, 4);
      await gateway.call('POST', '/team/new', { body: { team_id: 'promises', rpm_limit: 3 } });
      const promised = { team_id: 'promises', rpm_limit: 2, rpm_limit_type: 'guaranteed_throughput' };
      assert.equal((await calls([gateway], await gateway.newKey(promised), 4, { model: 'gpt' })).passed, 2);
      const more = await gateway.call('POST', '/key/generate', { body: promised });
      assert.equal(more.status, 400, more.text);
      assert.match(more.json.error.message, /Allocated RPM limit=2 \+ Key RPM limit=2 is greater than team RPM limit=3/);
    });
  });

  test('on a Redis that is part of a cluster every script stays in one slot, and organisations lie in several', async () => {
    const cluster = await Redis.start({ options: ['--cluster-enabled', 'yes'] });
    const watched = new Child(['redis-cli', '-p', String(cluster.port), 'MONITOR'], { env: { PATH: process.env.PATH } });
    const open = async (own) => {
      own(cluster);
      own(watched);
      cluster.ask('CLUSTER', 'ADDSLOTSRANGE', '0', '16383');
      await until(() => /cluster_state:ok/.test(cluster.ask('CLUSTER', 'INFO')), 'the cluster');
      await until(() => watched.stdout.startsWith('OK'), 'MONITOR');
      const config = {
        model_list: [deployment('gpt', fake.base(), { params: { max_parallel_requests: 40, rpm: 1000 } })],
        general_settings: { global_max_parallel_requests: 40 },
        litellm_settings: priorities,
        router_settings: { num_retries: 0, redis_url: cluster.url },
        turnpike: { shutdown_grace: 0, redis_timeout: 5, limiter_shards: 4 },
      };
      return own(await Gateway.start({ config, flags: ['--num_workers', '2'] }));
    };
    await scene(open, async (gateway) => {
      await until(async () => (await gateway.call('GET', '/health/readiness')).json.redis === 'connected', 'Redis to be used');
      for (let i = 0; i < 8; ++i) {
        await gateway.call('POST', '/organization/new', { body: { organization_id: `org-${i}`, organization_alias: `org-${i}`, rpm_limit: 3 } });
        const key = await gateway.newKey({ organization_id: `org-${i}`, rpm_limit: 9, max_parallel_requests: 5 });
        const { passed, refused } = await calls([gateway], key, 5, { model: 'gpt' });
        assert.equal(passed, 3, 'an organisation is counted whole');
        assert.match(refused.json.error.message, /exceeded for organization: org-\d\. .*Current limit: 3, Remaining: 0\. /);
      }
      assert.match(await gateway.metrics(), /turnpike_redis_breaker_state 0\n/);
      await until(() => scripts(watched.stdout).length > 40, 'MONITOR to show them');
      const seen = scripts(watched.stdout);
      const slots = new Set();
      for (const keys of seen) {
        const of = new Set(keys.map(slotOf));
        assert.equal(of.size, 1, keys.join(' '));
        slots.add([...of][0]);
      }
      assert.ok(Math.max(...seen.map((keys) => keys.length)) >= 6, 'all limits of a call in one of them');
      assert.ok(slots.size >= 3, `${slots.size} slots`);
    });
  });
});

/** The keys of each script that MONITOR shows. */
function scripts(text) {
  const words = (line) => [...line.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, word]) => word);
  return text.split('\n').map(words).filter(([command]) => /^evalsha$/i.test(command)).map((all) => all.slice(3, 3 + Number(all[2])));
}

/** CRC16 (XMODEM) of what stands in the braces, modulo 16384: where a cluster keeps the key. */
function slotOf(key) {
  const text = /\{([^}]+)\}/.exec(key)?.[1] ?? key;
  let crc = 0;
  for (const byte of Buffer.from(text)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; ++bit) crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff;
  }
  return crc % 16384;
}
