// AC-SPEND-4: what goes wrong in the middle of a flush on PostgreSQL: connections cut, errors that pass by themselves, a server that
// has become read-only. The flush is tried again until it succeeds, and each call is booked once. (Deadlocks and a crash of
// the server: chaos.test.mjs.)
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Postgres } from '../harness/postgres.mjs';
import { FakeProvider, Gateway, deployment, runBinary, scene, sleep, temporaryDirectory, until } from '../harness/turnpike.mjs';

let server;
let fake;
before(async () => {
  [server, fake] = await Promise.all([Postgres.start(), FakeProvider.start()]);
});
after(async () => {
  await server.stop();
  await fake.stop();
});

/** Of all its labels together. */
const metric = async (gateway, name) => {
  const lines = [...(await gateway.metrics()).matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'gm'))];
  assert.ok(lines.length > 0, name);
  return lines.reduce((sum, line) => sum + Number(line[1]), 0);
};
const cut = (name) => server.query('postgres', `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${name}'`);

/** `replicas` gateways on a database of their own; `disturb` while calls run; then the books. */
async function play(replicas, disturb) {
  const name = server.fresh();
  const config = { model_list: [deployment('m', fake.base('prompt_tokens=5,tokens=3'))], general_settings: { database_url: server.url(name), allow_requests_on_db_unavailable: true }, turnpike: { shutdown_grace: 0 } };
  await scene(
    async (own) => {
      const first = own(await Gateway.start({ config }));
      return [first, ...(await Promise.all(Array.from({ length: replicas - 1 }, async () => own(await Gateway.start({ config })))))];
    },
    async (gateways) => {
      const key = await gateways[0].newKey({ max_budget: 10 });
      const answered = [];
      let running = true;
      const load = gateways.flatMap((gateway) =>
        Array.from({ length: 4 }, async () => {
          while (running) {
            const reply = await gateway.chat({ model: 'm' }, { key });
            if (reply.status === 200) answered.push(reply.headers.get('x-litellm-call-id'));
            await sleep(4);
          }
        }),
      );
      try {
        await until(() => answered.length >= gateways.length, 'the first answers');
        await disturb(name, gateways, answered);
      } finally {
        running = false;
        await Promise.all(load);
      }
      assert.ok(answered.length > 50, `${answered.length} answers`);
      for (const gateway of gateways) await until(async () => (await metric(gateway, 'turnpike_ledger_unshipped_entries')) === 0, 'everything shipped', 15_000);
      const ids = new Map(server.query(name, 'SELECT call_id, count(*) FROM entry WHERE kind = 0 GROUP BY 1'));
      for (const id of answered) assert.equal(ids.get(id), '1', id);
      assert.equal(ids.size, answered.length);
      assert.equal(Number(server.query(name, 'SELECT sum(spent_nano) FROM account_window t JOIN account a USING (account_id) WHERE a.kind = 6')[0][0]), answered.length * 11_000);
      assert.equal(server.query(name, 'SELECT count(*) FROM entry_rejected')[0][0], '0', 'nothing was set aside');
      for (const gateway of gateways) {
        const verified = await runBinary(['ledger', 'verify', '--data_dir', path.join(gateway.directory, 'data'), '--database_url', server.url(name)], { ms: 60_000 });
        assert.equal(verified.code, 0, verified.stdout + verified.stderr);
      }
    },
  );
}

test('AC-SPEND-4: connections cut in the middle of flushes', async () => {
  await play(1, async (name) => {
    let ended = 0;
    for (let i = 0; i < 12; i += 1) {
      ended += cut(name).length;
      await sleep(60);
    }
    assert.ok(ended >= 12, `${ended} connections were cut`);
  });
});

