// The journal under a whole gateway: a kill at each named point, a disk that is full, a database that is locked, a
// directory that is taken. The points exist in the dev build only.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, test } from 'node:test';
import { FakeProvider, Gateway, deployment, root, runBinary, scene, sleep, until } from '../harness/turnpike.mjs';

const faulty = process.env.TURNPIKE_FAULT_BINARY ?? path.join(root, 'build/dev/turnpike');
const noFaults = fs.existsSync(faulty) ? false : `no ${faulty}: build it with tools/build dev turnpike`;
const temporary = () => fs.mkdtempSync(path.join(os.tmpdir(), 'turnpike-journal-'));

async function verify(gateway, code = 0) {
  const ended = await runBinary(['ledger', 'verify', '--data_dir', path.join(gateway.directory, 'data')]);
  assert.equal(ended.code, code, ended.stdout + ended.stderr);
  return ended.stdout;
}

const kills = [
  'hold.after_accounts',
  'hold.before_journal',
  'hold.after_journal',
  'attempt.before_send',
  'answer.first_byte',
  'stream.mid',
  'entry.before_journal',
  'entry.after_journal',
  'settle.after_first_account',
  'reply.before_last_byte',
  'reply.after_last_byte',
  'ship.before_begin',
  'ship.before_commit',
];

describe('a kill', { concurrency: 3 }, () => {
  for (const point of kills) {
    test(`at ${point}: one entry per answered call, sums equal, nothing held`, { skip: noFaults }, async () => {
      const directory = temporary();
      await scene(
        async (own) => ({ own, fake: own(await FakeProvider.start()) }),
        async ({ own, fake }) => {
          const config = { model_list: [deployment('gpt', fake.base('tokens=8')), deployment('stream', fake.base('tokens=8,token_ms=2'))] };
          const first = own(await Gateway.start({ config, directory, program: faulty, env: { TURNPIKE_FAULT: `${point}:6` } }));
          const key = await first.newKey({ max_budget: 1 });
          const answered = [];
          for (let i = 0; i < 400 && !first.ended; i += 1) {
            try {
              const reply = i % 2 ? await first.chat({ model: 'gpt' }, { key }) : await first.stream({ model: 'stream' }, { key });
              const whole = reply.status === 200 && (i % 2 ? reply.json !== undefined : reply.events.at(-1) === '[DONE]');
              if (whole) answered.push(reply.headers.get('x-litellm-call-id'));
            } catch {
              break; // The connection broke: this one was not answered.
            }
          }
          assert.equal((await first.wait()).signal, 'SIGKILL', 'the point was reached');

          const second = own(await Gateway.start({ config, directory, program: faulty }));
          const rows = (await second.call('GET', '/spend/logs')).json;
          const successes = rows.filter((row) => row.status === 'success');
          for (const id of answered) assert.equal(successes.filter((row) => row.turnpike.call_id === id).length, 1, id);
          assert.ok(successes.length - answered.length <= 1, 'at most the call whose answer was on its way');
          assert.equal(new Set(rows.map((row) => row.turnpike.record_id)).size, rows.length);
          for (const row of rows.filter((one) => one.status !== 'success')) {
            assert.match(row.turnpike.marks, /interrupted/);
            if (['answer.first_byte', 'stream.mid'].includes(point)) assert.ok(row.spend > 0, 'the prompt of an answer that had begun');
            if (/^(hold|attempt)/.test(point)) assert.equal(row.spend, 0);
          }
          const nano = (dollars) => Math.round(dollars * 1e9);
          const total = rows.reduce((sum, row) => sum + nano(row.spend), 0);
          assert.equal(nano((await second.keyInfo(key)).spend), total);
          const served = (await fake.account()).calls;
          assert.ok(successes.length <= served, `${successes.length} successes, ${served} served`);
          // Nothing is left held: what remains of the budget can be spent.
          await second.call('POST', '/key/update', { body: { key, max_budget: total / 1e9 + 0.001 } });
          assert.equal((await second.chat({ model: 'gpt', max_tokens: 8 }, { key })).status, 200);
          await second.stop();
          assert.match(await verify(second), /The ledger agrees with itself/);
        },
      );
      fs.rmSync(directory, { recursive: true });
    });
  }
});

test('a sync that fails is written again; one that keeps failing stops new calls and is seen', { skip: noFaults }, async () => {
  for (const [count, lasting] of [['3', false], ['3+', true]]) {
    await scene(
      async (own) => {
        const fake = own(await FakeProvider.start());
        const config = { model_list: [deployment('gpt', fake.base())], turnpike: { ledger_durability: 'disk' } };
        return own(await Gateway.start({ config, program: faulty, env: { TURNPIKE_FAULT: `journal.eio_sync:${count}` } }));
      },
      async (gateway) => {
        const key = await gateway.newKey();
        const status = async () => (await gateway.chat({ model: 'gpt' }, { key, signal: AbortSignal.timeout(2000) })).status;
        if (!lasting) {
          for (let i = 0; i < 10; i += 1) assert.equal(await status(), 200);
          assert.match(gateway.stderr, /fdatasync of .* failed.*written again/);
          await gateway.rows('', 10);
          assert.match(await verify(gateway), /The ledger agrees with itself/);
          return;
        }
        // The answer waits for a sync that never comes; the next call is refused.
        await assert.rejects(async () => {
          for (let i = 0; i < 10; i += 1) await status();
        }, /aborted|timeout/i);
        const refused = await gateway.chat({ model: 'gpt' }, { key });
        assert.equal(refused.status, 503, refused.text);
        assert.equal(refused.json.error.code, 'journal_full');
        assert.equal(refused.headers.get('retry-after'), '5');
        assert.equal((await gateway.call('GET', '/health/readiness')).status, 503);
        await gateway.kill();
      },
    );
  }
});

