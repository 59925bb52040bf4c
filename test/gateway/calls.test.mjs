// Chat, text completions, embeddings and models as a caller sees them; what the ledger says afterwards.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { execFileSync } from 'node:child_process';
import { FakeProvider, Gateway, deployment, masterKey } from '../harness/turnpike.mjs';

let fake;
let gateway;
let key;

before(async () => {
  fake = await FakeProvider.start();
  gateway = await Gateway.start({
    config: {
      model_list: [
        deployment('gpt', fake.base()),
        deployment('embed', fake.base()),
        deployment('recorded', fake.base('record')),
        { model_name: 'openai/*', litellm_params: { model: 'openai/*', api_base: fake.base(), api_key: 'sk-provider-key-0123456789' } },
      ],
    },
  });
  key = await gateway.newKey({ max_budget: 1, key_alias: 'calls' });
});

after(async () => {
  await gateway?.stop();
  await fake?.stop();
});

const costNano = (usage) => usage.prompt_tokens * 1000 + usage.completion_tokens * 2000;
const nano = (dollars) => Math.round(Number(dollars) * 1e9);

test('a plain chat call answers, names the group that was asked for, and says what it cost', async () => {
  const reply = await gateway.chat({ model: 'gpt' }, { key });
  assert.equal(reply.status, 200, reply.text);
  assert.equal(reply.json.object, 'chat.completion');
  assert.equal(reply.json.model, 'gpt');
  assert.equal(reply.json.usage.completion_tokens, 16);
  assert.equal(nano(reply.headers.get('x-litellm-response-cost')), costNano(reply.json.usage));
  for (const name of ['x-litellm-call-id', 'x-litellm-model-id', 'x-litellm-model-group', 'x-litellm-version', 'x-litellm-attempted-retries']) {
    assert.ok(reply.headers.get(name), `header ${name}`);
  }
  const [row] = await gateway.rows(`request_id=${reply.headers.get('x-litellm-call-id')}`, 1);
  assert.equal(nano(row.spend), costNano(reply.json.usage));
  assert.equal(row.prompt_tokens, reply.json.usage.prompt_tokens);
  assert.equal(row.completion_tokens, 16);
  assert.equal(row.call_type, 'acompletion');
  assert.equal(row.status, 'success');
  assert.equal(row.model_group, 'gpt');
});

test('unknown fields travel untouched and our own do not reach the provider', async () => {
  const body = '{"messages":[{"role":"user","content":"caf\\u00e9 \\ud83d\\ude80"}],  "model" : "recorded","unknown":{"deep":[1, 2.50,"x"]},"metadata":{"tags":["a"]}}';
  const reply = await gateway.call('POST', '/v1/chat/completions', { key, body });
  assert.equal(reply.status, 200, reply.text);
  const [request] = await fake.requests();
  assert.match(request.body, /"unknown":\{"deep":\[1, 2\.50,"x"\]\}/);
  assert.match(request.body, /"content":"caf\\u00e9 \\ud83d\\ude80"/);
  const headers = Object.fromEntries(request.headers.map(([name, value]) => [name.toLowerCase(), value]));
  assert.equal(headers.authorization, 'Bearer sk-provider-key-0123456789');
  assert.ok(!JSON.stringify(request).includes(key), 'the virtual key stays here');
});

test('a stream keeps its form: one role, finish_reason everywhere, no usage unless asked, [DONE] last', async () => {
  for (const asked of [false, true]) {
    const reply = await gateway.stream({ model: 'gpt', ...(asked ? { stream_options: { include_usage: true } } : {}) }, { key });
    assert.equal(reply.status, 200, reply.text);
    assert.match(reply.headers.get('content-type'), /^text\/event-stream/);
    const chunks = reply.events.filter((event) => event !== '[DONE]');
    assert.equal(reply.events.at(-1), '[DONE]');
    const withChoice = chunks.filter((chunk) => chunk.choices.length > 0);
    assert.equal(withChoice.filter((chunk) => chunk.choices[0].delta.role === 'assistant').length, 1);
    assert.ok(withChoice.every((chunk) => 'finish_reason' in chunk.choices[0]));
    assert.equal(withChoice.filter((chunk) => chunk.choices[0].finish_reason).length, 1);
    assert.deepEqual([...new Set(chunks.map((chunk) => chunk.model))], ['gpt']);
    assert.equal(new Set(chunks.map((chunk) => chunk.id)).size, 1);
    const usages = chunks.filter((chunk) => chunk.usage);
    assert.equal(usages.length, asked ? 1 : 0);
    if (asked) assert.deepEqual(chunks.at(-1).choices, []);
    const [row] = await gateway.rows(`request_id=${reply.headers.get('x-litellm-call-id')}`, 1);
    assert.equal(row.completion_tokens, 16);
    assert.ok(nano(row.spend) > 0);
  }
});

