// Addresses and dialects that neither a fixture nor an SDK program shows whole: what Azure, Foundry, Ollama, watsonx,
// Cloudflare and Databricks are asked when the address comes from the file or the environment, what the caller reads of
// their answers, and what the ledger books. Providers are scripts on bare sockets.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { nano } from '../harness/books.mjs';
import { goodReply, goodStream, RawProvider } from '../harness/raw_provider.mjs';
import { Gateway, masterKey } from '../harness/turnpike.mjs';

let provider;
let gateway;
let tell;
const told = new Promise((resolve) => (tell = resolve));

const key = 'key-of-the-provider-0123';
const line = (o) => `${JSON.stringify({ model: 'up', created_at: '2026-11-20T10:00:00Z', ...o })}\n`;
const ollamaEnd = { message: { role: 'assistant', content: '' }, done: true, done_reason: 'stop', eval_count: 3 };

const ndjson = async (turn, ...lines) => {
  await turn.head(200, { 'content-type': 'application/x-ndjson', 'transfer-encoding': 'chunked' });
  for (const one of lines) await turn.chunk(one);
  await turn.last();
};
const openai = async (turn) => (JSON.parse(turn.request.body).stream || turn.request.line.includes('chat_stream') ? turn.sse(goodStream) : turn.json(200, goodReply));

const scripts = {
  azure: openai,
  azure_v1: openai,
  foundry: openai,
  watsonx: openai,
  cloudflare: openai,
  databricks: openai,
  // The prompt was in the cache: it is not counted.
  ollama: async (turn) =>
    JSON.parse(turn.request.body).stream
      ? ndjson(turn, line({ message: { role: 'assistant', content: 'one ' }, done: false }), line({ message: { role: 'assistant', content: 'two' }, done: false }), line(ollamaEnd))
      : turn.json(200, line({ ...ollamaEnd, message: { role: 'assistant', content: 'one two' } })),
  breaking: async (turn) => {
    await turn.head(200, { 'content-type': 'application/x-ndjson', 'transfer-encoding': 'chunked' });
    await turn.chunk(line({ message: { role: 'assistant', content: 'one ' }, done: false }));
    await told;  // Before content has been given out, an error is a plain one.
    await turn.chunk('{"error":"unexpected EOF"}\n');
    await turn.last();
  },
  cohere: async (turn) => turn.json(200, { id: 'c1', message: { role: 'assistant', content: [{ type: 'text', text: 'one two' }] }, finish_reason: 'COMPLETE', usage: { billed_units: { input_tokens: 5, output_tokens: 2 }, tokens: { input_tokens: 71, output_tokens: 4 } } }),
};

const host = (name) => provider.base(name).replace(/\/v1$/, '');
const row = (name, model, params = {}) => ({ model_name: name, litellm_params: { model, api_base: host(name), api_key: key, input_cost_per_token: 0.000001, output_cost_per_token: 0.000002, ...params } });

before(async () => {
  provider = await RawProvider.start();
  for (const [name, script] of Object.entries(scripts)) provider.on(name, script);
  gateway = await Gateway.start({
    config: {
      model_list: [
        row('azure', 'azure/o_series/my-dep', { api_version: undefined }),
        row('azure_v1', 'azure/my-dep', { api_version: 'v1' }),
        row('foundry', 'azure_ai/grok-4', { api_base: `${host('foundry')}/models/chat/completions?api-version=2024-05-01-preview` }),
        row('watsonx', 'watsonx/deployment/d1', { api_key: undefined, watsonx_token: key, api_version: '2025-02-06' }),
        row('cloudflare', 'cloudflare/@cf/meta/llama-3.1-8b-instruct', { api_base: `${host('cloudflare')}/accounts/a1/ai/run/` }),
        row('databricks', 'databricks/databricks-claude-sonnet-4-5'),
        row('ollama', 'ollama/llama3.1'),
        row('breaking', 'ollama_chat/llama3.1'),
        row('cohere', 'cohere/command-a-03-2025'),
      ],
      router_settings: { num_retries: 0 },
    },
    env: { AZURE_API_VERSION: '2024-10-21' },
  });
});
after(async () => {
  await gateway?.stop();
  await provider?.stop();
});

const last = (name) => {
  const { request } = provider.calls(name).at(-1);
  return { ...request, target: request.line.split(' ')[1], body: JSON.parse(request.body) };
};

