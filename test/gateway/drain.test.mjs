// drain_on_disconnect (AC-DISC-3): the caller has gone, the answer is read to its end for the provider's own usage.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Books, nano, priceOf } from '../harness/books.mjs';
import { hangUp } from '../harness/hang_up.mjs';
import { RawProvider, events, goodReply, goodStream, role, stop, usageChunk, word } from '../harness/raw_provider.mjs';
import { Gateway, deployment, until } from '../harness/turnpike.mjs';

const question = [{ role: 'user', content: 'Which sentence has all the letters?' }];
const good = priceOf(11, 7);
const drained = { params: { drain_on_disconnect: true } };
/** Set by the test when the caller has gone: from then on the provider speaks. */
let release;
let released;
function hold() {
  released = new Promise((resolve) => (release = resolve));
}

const scripts = {
  'plain-before-head': async (turn) => (await released, await turn.json(200, goodReply)),
  'plain-half': async (turn) => {
    await turn.head(200, { 'content-type': 'application/json', 'content-length': goodReply.length });
    await turn.write(goodReply.slice(0, 40));
    await released;
    await turn.write(goodReply.slice(40));
  },
  'stream-before-head': async (turn) => (await released, await turn.sse(goodStream)),
  'stream-after-content': async (turn) => {
    await turn.sseHead();
    await turn.chunk(events(role, word('one ')));
    await released;
    await turn.chunk(events(word('two'), stop, usageChunk, '[DONE]'));
    await turn.last();
  },
};
const broken = async (turn) => (await turn.sseHead(), await turn.chunk(events(role, word('one '))), await released, turn.end());
const refused = async (turn) => (await released, await turn.json(500, '{"error":{"message":"no"}}'));
const silence = async (turn) => (await turn.sseHead(), await turn.chunk(events(role, word('one '))), await turn.gone());

let provider;
let gateway;
let books;
before(async () => {
  provider = await RawProvider.start();
  const list = Object.entries(scripts).map(([name, script]) => deployment(name, provider.on(name, script), drained));
  list.push(deployment('broken', provider.on('broken', broken), drained));
  list.push(deployment('refused', provider.on('refused', refused), drained));
  list.push(deployment('behind', provider.on('behind', (turn) => turn.json(200, goodReply))));
  list.push(deployment('silence', provider.on('silence', silence), drained));
  list.push(deployment('not-this-one', provider.on('not-this-one', silence)));
  gateway = await Gateway.start({
    config: { model_list: list, router_settings: { fallbacks: [{ refused: ['behind'] }], allowed_fails: 0 }, turnpike: { drain_timeout: 1, shutdown_grace: 0, termination_grace: 1 } },
  });
  books = await Books.open(gateway);
});
after(async () => {
  await gateway?.stop();
  await provider?.stop();
});

async function goneFrom(model, { stream, seen } = {}) {
  hold();
  const goneAt = await hangUp(books, { model, messages: question, ...(stream ? { stream: true } : {}) }, { seen, ready: () => until(() => provider.calls(model).length === 1, 'the call') });
  return goneAt;
}
/** The row of the call, which has ended as callers who have gone end. */
async function rowOf() {
  const row = await books.row();
  assert.equal(row.turnpike.status, 'aborted');
  assert.equal(row.turnpike.http_status, 499);
  return row;
}

for (const name of Object.keys(scripts)) {
  test(`row 21: ${name}: the provider's usage, nothing estimated`, async () => {
    const goneAt = await goneFrom(name, { stream: name.startsWith('stream'), seen: name === 'stream-after-content' ? 'one ' : undefined });
    await until(async () => Date.now() - goneAt > 150, 'the gateway to have noticed');
    assert.equal(provider.calls(name)[0].goneAt, undefined, 'the provider is not let go');
    release();
    const row = await rowOf();
    assert.equal(row.turnpike.marks, 'client_disconnected,drained');
    assert.equal(nano(row.spend), good);
  });
}

test('row 21: a provider that breaks off while nobody reads is booked by what came, and nothing is tried again', async () => {
  await goneFrom('broken', { stream: true, seen: 'one ' });
  release();
  const row = await rowOf();
  assert.equal(row.turnpike.marks, 'estimated,client_disconnected,drained');
  assert.equal(nano(row.spend), priceOf(row.prompt_tokens, row.completion_tokens));
  await goneFrom('refused');
  release();
  const other = await rowOf();
  assert.equal(other.turnpike.marks, 'client_disconnected,drained');
  assert.equal(nano(other.spend), 0);
  assert.equal(provider.calls('behind').length, 0, 'no fallback for somebody who has gone');
});

test('row 21: a drain has a limit of its own, then what came is counted', async () => {
  const goneAt = await goneFrom('silence', { stream: true, seen: 'one ' });
  const row = await rowOf();
  assert.equal(row.turnpike.marks, 'estimated,client_disconnected,drained');
  assert.equal(nano(row.spend), priceOf(row.prompt_tokens, row.completion_tokens));
  const [call] = provider.calls('silence');
  assert.ok(call.goneAt - goneAt >= 900 && call.goneAt - goneAt < 3000, `let go after ${call.goneAt - goneAt} ms`);
  await goneFrom('not-this-one', { stream: true, seen: 'one ' });
  assert.equal((await rowOf()).turnpike.marks, 'estimated,client_disconnected', 'a deployment drains only where it is told to');
});

test('drain_on_disconnect for every deployment, but one; a process that ends does not wait for drains', async () => {
  const list = [
    deployment('all', provider.on('all', silence)),
    deployment('but', provider.on('but', silence), { params: { drain_on_disconnect: false } }),
  ];
  const other = await Gateway.start({ config: { model_list: list, turnpike: { drain_on_disconnect: true, shutdown_grace: 0, termination_grace: 0.5 } } });
  try {
    books = await Books.open(other);
    await goneFrom('but', { stream: true, seen: 'one ' });
    assert.equal((await rowOf()).turnpike.marks, 'estimated,client_disconnected');
    await goneFrom('all', { stream: true, seen: 'one ' });
    const begun = Date.now();
    await other.stop();
    assert.ok(Date.now() - begun < 5000, `the end took ${Date.now() - begun} ms`);
    const line = other.accessLog().find((one) => one.call_id === books.lastId);
    assert.equal(line.http_status ?? line.status_code ?? line.status, 499, JSON.stringify(line));
  } finally {
    if (!other.ended) await other.kill();
  }
});
