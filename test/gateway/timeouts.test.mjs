// The four limits of time and who sets them (AC-TIME-1, -2): each fires at its value, says its name, and is a 408.
import assert from 'node:assert/strict';
import net from 'node:net';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { after, before, describe, test } from 'node:test';
import { Books, nano } from '../harness/books.mjs';
import { asksStream, bytesOf, dialects, honest } from '../harness/raw_dialects.mjs';
import { RawProvider, events, goodReply, goodStream, role, stop, usageChunk, word } from '../harness/raw_provider.mjs';
import { Gateway, deployment, sleep, until } from '../harness/turnpike.mjs';

let provider;
let gateway;
let deaf; // A listener that never accepts and whose queue is full: connecting to it never ends.
const wakeUp = new SharedArrayBuffer(4);
const fillers = [];
const shapes = ['openai', 'anthropic', 'gemini', 'bedrock'];

/** The slow ones of every shape: `script(turn, dialect)` after the head of a stream, or in place of a plain answer. */
const slowOnes = {
  silent: (turn) => turn.gone(),
  'head-only': async (turn, dialect) => (await turn.sseHead({ 'content-type': dialect.head }), turn.gone()),
  halting: async (turn, dialect) => (await turn.sseHead({ 'content-type': dialect.head }), await turn.chunk(bytesOf([...dialect.begin, dialect.word('one')])), turn.gone()),
  'half-answer': async (turn, dialect) => {
    const text = JSON.stringify(dialect.whole);
    await turn.head(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
    await turn.write(text.slice(0, text.length / 2));
    await turn.gone();
  },
  steady: async (turn, dialect) => {
    if (!asksStream(turn.request)) return void (await sleep(900), await turn.json(200, dialect.whole));
    await turn.sseHead({ 'content-type': dialect.head });
    for (const event of [...dialect.begin, ...Array.from({ length: 8 }, (_, i) => dialect.word(`${i} `)), ...honest(dialect).slice(dialect.begin.length)]) {
      await turn.chunk(event);
      await sleep(150);
    }
    await turn.last();
  },
};

before(async () => {
  provider = await RawProvider.start();
  const silent = provider.on('silent', (turn) => turn.gone());
  const headOnly = provider.on('head-only', async (turn) => (await turn.sseHead(), await turn.gone()));
  const halting = provider.on('halting', async (turn) => (await turn.sseHead(), await turn.chunk(events(role, word('one'))), await turn.gone()));
  const commenting = provider.on('commenting', async (turn) => {
    await turn.sseHead();
    while (turn.open) {
      await turn.chunk(': wait\n\n');
      await sleep(50);
    }
  });
  const steady = provider.on('steady', async (turn) => {
    await turn.sseHead();
    await turn.chunk(events(role));
    for (let i = 0; i < 12; ++i) {
      await turn.chunk(events(word(`${i} `)));
      await sleep(150);
    }
    await turn.chunk(events(stop, usageChunk, '[DONE]'));
    await turn.last();
  });
  const slow = provider.on('slow', async (turn) => {
    await sleep(700);
    if (JSON.parse(turn.request.body).stream) await turn.sse(goodStream);
    else await turn.json(200, goodReply);
  });
  const backup = provider.on('backup', async (turn) => (JSON.parse(turn.request.body).stream ? turn.sse(goodStream) : turn.json(200, goodReply)));
  const model_list = [
    deployment('silent', silent),
    deployment('head-only', headOnly),
    deployment('halting', halting),
    deployment('commenting', commenting),
    deployment('steady', steady),
    deployment('slow', slow),
    deployment('own', silent, { params: { timeout: 0.4 } }),
    deployment('own-patient', slow, { params: { timeout: 9 } }),
    deployment('own-stream', silent, { params: { stream_timeout: 0.3 } }),
    deployment('backup', backup),
    deployment('rescued', silent),
  ];
  deaf = new Worker(
    `const { workerData, parentPort } = require('node:worker_threads');
     const server = require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
       parentPort.postMessage(server.address().port);
       setImmediate(() => { Atomics.wait(new Int32Array(workerData), 0, 0); process.exit(); });
     });`,
    { eval: true, workerData: wakeUp },
  );
  const [port] = await once(deaf, 'message');
  // The queue takes a few; from then on nobody gets in.
  for (let i = 0; i < 4; ++i) fillers.push(net.connect(port, '127.0.0.1').on('error', () => {}));
  model_list.push(deployment('deaf', `http://127.0.0.1:${port}/v1`));
  for (const shape of shapes) {
    const dialect = dialects[shape];
    const serve = (what, url) => model_list.push(deployment(`${shape}-${what}`, undefined, { params: dialect.params(url) }));
    for (const [what, script] of Object.entries(slowOnes)) {
      provider.on(`${shape}-${what}`, (turn) => script(turn, dialect));
      serve(what, `http://127.0.0.1:${provider.port}/${shape}-${what}`);
    }
    serve('deaf', `http://127.0.0.1:${port}`);
  }
  gateway = await Gateway.start({
    config: {
      model_list,
      router_settings: { num_retries: 0, fallbacks: [{ rescued: ['backup'] }] },
      turnpike: { connect_timeout: 0.5, stream_idle_timeout: 0.6 },
    },
  });
});

after(async () => {
  for (const socket of fillers) socket.destroy();
  await gateway?.stop();
  await provider?.stop();
  Atomics.notify(new Int32Array(wakeUp), 0);
  await deaf?.terminate();
});

/** One row per fact: how the call is asked, which limit fires, when. */
const limits = [
  { name: 'total of a plain call, in the body', model: 'silent', body: { timeout: 0.4 }, limit: 'timeout', seconds: 0.4 },
  { name: 'total of a plain call, its other name', model: 'silent', body: { request_timeout: 0.4 }, limit: 'timeout', seconds: 0.4 },
  { name: 'total of a plain call, in a header', model: 'silent', headers: { 'x-litellm-timeout': '0.4' }, limit: 'timeout', seconds: 0.4 },
  { name: 'total of a stream', model: 'silent', body: { stream: true, timeout: 0.4 }, limit: 'timeout', seconds: 0.4 },
  { name: 'total though comments keep coming', model: 'commenting', body: { stream: true, timeout: 0.5 }, limit: 'timeout', seconds: 0.5, billed: true },
  { name: 'first byte, in the body', model: 'silent', body: { stream: true, stream_timeout: 0.3 }, limit: 'stream_timeout', seconds: 0.3 },
  { name: 'first byte, in a header', model: 'silent', body: { stream: true }, headers: { 'x-litellm-stream-timeout': '0.3' }, limit: 'stream_timeout', seconds: 0.3 },
  { name: 'first byte, of the deployment', model: 'own-stream', body: { stream: true }, limit: 'stream_timeout', seconds: 0.3 },
  { name: 'first byte, when only the head has come', model: 'head-only', body: { stream: true, stream_timeout: 0.3 }, limit: 'stream_timeout', seconds: 0.3 },
  { name: 'total of the deployment', model: 'own', limit: 'timeout', seconds: 0.4 },
  { name: 'the request comes before the deployment', model: 'own', body: { timeout: 0.8 }, limit: 'timeout', seconds: 0.8 },
  { name: 'text completions', model: 'silent', path: '/v1/completions', body: { prompt: 'x', timeout: 0.4 }, limit: 'timeout', seconds: 0.4 },
  { name: 'embeddings', model: 'silent', path: '/v1/embeddings', body: { input: 'x', timeout: 0.4 }, limit: 'timeout', seconds: 0.4 },
  { name: 'connecting', model: 'deaf', limit: 'connect_timeout', seconds: 0.5 },
];

/** The same limits on every shape; `begun`: content has left before it fires. */
const shapeLimits = [
  { what: 'deaf', limit: 'connect_timeout', seconds: 0.5 },
  { what: 'deaf', stream: true, limit: 'connect_timeout', seconds: 0.5 },
  { what: 'silent', limit: 'timeout', seconds: 0.4, body: { timeout: 0.4 } },
  { what: 'half-answer', limit: 'timeout', seconds: 0.4, body: { timeout: 0.4 } },
  { what: 'silent', stream: true, limit: 'timeout', seconds: 0.4, body: { timeout: 0.4 } },
  { what: 'silent', stream: true, limit: 'stream_timeout', seconds: 0.3, body: { stream_timeout: 0.3 } },
  { what: 'head-only', stream: true, limit: 'stream_timeout', seconds: 0.3, body: { stream_timeout: 0.3 } },
  { what: 'halting', stream: true, limit: 'stream_idle_timeout', seconds: 0.6, begun: true },
  { what: 'halting', stream: true, limit: 'timeout', seconds: 0.4, body: { timeout: 0.4 }, begun: true },
];

/** One call that runs into its limit; how late it was, in milliseconds. */
async function runOut(books, model, one) {
  const asked = one.stream ? books.stream({ model, ...one.body }) : books.chat({ model, ...one.body });
  const id = books.lastId;
  const reply = await asked;
  const where = `${model} ${JSON.stringify(one)}: ${reply.status} ${reply.text}`;
  assert.equal(reply.status, one.begun ? 200 : 408, where);
  const error = one.begun ? reply.events.at(-2).error : reply.json.error;
  if (one.begun) assert.equal(reply.events.at(-1), '[DONE]', where);
  assert.ok(error.message.startsWith(`litellm.Timeout: ${one.limit} of ${one.seconds} s expired`), where);
  assert.equal(error.code, '408', where);
  const row = await books.row(id);
  assert.match(row.turnpike.marks, /timeout/, where);
  assert.equal(row.turnpike.attempts.length, 1, where);
  const late = (await books.line(id)).duration_ms - one.seconds * 1000;
  assert.ok(late > -5, `${where} ${late} ms late`);
  return late;
}

describe('limits of time', { concurrency: 4 }, () => {
  for (const one of limits) {
    test(`AC-TIME-1: ${one.name}`, async () => {
      const books = await Books.open(gateway);
      const reply = await gateway.call('POST', one.path ?? '/v1/chat/completions', {
        key: books.key,
        body: { model: one.model, messages: [{ role: 'user', content: 'hi' }], ...one.body },
        headers: books.sign(one.headers),
      });
      assert.equal(reply.status, 408, reply.text);
      const took = Number(reply.headers.get('x-litellm-response-duration-ms'));
      assert.ok(reply.json.error.message.startsWith(`litellm.Timeout: ${one.limit} of ${one.seconds} s expired`), reply.text);
      assert.deepEqual([reply.json.error.type, reply.json.error.code], ['timeout_error', '408']);
      assert.ok(took >= one.seconds * 1000 - 5 && took < one.seconds * 1000 + 100, `${took.toFixed(0)} ms for ${one.seconds} s`);
      const row = await books.row();
      assert.equal(row.turnpike.http_status, 408);
      assert.match(row.turnpike.marks, /timeout/);
      assert.equal(nano(row.spend) > 0, Boolean(one.billed), `costs ${row.spend}`);
      await books.close(nano(row.spend));
    });
  }

  for (const shape of shapes) {
    test(`AC-TIME-1, AC-TIME-2: ${shape}: connect, first byte, idle and total fire at their values and say their names, streamed and not`, async () => {
      const books = await Books.open(gateway);
      await Promise.all(
        shapeLimits.map(async (one) => {
          // Any one run may be held up by a busy machine; a limit that is late is late every time.
          let late = Infinity;
          for (let run = 0; run < 3 && late >= 100; ++run) late = await runOut(books, `${shape}-${one.what}`, one);
          assert.ok(late < 100, `${shape} ${JSON.stringify(one)}: ${late} ms late`);
        }),
      );
      await books.close();
    });

    test(`AC-TIME-1: ${shape}: a steady slow answer outlives the first-byte and idle limits, streamed and not`, async () => {
      const books = await Books.open(gateway);
      const [stream, plain] = await Promise.all([books.stream({ model: `${shape}-steady`, stream_timeout: 0.4 }), books.chat({ model: `${shape}-steady`, stream_timeout: 0.4 })]);
      assert.equal(stream.events.at(-1), '[DONE]', stream.text);
      assert.ok(!stream.text.includes('"error"'), stream.text);
      assert.match(stream.events.map((event) => event.choices?.[0]?.delta?.content ?? '').join(''), /^0 1 2 3 4 5 6 7 one two$/);
      assert.equal(plain.json?.choices?.[0].message.content, 'one two', plain.text);
      await books.close(2 * 25_000);
    });
  }

  test('AC-TIME-1: idle between chunks ends a stream with its name', async () => {
    const books = await Books.open(gateway);
    const started = performance.now();
    const reply = await books.stream({ model: 'halting' });
    const took = performance.now() - started;
    assert.equal(reply.status, 200);
    assert.equal(reply.events.at(-1), '[DONE]');
    assert.match(reply.events.at(-2).error.message, /stream_idle_timeout of 0\.6 s expired/);
    assert.equal(reply.events.at(-2).error.code, '408');
    assert.ok(took > 595 && took < 720, `${took} ms`);
    const row = await books.row();
    assert.match(row.turnpike.marks, /timeout/);
    assert.ok(nano(row.spend) > 0);
    await books.close(nano(row.spend));
  });

  test('AC-TIME-1: a steady slow stream outlives first-byte and idle limits', async () => {
    const books = await Books.open(gateway);
    const reply = await books.stream({ model: 'steady', stream_timeout: 0.4 });
    assert.equal(reply.events.at(-1), '[DONE]');
    assert.ok(!reply.text.includes('"error"'), reply.text);
    await books.close(25_000);
  });

  test('first-byte and idle limits are for streams only; a deployment may be more patient than the router', async () => {
    const books = await Books.open(gateway);
    assert.equal((await books.chat({ model: 'slow', stream_timeout: 0.2 })).status, 200, 'no stream, no stream_timeout');
    assert.equal((await books.chat({ model: 'own-patient' })).status, 200);
    assert.equal((await books.stream({ model: 'slow' })).status, 200);
    await books.close(3 * 25_000);
  });

  test('a limit beyond all bounds is none, and infinity is no number', async () => {
    const books = await Books.open(gateway);
    for (const header of ['x-litellm-timeout', 'x-litellm-stream-timeout']) {
      assert.equal((await books.stream({ model: 'backup' }, { headers: { [header]: '1e300' } })).status, 200, header);
      const infinite = await gateway.stream({ model: 'backup' }, { key: books.key, headers: { [header]: 'inf' } });
      assert.deepEqual([infinite.status, infinite.json.error.param], [400, header]);
    }
  });

  test('AC-TIME-1: a stream that has begun has the whole time, though a fallback stands behind it', async () => {
    const books = await Books.open(gateway);
    const stream = await books.stream({ model: 'steady', timeout: 2.4, fallbacks: ['backup'] }); // Takes 1.8 s: more than two thirds.
    assert.equal(stream.events.at(-1), '[DONE]');
    assert.equal((await books.row()).turnpike.status, 'success', stream.text.slice(-300));
    const cut = await books.stream({ model: 'steady', timeout: 1, fallbacks: ['backup'] });
    assert.match(cut.events.at(-2).error.message, /^litellm.Timeout: timeout of 1 s expired/);
    assert.ok((await books.line()).duration_ms < 1100, 'the limit itself holds');
  });

  test('AC-RETRY-1: a silent first group leaves time for its fallback inside the caller\'s deadline', async () => {
    const books = await Books.open(gateway);
    const started = performance.now();
    const reply = await books.chat({ model: 'rescued', timeout: 0.9 });
    assert.equal(reply.status, 200, reply.text);
    assert.ok(performance.now() - started < 900);
    const row = await books.row();
    assert.equal(row.turnpike.attempts.length, 2);
    await books.close(25_000);
  });
});

test('retries do not outlive the deadline', async () => {
  const books = await Books.open(gateway);
  const started = performance.now();
  const reply = await books.chat({ model: 'silent', timeout: 0.5, num_retries: 3 });
  const took = performance.now() - started;
  assert.equal(reply.status, 408, reply.text);
  assert.ok(took < 600, `${took} ms`);
  await until(() => provider.calls('silent').every((call) => call.goneAt), 'the provider to be let go', 2000);
  await books.close(0);
});