test('AC-SPEND-4: 40001, 40P01, 55P03, 57014, 53100: what passes by itself is tried again', async () => {
  await play(2, async (name, gateways) => {
    const retries = async () => (await Promise.all(gateways.map((gateway) => metric(gateway, 'turnpike_ship_retries_total')))).reduce((sum, count) => sum + count, 0);
    for (const state of ['40001', '40P01', '55P03', '57014', '53100']) {
      server.query(
        name,
        `CREATE OR REPLACE FUNCTION fail_totals() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'provoked' USING ERRCODE = '${state}'; END $$;
         CREATE OR REPLACE TRIGGER fail_totals BEFORE UPDATE ON account_window FOR EACH ROW EXECUTE FUNCTION fail_totals()`,
      );
      const before = await retries();
      await until(async () => (await retries()) > before, `a flush to fail with ${state}`);
      const pages = await Promise.all(gateways.map((gateway) => gateway.metrics()));
      assert.ok(pages.some((page) => new RegExp(`^turnpike_ship_retries_total\\{sqlstate="${state.slice(0, 2)}"\\} [1-9]`, 'm').test(page)), `counted by the class of ${state}`);
      server.query(name, 'DROP TRIGGER fail_totals ON account_window');
      for (const gateway of gateways) await until(async () => (await metric(gateway, 'turnpike_ledger_oldest_unshipped_seconds')) < 1, `flushes to succeed after ${state}`);
    }
  });
});

test('AC-SPEND-4: 25006: a server that has become a read-only standby, and one that is the primary again', async () => {
  await play(1, async (name, [gateway], answered) => {
    server.query('postgres', `ALTER DATABASE ${name} SET default_transaction_read_only = on`);
    cut(name);
    const before = await metric(gateway, 'turnpike_ship_retries_total');
    await until(async () => (await metric(gateway, 'turnpike_ship_retries_total')) > before + 1, 'flushes to fail');
    const served = answered.length;
    await until(() => answered.length > served + 20, 'calls to go on');
    await until(async () => (await metric(gateway, 'turnpike_ledger_oldest_unshipped_seconds')) > 0.3, 'the age of what is not shipped');
    server.query('postgres', `ALTER DATABASE ${name} RESET default_transaction_read_only`);
    cut(name);
  });
});

test('AC-SPEND-4: 22003, 23502, 42703: the one row that the database does not take is set aside, its money is booked', async () => {
  const name = server.fresh();
  const config = { model_list: [deployment('m', fake.base('prompt_tokens=5,tokens=3'))], general_settings: { database_url: server.url(name) }, turnpike: { shutdown_grace: 0, ledger_ship_interval: 0.5 } };
  await scene(
    async (own) => own(await Gateway.start({ config })),
    async (gateway) => {
      const key = await gateway.newKey({ max_budget: 10 });
      const states = { 9: '22003', 17: '23502', 18: '42703' };
      server.query(
        name,
        `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
           ${Object.entries(states).map(([no, state]) => `IF NEW.entry_no = ${no} THEN RAISE EXCEPTION 'provoked' USING ERRCODE = '${state}'; END IF;`).join(' ')}
           RETURN NEW; END $$;
         CREATE TRIGGER refuse BEFORE INSERT ON entry FOR EACH ROW EXECUTE FUNCTION refuse()`,
      );
      const replies = await Promise.all(Array.from({ length: 40 }, () => gateway.chat({ model: 'm' }, { key })));
      for (const reply of replies) assert.equal(reply.status, 200, reply.text);
      await until(async () => (await metric(gateway, 'turnpike_ledger_unshipped_entries')) === 0, 'everything shipped or set aside');
      assert.equal(server.query(name, 'SELECT count(*) FROM entry WHERE kind = 0')[0][0], '37');
      const aside = server.query(name, 'SELECT entry_no, cost_nano, reason FROM entry_rejected ORDER BY 1');
      assert.deepEqual(aside.map(([no, cost]) => [no, cost]), Object.keys(states).map((no) => [no, '11000']));
      for (const [no, , reason] of aside) assert.ok(reason.includes(`${states[no]}: provoked`), reason);
      assert.equal(await metric(gateway, 'turnpike_ledger_rejected_entries_total'), 3);
      assert.equal(server.query(name, 'SELECT sum(spent_nano) FROM account_window t JOIN account a USING (account_id) WHERE a.kind = 6')[0][0], String(40 * 11_000));
      const { events } = (await gateway.call('GET', '/health/events?kind=failed_tracking_spend')).json;
      assert.equal(events.reduce((sum, event) => sum + event.value, 0), 3, 'each is told of once');
      for (const { level, text } of events) assert.ok(level === 'High' && /^(Entry \d+|\d entries \(\d+ to \d+\)) cannot be stored and stands? in entry_rejected; the 0.0000\d\d (it|they) cost is booked\.$/.test(text), text);
      assert.ok(!JSON.stringify(events).includes('provoked'), "the database's words are not passed on");
      assert.match(gateway.printed, /entry 9 of replica \d+ cannot be stored and goes to entry_rejected/);
      const verified = await runBinary(['ledger', 'verify', '--data_dir', path.join(gateway.directory, 'data'), '--database_url', server.url(name)], { ms: 60_000 });
      assert.equal(verified.code, 0, verified.stdout + verified.stderr);
    },
  );
});

