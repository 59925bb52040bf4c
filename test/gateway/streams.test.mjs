// Streams as callers see them, whatever the provider's bytes look like (AC-BYTES, AC-OAI). Providers here are bare
// sockets; after the tests the books must be right.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { Books, nano, priceOf } from '../harness/books.mjs';
import { RawProvider, chunk, events, goodReply, goodStream, role, stop, usage, usageChunk, word } from '../harness/raw_provider.mjs';
import { FakeProvider, Gateway, deployment, sleep, until } from '../harness/turnpike.mjs';

let provider;
let fake;
let gateway;
let books;
let served = 0; // Nanodollars of what the providers said they served.

/** How the same stream may come over the wire: bytes, and how they are sent. */
const forms = {
  plain: goodStream,
  crlf: goodStream.replaceAll('\n', '\r\n'),
  cr: goodStream.replaceAll('\n', '\r'),
  comments: `: hello\n\n${goodStream.replaceAll('\n\n', '\n\n: keep-alive\n\n')}`,
  bom: `\u{feff}${goodStream}`,
  no_space: goodStream.replaceAll('data: ', 'data:'),
  named: goodStream.replaceAll('data: ', 'event: message\nid: 7\nretry: 10\ndata: '),
  no_last_blank_line: goodStream.slice(0, -2),
  one_line_end: goodStream.slice(0, -1),
  three_lines: goodStream.replaceAll(',"choices"', ',\ndata: "choices"').replaceAll('"created"', '\ndata:"created"'),
};
const spread = { three_lines: true }; // Says the same with other white space between the tokens.

/** Streams that bend the rules, each with what a caller may expect of it. */
const bent = {
  azure: { bytes: events(chunk('', ',"prompt_filter_results":[]'), role, word('a'), word('b'), stop, usageChunk, '[DONE]'), text: 'ab' },
  no_delta: { bytes: events(chunk('{"index":0,"finish_reason":null}'), word('a'), chunk('{"index":0,"finish_reason":"stop"}'), usageChunk, '[DONE]'), text: 'a' },
  usage_with_finish: { bytes: events(role, word('a'), chunk('{"index":0,"delta":{},"finish_reason":"stop"}', `,${usage}`), '[DONE]'), text: 'a' },
  usage_everywhere: { bytes: events(role, word('a'), word('b')).replaceAll('}]}', `}],${usage}}`) + events(stop, usageChunk, '[DONE]'), text: 'ab' },
  null_ids: { bytes: goodStream.replaceAll('"id":"c1"', '"id":null'), text: 'one two' },
  no_ids: { bytes: goodStream.replaceAll('"id":"c1",', '').replaceAll('"created":5,', ''), text: 'one two' },
  moving_ids: { bytes: goodStream.replaceAll('"id":"c1"', () => `"id":"m${Math.random()}"`).replaceAll('"created":5', () => `"created":${1 + Math.floor(Math.random() * 1e9)}`), text: 'one two' },
  no_finish_key: { bytes: goodStream.replaceAll(',"finish_reason":null', ''), text: 'one two' },
  role_everywhere: { bytes: goodStream.replaceAll('"delta":{"content"', '"delta":{"role":"assistant","content"'), text: 'one two' },
  no_role: { bytes: events(word('a'), stop, usageChunk, '[DONE]'), text: 'a' },
  two_finishes: { bytes: events(role, word('a'), stop, stop, usageChunk, '[DONE]'), text: 'a' },
  done_without_finish: { bytes: events(role, word('a'), usageChunk, '[DONE]'), text: 'a' },
  finish_without_done: { bytes: events(role, word('a'), stop, usageChunk), text: 'a' },
  finish_then_silence_then_close: { bytes: events(role, word('a'), stop, usageChunk), text: 'a', ending: (turn) => turn.reset() },
  after_done: { bytes: goodStream + events(word('late'), '{"error":{"message":"late"}}'), text: 'one two' },
  whole_reply: { bytes: goodReply, text: 'one two', type: 'application/json' },
  whole_reply_in_lines: { bytes: JSON.stringify(JSON.parse(goodReply), null, 2), text: 'one two', type: 'application/json' },
  wrong_type: { bytes: goodStream, text: 'one two', type: 'text/plain' },
  two_choices: {
    bytes: events(role, role.replace('"index":0', '"index":1'), word('a'), word('b').replace('"index":0', '"index":1'), stop, stop.replace('"index":0', '"index":1'), usageChunk, '[DONE]'),
    text: 'a',
    choices: 2,
  },
  tools_without_index: {
    bytes: events(
      role,
      chunk('{"index":0,"delta":{"tool_calls":[{"id":"t1","type":"function","function":{"name":"f","arguments":""}}]},"finish_reason":null}'),
      chunk('{"index":0,"delta":{"tool_calls":[{"function":{"arguments":"{\\"a\\":1}"}}]},"finish_reason":null}'),
      chunk('{"index":0,"delta":{"tool_calls":[{"id":"t2","type":"function","function":{"name":"g","arguments":"{}"}}]},"finish_reason":null}'),
      chunk('{"index":0,"delta":{},"finish_reason":"tool_calls"}'),
      usageChunk,
      '[DONE]',
    ),
    text: '',
    tools: [['f', '{"a":1}'], ['g', '{}']],
  },
};

