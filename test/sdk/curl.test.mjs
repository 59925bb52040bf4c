// The real curl: by hand, as the front page says it, and as `./dev` prints it.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { devMissing, withDev } from './dev.mjs';
import { run } from './run.mjs';
import { Scene, costNano, nano, weatherCalls } from './scene.mjs';

let scene;

before(async () => {
  scene = await Scene.start();
});
after(() => scene?.close());

/** One request by curl: status, headers by lower-case name, body. */
async function curl(target, { body, key = scene.key, args = [] } = {}) {
  const json = body === undefined ? [] : ['-H', 'Content-Type: application/json', '-d', typeof body === 'string' ? body : JSON.stringify(body)];
  const { code, stdout, stderr } = await run(['curl', '-sS', '-D', '-', ...args, scene.url + target, ...(key ? ['-H', `Authorization: Bearer ${key}`] : []), ...json]);
  assert.equal(code, 0, stderr);
  const [head, ...rest] = stdout.split('\r\n\r\n');
  const [line, ...fields] = head.split('\r\n');
  const headers = Object.fromEntries(fields.map((field) => [field.slice(0, field.indexOf(':')).toLowerCase(), field.slice(field.indexOf(':') + 1).trim()]));
  const text = rest.join('\r\n\r\n');
  return { status: Number(line.split(' ')[1]), headers, text, json: () => JSON.parse(text) };
}

const hi = [{ role: 'user', content: 'hi' }];
const events = (text) => text.split('\n\n').filter(Boolean).map((event) => event.replace(/^data: /, ''));

test('chat, with what it cost in the headers', async () => {
  const reply = await curl('/v1/chat/completions', { body: { model: 'gpt', messages: hi } });
  assert.equal(reply.status, 200, reply.text);
  assert.equal(reply.headers['content-type'], 'application/json');
  assert.equal(nano(reply.headers['x-litellm-response-cost']), costNano(reply.json().usage));
  assert.equal((await scene.row(reply.headers['x-request-id'])).completion_tokens, 16);
});

test('stream: each event a line, [DONE] last; usage when asked, none when not', async () => {
  for (const asked of [false, true]) {
    const reply = await curl('/v1/chat/completions', { args: ['-N'], body: { model: 'gpt', stream: true, messages: hi, ...(asked ? { stream_options: { include_usage: true } } : {}) } });
    assert.equal(reply.status, 200, reply.text);
    assert.match(reply.headers['content-type'], /^text\/event-stream/);
    const all = events(reply.text);
    assert.equal(all.at(-1), '[DONE]');
    assert.equal(all.slice(0, -1).filter((event) => JSON.parse(event).usage).length, asked ? 1 : 0);
  }
});

test('tool calls, plain and streamed', async () => {
  const plain = await curl('/v1/chat/completions', { body: { model: 'tools', messages: hi } });
  assert.deepEqual(plain.json().choices[0].message.tool_calls.map((call) => JSON.parse(call.function.arguments)), weatherCalls);
  const streamed = await curl('/v1/chat/completions', { body: { model: 'tools', stream: true, messages: hi } });
  const parts = ['', ''];
  for (const event of events(streamed.text).slice(0, -1)) {
    for (const call of JSON.parse(event).choices[0]?.delta.tool_calls ?? []) parts[call.index] += call.function.arguments;
  }
  assert.deepEqual(parts.map((part) => JSON.parse(part)), weatherCalls);
});

test('embeddings, text completions, models', async () => {
  const embeddings = await curl('/v1/embeddings', { body: { model: 'embed', input: ['a', 'b'] } });
  assert.equal(embeddings.json().data.length, 2);
  assert.equal(typeof embeddings.json().data[0].embedding[0], 'number');
  const encoded = await curl('/v1/embeddings', { body: { model: 'embed', input: 'a', encoding_format: 'base64' } });
  assert.match(encoded.json().data[0].embedding, /^[A-Za-z0-9+/]+=*$/);
  const text = await curl('/v1/completions', { body: { model: 'gpt', prompt: 'hi', max_tokens: 4 } });
  assert.equal(text.json().choices[0].finish_reason, 'length');
  const models = await curl('/v1/models');
  assert.ok(models.json().data.some((model) => model.id === 'gpt'));
  assert.equal((await curl('/v1/models/gpt')).json().id, 'gpt');
  assert.equal((await curl('/v1/models/gtp')).status, 404);
});

