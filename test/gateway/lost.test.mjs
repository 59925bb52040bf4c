// What was lost is found again, or given up by an operator: a database that is restored from a backup, a gateway that is gone with
// its disk or without. Every call is in the ledger once, and `ledger verify` agrees.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Shared, ask, priceNano, warm } from '../harness/replicas.mjs';
import { runBinary, scene, temporaryDirectory, until } from '../harness/turnpike.mjs';

// ./check --full plays all of it.
const everything = process.env.LOST_REPLICAS === 'all';
let shared;
before(async () => {
  shared = await Shared.start();
});
after(() => shared?.stop());

const journal = (gateway) => path.join(gateway.directory, 'data/journal');
const metric = async (gateway, name) => Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(await gateway.metrics())[1]);
const shipped = (gateway) => until(async () => (await metric(gateway, 'turnpike_ledger_unshipped_entries')) === 0, 'everything shipped');

async function command(name, ...words) {
  const ended = await runBinary(['ledger', ...words, '--database_url', shared.server.url(name)], { ms: 60_000 });
  return { code: ended.code, text: ended.stdout + ended.stderr };
}
async function verify(name, directory) {
  const { code, text } = await command(name, 'verify', '--journal', directory);
  assert.equal(code, 0, text);
}

/** Calls one after the other; the ids of those that were answered. */
async function serve(gateway, key, count) {
  const ids = [];
  for (let i = 0; i < count; i += 1) {
    const reply = await ask(gateway, key);
    assert.equal(reply.status, 200, reply.text);
    ids.push(reply.headers.get('x-litellm-call-id'));
  }
  return ids;
}

/** A second gateway's journal, as it is when the process is killed in the middle of a call. */
async function killed(name, own, budgets = {}) {
  const directory = temporaryDirectory();
  const [first, second] = [own(await shared.gateway(name, budgets)), own(await shared.gateway(name, budgets, { directory }))];
  const key = await first.newKey({ max_budget: (1000 * priceNano) / 1e9 });
  await warm([first, second], key);
  const ids = await serve(second, key, 7);
  await shipped(second);
  return { directory, first, second, key, ids };
}