const noUsage = events(role, word('The quick brown fox jumps over the lazy dog.'), stop, '[DONE]');

function answers(bytes, { type, ending } = {}) {
  return async (turn) => {
    await turn.sseHead(type ? { 'content-type': type } : {});
    await turn.chunk(bytes);
    if (ending) {
      await turn.sleep(30);
      ending(turn);
    } else {
      await turn.last();
    }
  };
}

before(async () => {
  provider = await RawProvider.start();
  fake = await FakeProvider.start();
  const models = [];
  const serve = (name, script) => models.push(deployment(name, provider.on(name, script)));
  for (const [name, bytes] of Object.entries(forms)) {
    serve(`form-${name}`, answers(bytes));
    serve(`bytes-${name}`, async (turn) => {
      await turn.sseHead();
      for (const byte of Buffer.from(bytes)) await turn.chunk(Buffer.from([byte]));
      await turn.last();
    });
    serve(`close-${name}`, async (turn) => {
      await turn.head(200, { 'content-type': 'text/event-stream' });
      for (let at = 0; at < bytes.length; at += 7) await turn.write(bytes.slice(at, at + 7));
      turn.end();
    });
  }
  for (const [name, one] of Object.entries(bent)) serve(`bent-${name}`, answers(one.bytes, one));
  serve('no-usage', answers(noUsage));
  serve('no-usage-plain', (turn) => turn.json(200, goodReply.replace(`,${usage}`, '')));
  serve('zero-usage', answers(goodStream.replace(usage, '"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}')));
  serve('refuses-option', async (turn) => {
    if (turn.request.body.includes('stream_options')) {
      await turn.json(400, { error: { message: 'Unrecognized request argument supplied: stream_options', type: 'invalid_request_error', param: null, code: null } });
    } else {
      await turn.sse(goodStream);
    }
  });
  serve('large', answers(events(role, word('x'.repeat(1 << 20)), stop, usageChunk, '[DONE]')));
  serve('too-large', answers(events(role, word('a'), word('x'.repeat(5 << 20)), stop, usageChunk, '[DONE]')));
  serve('step', async (turn) => {
    await turn.sseHead();
    await turn.chunk(events(role));
    await turn.sleep(20);
    turn.call.sentAt = performance.now();
    await turn.chunk(events(word('first')));
    await turn.call.goOn;
    await turn.chunk(events(stop, usageChunk, '[DONE]'));
    await turn.last();
  });
  serve('torrent', async (turn) => {
    // Without end: as much as the other side takes.
    turn.call.taken = 0;
    await turn.sseHead();
    await turn.chunk(events(role));
    const bytes = Buffer.from(events(word('y'.repeat(500))).repeat(16));
    while (turn.open && (await turn.chunk(bytes))) turn.call.taken += bytes.length;
  });
  models.push(deployment('quick', fake.base()));
  gateway = await Gateway.start({ config: { model_list: models } });
  books = await Books.open(gateway, { max_budget: 1_000_000 });
});

