// PostgreSQL goes away under load and comes back; it is away at the start; several replicas share it, also through a
// pooler. DATABASE_AWAY_SECONDS is the length of the outage: short here, 60 in ./check --full.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import test, { after, before } from 'node:test';
import { PgBouncer, Postgres } from '../harness/postgres.mjs';
import { Child, FakeProvider, Gateway, deployment, runBinary, scene, sleep, temporaryDirectory, until } from '../harness/turnpike.mjs';

const awaySeconds = Number(process.env.DATABASE_AWAY_SECONDS ?? 5);
let server;
let fake;
before(async () => {
  [server, fake] = await Promise.all([Postgres.start({ durable: true }), FakeProvider.start()]);
});
after(async () => {
  await server.stop();
  await fake.stop();
});

function config(url, more = {}) {
  return {
    model_list: [deployment('m', fake.base())],
    general_settings: { database_url: url, ...more },
    turnpike: { shutdown_grace: 0 },
  };
}
const unknownKey = () => `sk-${Math.random().toString(16).slice(2)}`;
const ask = (gateway, key) => gateway.chat({ model: 'm' }, { key });

test(`AC-DB-2: ${awaySeconds} s without the database under load: known keys go on, nothing is lost, the way back takes 2 s`, async () => {
  const name = server.fresh();
  await scene(
    async (own) => own(await Gateway.start({ config: config(server.url(name), { allow_requests_on_db_unavailable: true }) })),
    async (gateway) => {
      const key = await gateway.newKey();
      assert.equal((await ask(gateway, key)).status, 200);
      let served = 1;
      let running = true;
      const others = [];
      const load = Array.from({ length: 4 }, async () => {
        while (running) {
          const reply = await ask(gateway, key);
          if (reply.status === 200) served += 1;
          else others.push(`${reply.status} ${reply.text.slice(0, 200)}`);
          await sleep(5);
        }
      });
      try {
        await sleep(500);
        await server.pause('SIGQUIT');
        const stopped = Date.now();
        await until(async () => (await ask(gateway, unknownKey())).status === 503, 'the outage to be known');
        while (Date.now() - stopped < awaySeconds * 1000) {
          const stranger = await ask(gateway, unknownKey());
          assert.equal(stranger.status, 503, stranger.text);
          assert.ok(Number(stranger.headers.get('retry-after')) >= 1, 'a 503 says when to come back');
          const ready = await gateway.call('GET', '/health/readiness', { key: undefined });
          assert.equal(ready.status, 200);
          assert.equal(ready.json.db, 'unreachable');
          await sleep(200);
        }
        await server.resume();
        const back = Date.now();
        await until(async () => (await ask(gateway, unknownKey())).status === 401, 'unknown keys to be told apart again');
        assert.ok(Date.now() - back <= 2000, `the way back took ${Date.now() - back} ms`);
        assert.equal((await gateway.call('GET', '/health/readiness', { key: undefined })).json.db, 'connected');
      } finally {
        running = false;
        await Promise.all(load);
      }
      assert.deepEqual(others, []);
      const booked = () => Number(server.query(name, "SELECT count(*) FROM entry WHERE kind = 0 AND status = 0 AND key_hash <> ''")[0][0]);
      await until(() => booked() >= served, `${served} booked calls`, 15_000);
      assert.equal(booked(), served, 'each call once');
      const { directory } = gateway;
      gateway.ownsDirectory = false;
      await gateway.stop();
      const verified = await runBinary(['ledger', 'verify', '--data_dir', path.join(directory, 'data'), '--database_url', server.url(name)], { ms: 60_000 });
      assert.equal(verified.code, 0, verified.stdout + verified.stderr);
      fs.rmSync(directory, { recursive: true, force: true });
    },
  );
});

test('AC-DB-3: started while the database is away, the gateway serves the master key, books later, and takes keys when it is back', async () => {
  const name = server.fresh();
  await server.pause();
  let resumed = false;
  try {
    await scene(
      async (own) => own(await Gateway.start({ config: config(server.url(name)), ready: false })),
      async (gateway) => {
        await until(async () => (await fetch(`${gateway.url}/health/liveliness`)).status === 200, 'the port', 8000);
        const ready = await gateway.call('GET', '/health/readiness', { key: undefined });
        assert.equal(ready.status, 503, 'nobody has said that calls without a database are meant');
        assert.equal(ready.json.db, 'unreachable');
        for (let i = 0; i < 3; ++i) assert.equal((await ask(gateway)).status, 200);
        const refused = await gateway.call('POST', '/key/generate', { body: {} });
        assert.equal(refused.status, 503, refused.text);
        assert.equal((await ask(gateway, unknownKey())).status, 503);
        await server.resume();
        resumed = true;
        const back = Date.now();
        await until(async () => (await gateway.call('GET', '/health/readiness', { key: undefined })).status === 200, 'readiness');
        assert.ok(Date.now() - back <= 2000, `ready after ${Date.now() - back} ms`);
        assert.equal((await ask(gateway, await gateway.newKey())).status, 200);
        await until(() => server.query(name, 'SELECT count(*) FROM entry WHERE kind = 0')[0][0] === '4', 'four booked calls');
        assert.doesNotMatch(gateway.printed, /trust|password/);
        await gateway.stop();
      },
    );
  } finally {
    if (!resumed) await server.resume();
  }
});

