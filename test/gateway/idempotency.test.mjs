// Idempotency-Key: the same request of the same caller is made and billed once, however often it is sent.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { after, before, test } from 'node:test';
import { Books, nano, priceOf } from '../harness/books.mjs';
import { hangUp } from '../harness/hang_up.mjs';
import { RawProvider, events, goodReply, goodStream, role, stop, usageChunk, word } from '../harness/raw_provider.mjs';
import { Gateway, deployment, sleep, until } from '../harness/turnpike.mjs';

const good = priceOf(11, 7);
let provider;
let gateway;
let release;
let released;
const hold = () => (released = new Promise((resolve) => (release = resolve)));
const streamed = (turn) => /"stream":\s*true/.test(turn.request.body);
const answer = (turn) => (streamed(turn) ? turn.sse(goodStream) : turn.json(200, goodReply));

before(async () => {
  provider = await RawProvider.start();
  const scripts = {
    quick: answer,
    slow: async (turn) => (await released, await answer(turn)),
    'fails-once': (turn, n) => (n === 1 ? turn.json(400, '{"error":{"message":"not like this"}}') : answer(turn)),
    'breaks-once': async (turn, n) => {
      if (n > 1) return answer(turn);
      await turn.sseHead();
      await turn.chunk(events(role, word('one ')));
      return turn.end();
    },
    drained: async (turn) => {
      await turn.sseHead();
      await turn.chunk(events(role, word('one ')));
      await released;
      await turn.chunk(events(word('two'), stop, usageChunk, '[DONE]'));
      await turn.last();
    },
    long: (turn) => turn.json(200, goodReply.replace('one two', 'x'.repeat(5000))),
    claude: (turn) =>
      turn.json(200, { id: 'msg_1', type: 'message', role: 'assistant', model: 'claude', content: [{ type: 'text', text: 'hello' }], stop_reason: 'end_turn', usage: { input_tokens: 11, output_tokens: 7 } }),
    vectors: (turn) => turn.json(200, { object: 'list', data: [{ object: 'embedding', index: 0, embedding: [0.5] }], model: 'v', usage: { prompt_tokens: 5, total_tokens: 5 } }),
  };
  const list = Object.entries(scripts).map(([name, script]) =>
    deployment(name, provider.on(name, script), { params: { ...(name === 'drained' ? { drain_on_disconnect: true } : {}), ...(name === 'claude' ? { model: 'anthropic/claude-own' } : {}) } }),
  );
  gateway = await Gateway.start({
    config: { model_list: list, router_settings: { num_retries: 0, disable_cooldowns: true }, turnpike: { idempotency_lifetime: 2, idempotency_answer_bytes_max: 4096, idempotency_entries_max: 12, shutdown_grace: 0, termination_grace: 2 } },
  });
});
after(async () => {
  await gateway?.stop();
  await provider?.stop();
});

const named = (key = crypto.randomUUID()) => ({ headers: { 'idempotency-key': key } });
const again = (reply) => reply.headers.get('idempotent-replayed') === 'true';

test('the answer is given once more, under a call id of its own, and costs nothing again', async () => {
  const books = await Books.open(gateway);
  for (const stream of [false, true]) {
    const key = named();
    const before = provider.calls('quick').length;
    const first = await books.chat({ model: 'quick', stream }, key);
    const firstId = books.lastId;
    const second = await books.chat({ model: 'quick', stream }, key);
    assert.equal(first.status, 200, first.text);
    assert.equal(second.status, 200, second.text);
    assert.equal(second.text, first.text, 'byte for byte');
    assert.equal(second.headers.get('content-type'), first.headers.get('content-type'));
    assert.ok(!again(first) && again(second));
    assert.equal(second.headers.get('x-turnpike-first-call-id'), firstId);
    assert.equal(second.headers.get('x-litellm-call-id'), books.lastId);
    assert.equal(second.headers.get('x-litellm-response-cost'), '0');
    assert.equal(second.headers.get('x-litellm-model-id'), first.headers.get('x-litellm-model-id'));
    assert.equal(provider.calls('quick').length, before + 1);
    const row = await books.row();
    assert.equal(row.turnpike.marks, 'replayed');
    assert.equal(row.status, 'success');
    assert.equal(row.spend, 0);
  }
  await books.close(2 * good);
});

test('other dialects behind the gateway and operations that write no text', async () => {
  const books = await Books.open(gateway);
  const claude = named();
  const first = await books.chat({ model: 'claude' }, claude);
  assert.equal(first.status, 200, first.text);
  assert.equal((await books.chat({ model: 'claude' }, claude)).text, first.text);
  assert.equal(provider.calls('claude').length, 1);
  const vectors = named();
  const embed = () => gateway.call('POST', '/v1/embeddings', { key: books.key, body: { model: 'vectors', input: 'hi' }, headers: books.sign(vectors.headers) });
  const one = await embed();
  const two = await embed();
  assert.equal(one.status, 200, one.text);
  assert.ok(again(two));
  assert.equal(two.text, one.text);
  assert.equal(provider.calls('vectors').length, 1);
  await books.close();
});

test('another body, or another route, is refused; another caller has a key of his own', async () => {
  const books = await Books.open(gateway);
  const key = named();
  await books.chat({ model: 'quick' }, key);
  const before = provider.calls('quick').length;
  const refused = await gateway.chat({ model: 'quick', temperature: 1 }, { key: books.key, ...key });
  assert.equal(refused.status, 409, refused.text);
  assert.equal(refused.json.error.code, 'idempotency_key_reused');
  assert.match(refused.json.error.message, /Idempotency-Key was used for another request/);
  const elsewhere = await gateway.call('POST', '/v1/embeddings', { key: books.key, body: { model: 'vectors', input: 'hi' }, ...key });
  assert.equal(elsewhere.status, 409);
  assert.equal(provider.calls('quick').length, before);
  const others = await Books.open(gateway);
  assert.ok(!again(await others.chat({ model: 'quick', temperature: 1 }, key)));
  const long = await gateway.chat({ model: 'quick' }, { key: books.key, ...named('k'.repeat(256)) });
  assert.equal(long.status, 400);
  await books.close(good);
  await others.close(good);
});