after(async () => {
  await gateway?.stop();
  await fake?.stop();
  await provider?.stop();
});

/** AC-OAI-1 and -3 of one stream. */
function checkGrammar(reply, model, { asked, choices = 1 }) {
  assert.equal(reply.status, 200, reply.text);
  assert.match(reply.headers.get('content-type'), /^text\/event-stream/);
  for (const event of reply.text.split('\n\n').slice(0, -1)) assert.match(event, /^data: [^\n\r]+$/);
  assert.equal(reply.events.at(-1), '[DONE]');
  const chunks = reply.events.slice(0, -1);
  assert.ok(!chunks.includes('[DONE]'));
  for (const name of ['id', 'created', 'model']) assert.equal(new Set(chunks.map((one) => one[name])).size, 1, `${name} is constant`);
  assert.equal(typeof chunks[0].id, 'string');
  assert.ok(chunks[0].created > 0);
  assert.equal(chunks[0].model, model);
  for (let index = 0; index < choices; ++index) {
    const own = chunks.flatMap((one) => one.choices).filter((choice) => choice.index === index);
    assert.equal(own[0].delta.role, 'assistant', 'the role is in the first chunk');
    assert.equal(own.filter((choice) => 'role' in choice.delta).length, 1, 'and in no other');
    assert.ok(own.every((choice) => 'finish_reason' in choice));
    assert.ok(own.slice(0, -1).every((choice) => choice.finish_reason === null));
    assert.ok(own.at(-1).finish_reason);
  }
  const usages = chunks.filter((one) => one.usage);
  assert.equal(usages.length, asked ? 1 : 0, 'usage once if asked for');
  if (asked) assert.equal(usages[0], chunks.at(-1), 'usage comes last');
  if (asked) assert.deepEqual(usages[0].choices, [], 'without choices');
  if (!asked) assert.ok(chunks.every((one) => one.choices.length > 0));
  return chunks;
}

const textOf = (chunks, index = 0) => chunks.flatMap((one) => one.choices).filter((choice) => choice.index === index).map((choice) => choice.delta.content ?? '').join('');

test('AC-BYTES-1: however the bytes are cut and dressed, the caller gets the same bytes', async () => {
  for (const asked of [false, true]) {
    const body = asked ? { stream_options: { include_usage: true } } : {};
    let expected;
    for (const way of ['form', 'bytes', 'close']) {
      for (const name of Object.keys(forms)) {
        const model = `${way}-${name}`;
        const reply = await books.stream({ model, ...body });
        checkGrammar(reply, model, { asked });
        served += priceOf(11, 7);
        if (spread[name]) {
          assert.deepEqual(reply.events.map((one) => ({ ...one, model: 'm' })).length, expected.split('\n\n').length - 1);
          continue;
        }
        const bytes = reply.text.replaceAll(`"model":"${model}"`, '"model":"m"');
        expected ??= bytes;
        assert.equal(bytes, expected, model);
      }
    }
  }
});

test('AC-OAI-1, -3: streams that bend the rules leave straight', async () => {
  for (const asked of [false, true]) {
    for (const [name, one] of Object.entries(bent)) {
      const model = `bent-${name}`;
      const reply = await books.stream({ model, ...(asked ? { stream_options: { include_usage: true } } : {}) });
      served += priceOf(11, 7);
      try {
        const chunks = checkGrammar(reply, model, { asked, choices: one.choices });
        assert.equal(textOf(chunks), one.text);
        if (asked) assert.equal(chunks.at(-1).usage.completion_tokens, 7);
        if (one.tools) {
          const calls = chunks.flatMap((each) => each.choices).flatMap((choice) => choice.delta.tool_calls ?? []);
          one.tools.forEach(([functionName, text], index) => {
            const own = calls.filter((call) => call.index === index);
            assert.equal(own[0].function.name, functionName);
            assert.equal(own.map((call) => call.function.arguments).join(''), text);
          });
        }
      } catch (error) {
        throw new Error(`${model}\n${reply.text}`, { cause: error });
      }
      const row = await books.row();
      assert.equal(row.prompt_tokens, 11, model);
      assert.equal(row.completion_tokens, 7, model);
      assert.equal(row.turnpike.marks, '', model);
    }
  }
});

