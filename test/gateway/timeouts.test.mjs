// The four limits of time and who sets them (AC-TIME-1, -2): each fires at its value, says its name, and is a 408.
import assert from 'node:assert/strict';
import net from 'node:net';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { after, before, test } from 'node:test';
import { Books, nano } from '../harness/books.mjs';
import { RawProvider, events, goodReply, goodStream, role, stop, usageChunk, word } from '../harness/raw_provider.mjs';
import { Gateway, deployment, sleep, until } from '../harness/turnpike.mjs';

let provider;
let gateway;
let deaf; // A listener that never accepts and whose queue is full: connecting to it never ends.
const wakeUp = new SharedArrayBuffer(4);
const fillers = [];

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