describe('what was lost', { concurrency: 2 }, () => {
  for (const [when, calls, knowsBoth] of [
    ['idle gateways', 0, true],
    ['gateways that serve on', 3, true],
    ['gateways that are younger than the backup', 2, false],
    ['idle gateways that are younger than the backup', 0, false],
  ].slice(0, everything ? 4 : 1)) {
    test(`a restored backup: ${when} ship again what the database has lost`, async () => {
      const name = shared.server.fresh();
      await scene(
        async (own) => {
          const first = own(await shared.gateway(name));
          return { first, key: await first.newKey({ max_budget: (1000 * priceNano) / 1e9 }) };
        },
        async ({ first, key }, own) => {
          const start = async () => {
            const gateway = own(await shared.gateway(name));
            await warm([gateway], key);
            return gateway;
          };
          let second = knowsBoth ? await start() : undefined;
          const ids = await serve(first, key, 3);
          if (second) ids.push(...(await serve(second, key, 2)));
          await Promise.all([first, second].filter(Boolean).map(shipped));
          const backup = shared.server.dump(name);
          second ??= await start();
          const gateways = [first, second];
          for (const gateway of gateways) ids.push(...(await serve(gateway, key, 5)));
          await Promise.all(gateways.map(shipped));

          shared.server.restore(name, backup);
          const stored = () => shared.server.query(name, 'SELECT call_id FROM entry WHERE kind = 0').flat();
          assert.equal(stored().length, knowsBoth ? 5 : 3, 'the backup');
          for (const gateway of gateways) ids.push(...(await serve(gateway, key, calls)));
          await until(() => stored().length === ids.length, 'all entries to be there again', 20_000);
          await Promise.all(gateways.map(shipped));
          assert.deepEqual(stored().sort(), ids.sort());
          assert.equal(shared.spentNano(name), ids.length * priceNano);
          assert.equal(shared.number(name, 'SELECT count(*) FROM entry_rejected'), 0);
          // Leases are known again: nobody may spend twice what others hold.
          for (const gateway of gateways) await serve(gateway, key, 2);
          await Promise.all(gateways.map(shipped));
          for (const gateway of gateways) await verify(name, journal(gateway));
        },
      );
    });
  }

  test('`ledger adopt` finishes the journal of a gateway that is gone', async () => {
    const name = shared.server.fresh();
    await scene(
      (own) => killed(name, own),
      async ({ directory, first, second, key }) => {
        const alive = await command(name, 'adopt', path.join(directory, 'data'));
        assert.equal(alive.code, 2);
        assert.match(alive.text, /in use by process/);
        const open = ask(second, key, 'long').catch(() => undefined);
        await shared.reached(name, 1);
        const copy = path.join(directory, 'copy');
        await second.kill();
        await open;
        fs.cpSync(journal({ directory }), copy, { recursive: true });
        const done = await command(name, 'adopt', path.join(directory, 'data'));
        assert.equal(done.code, 0, done.text);
        assert.match(done.text, /^The journal of replica 2 is finished: 1 calls that were open are booked/);
        const again = await command(name, 'adopt', journal({ directory }));
        assert.equal(again.code, 0, again.text);
        assert.match(again.text, /finished before/);
        const counts = () => [shared.number(name, 'SELECT count(*) FROM entry WHERE kind = 0 AND status = 0'), shared.number(name, 'SELECT count(*) FROM entry WHERE status = 3'), shared.spentNano(name)];
        assert.deepEqual(counts(), [7, 1, 7 * priceNano]);
        assert.equal(shared.number(name, 'SELECT count(*) FROM lease WHERE replica_no = 2 AND granted_nano <> used_nano'), 0, 'everything is returned');
        // A copy of it says nothing new.
        const copied = await command(name, 'adopt', copy);
        assert.equal(copied.code, 0, copied.text);
        assert.deepEqual(counts(), [7, 1, 7 * priceNano]);
        for (const place of [journal({ directory }), copy]) await verify(name, place);
        await serve(first, key, 2);
        fs.rmSync(directory, { recursive: true });
      },
    );
  });

  test('`ledger adopt` without the configuration knows budgets that are strict by themselves, and says what it does not know', async () => {
    const name = shared.server.fresh();
    await scene(
      (own) => killed(name, own),
      async ({ directory, first, second, key }) => {
        const strict = await first.newKey({ max_budget: (1000 * priceNano) / 1e9, metadata: { budget_mode: 'strict' } });
        await warm([second], strict);
        const open = [key, strict].map((asking) => ask(second, asking, 'long').catch(() => undefined));
        await shared.reached(name, 2);
        await second.kill();
        await Promise.all(open);
        const done = await command(name, 'adopt', path.join(directory, 'data'));
        assert.equal(done.code, 0, done.text);
        assert.match(done.text, /: 2 calls that were open are booked/);
        assert.match(done.text, /^Without --config budget_mode was not known/m);
        const rows = shared.server.query(name, "SELECT a.strict, e.cost_nano FROM entry e JOIN account a ON a.kind = 6 AND a.entity = e.key_hash WHERE e.status = 3 ORDER BY 1");
        assert.deepEqual(rows, [['0', '0'], ['1', String(priceNano)]]);
        await verify(name, journal({ directory }));
        fs.rmSync(directory, { recursive: true });
      },
    );
  });

  test('`ledger adopt` refuses what is no journal', async () => {
    const name = shared.server.fresh();
    const nothing = temporaryDirectory();
    const refused = await command(name, 'adopt', nothing);
    assert.equal(refused.code, 2);
    assert.match(refused.text, /there is no journal/);
    assert.deepEqual(fs.readdirSync(nothing), [], 'and leaves nothing there');
    fs.rmSync(nothing, { recursive: true });
  });

  test('`ledger forget` writes off what a lost replica may have spent, and takes it back when the replica does come back', async () => {
    const name = shared.server.fresh();
    await scene(
      (own) => killed(name, own, { budget_mode: 'strict' }),
      async ({ directory, first, second, key, ids }, own) => {
        const alive = await command(name, 'forget', '2');
        assert.equal(alive.code, 2);
        assert.match(alive.text, /replica 2 is alive on/);
        // A call that has been admitted and is on its way is committed and not used.
        const open = ask(second, key, 'long').catch(() => undefined);
        const committed = () => shared.number(name, 'SELECT coalesce(sum(committed_nano - used_nano), 0) FROM lease WHERE replica_no = 2');
        await until(() => committed() > 0, 'the database to hear of it');
        await second.kill();
        await open;
        const free = () => shared.number(name, 'SELECT sum(granted_nano - greatest(used_nano, committed_nano)) FROM lease WHERE replica_no = 2');
        assert.ok(free() > 0, 'some was leased ahead');
        const off = committed();
        assert.ok(off > 0);

        const done = await command(name, 'forget', '2');
        assert.equal(done.code, 0, done.text);
        assert.match(done.text, new RegExp(`^Replica 2 on \\S+ is forgotten: \\$${off / 1e9} written off, `));
        assert.equal(shared.spentNano(name), ids.length * priceNano + off);
        assert.equal(free(), 0);
        assert.deepEqual(shared.server.query(name, 'SELECT cost_nano, status, end_reason FROM entry WHERE kind = 2'), [[String(off), '4', 'written_off']]);
        const { code, text } = await command(name, 'verify', '--journal', journal(first));
        assert.equal(code, 0, text);
        const again = await command(name, 'forget', '2');
        assert.equal(again.code, 0, again.text);
        assert.match(again.text, /forgotten before/);
        assert.equal(shared.spentNano(name), ids.length * priceNano + off);
        const unknown = await command(name, 'forget', '77');
        assert.equal(unknown.code, 2);
        assert.match(unknown.text, /there is no replica 77/);

        // Its disk is found: what was written off is taken back, and its calls are booked as they were.
        const back = own(await shared.gateway(name, { budget_mode: 'strict' }, { directory }));
        await warm([back], key);
        await serve(back, key, 1);
        await shipped(back);
        assert.equal(shared.number(name, 'SELECT sum(cost_nano) FROM entry WHERE kind = 2'), 0);
        const calls = shared.number(name, 'SELECT sum(cost_nano) FROM entry WHERE kind = 0');
        assert.equal(shared.spentNano(name), calls);
        assert.ok(calls >= (ids.length + 1) * priceNano);
        for (const gateway of [first, back]) await verify(name, journal(gateway));
        await back.stop();
        fs.rmSync(directory, { recursive: true, force: true });
      },
    );
  });

  /** A replica that is alive and cannot be heard, while `work` goes on. */
  async function silence(gateway, work) {
    gateway.signal('SIGSTOP');
    try {
      await work();
    } finally {
      gateway.signal('SIGCONT');
    }
  }
  const stateOf = (name, replica) => shared.number(name, `SELECT state FROM replica WHERE replica_no = ${replica}`);

  test('what a silent replica had free is taken back, which its row says until it is heard again', async () => {
    const name = shared.server.fresh();
    await scene(
      (own) => killed(name, own, { lease_dead_after: 4 }),
      async ({ directory, first, second, key, ids }) => {
        const free = () => shared.number(name, 'SELECT sum(granted_nano - greatest(used_nano, committed_nano)) FROM lease WHERE replica_no = 2');
        assert.ok(free() > 0, 'some was leased ahead');
        await silence(second, async () => {
          await until(() => stateOf(name, 2) === 2, 'the others to take it back', 20_000);
          assert.equal(free(), 0);
          assert.equal(stateOf(name, 1), 0);
        });
        await until(() => stateOf(name, 2) === 0, 'it to be heard again');
        ids.push(...(await serve(second, key, 2)));
        await shipped(second);
        assert.equal(shared.spentNano(name), ids.length * priceNano);
        for (const gateway of [first, second]) await verify(name, journal(gateway));
        await second.stop();
        fs.rmSync(directory, { recursive: true });
      },
    );
  });

  test('a replica that was forgotten by mistake takes its write-off back as soon as it is heard, also when nobody calls it', async () => {
    const name = shared.server.fresh();
    await scene(
      (own) => killed(name, own, { budget_mode: 'strict' }),
      async ({ directory, first, second, key, ids }) => {
        await silence(second, async () => {
          shared.server.query(name, `UPDATE lease SET committed_nano = used_nano + ${priceNano} WHERE replica_no = 2`);
          const done = await command(name, 'forget', '2');
          assert.equal(done.code, 0, done.text);
          assert.equal(stateOf(name, 2), 3);
          assert.equal(shared.spentNano(name), (ids.length + 1) * priceNano);
        });
        await until(() => stateOf(name, 2) === 0, 'it to be heard again');
        assert.equal(shared.spentNano(name), ids.length * priceNano);
        assert.deepEqual(shared.server.query(name, 'SELECT cost_nano, end_reason FROM entry WHERE kind = 2 ORDER BY 1'), [[String(-priceNano), 'came_back'], [String(priceNano), 'written_off']]);
        assert.equal(shared.number(name, 'SELECT count(*) FROM write_off'), 0);
        ids.push(...(await serve(second, key, 2)));
        await shipped(second);
        assert.equal(shared.spentNano(name), ids.length * priceNano);
        for (const gateway of [first, second]) await verify(name, journal(gateway));
        await second.stop();
        fs.rmSync(directory, { recursive: true });
      },
    );
  });

  test('`ledger forget --release` writes nothing off', { skip: !everything }, async () => {
    const name = shared.server.fresh();
    await scene(
      (own) => killed(name, own),
      async ({ directory, first, second, ids }) => {
        await second.kill();
        const done = await command(name, 'forget', '2', '--release');
        assert.equal(done.code, 0, done.text);
        assert.match(done.text, /\$0 written off/);
        assert.equal(shared.spentNano(name), ids.length * priceNano);
        assert.equal(shared.number(name, 'SELECT sum(granted_nano - used_nano) FROM lease WHERE replica_no = 2'), 0);
        await verify(name, journal(first));
        fs.rmSync(directory, { recursive: true });
      },
    );
  });
});