test('AC-OAI-2: usage is always asked for; who refuses the question is asked once without it and remembered', async () => {
  assert.ok(provider.all.length > 0);
  for (const call of provider.all) assert.deepEqual(JSON.parse(call.request.body).stream_options, { include_usage: true });
  for (let i = 0; i < 3; ++i) {
    checkGrammar(await books.stream({ model: 'refuses-option' }), 'refuses-option', { asked: false });
    served += priceOf(11, 7);
  }
  assert.equal(provider.calls('refuses-option').length, 4, 'one refusal in three calls');
  const rows = await Promise.all(books.ids.slice(-3).map((id) => books.row(id)));
  assert.deepEqual(rows.map((row) => row.turnpike.attempts.map((attempt) => attempt.status)), [[400, 200], [200], [200]]);
  assert.deepEqual(rows.map((row) => row.turnpike.retries), [1, 0, 0]);
});

test('AC-OAI-4: a provider that says nothing of usage is counted, never as 0', async () => {
  const question = { messages: [{ role: 'user', content: 'Say the sentence with all the letters.' }] };
  for (const [model, tokens] of [['no-usage', 10], ['zero-usage', 2]]) {
    for (const asked of [false, true]) {
      const reply = await books.stream({ model, ...question, ...(asked ? { stream_options: { include_usage: true } } : {}) });
      const chunks = checkGrammar(reply, model, { asked });
      const row = await books.row();
      assert.equal(row.completion_tokens, tokens, 'the words above in tokens');
      assert.ok(row.prompt_tokens >= 8 && row.prompt_tokens <= 30, `${row.prompt_tokens} prompt tokens`);
      assert.match(row.turnpike.marks, /\bestimated\b/);
      assert.equal(nano(row.spend), priceOf(row.prompt_tokens, row.completion_tokens));
      if (asked) assert.deepEqual([chunks.at(-1).usage.prompt_tokens, chunks.at(-1).usage.completion_tokens], [row.prompt_tokens, row.completion_tokens], 'the caller is told what the ledger says');
      served += nano(row.spend);
    }
  }
  const plain = await books.chat({ model: 'no-usage-plain', ...question });
  assert.equal(plain.status, 200, plain.text);
  const row = await books.row();
  assert.equal(row.completion_tokens, 2);
  assert.match(row.turnpike.marks, /\bestimated\b/);
  served += nano(row.spend);
});

test('an event of a megabyte passes; one above the limit ends the stream with the truth', async () => {
  const large = await books.stream({ model: 'large' });
  assert.equal(textOf(checkGrammar(large, 'large', { asked: false })).length, 1 << 20);
  served += priceOf(11, 7);
  const refused = await books.stream({ model: 'too-large' });
  assert.equal(refused.status, 200);
  assert.equal(refused.events.at(-1), '[DONE]');
  assert.match(refused.events.at(-2).error.message, /more than 4194304 bytes/);
  assert.equal(refused.events.at(-2).error.code, '502');
  const row = await books.row();
  assert.equal(row.status, 'failure');
  served += nano(row.spend);
});