test('a full disk refuses new calls with a clear error, ends open ones, and comes back', async (t) => {
  const directory = temporary();
  const journal = path.join(directory, 'small');
  fs.mkdirSync(journal);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', journal], { stdio: 'ignore' });
  } catch {
    fs.rmSync(directory, { recursive: true });
    t.skip('no mount here: ledger_test has the same by a fault point');
    return;
  }
  try {
    await scene(
      async (own) => {
        const fake = own(await FakeProvider.start());
        const config = {
          model_list: [deployment('gpt', fake.base()), deployment('slow', fake.base('tokens=40,token_ms=50'))],
          turnpike: { journal_dir: journal, journal_segment_bytes: 1 << 20, journal_keep: '1h' },
        };
        return own(await Gateway.start({ config, directory }));
      },
      async (gateway) => {
        const key = await gateway.newKey({ max_budget: 100 });
        const open = gateway.stream({ model: 'slow' }, { key }).catch((error) => ({ error, events: [gateway.ended, gateway.stderr.slice(-3000)] }));
        // The last byte of the little disk is taken by somebody else, and the database is kept from shipping.
        const database = new DatabaseSync(path.join(directory, 'data/turnpike.db'));
        database.exec('BEGIN IMMEDIATE');
        try {
          fs.writeFileSync(path.join(journal, 'filler'), Buffer.alloc(4 << 20));
        } catch (error) {
          assert.equal(error.code, 'ENOSPC');
        }
        // Refused first while many are open, at last even alone: what open calls need to end is never given away.
        const ready = async () => (await gateway.call('GET', '/health/readiness')).status;
        for (let i = 0; i < 4000 && (await ready()) === 200; i += 1) {
          await Promise.all(Array.from({ length: 16 }, () => gateway.chat({ model: 'gpt', user: 'u'.repeat(1000) }, { key })));
        }
        let refused;
        // The end of the open call gives room back, which the next one may have.
        await until(async () => (refused = await gateway.chat({ model: 'gpt', user: 'u'.repeat(1000) }, { key })).status === 503 && (await ready()) === 503, 'a call to be refused');
        assert.equal(refused.json.error.code, 'journal_full');
        assert.equal(refused.headers.get('retry-after'), '5');
        assert.match(refused.json.error.message, /journal/);
        const ended = await open;
        assert.equal(ended.events.at(-1), '[DONE]', 'the open call ends normally');
        assert.ok(!gateway.ended);
        database.exec('ROLLBACK');
        database.close();
        fs.rmSync(path.join(journal, 'filler'));
        await until(async () => (await gateway.call('GET', '/health/readiness')).status === 200, 'room again');
        assert.equal((await gateway.chat({ model: 'gpt' }, { key })).status, 200);
        await until(async () => /^turnpike_ledger_unshipped_entries 0$/m.test(await gateway.metrics()), 'everything shipped', 20_000);
        const ended2 = await runBinary(['ledger', 'verify', '--data_dir', path.join(directory, 'data')]);
        assert.equal(ended2.code, 0, ended2.stdout);
        await gateway.stop();
      },
    );
  } finally {
    execFileSync('umount', [journal]);
    fs.rmSync(directory, { recursive: true });
  }
});

test('a directory that cannot hold the journal, or that another process holds, is refused with the remedy', async () => {
  await scene(
    async (own) => ({ own, fake: own(await FakeProvider.start()) }),
    async ({ own, fake }) => {
      const config = { model_list: [deployment('gpt', fake.base())] };
      const first = own(await Gateway.start({ config }));
      const second = own(await Gateway.start({ config, directory: first.directory, ready: false }));
      const ended = await second.wait();
      assert.notEqual(ended.code, 0);
      assert.match(second.stderr, new RegExp(`in use by another turnpike \\(pid ${first.pid}\\)`));
      // A file where the directory should be.
      const directory = temporary();
      fs.writeFileSync(path.join(directory, 'file'), '');
      const nowhere = own(
        await Gateway.start({ config: { ...config, turnpike: { journal_dir: path.join(directory, 'file/journal') } }, directory, ready: false }),
      );
      assert.notEqual((await nowhere.wait()).code, 0);
      assert.match(nowhere.stderr, /journal.*--no-journal/);
      const without = own(
        await Gateway.start({ config: { ...config, turnpike: { journal_dir: path.join(directory, 'file/journal') } }, directory, flags: ['--no-journal'] }),
      );
      const key = await without.newKey();
      assert.equal((await without.chat({ model: 'gpt' }, { key })).status, 200);
      await without.rows('', 1);
      assert.match(await without.metrics(), /^turnpike_journal_unsafe 1$/m);
      await without.stop();
      fs.rmSync(directory, { recursive: true });
    },
  );
});