test('stream and plain answer of the same usage cost the same to the last digit', async () => {
  const fields = { model: 'gpt', fake: { tokens: 7, prompt_tokens: 123457, cached_tokens: 345, reasoning_tokens: 3 } };
  const plain = await gateway.chat(fields, { key });
  const streamed = await gateway.stream(fields, { key });
  const spends = [];
  for (const reply of [plain, streamed]) {
    assert.equal(reply.status, 200, reply.text);
    const [row] = await gateway.rows(`request_id=${reply.headers.get('x-litellm-call-id')}`, 1);
    spends.push(row.spend);
  }
  assert.equal(spends[0], spends[1]);
  assert.equal(nano(spends[0]), 123457 * 1000 + 7 * 2000);
});

test('text completions, plain and streamed', async () => {
  const plain = await gateway.call('POST', '/v1/completions', { key, body: { model: 'gpt', prompt: 'hi', max_tokens: 4 } });
  assert.equal(plain.status, 200, plain.text);
  assert.equal(plain.json.object, 'text_completion');
  assert.equal(plain.json.model, 'gpt');
  const streamed = await gateway.call('POST', '/v1/completions', { key, body: { model: 'gpt', prompt: 'hi', max_tokens: 4, stream: true } });
  assert.equal(streamed.status, 200, streamed.text);
  assert.match(streamed.text, /"text":"/);
  assert.ok(streamed.text.endsWith('data: [DONE]\n\n'));
  const [row] = await gateway.rows(`request_id=${streamed.headers.get('x-litellm-call-id')}`, 1);
  assert.equal(row.call_type, 'atext_completion');
  assert.equal(row.completion_tokens, 4);
});

test('embeddings, as floats and as base64, say the same numbers', async () => {
  const ask = (more) => gateway.call('POST', '/v1/embeddings', { key, body: { model: 'embed', input: ['a', 'b'], ...more } });
  const floats = await ask({ fake: { prompt_tokens: 9 } });
  assert.equal(floats.status, 200, floats.text);
  assert.equal(floats.json.data.length, 2);
  assert.equal(floats.json.model, 'embed');
  assert.equal(floats.json.usage.prompt_tokens, 9);
  const encoded = await ask({ encoding_format: 'base64' });
  assert.equal(typeof encoded.json.data[0].embedding, 'string');
  const [row] = await gateway.rows(`request_id=${floats.headers.get('x-litellm-call-id')}`, 1);
  assert.equal(nano(row.spend), 9000);
  assert.equal(row.call_type, 'aembedding');
});

test('every alias of the routes answers', async () => {
  const body = { model: 'gpt', messages: [{ role: 'user', content: 'hi' }] };
  for (const path of ['/v1/chat/completions', '/chat/completions', '/engines/gpt/chat/completions', '/openai/deployments/gpt/chat/completions?api-version=2024-02-01']) {
    const reply = await gateway.call('POST', path, { key, body });
    assert.equal(reply.status, 200, `${path}: ${reply.text}`);
  }
  for (const path of ['/v1/embeddings', '/embeddings', '/engines/embed/embeddings', '/openai/deployments/embed/embeddings']) {
    const reply = await gateway.call('POST', path, { key, body: { model: 'embed', input: 'a' } });
    assert.equal(reply.status, 200, `${path}: ${reply.text}`);
  }
});

test('a key is accepted in every place where clients put it', async () => {
  const body = { model: 'gpt', messages: [{ role: 'user', content: 'hi' }] };
  for (const headers of [
    { 'x-litellm-api-key': key },
    { 'x-litellm-api-key': `Bearer ${key}` },
    { authorization: `Bearer ${key}` },
    { authorization: `bearer ${key}` },
    { 'api-key': key },
    { 'x-api-key': key },
    { 'x-goog-api-key': key },
    { 'ocp-apim-subscription-key': key },
  ]) {
    const reply = await gateway.call('POST', '/v1/chat/completions', { key: null, body, headers });
    assert.equal(reply.status, 200, `${JSON.stringify(Object.keys(headers))}: ${reply.text}`);
  }
});

test('models lists what the key may call; one by its id', async () => {
  const all = await gateway.call('GET', '/v1/models', { key });
  assert.equal(all.status, 200, all.text);
  const names = all.json.data.map((model) => model.id);
  assert.ok(names.includes('gpt') && names.includes('embed'), names.join());
  const narrow = await gateway.newKey({ models: ['gpt'] });
  const seen = await gateway.call('GET', '/v1/models', { key: narrow });
  assert.deepEqual(seen.json.data.map((model) => model.id), ['gpt']);
  assert.equal((await gateway.call('GET', '/v1/models/gpt', { key })).json.id, 'gpt');
  assert.equal((await gateway.call('GET', '/v1/models/nope', { key })).status, 404);
  const refused = await gateway.chat({ model: 'embed' }, { key: narrow });
  assert.equal(refused.status, 403, refused.text);
  assert.equal(refused.json.error.type, 'key_model_access_denied');
});

test('a wildcard group serves what it matches', async () => {
  const reply = await gateway.chat({ model: 'openai/gpt-4o-mini' }, { key });
  assert.equal(reply.status, 200, reply.text);
  const [row] = await gateway.rows(`request_id=${reply.headers.get('x-litellm-call-id')}`, 1);
  assert.ok(nano(row.spend) > 0, 'the catalogue has its price');
});

test('the caller names the call: 100 calls with one call id are 100 rows', async () => {
  const headers = { 'x-litellm-call-id': 'same-id-for-all' };
  const calls = Array.from({ length: 100 }, () => gateway.chat({ model: 'gpt', fake: { id: 'chatcmpl-same' } }, { key, headers }));
  for (const reply of await Promise.all(calls)) {
    assert.equal(reply.status, 200, reply.text);
    assert.equal(reply.headers.get('x-litellm-call-id'), 'same-id-for-all');
  }
  await gateway.rows('request_id=same-id-for-all', 100);
});

test('curl: as the README says it', () => {
  const out = execFileSync('curl', ['-sS', `${gateway.url}/v1/chat/completions`, '-H', `Authorization: Bearer ${key}`, '-H', 'Content-Type: application/json',
    '-d', '{"model":"gpt","messages":[{"role":"user","content":"hi"}]}'], { encoding: 'utf8' });
  assert.equal(JSON.parse(out).model, 'gpt');
  const streamed = execFileSync('curl', ['-sSN', `${gateway.url}/v1/chat/completions`, '-H', `Authorization: Bearer ${key}`,
    '-d', '{"model":"gpt","stream":true,"messages":[{"role":"user","content":"hi"}]}'], { encoding: 'utf8' });
  assert.ok(streamed.endsWith('data: [DONE]\n\n'));
});

test('mock_response answers without a provider', async () => {
  const before = (await fake.account()).calls;
  const reply = await gateway.chat({ model: 'gpt', mock_response: 'mocked text' }, { key });
  assert.equal(reply.status, 200, reply.text);
  assert.equal(reply.json.choices[0].message.content, 'mocked text');
  const streamed = await gateway.stream({ model: 'gpt', mock_response: 'mocked text' }, { key });
  assert.equal(streamed.events.at(-1), '[DONE]');
  const failed = await gateway.chat({ model: 'gpt', mock_response: 'litellm.RateLimitError', num_retries: 0 }, { key });
  assert.equal(failed.status, 429, failed.text);
  assert.equal((await fake.account()).calls, before);
});

test('outside view: page, liveness, readiness, metrics, one log line per call', async () => {
  assert.equal((await gateway.call('GET', '/health/liveliness', { key: null })).json, "I'm alive!");
  const readiness = await gateway.call('GET', '/health/readiness', { key: null });
  assert.equal(readiness.json.db, 'connected');
  const page = await gateway.call('GET', '/', { key: null, headers: { accept: 'text/html' } });
  assert.match(page.headers.get('content-type'), /^text\/html/);
  const plain = await gateway.call('GET', '/', { key: null, headers: { accept: '*/*', 'user-agent': 'curl/7.88.1' } });
  assert.match(plain.headers.get('content-type'), /^text\/plain/);
  assert.match(plain.text, /curl/);
  for (const text of [page.text, plain.text]) assert.ok(!text.includes(masterKey));
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const reply = await gateway.chat({ model: 'recorded' }, { key, headers: { traceparent } });
  assert.equal(reply.status, 200, reply.text);
  const upstream = (await fake.requests()).at(-1).headers.find(([name]) => name.toLowerCase() === 'traceparent');
  assert.match(upstream[1], /^00-0af7651916cd43dd8448eb211c80319c-/);
  assert.ok(!upstream[1].includes('b7ad6b7169203331'), 'a span of our own');
  const id = reply.headers.get('x-litellm-call-id');
  await new Promise((resolve) => setTimeout(resolve, 400));
  const lines = gateway.accessLog().filter((line) => JSON.stringify(line).includes(id));
  assert.equal(lines.length, 1);
  assert.ok(JSON.stringify(lines[0]).includes('0af7651916cd43dd8448eb211c80319c'));
  const metrics = await gateway.metrics();
  for (const name of ['litellm_proxy_total_requests_metric_total', 'litellm_spend_metric_total', 'litellm_request_total_latency_metric_bucket', 'litellm_output_tokens_metric_total']) {
    assert.ok(metrics.includes(name), name);
  }
});