test('AC-DB-3: a database that crashes in the middle of a start is one that was away', async () => {
  const name = server.fresh();
  const directory = temporaryDirectory();
  const started = (more) => Gateway.start({ config: config(server.url(name)), directory, ...more });
  let resumed = true;
  try {
    await scene(
      async (own) => {
        const first = own(await started());
        const key = await first.newKey();
        assert.equal((await ask(first, key)).status, 200);
        await first.stop();
        // A start registers in the row of its journal: there it stays while somebody holds that row.
        own(new Child(['psql', '-qXAt', '-c', 'BEGIN', '-c', 'SELECT 1 FROM replica FOR UPDATE', '-c', 'SELECT pg_sleep(60)', server.url(name)], { env: { PATH: process.env.PATH } }));
        const active = (condition) => Number(server.query('postgres', `SELECT count(*) FROM pg_stat_activity WHERE datname = '${name}' AND ${condition}`)[0][0]);
        await until(() => active("wait_event = 'PgSleep'") === 1, 'the row to be held');
        const gateway = own(await started({ ready: false }));
        await until(() => active("wait_event_type = 'Lock'") >= 1, 'the start to wait for it');
        return { gateway, key };
      },
      async ({ gateway, key }) => {
        resumed = false;
        await server.pause('SIGQUIT');
        await until(async () => (await fetch(`${gateway.url}/health/liveliness`)).status === 200, 'the port', 8000);
        assert.equal((await ask(gateway)).status, 200);
        await server.resume();
        resumed = true;
        await until(async () => (await gateway.call('GET', '/health/readiness', { key: undefined })).status === 200, 'readiness');
        assert.equal((await ask(gateway, key)).status, 200);
        await until(() => server.query(name, 'SELECT count(*) FROM entry WHERE kind = 0')[0][0] === '3', 'three booked calls');
        await gateway.stop();
      },
    );
  } finally {
    if (!resumed) await server.resume();
    fs.rmSync(directory, { recursive: true, force: true });
  }
});

test('AC-DB-6: a migration that fails ends the program with its name; one that is refused says what the remedy is', async () => {
  const name = server.fresh();
  server.query(name, 'CREATE TABLE team (x int)');
  const directory = temporaryDirectory();
  const file = path.join(directory, 'config.yaml');
  try {
    fs.writeFileSync(file, JSON.stringify(Gateway.withMasterKey(config(server.url(name)))));
    const ended = await runBinary(['--config', file, '--port', '0', '--data_dir', path.join(directory, 'data')]);
    assert.notEqual(ended.code, 0);
    assert.match(ended.stderr, /migration 3 \(organisations, teams, users/);
    assert.deepEqual(server.query(name, 'SELECT max(number) FROM schema_version'), [['2']], 'a step is done whole or not at all');
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
});

for (const pooled of [false, true]) {
  test(`AC-CONF-3, AC-DB-1: two replicas on one database${pooled ? ' behind a pooler in transaction mode' : ''}: a key made, blocked and deleted at one counts at the other within 1 s; few connections`, async () => {
    const bouncer = pooled ? await PgBouncer.start(server) : undefined;
    const name = server.fresh();
    try {
      await scene(
        async (own) => {
          const settings = config(server.url(name, bouncer?.port), { database_connection_pool_limit: 4 });
          return Promise.all([Gateway.start({ config: settings }), Gateway.start({ config: settings })].map(async (gateway) => own(await gateway)));
        },
        async ([one, two]) => {
          const key = await one.newKey({ max_budget: 1 });
          const asked = await Promise.all(Array.from({ length: 40 }, () => ask(two, key)));
          assert.deepEqual([...new Set(asked.map((reply) => reply.status))], [200]);
          if (!pooled) {
            const [[most]] = server.query(name, "SELECT max(n) FROM (SELECT count(*) AS n FROM pg_stat_activity WHERE application_name = 'turnpike' GROUP BY datname) c");
            assert.ok(Number(most) <= 2 * 4, `${most} connections of two replicas`);
          }
          const withinASecond = async (what, path_, body, status) => {
            assert.equal((await one.call('POST', path_, { body })).status, 200);
            const begun = Date.now();
            await until(async () => (await ask(two, key)).status === status, what, 3000);
            assert.ok(Date.now() - begun <= 1000, `${what} took ${Date.now() - begun} ms`);
          };
          await withinASecond('blocked', '/key/block', { key }, 401);
          await withinASecond('unblocked', '/key/unblock', { key }, 200);
          await withinASecond('deleted', '/key/delete', { keys: [key] }, 401);
          for (const gateway of [one, two]) await gateway.stop();
          assert.deepEqual(server.query(name, 'SELECT count(DISTINCT replica_no), count(*) FROM replica WHERE replica_no > 0 AND shipped_no > 0'), [['1', '1']]);
        },
      );
    } finally {
      await bouncer?.stop();
    }
  });
}