test('a locked database costs no answer: entries wait in the journal and are shipped once', async () => {
  await scene(
    async (own) => {
      const fake = own(await FakeProvider.start());
      return own(await Gateway.start({ config: { model_list: [deployment('gpt', fake.base())] } }));
    },
    async (gateway) => {
      const key = await gateway.newKey({ max_budget: 1 });
      assert.equal((await gateway.chat({ model: 'gpt' }, { key })).status, 200);
      await gateway.rows('', 1);
      const other = new DatabaseSync(path.join(gateway.directory, 'data/turnpike.db'));
      other.exec('BEGIN IMMEDIATE');
      for (let i = 0; i < 50; i += 1) assert.equal((await gateway.chat({ model: 'gpt' }, { key })).status, 200);
      await until(async () => !/^turnpike_ship_retries_total\{sqlstate="unavailable"\} 0$/m.test(await gateway.metrics()), 'a failed try');
      assert.match(await gateway.metrics(), /^turnpike_ledger_unshipped_entries 50$/m);
      assert.match(await gateway.metrics(), /^turnpike_ledger_oldest_unshipped_seconds [1-9]/m);
      other.exec('ROLLBACK');
      other.close();
      await gateway.rows('', 51);
      assert.match(await verify(gateway), /The ledger agrees with itself/);
    },
  );
});

test('`ledger verify` names what was touched behind the gateway', async () => {
  await scene(
    async (own) => {
      const fake = own(await FakeProvider.start());
      return own(await Gateway.start({ config: { model_list: [deployment('gpt', fake.base())] } }));
    },
    async (gateway) => {
      const key = await gateway.newKey({ user_id: 'ann' });
      for (let i = 0; i < 5; i += 1) assert.equal((await gateway.chat({ model: 'gpt', metadata: { tags: ['t'] } }, { key })).status, 200);
      await gateway.rows('', 5);
      const database = new DatabaseSync(path.join(gateway.directory, 'data/turnpike.db'));
      const failing = (text) => [...new Set([...text.matchAll(/^FAIL (V\d+)/gm)].map((match) => match[1]))].join(' ');
      const damage = async (sql, mend, expected) => {
        database.exec(sql);
        assert.equal(failing(await verify(gateway, 1)), expected, sql);
        database.exec(mend);
        await verify(gateway);
      };
      await verify(gateway);
      await damage('UPDATE replica SET shipped_no = 6 WHERE replica_no = 1', 'UPDATE replica SET shipped_no = 5 WHERE replica_no = 1', 'V1');
      await damage("UPDATE entry SET model = 'x' || model WHERE entry_no = 2", 'UPDATE entry SET model = substr(model, 2) WHERE entry_no = 2', 'V5 V2');
      await damage('UPDATE account_window SET spent_nano = spent_nano - 1', 'UPDATE account_window SET spent_nano = spent_nano + 1', 'V4');
      await damage("UPDATE daily SET calls = calls + 1 WHERE entity = 't'", "UPDATE daily SET calls = calls - 1 WHERE entity = 't'", 'V5');
      await damage('UPDATE replica_day SET cost_nano = cost_nano + 1', 'UPDATE replica_day SET cost_nano = cost_nano - 1', 'V6');
      await damage('UPDATE entry SET cost_nano = -cost_nano WHERE entry_no = 2', 'UPDATE entry SET cost_nano = -cost_nano WHERE entry_no = 2', 'V4 V5 V6 V8 V2');
      database.close();
    },
  );
});

test('an idle gateway ships nothing and costs next to nothing', async () => {
  await scene(
    async (own) => {
      const fake = own(await FakeProvider.start());
      return own(await Gateway.start({ config: { model_list: [deployment('gpt', fake.base())] } }));
    },
    async (gateway) => {
      assert.equal((await gateway.chat({ model: 'gpt' }, { key: await gateway.newKey() })).status, 200);
      await gateway.rows('', 1);
      const ticks = () => {
        const fields = fs.readFileSync(`/proc/${gateway.pid}/stat`, 'utf8').split(') ')[1].split(' ');
        return Number(fields[11]) + Number(fields[12]);
      };
      const batches = async () => /turnpike_ship_batches_total\{result="stored"\} (\d+)/.exec(await gateway.metrics())[1];
      const before = [await batches(), ticks()];
      await sleep(3000);
      const used = ticks() - before[1];
      assert.equal(await batches(), before[0]);
      assert.ok(used <= 9, `${used} hundredths of a second in three seconds`); // Three per cent of a core.
    },
  );
});