/** A streamed call on a socket of its own; resolves with the response once its head is there. */
function open(model, { headers = {}, body = {} } = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request({
      port: gateway.port,
      method: 'POST',
      path: '/v1/chat/completions',
      agent: false,
      headers: { authorization: `Bearer ${books.key}`, 'content-type': 'application/json', ...books.sign(headers) },
    });
    request.on('response', resolve);
    request.on('error', reject);
    request.end(JSON.stringify({ model, stream: true, messages: [{ role: 'user', content: 'hi' }], ...body }));
  });
}

test('AC-BYTES-3: the first content leaves while the provider is silent again', async () => {
  const delays = [];
  for (let i = 0; i < 40; ++i) {
    const opened = open('step');
    const call = await until(() => provider.calls('step')[i], 'the call');
    let goOn;
    call.goOn = new Promise((resolve) => (goOn = resolve));
    const response = await opened;
    let text = '';
    await new Promise((resolve) => {
      response.on('data', (data) => {
        text += data;
        if (text.includes('"first"')) resolve();
      });
    });
    delays.push(performance.now() - call.sentAt);
    assert.ok(!text.includes('[DONE]'));
    goOn();
    await new Promise((resolve) => response.on('end', resolve));
    assert.ok(text.endsWith('data: [DONE]\n\n'));
    served += priceOf(11, 7);
  }
  delays.sort((a, b) => a - b);
  console.log(`first content after ${delays[20].toFixed(2)} ms (median of 40, both ends in one busy process included)`);
  assert.ok(delays[20] < 10, `median ${delays[20]} ms`);
});

test('AC-BYTES-2: slow readers hold their provider back and nobody else', async () => {
  const count = 40;
  for (let i = 0; i < 20; ++i) await books.chat({ model: 'quick' });
  const before = gateway.rssKib();
  const readers = [];
  for (let i = 0; i < count; ++i) {
    const response = await open('torrent');
    response.pause();
    readers.push(response);
  }
  const calls = provider.calls('torrent');
  // 1 KB per second each, until the providers' bytes stop flowing.
  let last = -1;
  await until(
    async () => {
      for (const reader of readers) reader.read(1024);
      await sleep(250);
      const taken = calls.reduce((sum, call) => sum + call.taken, 0);
      const still = taken === last;
      last = taken;
      return still;
    },
    'the providers to be held back',
    30_000,
  );
  const latencies = [];
  for (let i = 0; i < 100; ++i) {
    const start = performance.now();
    assert.equal((await books.chat({ model: 'quick' })).status, 200);
    latencies.push(performance.now() - start);
    if (i % 25 === 0) for (const reader of readers) reader.read(1024);
  }
  latencies.sort((a, b) => a - b);
  const grown = gateway.rssKib() - before;
  console.log(`${count} slow streams: ${(grown / count).toFixed(0)} KiB each, ${(last / count / 1024).toFixed(0)} KiB each taken from the provider (kernel buffers included); quick calls p50 ${latencies[50].toFixed(1)} ms, p99 ${latencies[98].toFixed(1)} ms`);
  assert.ok(grown / count < 256, `${grown / count} KiB per stream`);
  assert.ok(latencies[50] < 100, `p50 ${latencies[50]} ms`);
  for (const reader of readers) reader.destroy();
  await until(() => calls.every((call) => call.goneAt), 'the providers to be let go', 5000);
});

test('the books', async () => {
  const rows = await books.close();
  const quick = rows.filter((row) => row.model_group === 'quick');
  const account = await fake.account();
  assert.equal(quick.length, account.whole);
  assert.equal(quick.reduce((sum, row) => sum + nano(row.spend), 0), priceOf(account.served.prompt_tokens, account.served.completion_tokens));
  const torrents = rows.filter((row) => row.model_group === 'torrent');
  for (const row of torrents) {
    assert.match(row.turnpike.marks, /client_disconnected/);
    assert.match(row.turnpike.marks, /estimated/);
    assert.ok(nano(row.spend) > 0);
  }
  const others = rows.filter((row) => row.model_group !== 'torrent' && row.model_group !== 'quick');
  assert.equal(others.reduce((sum, row) => sum + nano(row.spend), 0), served, 'the ledger says what was served');
});
