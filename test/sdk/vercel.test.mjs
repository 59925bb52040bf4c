// The Vercel AI SDK, over its OpenAI provider (chat, text and embedding models) and its OpenAI-compatible one.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { APICallError, RetryError, embedMany, generateText, isStepCount, jsonSchema, streamText, tool } from 'ai';
import { Scene, nano, weatherCalls, weatherParameters } from './scene.mjs';

let scene;

before(async () => {
  scene = await Scene.start();
});
after(() => scene?.close());

const providers = {
  '@ai-sdk/openai': (options = {}) => {
    const provider = createOpenAI({ baseURL: `${scene.url}/v1`, apiKey: scene.key, ...options });
    return { chat: (id) => provider.chat(id), text: (id) => provider.completion(id), embedding: (id) => provider.embedding(id) };
  },
  '@ai-sdk/openai-compatible': (options = {}) => {
    const provider = createOpenAICompatible({ name: 'turnpike', baseURL: `${scene.url}/v1`, apiKey: scene.key, includeUsage: true, ...options });
    return { chat: (id) => provider.chatModel(id), text: (id) => provider.completionModel(id), embedding: (id) => provider.embeddingModel(id) };
  },
};
const once = { maxRetries: 0 };
const weather = (more = {}) => ({ get_weather: tool({ description: 'The weather of a city', inputSchema: jsonSchema(weatherParameters), ...more }) });

for (const [name, make] of Object.entries(providers)) {
  describe(name, () => {
    test('generateText: text, usage, headers', async () => {
      const result = await generateText({ model: make().chat('gpt'), prompt: 'hi', ...once });
      assert.equal(result.text.trim().split(' ').length, 16);
      assert.equal(result.finishReason, 'stop');
      assert.equal(result.usage.outputTokens, 16);
      assert.equal(result.response.modelId, 'gpt');
      assert.equal(nano(result.response.headers['x-litellm-response-cost']), result.usage.inputTokens * 1000 + 32_000);
      const row = await scene.row(result.response.headers['x-request-id']);
      assert.equal(row.prompt_tokens, result.usage.inputTokens);
    });

    test('streamText: text, usage and the end', async () => {
      const result = streamText({ model: make().chat('gpt'), prompt: 'hi', ...once });
      let text = '';
      for await (const delta of result.textStream) text += delta;
      assert.equal(text.trim().split(' ').length, 16);
      assert.equal(await result.finishReason, 'stop');
      assert.equal((await result.usage).outputTokens, 16);
    });

    test('tool calls, plain', async () => {
      const result = await generateText({ model: make().chat('tools'), prompt: 'hi', tools: weather(), ...once });
      assert.equal(result.finishReason, 'tool-calls');
      assert.deepEqual(result.toolCalls.map((call) => [call.toolName, call.input]), weatherCalls.map((city) => ['get_weather', city]));
      assert.equal(new Set(result.toolCalls.map((call) => call.toolCallId)).size, 2);
    });

    test('tool calls, streamed and carried out over two steps', async () => {
      const asked = [];
      const execute = ({ city }) => {
        asked.push(city);
        return 'sunny';
      };
      const result = streamText({ model: make().chat('tools'), prompt: 'hi', tools: weather({ execute }), stopWhen: isStepCount(2), ...once });
      const types = new Set();
      for await (const part of result.fullStream) {
        types.add(part.type);
        assert.notEqual(part.type, 'error', JSON.stringify(part));
      }
      for (const type of ['tool-input-start', 'tool-input-delta', 'tool-call', 'tool-result', 'finish']) assert.ok(types.has(type), `${type} in ${[...types]}`);
      assert.deepEqual(asked.slice(0, 2), ['Town 0', 'Town 1']);
      assert.equal((await result.steps).length, 2);
    });

    test('a text model, plain and streamed', async () => {
      const whole = await generateText({ model: make().text('gpt'), prompt: 'hi', maxOutputTokens: 4, ...once });
      assert.equal(whole.finishReason, 'length');
      assert.equal(whole.usage.outputTokens, 4);
      const result = streamText({ model: make().text('gpt'), prompt: 'hi', maxOutputTokens: 4, ...once });
      let text = '';
      for await (const delta of result.textStream) text += delta;
      assert.equal(text.trim().split(' ').length, 4);
    });

    test('embedMany', async () => {
      const { embeddings, usage } = await embedMany({ model: make().embedding('embed'), values: ['a', 'b', 'c'], ...once });
      assert.equal(embeddings.length, 3);
      assert.ok(embeddings.flat().every((value) => Math.abs(value) <= 0.5));
      assert.ok(usage.tokens > 0);
    });

    const errors = [
      ['a wrong key', 'gpt', { apiKey: 'sk-wrong-0123456789abcdef' }, 401, false, /Invalid proxy server token/],
      ['an unknown model', 'gtp', {}, 400, false, /Invalid model name/],
      ["the provider's 400", 'status-400', {}, 400, false, /scripted error/],
      ["the provider's 404", 'status-404', {}, 404, false, /scripted error/],
      ["the provider's 429", 'status-429', {}, 429, true, /scripted error/],
      ["the provider's 500", 'status-500', {}, 500, true, /scripted error/],
      ["the provider's 502", 'status-502', {}, 502, true, /scripted error/],
      ["the provider's 503", 'status-503', {}, 503, true, /scripted error/],
      ['a time-out', 'impatient', {}, 408, true, /timeout of 0.3 s expired/],
    ];
    for (const [what, model, options, status, retryable, message] of errors) {
      test(`${what} is an APICallError with status ${status}`, async () => {
        await assert.rejects(generateText({ model: make(options).chat(model), prompt: 'hi', ...once }), (error) => {
          assert.ok(APICallError.isInstance(error), error.constructor.name);
          assert.equal(error.statusCode, status);
          assert.equal(error.isRetryable, retryable);
          assert.match(error.message, message, 'the message is read from the envelope');
          return true;
        });
      });
    }

    test('a model the key may not use is 403', async () => {
      const model = make({ apiKey: scene.narrowKey }).chat('tools');
      await assert.rejects(generateText({ model, prompt: 'hi', ...once }), (error) => APICallError.isInstance(error) && error.statusCode === 403 && !error.isRetryable);
    });

    test('a stream that breaks is an error, never an end', async () => {
      const errors = [];
      const result = streamText({ model: make().chat('cut'), prompt: 'hi', onError: ({ error }) => errors.push(error), ...once });
      const types = [];
      for await (const part of result.fullStream) types.push(part.type);
      assert.ok(types.includes('text-delta') && types.includes('error'), types.join());
      assert.ok(errors.length > 0);
    });

    test('aborting a stream hangs up on the provider', async () => {
      await scene.hangingUp(async () => {
        const stop = new AbortController();
        const result = streamText({ model: make().chat('endless'), prompt: 'hi', abortSignal: stop.signal, ...once });
        let deltas = 0;
        for await (const part of result.fullStream) {
          if (part.type === 'text-delta' && ++deltas === 10) stop.abort();
          if (part.type === 'abort') break;
        }
        assert.ok(deltas >= 10);
      });
    });
  });
}

