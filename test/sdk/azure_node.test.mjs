// The Azure class of the OpenAI client: the key in `api-key`, the model in the path, `?api-version=` on everything.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import OpenAI, { AzureOpenAI } from 'openai';
import { Scene, costNano, nano, weatherCalls, weatherTool } from './scene.mjs';

let scene;

before(async () => {
  scene = await Scene.start();
});
after(() => scene?.close());

const hi = [{ role: 'user', content: 'hi' }];

function client(options = {}) {
  return new AzureOpenAI({ endpoint: scene.url, apiKey: scene.key, apiVersion: '2025-04-01-preview', maxRetries: 0, ...options });
}

async function collect(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

test('the client sends what Azure expects, and the gateway takes it', async () => {
  let sent;
  const spy = (url, init) => {
    sent = { url: String(url), headers: new Headers(init.headers), body: init.body };
    return fetch(url, init);
  };
  const { data, response } = await client({ fetch: spy }).chat.completions.create({ model: 'gpt', messages: hi }).withResponse();
  assert.equal(sent.url, `${scene.url}/openai/deployments/gpt/chat/completions?api-version=2025-04-01-preview`);
  assert.equal(sent.headers.get('api-key'), scene.key);
  assert.equal(sent.headers.get('authorization'), null);
  assert.equal(data.model, 'gpt');
  assert.ok(data._request_id);
  assert.equal(nano(response.headers.get('x-litellm-response-cost')), costNano(data.usage));
});

test('the deployment of the client wins over the model of the body', async () => {
  const { model } = await client({ deployment: 'gpt' }).chat.completions.create({ model: 'whatever-the-application-says', messages: hi });
  assert.equal(model, 'gpt');
});

test('the name of a model may hold a slash', async () => {
  await assert.rejects(client().chat.completions.create({ model: 'openai/no-such', messages: hi }), (error) => {
    assert.ok(error instanceof OpenAI.BadRequestError, error.constructor.name);
    assert.match(error.message, /Invalid model name passed in model=openai\/no-such/);
    return true;
  });
});

test('stream: usage when asked, none when not', async () => {
  for (const asked of [false, true]) {
    const chunks = await collect(await client().chat.completions.create({ model: 'gpt', stream: true, messages: hi, ...(asked ? { stream_options: { include_usage: true } } : {}) }));
    assert.equal(chunks.filter((chunk) => chunk.usage).length, asked ? 1 : 0);
    assert.equal(chunks.filter((chunk) => chunk.choices[0]?.finish_reason === 'stop').length, 1);
    assert.equal(chunks[0].model, 'gpt');
  }
});

test('tool calls, plain and streamed', async () => {
  const ask = { model: 'tools', messages: hi, tools: [weatherTool] };
  for (const whole of [await client().chat.completions.create(ask), await client().chat.completions.stream(ask).finalChatCompletion()]) {
    assert.deepEqual(whole.choices[0].message.tool_calls.map((call) => JSON.parse(call.function.arguments)), weatherCalls);
  }
});

test('embeddings and text completions', async () => {
  const plain = await client().embeddings.create({ model: 'embed', input: ['a', 'b'] });
  assert.equal(plain.data.length, 2);
  assert.ok(plain.data[0].embedding.every((value) => Math.abs(value) <= 0.5));
  const floats = await client().embeddings.create({ model: 'embed', input: 'a', encoding_format: 'float', dimensions: 3 });
  assert.equal(floats.data[0].embedding.length, 3);
  const text = await client().completions.create({ model: 'gpt', prompt: 'hi', max_tokens: 4 });
  assert.equal(text.choices[0].finish_reason, 'length');
});

test('models: the list, one of them, an unknown one', async () => {
  const names = [];
  for await (const model of client().models.list()) names.push(model.id);
  assert.ok(names.includes('gpt'), names.join());
  assert.equal((await client().models.retrieve('gpt')).id, 'gpt');
  await assert.rejects(client().models.retrieve('gtp'), OpenAI.NotFoundError);
});

for (const [name, call, type] of [
  ['a wrong key', () => client({ apiKey: 'sk-wrong-0123456789abcdef' }), OpenAI.AuthenticationError],
  ['a model the key may not use', () => client({ apiKey: scene.narrowKey, deployment: 'tools' }), OpenAI.PermissionDeniedError],
  ['an unknown model', () => client({ deployment: 'gtp' }), OpenAI.BadRequestError],
  ['a rate limit of the provider', () => client({ deployment: 'status-429' }), OpenAI.RateLimitError],
  ['a failing provider', () => client({ deployment: 'status-503' }), OpenAI.InternalServerError],
]) {
  test(`${name} is ${type.name}`, async () => {
    await assert.rejects(call().chat.completions.create({ model: 'gpt', messages: hi }), (error) => {
      assert.equal(error.constructor, type, error.message);
      return true;
    });
  });
}

test('a spent budget is not tried again', async () => {
  const key = await scene.spentKey();
  let requests = 0;
  const counted = (url, init) => {
    ++requests;
    return fetch(url, init);
  };
  await assert.rejects(client({ apiKey: key, maxRetries: 5, fetch: counted }).chat.completions.create({ model: 'gpt', messages: hi }), OpenAI.RateLimitError);
  assert.equal(requests, 1);
});

test('leaving a stream hangs up on the provider', async () => {
  await scene.hangingUp(async () => {
    const stream = await client().chat.completions.create({ model: 'endless', stream: true, messages: hi });
    for await (const chunk of stream) if (chunk.choices[0].delta.content) break;
  });
});

test('the ledger, the keys and the provider agree', () => scene.assertBooked());