test('HEAD, a large body with Expect: 100-continue, a chunked body', async () => {
  const head = await curl('/health/liveliness', { key: null, args: ['-I'] });
  assert.equal(head.status, 200);
  const long = JSON.stringify({ model: 'gpt', messages: [{ role: 'user', content: 'x'.repeat(100_000) }] });
  const expecting = await curl('/v1/chat/completions', { body: long, args: ['-H', 'Expect: 100-continue', '-o', '-'] });
  assert.match(expecting.text, /HTTP\/1\.1 200 OK[\s\S]*"finish_reason":"stop"/);
  const chunked = await curl('/v1/chat/completions', { body: { model: 'gpt', messages: hi }, args: ['-H', 'Transfer-Encoding: chunked'] });
  assert.equal(chunked.status, 200, chunked.text);
});

describe('errors', () => {
  for (const [name, body, options, status, type] of [
    ['no key', { model: 'gpt' }, { key: null }, 401, 'auth_error'],
    ['a wrong key', { model: 'gpt' }, { key: 'sk-wrong-0123456789abcdef' }, 401, 'token_not_found_in_db'],
    ['an unknown model', { model: 'gtp' }, {}, 400, 'invalid_request_error'],
    ["the provider's 429", { model: 'status-429' }, {}, 429, 'rate_limit_error'],
    ["the provider's 503", { model: 'status-503' }, {}, 503, 'server_error'],
    ['a time-out', { model: 'impatient' }, {}, 408, 'timeout_error'],
  ]) {
    test(`${name} is ${status}, in the envelope`, async () => {
      const reply = await curl('/v1/chat/completions', { body: { messages: hi, ...body }, ...options });
      assert.equal(reply.status, status, reply.text);
      assert.equal(reply.json().error.type, type);
    });
  }
  test('no JSON is 400', async () => {
    const reply = await curl('/v1/chat/completions', { body: '{"model": "gpt", ' });
    assert.equal(reply.status, 400, reply.text);
    assert.ok(reply.json().error.message.length > 0);
  });
  test('curl --fail makes it an exit code', async () => {
    const { code } = await run(['curl', '-fsS', `${scene.url}/v1/models`, '-H', 'Authorization: Bearer sk-wrong-0123456789abcdef']);
    assert.equal(code, 22);
  });
});

test('--retry waits for Retry-After', async () => {
  const { calls, ms, value } = await scene.counting(() => curl('/v1/chat/completions', { body: { model: 'limited-once', messages: hi }, args: ['--retry', '2', '-o', '-'] }));
  assert.match(value.text, /"finish_reason":"stop"/);
  assert.equal(calls, 2);
  assert.ok(ms >= 1000, `${ms} ms`);
});

test('--max-time: leaving hangs up on the provider', async () => {
  await scene.hangingUp(async () => {
    const { code } = await run(['curl', '-sSN', '--max-time', '0.5', `${scene.url}/v1/chat/completions`, '-H', `Authorization: Bearer ${scene.key}`, '-d', JSON.stringify({ model: 'endless', stream: true, messages: hi })]);
    assert.equal(code, 28, 'time-out of curl');
  });
});

test('the line on the front page works as it stands there', async () => {
  const page = await curl('/', { key: null });
  const line = /^curl (?:.*\\\n)*.*$/m.exec(page.text)[0];
  assert.match(line, /\$TURNPIKE_KEY/);
  const { code, stdout, stderr } = await run(['bash', '-c', line], { env: { TURNPIKE_KEY: scene.key } });
  assert.equal(code, 0, stderr);
  assert.ok(JSON.parse(stdout).choices[0].message.content, stdout);
});

test('the ledger, the keys and the provider agree', () => scene.assertBooked());

test('what ./dev prints works as printed: the call, what it cost, every call', { skip: devMissing }, async () => {
  await withDev(async (printed) => {
    const lines = [...printed.matchAll(/^(?:[A-Z][^\n:]*: +)?(curl .*)$/gm)].map(([, line]) => line);
    assert.equal(lines.length, 3, printed);
    const replies = [];
    for (const line of lines) {
      const { code, stdout, stderr } = await run(['bash', '-c', line]);
      assert.equal(code, 0, `${line}\n${stderr}`);
      replies.push(JSON.parse(stdout));
    }
    const [call, info, rows] = replies;
    assert.ok(call.choices[0].message.content);
    assert.ok(nano(info.info.spend) > 0);
    assert.equal(rows.length, 1);
    assert.equal(rows[0].spend, info.info.spend);
    assert.equal(rows[0].total_tokens, call.usage.total_tokens);
  });
});