test('the compatible provider without includeUsage gets no usage, and the ledger knows it all the same', async () => {
  const result = streamText({ model: providers['@ai-sdk/openai-compatible']({ includeUsage: false }).chat('gpt'), prompt: 'hi', ...once });
  await result.consumeStream();
  assert.equal((await result.usage).outputTokens, undefined);
  const row = await scene.row((await result.response).headers['x-request-id']);
  assert.equal(row.completion_tokens, 16);
});

test('429 with Retry-After: three attempts, a second apart', async () => {
  const { calls, ms } = await scene.counting(() =>
    assert.rejects(generateText({ model: providers['@ai-sdk/openai']().chat('limited'), prompt: 'hi' }), (error) => RetryError.isInstance(error) && error.errors.length === 3),
  );
  assert.equal(calls, 3);
  assert.ok(ms >= 2000, `${ms} ms`);
});

// The SDK does not read x-should-retry: left to itself it asks three times, and is refused three times.
test('a spent budget is a 429 that never reaches the provider', async () => {
  const key = await scene.spentKey();
  const { calls } = await scene.counting(() =>
    assert.rejects(generateText({ model: providers['@ai-sdk/openai']({ apiKey: key }).chat('gpt'), prompt: 'hi', ...once }), (error) => {
      assert.equal(error.statusCode, 429);
      assert.equal(error.responseHeaders['x-should-retry'], 'false');
      assert.equal(error.data.error.type, 'budget_exceeded');
      return true;
    }),
  );
  assert.equal(calls, 0);
});

test('the ledger, the keys and the provider agree', () => scene.assertBooked());