test('AC-SPEND-2: with a healthy database the oldest entry that is not shipped is young, and the metrics say how old', async () => {
  const name = server.fresh();
  const config = { model_list: [deployment('m', fake.base('prompt_tokens=5,tokens=3'))], general_settings: { database_url: server.url(name) }, turnpike: { shutdown_grace: 0 } };
  await scene(
    async (own) => own(await Gateway.start({ config })),
    async (gateway) => {
      const key = await gateway.newKey({ max_budget: 10 });
      const ages = [];
      for (let i = 0; i < 100; i += 1) {
        assert.equal((await gateway.chat({ model: 'm' }, { key })).status, 200);
        if (i % 4 === 0) ages.push([await metric(gateway, 'turnpike_ledger_oldest_unshipped_seconds'), await metric(gateway, 'turnpike_journal_oldest_unsynced_seconds')]);
      }
      const median = (at) => ages.map((pair) => pair[at]).sort((a, b) => a - b)[ages.length >> 1];
      assert.ok(median(0) < 0.25, `unshipped for ${median(0)} s`);
      assert.ok(median(1) < 0.25, `unsynced for ${median(1)} s`);
      assert.ok(ages.some(([unshipped]) => unshipped > 0), 'it is measured');
    },
  );
});

test('a lost disk: the process begins a new journal, what was shipped stays booked once', async () => {
  const name = server.fresh();
  const config = { model_list: [deployment('m', fake.base('prompt_tokens=5,tokens=3'))], general_settings: { database_url: server.url(name) }, turnpike: { shutdown_grace: 0 } };
  const directory = temporaryDirectory();
  await scene(
    async (own) => own(await Gateway.start({ config, directory })),
    async (first, own) => {
      const key = await first.newKey({ max_budget: 10 });
      for (let i = 0; i < 10; i += 1) assert.equal((await first.chat({ model: 'm' }, { key })).status, 200);
      await until(async () => (await metric(first, 'turnpike_ledger_unshipped_entries')) === 0, 'everything shipped');
      await first.kill();
      fs.rmSync(path.join(directory, 'data'), { recursive: true });

      const second = own(await Gateway.start({ config, directory }));
      for (let i = 0; i < 5; i += 1) assert.equal((await second.chat({ model: 'm' }, { key })).status, 200);
      await until(() => server.query(name, 'SELECT count(*) FROM entry WHERE kind = 0 AND status = 0')[0][0] === '15', 'fifteen rows');
      assert.equal(server.query(name, 'SELECT count(DISTINCT replica_no) FROM entry')[0][0], '2', 'a journal has a number of its own');
      assert.equal(Math.round((await second.keyInfo(key)).spend * 1e9), 15 * 11_000);
      await second.stop();
      const verified = await runBinary(['ledger', 'verify', '--data_dir', path.join(directory, 'data'), '--database_url', server.url(name)], { ms: 60_000 });
      assert.equal(verified.code, 0, verified.stdout + verified.stderr);
    },
  );
  fs.rmSync(directory, { recursive: true, force: true });
});
