// The end of a process: SIGTERM lets calls finish and says so outside, a second one or the end of patience ends them in
// good form; either way each call has its row and the exit code is 0 (AC-STOP-1).
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { rowsOnDisk } from '../harness/books.mjs';
import { asksStream, bytesOf, dialects } from '../harness/raw_dialects.mjs';
import { RawProvider } from '../harness/raw_provider.mjs';
import { FakeProvider, Gateway, deployment, runBinary, scene, sleep, temporaryDirectory, until } from '../harness/turnpike.mjs';

let fake;
before(async () => {
  fake = await FakeProvider.start();
});
after(async () => {
  await fake?.stop();
});

/** A gateway whose directory outlives it, and a key. */
async function start(own, more = {}) {
  const directory = temporaryDirectory();
  own({ ended: true, clean: () => fs.rmSync(directory, { recursive: true, force: true }) });
  const gateway = own(await Gateway.start({ directory, config: { model_list: [deployment('gpt', fake.base())], ...more } }));
  return { gateway, directory, key: await gateway.newKey({ max_budget: 10 }) };
}

/** A call that is under way; `answer` is all of it, `begun` resolves with its first bytes. */
function begin(gateway, key, body) {
  const payload = JSON.stringify({ model: 'gpt', messages: [{ role: 'user', content: 'hi' }], ...body });
  const call = {};
  call.begun = new Promise((begun) => {
    call.answer = new Promise((resolve, reject) => {
      const request = http.request(`${gateway.url}/v1/chat/completions`, { method: 'POST', agent: new http.Agent({ keepAlive: true }), headers: { authorization: `Bearer ${key}`, 'content-length': Buffer.byteLength(payload) } });
      request.on('error', reject);
      request.on('response', (reply) => {
        let text = '';
        reply.setEncoding('utf8');
        reply.on('data', (piece) => {
          text += piece;
          begun();
        });
        reply.on('error', () => {});
        reply.on('close', () => resolve({ status: reply.statusCode, headers: reply.headers, text, complete: reply.complete, at: performance.now() }));
      });
      request.end(payload);
    });
  });
  call.answer.catch(() => {});
  return call;
}

const underWay = async (count) => until(async () => (await fake.account()).open === count, `${count} calls at the provider`);

async function readiness(gateway) {
  const reply = await gateway.call('GET', '/health/readiness', { key: null });
  return reply.status;
}

/** Whether the port still takes connections. */
function connects(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.on('connect', () => resolve(true));
    socket.on('error', () => resolve(false));
    socket.on('close', () => socket.destroy());
    socket.setTimeout(1000, () => socket.destroy());
  });
}

async function verifies(directory) {
  const verified = await runBinary(['ledger', 'verify', '--data_dir', `${directory}/data`]);
  assert.equal(verified.code, 0, verified.stdout + verified.stderr);
  assert.match(verified.stdout, /\(0 open\)/);
}

const success = 0;
const failure = 1;
const shutdownMark = 1 << 11;
const shapes = ['openai', 'anthropic', 'gemini', 'bedrock'];

test('AC-STOP-1: SIGTERM: readiness falls at once, the port closes after the grace, what runs finishes, exit 0', async () => {
  await scene(
    (own) => start(own),
    async ({ gateway, directory, key }) => {
      const streams = [1, 2, 3].map(() => begin(gateway, key, { stream: true, fake: { tokens: 80, token_ms: 50 } }));
      const plain = begin(gateway, key, { fake: { latency_ms: 3500, tokens: 5 } });
      await Promise.all(streams.map((call) => call.begun));
      await underWay(4);

      const sent = performance.now();
      gateway.signal('SIGTERM');
      await until(async () => (await readiness(gateway)) === 503, 'readiness to fall', 1000);
      const fell = performance.now() - sent;
      assert.ok(fell < 300, `readiness fell after ${fell} ms`);
      // A balancer that has not looked yet is still served.
      const late = await gateway.chat({ model: 'gpt', fake: { tokens: 2 } }, { key });
      assert.equal(late.status, 200, late.text);
      assert.ok(performance.now() - sent < 1900, 'the grace is not over');

      await until(async () => !(await connects(gateway.port)), 'the port to close', 5000);
      const closed = performance.now() - sent;
      assert.ok(closed > 1900 && closed < 2600, `the port closed after ${closed} ms`);
      assert.equal(gateway.ended, undefined, 'calls are still running');

      const answers = await Promise.all([...streams, plain].map((call) => call.answer));
      for (const answer of answers.slice(0, 3)) {
        assert.ok(answer.complete && answer.text.endsWith('data: [DONE]\n\n'), answer.text.slice(-300));
        assert.ok(!answer.text.includes('"error"'));
        assert.ok(answer.at - sent > 2000, 'the stream outlived the port');
      }
      assert.equal(answers[3].status, 200, answers[3].text);
      assert.equal(answers[3].headers.connection, 'close');
      const ended = await gateway.wait();
      assert.deepEqual(ended, { code: 0, signal: null }, gateway.stderr);

      const rows = rowsOnDisk(directory);
      assert.equal(rows.length, 5);
      assert.deepEqual(rows.map((row) => [row.status, row.http_status]), Array(5).fill([success, 200]));
      assert.deepEqual(rows.map((row) => row.completion_tokens).sort((a, b) => a - b), [2, 5, 80, 80, 80]);
      await verifies(directory);
    },
  );
});