test('each is asked at its own address, with its own key, by its own name of the model', async () => {
  const cases = [
    ['azure', /\/openai\/deployments\/my-dep\/chat\/completions\?api-version=2024-10-21$/, 'api-key', key, (body) => body.model === 'my-dep'],
    ['azure_v1', /\/openai\/v1\/chat\/completions$/, 'api-key', key, (body) => body.model === 'my-dep'],
    ['foundry', /\/models\/chat\/completions\?api-version=2024-05-01-preview$/, 'api-key', key, (body) => body.model === 'grok-4'],
    ['watsonx', /\/ml\/v1\/deployments\/d1\/text\/chat\?version=2025-02-06$/, 'authorization', `Bearer ${key}`, (body) => body.model === undefined && body.model_id === undefined],
    ['cloudflare', /\/accounts\/a1\/ai\/v1\/chat\/completions$/, 'authorization', `Bearer ${key}`, (body) => body.model === '@cf/meta/llama-3.1-8b-instruct'],
    ['databricks', /\/databricks\/chat\/completions$/, 'authorization', `Bearer ${key}`, (body) => body.model === 'databricks-claude-sonnet-4-5'],
    ['ollama', /\/api\/chat$/, 'authorization', `Bearer ${key}`, (body) => body.stream === false],
    ['cohere', /\/v2\/chat$/, 'authorization', `Bearer ${key}`, (body) => body.model === 'command-a-03-2025'],
  ];
  for (const [name, target, header, value, body] of cases) {
    const reply = await gateway.chat({ model: name });
    assert.equal(reply.status, 200, `${name}: ${reply.text}`);
    assert.equal(reply.json.choices[0].message.content, 'one two', name);
    const sent = last(name);
    assert.match(sent.target, target, name);
    assert.equal(sent.headers[header], value, name);
    if (header === 'api-key') assert.equal(sent.headers.authorization, undefined, name);
    assert.ok(body(sent.body), `${name}: ${JSON.stringify(sent.body)}`);
  }
});

test('streams: watsonx by its path, Ollama by lines; one shape for the caller', async () => {
  for (const name of ['watsonx', 'ollama', 'azure']) {
    const reply = await gateway.chat({ model: name, stream: true, stream_options: { include_usage: true } });
    assert.equal(reply.status, 200, `${name}: ${reply.text}`);
    const chunks = reply.text.split('\n\n').filter((one) => one.startsWith('data: {')).map((one) => JSON.parse(one.slice(6)));
    assert.equal(chunks.map((one) => one.choices[0]?.delta.content ?? '').join(''), 'one two', name);
    assert.ok(chunks.at(-1).usage.prompt_tokens > 0, `${name}: ${reply.text}`);
    assert.ok(reply.text.endsWith('data: [DONE]\n\n'), name);
  }
  assert.match(last('watsonx').target, /\/text\/chat_stream\?version=2025-02-06$/);
  assert.equal(last('watsonx').body.stream, undefined);
  assert.equal(last('ollama').body.stream, true);
});

test('half a usage is counted: the caller reads what is booked, whole and streamed', async () => {
  for (const stream of [false, true]) {
    const id = `half-${stream}`;
    const reply = await gateway.chat({ model: 'ollama', ...(stream && { stream, stream_options: { include_usage: true } }) }, { headers: { 'x-litellm-call-id': id } });
    const usage = stream ? JSON.parse(reply.text.split('\n\n').filter((one) => one.startsWith('data: {')).at(-1).slice(6)).usage : reply.json.usage;
    assert.equal(usage.completion_tokens, 3);
    assert.ok(usage.prompt_tokens > 0, JSON.stringify(usage));
    const [booked] = await gateway.rows(`request_id=${id}`, 1);
    assert.equal(booked.prompt_tokens, usage.prompt_tokens);
    assert.equal(booked.completion_tokens, 3);
  }
});

test('Cohere: the caller reads what the model saw, the ledger books the invoice', async () => {
  const reply = await gateway.chat({ model: 'cohere' }, { headers: { 'x-litellm-call-id': 'invoice' } });
  assert.deepEqual(reply.json.usage, { prompt_tokens: 71, completion_tokens: 4, total_tokens: 75 });
  const [booked] = await gateway.rows('request_id=invoice', 1);
  assert.equal(nano(booked.spend), 5 * 1000 + 2 * 2000);
  assert.equal(booked.prompt_tokens, 71);
});

test('a line that is an error breaks the stream, and is no end', async () => {
  const reply = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${masterKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'breaking', stream: true, messages: [{ role: 'user', content: 'hi' }] }),
  });
  assert.equal(reply.status, 200);
  let text = '';
  for await (const bytes of reply.body) {
    text += Buffer.from(bytes).toString();
    if (text.includes('one ')) tell();
  }
  const events = text.split('\n\n').filter(Boolean);
  assert.match(events.at(-2), /"error":\{"message":"[^"]*unexpected EOF/);
  assert.equal(events.at(-1), 'data: [DONE]');
  assert.ok(!text.includes('"finish_reason":"stop"'));
});
