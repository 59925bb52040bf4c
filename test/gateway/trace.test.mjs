// 2,000 calls of a real conversation service, arrivals twenty times as fast, half of them streamed, on 20 virtual keys:
// every call is answered, and whoever is asked afterwards what it cost says the same, to the last nanodollar.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { describe, test } from 'node:test';
import { FakeProvider, Gateway, runBinary, scene, temporaryDirectory, until } from '../harness/turnpike.mjs';
import { Replay, allRows, bill, keySpends, metric, nano, readLedgerFile, readTrace, spendOfMetrics, sum, sumBy, toldUsage, traceConfig } from '../harness/replay.mjs';

const keyCount = 20;
/** Outlives the gateways of the scene, for what is read after their end. */
function ownDirectory(own) {
  const directory = temporaryDirectory();
  own({ ended: true, clean: () => fs.rmSync(directory, { recursive: true, force: true }) });
  return directory;
}
const hashOf = (key) => createHash('sha256').update(key).digest('hex');

describe('a day of conversations', { concurrency: 2 }, () => {
  test('the conversation trace: rows, keys, metrics, SQLite and the provider agree to the last nanodollar', async (t) => {
    await scene(
      async (own) => {
        const fake = own(await FakeProvider.start());
        const directory = ownDirectory(own);
        const gateway = own(await Gateway.start({ directory, config: traceConfig(fake.base()) }));
        return { fake, gateway, directory };
      },
      async ({ fake, gateway, directory }) => {
        const keys = [];
        for (let i = 0; i < keyCount; ++i) keys.push(await gateway.newKey({ key_alias: `trace-${i}`, max_budget: 50 }));
        const trace = readTrace();
        assert.equal(trace.length, 2000);
        const replay = new Replay({ url: gateway.url, keys, rows: trace });
        const took = await replay.run();
        t.diagnostic(`replayed in ${(took / 1000).toFixed(1)} s`);

        // Every call was answered, at the first try, with what the provider had made for it.
        assert.equal(replay.attempts.length, trace.length, JSON.stringify([...sumBy(replay.attempts, (call) => call.end, () => 1n)].map(String)));
        for (const call of replay.attempts) {
          assert.equal(call.end, 'whole', `${call.id}: ${call.tail}`);
          assert.equal(call.echoed, call.id);
          const usage = toldUsage(call);
          if (call.row.stream && !call.row.wantsUsage) {
            assert.equal(usage, undefined, call.id);
            continue;
          }
          assert.equal(usage.prompt_tokens, call.row.prompt, call.id);
          assert.equal(usage.completion_tokens, call.row.completion, call.id);
        }

        // The provider's own account, billed here and not by the gateway.
        const account = await fake.account();
        assert.deepEqual([account.calls, account.whole, account.open], [2000, 2000, 0]);
        assert.equal(account.answers.length, 2000);
        const answers = new Map(account.answers.map((answer) => [answer.id, answer]));
        assert.equal(answers.size, 2000);
        const served = sum(account.answers.map((answer) => bill(answer.model, answer)));
        assert.ok(served > 0n);

        // The rows: one for each call, each with the answer it stands for.
        const rows = await allRows(gateway);
        assert.equal(rows.length, 2000);
        const byCall = new Map(rows.map((row) => [row.turnpike.call_id, row]));
        assert.equal(byCall.size, 2000);
        for (const call of replay.attempts) {
          const row = byCall.get(call.id);
          assert.ok(row, `no row of ${call.id}`);
          assert.equal(row.status, 'success', call.id);
          assert.equal(row.api_key, hashOf(call.key), call.id);
          assert.equal(row.prompt_tokens, call.row.prompt, call.id);
          assert.equal(row.completion_tokens, call.row.completion, call.id);
          assert.equal(row.turnpike.cached_prompt_tokens, call.row.cached, call.id);
          const answer = answers.get(row.turnpike.provider_request_id);
          assert.ok(answer, `${call.id} has no answer at the provider`);
          assert.ok(answers.delete(answer.id), 'an answer is booked once');
          assert.equal(row.nano, bill(answer.model, answer), call.id);
          if (!call.row.stream) assert.equal(nano(call.cost), row.nano, call.id);
        }
        assert.equal(sum(rows.map((row) => row.nano)), served);

        // The keys, one by one.
        const byKey = sumBy(rows, (row) => row.api_key, (row) => row.nano);
        assert.deepEqual(await keySpends(gateway, keys), keys.map((key) => byKey.get(hashOf(key))));

        // The metrics; nothing went wrong unseen.
        const page = await gateway.metrics();
        assert.equal(spendOfMetrics(page), served);
        for (const name of ['turnpike_hold_dropped_total', 'turnpike_cost_unknown_total', 'turnpike_entries_estimated_total', 'litellm_in_flight_requests']) {
          assert.equal(metric(page, name), 0, name);
        }

        // What stands on the disk after a clean end.
        await gateway.stop();
        assert.equal(gateway.accessLog().filter((line) => JSON.stringify(line).includes('"trace-')).length, 2000);
        const file = readLedgerFile(directory);
        assert.equal(file.entries.length, 2000);
        assert.ok(file.entries.every((entry) => byCall.get(entry.call_id).nano === entry.cost_nano));
        assert.equal(sum(file.entries.map((entry) => entry.cost_nano)), served);
        for (const part of [file.keys.map((key) => [key.hash, key.spent_nano]), file.daily.map((key) => [key.key_hash, key.cost_nano])]) {
          assert.deepEqual(new Map(part.sort()), new Map([...byKey].sort()));
        }
        assert.ok(file.keys.every((key) => key.calls === 100n) && file.daily.every((key) => key.calls === 100n));
        const verified = await runBinary(['ledger', 'verify', '--data_dir', `${directory}/data`], { ms: 60_000 });
        assert.equal(verified.code, 0, verified.stdout + verified.stderr);
        await fake.stop();
      },
    );
  });

  test('the same trace with two SIGKILLs: what a caller has seen whole is booked once, and the books agree', async (t) => {
    await scene(
      async (own) => {
        const fake = own(await FakeProvider.start());
        const directory = ownDirectory(own);
        return { own, fake, directory, config: traceConfig(fake.base()) };
      },
      async ({ own, fake, directory, config }) => {
        let gateway = own(await Gateway.start({ directory, config }));
        const { port } = gateway;
        const keys = [];
        for (let i = 0; i < keyCount; ++i) keys.push(await gateway.newKey({ key_alias: `trace-${i}`, max_budget: 50 }));
        const trace = readTrace();
        const replay = new Replay({ url: gateway.url, keys, rows: trace });
        const done = replay.run();
        let failed;
        done.catch((error) => (failed = error));

        let lastStart = 0;
        const cuts = [];
        for (const share of [0.35, 0.7]) {
          // In the middle of things: several calls under way, streams among them that have begun to arrive.
          await until(() => failed || (replay.answered >= trace.length * share && replay.open.size >= 8 && [...replay.open].filter((call) => call.row.stream && call.bytes > 0).length >= 3), 'calls under way', 60_000);
          if (failed) throw failed;
          const up = replay.down();
          gateway.signal('SIGKILL');
          const cut = [...replay.open].length;
          assert.deepEqual(await gateway.exit, { code: null, signal: 'SIGKILL' });
          lastStart = Date.now();
          gateway = own(await Gateway.start({ directory, config, port }));
          up();
          cuts.push(cut);
          t.diagnostic(`killed with ${cut} calls under way; ready again after ${Date.now() - lastStart} ms`);
        }
        t.diagnostic(`replayed in ${((await done) / 1000).toFixed(1)} s with ${replay.attempts.length} calls`);
        assert.equal(replay.answered, trace.length);
        const ends = sumBy(replay.attempts, (call) => call.end, () => 1n);
        assert.deepEqual([...ends.keys()].filter((end) => !['whole', 'cut', 'refused'].includes(end)), []);
        assert.ok(ends.get('cut') >= 10n, `calls were cut: ${ends.get('cut')}`);

        const rows = await allRows(gateway);
        const byCall = Map.groupBy(rows, (row) => row.turnpike.call_id);
        const account = await fake.account();
        const answers = new Map(account.answers.map((answer) => [answer.id, answer]));
        assert.equal(answers.size, account.whole);

        const counted = { whole: 0, crashed: 0, unseen: 0, unknown: 0 };
        for (const call of replay.attempts) {
          const own = byCall.get(call.id) ?? [];
          byCall.delete(call.id);
          assert.ok(own.length <= 1, `${call.id} has ${own.length} rows`);
          const row = own[0];
          if (call.end === 'refused') assert.equal(row, undefined, `${call.id} was never sent`);
          if (call.end === 'whole') {
            assert.equal(row?.status, 'success', `${call.id} reached its caller whole`);
            ++counted.whole;
          } else if (row === undefined) {
            ++counted.unknown;
          } else if (row.status === 'success') {
            ++counted.unseen;  // Booked, and cut on its last steps to the caller: the provider did serve it.
          } else {
            assert.equal(row.turnpike.end_reason, 'gateway_crash', `${call.id}: ${row.turnpike.status} ${row.turnpike.end_reason} ${row.metadata.error_information?.error_message}`);
            assert.equal(row.turnpike.status, 'interrupted');
            // Of a stream that had begun, what the journal knew is booked, and said to be an estimate.
            if (call.row.stream && call.bytes > 0) assert.ok(row.nano > 0n, `${call.id} had begun`);
            if (row.nano > 0n) assert.match(row.turnpike.marks, /estimated/, call.id);
            ++counted.crashed;
          }
          if (row?.status !== 'success') continue;
          assert.equal(row.api_key, hashOf(call.key), call.id);
          const answer = answers.get(row.turnpike.provider_request_id);
          assert.ok(answer, `${call.id} is booked without an answer at the provider`);
          answers.delete(answer.id);
          assert.deepEqual([answer.prompt_tokens, answer.completion_tokens], [call.row.prompt, call.row.completion], call.id);
          assert.equal(row.nano, bill(answer.model, answer), call.id);
        }
        assert.deepEqual([...byCall.keys()], [], 'rows of calls nobody made');
        t.diagnostic(JSON.stringify(counted));
        assert.ok(counted.crashed > 0, 'some calls were open when the gateway was killed');
        // What the provider served and nobody booked as a success was on its way when the gateway died.
        assert.ok(answers.size <= counted.crashed + counted.unknown, `${answers.size} answers are not booked`);

        const byKey = sumBy(rows, (row) => row.api_key, (row) => row.nano);
        assert.deepEqual(await keySpends(gateway, keys), keys.map((key) => byKey.get(hashOf(key))));
        // Calls that began before the last start were closed by it, not by the process that is counting.
        const sinceStart = sum(rows.filter((row) => Date.parse(row.startTime) >= lastStart).map((row) => row.nano));
        assert.ok(sinceStart > 0n);
        const page = await until(async () => {
          const text = await gateway.metrics();
          return metric(text, 'litellm_in_flight_requests') === 0 && text;
        }, 'no call in flight');
        assert.equal(spendOfMetrics(page), sinceStart);
        assert.equal(metric(page, 'turnpike_hold_dropped_total'), 0);

        await gateway.stop();
        const file = readLedgerFile(directory);
        assert.equal(file.entries.length, rows.length);
        assert.equal(sum(file.entries.map((entry) => entry.cost_nano)), sum(rows.map((row) => row.nano)));
        for (const part of [file.keys.map((key) => [key.hash, key.spent_nano]), file.daily.map((key) => [key.key_hash, key.cost_nano])]) {
          assert.deepEqual(new Map(part.sort()), new Map([...byKey].sort()));
        }
        const verified = await runBinary(['ledger', 'verify', '--data_dir', `${directory}/data`], { ms: 60_000 });
        assert.equal(verified.code, 0, verified.stdout + verified.stderr);
        assert.match(verified.stdout, /\(0 open\)/);
        await fake.stop();
      },
    );
  });
});