test('AC-STOP-1: what is still answered is answered as ever: tried again, and by a fallback', async () => {
  const failing = fake.base('status=500');
  const model_list = [
    deployment('gpt', fake.base()),
    deployment('weak', failing, { params: { order: 1 } }),
    deployment('weak', fake.base(), { params: { order: 2 } }),
    deployment('lost', failing),
  ];
  await scene(
    (own) => start(own, { model_list, router_settings: { num_retries: 1, fallbacks: [{ lost: ['gpt'] }], disable_cooldowns: true } }),
    async ({ gateway, key }) => {
      const slow = begin(gateway, key, { model: 'weak', fake: { latency_ms: 700, tokens: 3 } });
      await underWay(1);
      gateway.signal('SIGTERM');
      await until(async () => (await readiness(gateway)) === 503, 'readiness to fall', 1000);
      for (const [model, header] of [['weak', 'x-litellm-attempted-retries'], ['lost', 'x-litellm-attempted-fallbacks']]) {
        for (const stream of [false, true]) {
          const reply = await gateway.chat({ model, stream, fake: { tokens: 2 } }, { key });
          assert.equal(reply.status, 200, reply.text);
          assert.equal(reply.headers.get(header), '1');
        }
      }
      assert.equal((await slow.answer).status, 200, 'under way when the signal came');
      assert.deepEqual(await gateway.wait(), { code: 0, signal: null }, gateway.stderr);
    },
  );
});

/** What callers and the books see of calls that the process itself has ended; nothing had come for `unbegun`. */
async function endedByUs({ gateway, directory, streams, unbegun }) {
  assert.deepEqual(await gateway.wait(), { code: 0, signal: null }, gateway.stderr);
  for (const call of streams) {
    const answer = await call.answer;
    assert.equal(answer.status, 200);
    assert.ok(answer.complete, 'the chunked body ends in good form');
    const events = answer.text.trimEnd().split('\n\n');
    assert.equal(events.at(-1), 'data: [DONE]', answer.text.slice(-300));
    const { error } = JSON.parse(events.at(-2).slice('data: '.length));
    assert.match(error.message, /shutting down/);
    assert.ok(!answer.text.includes('"finish_reason":"stop"'), 'no made-up end');
  }
  for (const call of unbegun) {
    const answer = await call.answer;
    assert.equal(answer.status, 503, answer.text);
    assert.match(JSON.parse(answer.text).error.message, /shutting down/);
    assert.ok(Number(answer.headers['retry-after']) >= 1);
  }
  const rows = rowsOnDisk(directory);
  assert.equal(rows.length, streams.length + unbegun.length);
  for (const row of rows) {
    assert.equal(row.status, failure, JSON.stringify(row));
    assert.ok(row.marks & shutdownMark, JSON.stringify(row));
    // What had come is paid for; what had not even begun is not (rules a to c of the money page).
    if (row.http_status === 200) assert.ok(row.cost_nano > 0 && row.completion_tokens > 0 && row.completion_tokens < 2000, JSON.stringify(row));
    else assert.deepEqual([row.cost_nano, row.http_status], [0, 503], JSON.stringify(row));
  }
  assert.equal(rows.filter((row) => row.http_status === 200).length, streams.length);
  await verifies(directory);
}

async function longCalls(gateway, key) {
  const streams = [1, 2, 3].map(() => begin(gateway, key, { stream: true, fake: { tokens: 2000, token_ms: 20 } }));
  const plain = begin(gateway, key, { fake: { latency_ms: 60_000 } });
  const silent = begin(gateway, key, { stream: true, fake: { silent: true } });
  await Promise.all(streams.map((call) => call.begun));
  await underWay(5);
  await sleep(100);  // A few tokens more, so that there is something to pay for.
  return { streams, unbegun: [plain, silent] };
}

