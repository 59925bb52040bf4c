// Every framing case against the whole binary, sent at once and cut at every byte: a refused request gets one error
// answer and the connection closes; the request behind it is never answered.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { FakeProvider, Gateway, deployment, root } from '../harness/turnpike.mjs';

const second = Buffer.from('GET /health/liveliness HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
let fake;
let gateway;

before(async () => {
  fake = await FakeProvider.start();
  gateway = await Gateway.start({ config: { model_list: [deployment('gpt', fake.base())] } });
});
after(async () => {
  await gateway?.stop();
  await fake?.stop();
});

function cases() {
  const file = JSON.parse(fs.readFileSync(path.join(root, 'test/data/http1-framing-cases.json'), 'utf8'));
  const rows = file.cases.map((row) => ({ name: row.name, expect: row.expect, raw: Buffer.from(row.raw_latin1, 'latin1') }));
  const many = Array.from({ length: 2000 }, (_, i) => `X-${i}: 1\r\n`).join('');
  rows.push({ name: 'header of 64 KiB', expect: 'reject', raw: Buffer.from(`GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(65536)}\r\n\r\n`) });
  rows.push({ name: '2,000 headers', expect: 'reject', raw: Buffer.from(`GET / HTTP/1.1\r\nHost: a\r\n${many}\r\n`) });
  return rows;
}

/** Sends the pieces, each after the one before has left, and reads until the gateway closes. */
async function exchange(pieces) {
  const socket = net.connect({ port: gateway.port, host: '127.0.0.1', noDelay: true });
  const received = [];
  socket.on('data', (bytes) => received.push(bytes));
  socket.on('error', () => {});
  const closed = new Promise((resolve) => {
    socket.once('end', resolve);
    socket.once('close', resolve);
  });
  await once(socket, 'connect');
  for (const piece of pieces) {
    if (piece.length === 0 || socket.destroyed) continue;
    await new Promise((resolve) => socket.write(piece, resolve));
  }
  let timer;
  const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error(`no end: ${Buffer.concat(received)}`)), 15_000)));
  await Promise.race([closed, late]).finally(() => clearTimeout(timer));
  socket.destroy();
  return Buffer.concat(received).toString('latin1');
}

function check(row, answer, where) {
  const says = `${row.name}, ${where}: ${answer.slice(0, 400)}`;
  const heads = answer.split('HTTP/1.1 ').slice(1).map((head) => Number(head.slice(0, 3)));
  const answeredSecond = answer.includes("I'm alive!");
  // The router's own word (404: there is no /v1/x) is an answer to a request that was read.
  const refusal = heads[0] >= 400 && heads[0] !== 404;
  if (row.expect.startsWith('reject') && row.expect !== 'reject-or-accept-as-one') {
    assert.equal(heads.length, 1, says);
    assert.ok(refusal, says);
    assert.ok(!answeredSecond, says);
    assert.match(answer, /\r\nConnection: close\r\n/, says);
    assert.match(answer, /\{"error":\{"message":/, says);
    if (row.expect.includes('505')) assert.ok([400, 505].includes(heads[0]), says);
    if (row.name === 'expect-bad') assert.equal(heads[0], 417, says);
    if (row.name === 'header of 64 KiB' || row.name === '2,000 headers') assert.equal(heads[0], 431, says);
  } else if (row.expect === 'accept') {
    assert.deepEqual(heads, [404, 200], says);
    assert.ok(answeredSecond, says);
  } else if (row.expect === '100-then-accept') {
    assert.deepEqual(heads, [100, 404, 200], says);
    assert.ok(answeredSecond, says);
  } else if (refusal) {
    assert.equal(heads.length, 1, says);
    assert.ok(!answeredSecond, says);
  } else {
    assert.equal(heads.length, 2, says);
    assert.ok(answeredSecond, says);
  }
}

async function inParallel(jobs, width) {
  const queue = [...jobs];
  await Promise.all(
    Array.from({ length: width }, async () => {
      for (let job = queue.shift(); job; job = queue.shift()) await job();
    }),
  );
}

test('every case at once', async () => {
  const rows = cases();
  assert.equal(rows.length, 54);
  for (const row of rows) check(row, await exchange([row.raw, second]), 'whole');
  for (const row of rows) check(row, await exchange([Buffer.concat([row.raw, second])]), 'one piece');
});

test('every case, cut at every byte', { timeout: 120_000 }, async () => {
  const jobs = [];
  for (const row of cases()) {
    if (row.raw.length > 1000) continue;
    for (let cut = 1; cut < row.raw.length; cut += 1) {
      jobs.push(async () => check(row, await exchange([row.raw.subarray(0, cut), row.raw.subarray(cut), second]), `cut at ${cut}`));
    }
  }
  assert.ok(jobs.length > 3500, String(jobs.length));
  await inParallel(jobs, 16);
});

test('every case, byte by byte', { timeout: 60_000 }, async () => {
  const jobs = cases()
    .filter((row) => row.raw.length <= 1000)
    .map((row) => async () => check(row, await exchange([...row.raw].map((byte) => Buffer.of(byte)).concat(second)), 'bytes'));
  await inParallel(jobs, 16);
});

test('refusals are counted', async () => {
  const metrics = await gateway.metrics();
  assert.ok(Number(/^turnpike_rejected_framing_total (\S+)$/m.exec(metrics)[1]) > 2500, metrics.slice(0, 200));
});
