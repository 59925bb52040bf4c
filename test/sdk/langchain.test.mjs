// LangChain: ChatOpenAI, OpenAI (text completions) and OpenAIEmbeddings.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { HumanMessage, ToolMessage } from '@langchain/core/messages';
import { ChatOpenAI, OpenAI, OpenAIEmbeddings } from '@langchain/openai';
import { Scene, costNano, nano, weatherCalls, weatherTool } from './scene.mjs';

let scene;

before(async () => {
  // The library reports its use to a tracing service when the environment says so.
  for (const name of Object.keys(process.env)) if (/^(LANGCHAIN|LANGSMITH)_/.test(name)) delete process.env[name];
  scene = await Scene.start();
});
after(() => scene?.close());

const at = (fields) => ({ apiKey: scene.key, maxRetries: 0, configuration: { baseURL: `${scene.url}/v1` }, ...fields });
const chat = (model, fields = {}) => new ChatOpenAI(at({ model, ...fields }));

test('invoke: content, usage, what it cost', async () => {
  const reply = await chat('gpt').invoke('hi');
  assert.equal(reply.content.trim().split(' ').length, 16);
  assert.equal(reply.response_metadata.finish_reason, 'stop');
  assert.equal(reply.response_metadata.model_name ?? reply.response_metadata.model, 'gpt');
  assert.equal(reply.usage_metadata.output_tokens, 16);
  const row = await scene.row(reply.id);
  assert.equal(row.prompt_tokens, reply.usage_metadata.input_tokens);
  assert.equal(nano(row.spend), costNano({ prompt_tokens: reply.usage_metadata.input_tokens, completion_tokens: 16 }));
});

test('stream: usage by default, none with streamUsage: false, booked either way', async () => {
  for (const streamUsage of [true, false]) {
    let whole;
    let chunks = 0;
    for await (const chunk of await chat('gpt', { streamUsage }).stream('hi')) {
      whole = whole ? whole.concat(chunk) : chunk;
      ++chunks;
    }
    assert.ok(chunks >= 16);
    assert.equal(whole.content.trim().split(' ').length, 16);
    assert.equal(whole.response_metadata.finish_reason, 'stop');
    assert.equal(whole.usage_metadata?.output_tokens, streamUsage ? 16 : undefined);
    assert.equal((await scene.row(whole.id)).completion_tokens, 16);
  }
});

test('batch: several at once', async () => {
  const replies = await chat('gpt').batch(['one', 'two', 'three', 'four']);
  assert.ok(replies.every((reply) => reply.usage_metadata.output_tokens === 16));
});

test('tools, plain and streamed, and their results sent back', async () => {
  const model = chat('tools').bindTools([weatherTool]);
  const reply = await model.invoke('hi');
  assert.deepEqual(reply.tool_calls.map((call) => [call.name, call.args]), weatherCalls.map((city) => ['get_weather', city]));
  let whole;
  for await (const chunk of await model.stream('hi')) whole = whole ? whole.concat(chunk) : chunk;
  assert.deepEqual(whole.tool_calls.map((call) => [call.name, call.args]), weatherCalls.map((city) => ['get_weather', city]));
  const results = reply.tool_calls.map((call) => new ToolMessage({ tool_call_id: call.id, content: 'sunny' }));
  const answer = await chat('gpt').bindTools([weatherTool]).invoke([new HumanMessage('hi'), reply, ...results]);
  assert.ok(answer.content.length > 0);
});

test('embeddings: one and many', async () => {
  for (const fields of [{}, { encodingFormat: 'float' }]) {
    const embeddings = new OpenAIEmbeddings(at({ model: 'embed', ...fields }));
    const one = await embeddings.embedQuery('a');
    assert.equal(one.length, 8);
    assert.ok(one.every((value) => typeof value === 'number' && Math.abs(value) <= 0.5), JSON.stringify(one));
    assert.equal((await embeddings.embedDocuments(['a', 'b', 'c'])).length, 3);
  }
});

test('text completions, plain and streamed', async () => {
  const text = new OpenAI(at({ model: 'gpt', maxTokens: 4 }));
  assert.equal((await text.invoke('hi')).trim().split(' ').length, 4);
  let streamed = '';
  for await (const piece of await text.stream('hi')) streamed += piece;
  assert.equal(streamed.trim().split(' ').length, 4);
});

describe('errors', () => {
  const cases = [
    ['a wrong key', 'gpt', { apiKey: 'sk-wrong-0123456789abcdef' }, 401, /Invalid proxy server token/],
    ['an unknown model', 'gtp', {}, 400, /Invalid model name/],
    ["the provider's 400", 'status-400', {}, 400, /scripted error/],
    ["the provider's 401", 'status-401', {}, 401, /scripted error/],
    ["the provider's 404", 'status-404', {}, 404, /scripted error/],
    ["the provider's 429", 'status-429', {}, 429, /scripted error/],
    ["the provider's 500", 'status-500', {}, 500, /scripted error/],
    ["the provider's 503", 'status-503', {}, 503, /scripted error/],
    ['a time-out', 'impatient', {}, 408, /timeout of 0.3 s expired/],
  ];
  for (const [name, model, fields, status, message] of cases) {
    test(`${name} has status ${status}`, async () => {
      await assert.rejects(chat(model, fields).invoke('hi'), (error) => {
        assert.equal(error.status, status, `${error.constructor.name}: ${error.message}`);
        assert.match(error.message, message);
        return true;
      });
    });
  }

  test('a model the key may not use has status 403', async () => {
    await assert.rejects(chat('tools', { apiKey: scene.narrowKey }).invoke('hi'), { status: 403 });
  });

  test('429 with Retry-After is tried again', async () => {
    const { calls, ms, value } = await scene.counting(() => chat('limited-once', { maxRetries: 2 }).invoke('hi'));
    assert.equal(value.usage_metadata.output_tokens, 16);
    assert.equal(calls, 2);
    assert.ok(ms >= 1000, `${ms} ms`);
  });

  test('a spent budget is asked for once and never reaches the provider', async () => {
    const key = await scene.spentKey();
    let requests = 0;
    const counted = (url, init) => {
      ++requests;
      return fetch(url, init);
    };
    const model = chat('gpt', { apiKey: key, maxRetries: 2, configuration: { baseURL: `${scene.url}/v1`, fetch: counted } });
    const { calls } = await scene.counting(() => assert.rejects(model.invoke('hi'), { status: 429, message: /Budget has been exceeded/ }));
    assert.equal(requests, 1);
    assert.equal(calls, 0);
  });

  test('a stream that breaks is an error, never an end', async () => {
    let chunks = 0;
    await assert.rejects(async () => {
      for await (const chunk of await chat('cut').stream('hi')) chunks += chunk.content ? 1 : 0;
    });
    assert.ok(chunks > 0);
  });
});

test('leaving a stream hangs up on the provider', async () => {
  await scene.hangingUp(async () => {
    const stop = new AbortController();
    let chunks = 0;
    await assert.rejects(async () => {
      for await (const chunk of await chat('endless').stream('hi', { signal: stop.signal })) {
        assert.equal(typeof chunk.content, 'string');
        if (++chunks === 10) stop.abort();
      }
    });
    assert.ok(chunks >= 10);
  });
});

test('the ledger, the keys and the provider agree', () => scene.assertBooked());