test('AC-STOP-1: a second SIGTERM: streams end with an error frame, rows are written, exit 0', async () => {
  await scene(
    (own) => start(own),
    async ({ gateway, directory, key }) => {
      const calls = await longCalls(gateway, key);
      gateway.signal('SIGTERM');
      await until(async () => (await readiness(gateway)) === 503, 'readiness to fall', 1000);
      const sent = performance.now();
      gateway.signal('SIGTERM');
      await endedByUs({ gateway, directory, ...calls });
      assert.ok(performance.now() - sent < 4000, 'nothing is waited for');
    },
  );
});

test('AC-STOP-1: the end of patience: as a second SIGTERM, by termination_grace', async () => {
  await scene(
    (own) => start(own, { turnpike: { shutdown_grace: 0.2, termination_grace: 0.5 } }),
    async ({ gateway, directory, key }) => {
      const calls = await longCalls(gateway, key);
      const sent = performance.now();
      gateway.signal('SIGTERM');
      await endedByUs({ gateway, directory, ...calls });
      const took = performance.now() - sent;
      assert.ok(took > 600 && took < 5000, `ended after ${took} ms`);
    },
  );
});

/** A provider of every shape: streams of a word each 50 ms and answers that take as long, for `seconds`. */
async function startShapes(own, seconds, turnpike = {}) {
  const provider = await RawProvider.start();
  own({ ended: true, clean: () => provider.stop() });
  const words = Math.round(seconds * 20);
  const model_list = shapes.map((shape) => {
    const dialect = dialects[shape];
    provider.on(shape, async (turn) => {
      if (!asksStream(turn.request)) {
        for (let i = 0; i < words && turn.open; ++i) await sleep(50);
        await turn.json(200, dialect.whole);
        return;
      }
      await turn.sseHead({ 'content-type': dialect.head });
      if (dialect.begin.length > 0) await turn.chunk(bytesOf(dialect.begin));
      for (let i = 0; i < words && turn.open; ++i) {
        await turn.chunk(dialect.word('word '));
        await sleep(50);
      }
      await turn.chunk(bytesOf(dialect.end));
      await turn.last();
    });
    return deployment(shape, undefined, { params: dialect.params(`http://127.0.0.1:${provider.port}/${shape}`) });
  });
  const scenery = await start(own, { model_list, turnpike });
  const streams = shapes.map((model) => begin(scenery.gateway, scenery.key, { model, stream: true }));
  const plain = shapes.map((model) => begin(scenery.gateway, scenery.key, { model }));
  await Promise.all(streams.map((call) => call.begun));
  await until(() => provider.all.length === 2 * shapes.length, 'the calls at the providers');
  await sleep(200); // A few words more, so that there is something to pay for.
  return { ...scenery, provider, streams, plain };
}

test(`AC-STOP-1: ${shapes.join(', ')}: calls under way finish, streamed and not`, async () => {
  await scene(
    (own) => startShapes(own, 3),
    async ({ gateway, directory, streams, plain }) => {
      const sent = performance.now();
      gateway.signal('SIGTERM');
      await until(async () => (await readiness(gateway)) === 503, 'readiness to fall', 1000);
      for (const [i, call] of streams.entries()) {
        const answer = await call.answer;
        assert.ok(answer.complete && answer.text.endsWith('data: [DONE]\n\n') && !answer.text.includes('"error"'), `${shapes[i]}: ${answer.text.slice(-300)}`);
        assert.equal(answer.text.match(/word /g).length, 60, shapes[i]);
      }
      for (const [i, call] of plain.entries()) {
        const answer = await call.answer;
        assert.deepEqual([answer.status, JSON.parse(answer.text).choices[0].message.content], [200, 'one two'], shapes[i]);
      }
      assert.ok(performance.now() - sent > 2000, 'they outlived the port');
      assert.deepEqual(await gateway.wait(), { code: 0, signal: null }, gateway.stderr);
      const rows = rowsOnDisk(directory);
      assert.deepEqual(rows.map((row) => [row.status, row.http_status, row.prompt_tokens, row.completion_tokens]), Array(2 * shapes.length).fill([success, 200, 11, 7]));
      await verifies(directory);
    },
  );
});

for (const how of ['a second SIGTERM', 'the end of patience']) {
  test(`AC-STOP-1: ${shapes.join(', ')}: ${how} ends streams with an error frame and other calls with a 503, with rows`, async () => {
    await scene(
      (own) => startShapes(own, 60, how === 'the end of patience' ? { shutdown_grace: 0.2, termination_grace: 0.3 } : {}),
      async ({ gateway, directory, provider, streams, plain }) => {
        gateway.signal('SIGTERM');
        if (how === 'a second SIGTERM') {
          await until(async () => (await readiness(gateway)) === 503, 'readiness to fall', 1000);
          gateway.signal('SIGTERM');
        }
        await endedByUs({ gateway, directory, streams, unbegun: plain });
        await until(() => provider.all.every((call) => call.goneAt), 'the providers to be let go', 2000);
      },
    );
  });
}