test('the same call under way is joined, whole and streamed; who is let wait may leave', async () => {
  for (const stream of [false, true]) {
    const books = await Books.open(gateway);
    const key = named();
    hold();
    const before = provider.calls('slow').length;
    const body = { messages: [{ role: 'user', content: 'hi' }], model: 'slow', ...(stream ? { stream } : {}) };
    const calls = [books.chat(body, key)];
    await until(() => provider.calls('slow').length === before + 1, 'the call');
    for (let i = 0; i < 8; i += 1) calls.push(books.chat(body, key));
    // One more, who leaves: no entry, no answer.
    const waits = async () => Number(/^turnpike_idempotent_waits_total (\d+)$/m.exec(await gateway.metrics())[1]);
    const waiting = await until(async () => (await waits()) >= 8 && (await waits()), 'eight to wait');
    await hangUp(books, body, { ...key, ready: () => until(async () => (await waits()) > waiting, 'one more to wait') });
    books.ids.pop();
    release();
    const replies = await Promise.all(calls);
    for (const reply of replies) {
      assert.equal(reply.status, 200, reply.text);
      assert.equal(reply.text, replies[0].text);
    }
    assert.equal(replies.filter(again).length, 8);
    assert.equal(provider.calls('slow').length, before + 1);
    await books.close(good);
  }
});

test('errors are not kept: the next one makes the call, and whoever waited makes it in his turn', async () => {
  const books = await Books.open(gateway);
  const key = named();
  assert.equal((await books.chat({ model: 'fails-once' }, key)).status, 400);
  assert.equal((await books.chat({ model: 'fails-once' }, key)).status, 200);
  assert.ok(again(await books.chat({ model: 'fails-once' }, key)));
  assert.equal(provider.calls('fails-once').length, 2);

  const broken = named();
  const first = await books.stream({ model: 'breaks-once' }, broken);
  assert.ok(first.events.some((event) => event.error));
  const second = await books.stream({ model: 'breaks-once' }, broken);
  assert.ok(!again(second) && second.events.every((event) => !event.error));
  assert.ok(again(await books.stream({ model: 'breaks-once' }, broken)));

  // The first caller hangs up while a second waits: his turn comes.
  const left = named();
  hold();
  const before = provider.calls('slow').length;
  const body = { messages: [{ role: 'user', content: 'hi' }], model: 'slow' };
  let waiting;
  await hangUp(books, body, {
    ...left,
    ready: async () => {
      await until(() => provider.calls('slow').length === before + 1, 'the call');
      waiting = books.chat(body, left);
      await sleep(50);
    },
  });
  await until(() => provider.calls('slow').length === before + 2, 'the turn of the other');
  release();
  assert.ok(!again(await waiting));
  await books.close();
});

test('who hangs up and asks again gets the answer that was drained', async () => {
  const books = await Books.open(gateway);
  const key = named();
  hold();
  const body = { messages: [{ role: 'user', content: 'hi' }], stream: true, model: 'drained' }; // In the order of gateway.stream: the same bytes.
  await hangUp(books, body, { ...key, seen: 'one ', ready: () => until(() => provider.calls('drained').length === 1, 'the call') });
  const second = books.stream(body, key);
  release();
  const reply = await second;
  assert.ok(again(reply));
  assert.equal(reply.events.at(-1), '[DONE]');
  assert.equal(reply.events.map((event) => event.choices?.[0]?.delta?.content ?? '').join(''), 'one two');
  assert.equal(provider.calls('drained').length, 1);
  await books.close(good);
});

test('an answer lives for its time; a budget that is spent refuses no answer that was paid', async () => {
  const books = await Books.open(gateway, { max_budget: good / 1e9 });
  const key = named();
  await books.chat({ model: 'quick' }, key);
  assert.equal((await gateway.chat({ model: 'quick' }, { key: books.key })).status, 429, 'the budget is spent');
  const paid = await books.chat({ model: 'quick' }, key);
  assert.equal(paid.status, 200, paid.text);
  await sleep(2100);
  assert.equal((await gateway.chat({ model: 'quick' }, { key: books.key, ...key })).status, 429, 'forgotten: a call like any other');
  await books.close(good);
});

test('what is kept is bounded by number and length', async () => {
  const books = await Books.open(gateway);
  const long = named();
  await books.chat({ model: 'long' }, long);
  assert.ok(!again(await books.chat({ model: 'long' }, long)));
  const first = named();
  await books.chat({ model: 'quick' }, first);
  for (let i = 0; i < 12; i += 1) await books.chat({ model: 'quick' }, named());
  assert.ok(!again(await books.chat({ model: 'quick' }, first)), 'the oldest went first');
  const text = await gateway.metrics();
  const value = (name) => Number(new RegExp(`^turnpike_idempotent_${name} (\\d+)$`, 'm').exec(text)[1]);
  assert.equal(value('answers'), 12);
  assert.ok(value('bytes') > 12 * goodReply.length / 2 && value('bytes') < 12 * 4096);
  assert.ok(value('evicted_total') >= 1);
  assert.equal(value('too_long_total'), 2);
  assert.ok(value('conflicts_total') >= 2);
  await books.close();
});
