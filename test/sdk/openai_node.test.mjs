// The official OpenAI client for Node, with the base URL in both of its usual forms.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import OpenAI from 'openai';
import { Scene, costNano, nano, weatherCalls, weatherTool } from './scene.mjs';

let scene;

before(async () => {
  scene = await Scene.start();
});
after(() => scene?.close());

const hi = [{ role: 'user', content: 'hi' }];

function client(options = {}) {
  return new OpenAI({ baseURL: `${scene.url}/v1`, apiKey: scene.key, maxRetries: 0, ...options });
}

async function collect(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

for (const suffix of ['/v1', '']) {
  describe(`openai for Node, base URL http://host:port${suffix}`, () => {
    const here = (options = {}) => client({ baseURL: scene.url + suffix, ...options });

    test('chat: text, usage, our request id, the headers that say what it cost', async () => {
      const { data, response, request_id } = await here().chat.completions.create({ model: 'gpt', messages: hi }).withResponse();
      assert.equal(data.model, 'gpt');
      assert.equal(data.choices[0].finish_reason, 'stop');
      assert.ok(data.choices[0].message.content.length > 0);
      assert.equal(data.usage.total_tokens, data.usage.prompt_tokens + 16);
      assert.ok(request_id);
      assert.equal(data._request_id, request_id);
      assert.equal(response.headers.get('x-request-id'), request_id);
      assert.equal(nano(response.headers.get('x-litellm-response-cost')), costNano(data.usage));
      assert.ok(nano(response.headers.get('x-litellm-key-spend')) >= costNano(data.usage));
      assert.equal(nano(response.headers.get('x-litellm-key-max-budget')), 10e9);
      assert.equal(response.headers.get('x-litellm-model-group'), 'gpt');
      assert.equal(response.headers.get('x-litellm-attempted-retries'), '0');
      assert.equal(response.headers.get('x-ratelimit-remaining-requests'), '9999');
      for (const name of ['x-litellm-call-id', 'x-litellm-version', 'x-litellm-model-id', 'x-litellm-model-api-base', 'x-litellm-response-duration-ms', 'x-litellm-overhead-duration-ms']) {
        assert.ok(response.headers.get(name), name);
      }
      const row = await scene.row(request_id);
      assert.equal(nano(row.spend), costNano(data.usage));
      assert.equal((await scene.row(response.headers.get('x-litellm-call-id'))).request_id, row.request_id);
      assert.equal((await scene.row(data.id)).request_id, row.request_id);
    });

    test('stream without usage asked: none arrives, and the ledger knows it all the same', async () => {
      const { data, request_id } = await here().chat.completions.create({ model: 'gpt', stream: true, messages: hi }).withResponse();
      const chunks = await collect(data);
      assert.equal(chunks.map((chunk) => chunk.choices[0].delta.content ?? '').join('').trim().split(' ').length, 16);
      assert.ok(chunks.every((chunk) => !chunk.usage && chunk.choices.length === 1));
      assert.equal(chunks[0].choices[0].delta.role, 'assistant');
      assert.equal(chunks.filter((chunk) => chunk.choices[0].delta.role).length, 1);
      assert.deepEqual(chunks.map((chunk) => chunk.choices[0].finish_reason), [...Array(chunks.length - 1).fill(null), 'stop']);
      for (const field of ['id', 'model', 'created']) assert.equal(new Set(chunks.map((chunk) => chunk[field])).size, 1, field);
      assert.equal(chunks[0].model, 'gpt');
      assert.equal((await scene.row(request_id)).completion_tokens, 16);
    });

    test('stream with usage asked: one usage chunk, last', async () => {
      const chunks = await collect(await here().chat.completions.create({ model: 'gpt', stream: true, stream_options: { include_usage: true }, messages: hi }));
      assert.deepEqual(chunks.at(-1).choices, []);
      assert.equal(chunks.at(-1).usage.completion_tokens, 16);
      assert.equal(chunks.filter((chunk) => chunk.usage).length, 1);
    });

    test('the stream helper adds up what came', async () => {
      const runner = here().chat.completions.stream({ model: 'gpt', stream_options: { include_usage: true }, messages: hi });
      const whole = await runner.finalChatCompletion();
      assert.equal(whole.choices[0].finish_reason, 'stop');
      assert.equal(whole.usage.completion_tokens, 16);
    });

    test('tool calls, plain and streamed, say the same', async () => {
      const ask = { model: 'tools', messages: hi, tools: [weatherTool] };
      const { choices } = await here().chat.completions.create(ask);
      assert.equal(choices[0].finish_reason, 'tool_calls');
      assert.equal(choices[0].message.content, null);
      const calls = choices[0].message.tool_calls;
      assert.deepEqual(calls.map((call) => [call.type, call.function.name, JSON.parse(call.function.arguments)]), weatherCalls.map((city) => ['function', 'get_weather', city]));
      assert.equal(new Set(calls.map((call) => call.id)).size, 2);
      const streamed = await here().chat.completions.stream(ask).finalChatCompletion();
      assert.equal(streamed.choices[0].finish_reason, 'tool_calls');
      assert.deepEqual(streamed.choices[0].message.tool_calls.map((call) => [call.function.name, JSON.parse(call.function.arguments)]), weatherCalls.map((city) => ['get_weather', city]));
      const answered = await here().chat.completions.create({
        model: 'gpt',
        tools: [weatherTool],
        messages: [...hi, choices[0].message, ...calls.map((call) => ({ role: 'tool', tool_call_id: call.id, content: 'sunny' }))],
      });
      assert.equal(answered.choices[0].finish_reason, 'stop');
    });

    test('embeddings: the default base64 and explicit floats are the same numbers', async () => {
      const ask = { model: 'embed', input: ['a', 'b'] };
      const plain = await here().embeddings.create(ask); // The client asks for base64 and decodes it.
      assert.equal(plain.data.length, 2);
      assert.equal(plain.model, 'embed');
      assert.ok(plain.usage.prompt_tokens > 0);
      const wire = await here().embeddings.create({ ...ask, encoding_format: 'base64' });
      assert.equal(typeof wire.data[0].embedding, 'string');
      for (const [i, { embedding }] of plain.data.entries()) {
        const bytes = Buffer.from(wire.data[i].embedding, 'base64');
        assert.deepEqual([...embedding], Array.from({ length: bytes.length / 4 }, (_, at) => bytes.readFloatLE(at * 4)));
      }
      const floats = await here().embeddings.create({ ...ask, encoding_format: 'float', dimensions: 3 });
      assert.equal(floats.data[1].embedding.length, 3);
      assert.ok(floats.data[1].embedding.every((value) => Math.abs(value) <= 0.5));
    });

    test('models: the list, one of them, an unknown one', async () => {
      const names = [];
      for await (const model of here().models.list()) names.push(model.id);
      assert.ok(names.includes('gpt') && names.includes('embed'), names.join());
      assert.equal((await here().models.retrieve('gpt')).id, 'gpt');
      await assert.rejects(here().models.retrieve('gtp'), (error) => {
        assert.ok(error instanceof OpenAI.NotFoundError, error.constructor.name);
        assert.match(error.message, /gtp.*does not exist.*gpt/);
        return true;
      });
      const own = [];
      for await (const model of here({ apiKey: scene.narrowKey }).models.list()) own.push(model.id);
      assert.deepEqual(own, ['gpt']);
    });

    test('text completions, plain and streamed', async () => {
      const whole = await here().completions.create({ model: 'gpt', prompt: 'hi', max_tokens: 4 });
      assert.equal(whole.object, 'text_completion');
      assert.equal(whole.choices[0].text.trim().split(' ').length, 4);
      assert.equal(whole.choices[0].finish_reason, 'length');
      for (const asked of [false, true]) {
        const chunks = await collect(await here().completions.create({ model: 'gpt', prompt: 'hi', max_tokens: 4, stream: true, ...(asked ? { stream_options: { include_usage: true } } : {}) }));
        assert.equal(chunks.flatMap((chunk) => chunk.choices.map((choice) => choice.text)).join('').trim().split(' ').length, 4);
        assert.equal(chunks.filter((chunk) => chunk.usage).length, asked ? 1 : 0);
      }
    });
  });
}

describe('errors as the client sees them', () => {
  const chat = (model, options) => client(options).chat.completions.create({ model, messages: hi });

  const ours = [
    ['a wrong key', () => chat('gpt', { apiKey: 'sk-wrong-0123456789abcdef' }), OpenAI.AuthenticationError, 401, 'token_not_found_in_db', /Invalid proxy server token/],
    ['no key of ours', () => chat('gpt', { apiKey: 'wrong' }), OpenAI.AuthenticationError, 401, 'auth_error', /expected to start with 'sk-'/],
    ['a model the key may not use', () => chat('tools', { apiKey: scene.narrowKey }), OpenAI.PermissionDeniedError, 403, 'key_model_access_denied', /tools/],
    ['an unknown model', () => chat('gtp'), OpenAI.BadRequestError, 400, 'invalid_request_error', /Invalid model name passed in model=gtp.*/],
    ['a model that is no text', () => chat(7), OpenAI.BadRequestError, 400, 'invalid_request_error', /model/],
    ['a path that is none', () => client().post('/nope', { body: {} }), OpenAI.NotFoundError, 404, 'not_found_error', /nope/],
  ];
  for (const [name, call, type, status, kind, message] of ours) {
    test(`${name} is ${status} ${type.name}`, async () => {
      const { calls } = await scene.counting(() =>
        assert.rejects(call(), (error) => {
          assert.ok(error instanceof type, `${error.constructor.name}: ${error.message}`);
          assert.equal(error.status, status);
          assert.equal(error.type, kind);
          assert.match(error.message, message);
          assert.equal(typeof error.code, 'string');
          return true;
        }),
      );
      assert.equal(calls, 0);
    });
  }

  const providers = [
    [400, OpenAI.BadRequestError],
    [401, OpenAI.AuthenticationError],
    [403, OpenAI.PermissionDeniedError],
    [404, OpenAI.NotFoundError],
    [422, OpenAI.UnprocessableEntityError],
    [429, OpenAI.RateLimitError],
    [500, OpenAI.InternalServerError],
    [502, OpenAI.InternalServerError],
    [503, OpenAI.InternalServerError],
  ];
  for (const stream of [false, true]) {
    for (const [status, type] of providers) {
      test(`the provider's ${status} is ${type.name}${stream ? ', before a stream has begun' : ''}`, async () => {
        const call = client().chat.completions.create({ model: `status-${status}`, messages: hi, stream });
        await assert.rejects(call, (error) => {
          assert.equal(error.constructor, type, error.message);
          assert.equal(error.status, status);
          assert.match(error.message, /scripted error/);
          assert.ok(error.requestID, 'x-request-id');
          assert.equal(error.headers.get('x-litellm-response-cost'), '0');
          return true;
        });
      });
    }
  }

  test('429 with Retry-After: the client waits for it and tries twice more', async () => {
    const { calls, ms } = await scene.counting(() => assert.rejects(chat('limited', { maxRetries: undefined }), OpenAI.RateLimitError));
    assert.equal(calls, 3);
    assert.ok(ms >= 2000, `${ms} ms`);
  });

  test('429 once: the second attempt of the client answers', async () => {
    const { calls, ms, value } = await scene.counting(() => chat('limited-once', { maxRetries: 1 }));
    assert.equal(value.choices[0].finish_reason, 'stop');
    assert.equal(calls, 2);
    assert.ok(ms >= 1000, `${ms} ms`);
  });

  test('a spent budget is a RateLimitError that the client does not repeat', async () => {
    const key = await scene.spentKey();
    let requests = 0;
    const counted = (url, init) => {
      ++requests;
      return fetch(url, init);
    };
    const { calls } = await scene.counting(() =>
      assert.rejects(chat('gpt', { apiKey: key, maxRetries: 5, fetch: counted }), (error) => {
        assert.ok(error instanceof OpenAI.RateLimitError, error.constructor.name);
        assert.equal(error.type, 'budget_exceeded');
        assert.match(error.message, /Budget has been exceeded! Current cost: 0\.003\d*, Max budget: 0\.001/);
        assert.equal(error.headers.get('x-should-retry'), 'false');
        return true;
      }),
    );
    assert.equal(requests, 1);
    assert.equal(calls, 0);
  });

  test('a provider that does not answer in time is 408, and the client hears how long was waited', async () => {
    await scene.hangingUp(() =>
      assert.rejects(chat('impatient'), (error) => {
        assert.ok(error instanceof OpenAI.APIError);
        assert.equal(error.status, 408);
        assert.equal(error.type, 'timeout_error');
        assert.equal(error.headers.get('x-litellm-timeout'), '0.3');
        return true;
      }),
    );
  });

  test('a client that loses its patience is APIConnectionTimeoutError, and the provider is hung up upon', async () => {
    await scene.hangingUp(() => assert.rejects(chat('silent', { timeout: 200 }), OpenAI.APIConnectionTimeoutError));
  });

  test('a stream that breaks is an error, never an end', async () => {
    const stream = await client().chat.completions.create({ model: 'cut', stream: true, messages: hi });
    const chunks = [];
    await assert.rejects(
      async () => {
        for await (const chunk of stream) chunks.push(chunk);
      },
      (error) => {
        assert.ok(error instanceof OpenAI.APIError, error.constructor.name);
        assert.equal(error.type, 'upstream_stream_error');
        assert.equal(error.code, '502');
        return true;
      },
    );
    assert.ok(chunks.length > 0);
    assert.ok(chunks.every((chunk) => chunk.choices[0].finish_reason === null));
  });
});

describe('hanging up', () => {
  for (const [name, leave] of [
    ['break out of the loop', () => {}],
    ['abort()', (stream) => stream.controller.abort()],
  ]) {
    test(`${name}: the provider is hung up upon, what came is booked as an estimate`, async () => {
      const id = await scene.hangingUp(async () => {
        const { data: stream, request_id } = await client().chat.completions.create({ model: 'endless', stream: true, messages: hi }).withResponse();
        let chunks = 0;
        for await (const chunk of stream) {
          assert.ok(chunk.choices.length > 0);
          if (++chunks < 10) continue;
          leave(stream);
          break;
        }
        return request_id;
      });
      const row = await scene.row(id);
      assert.equal(row.status, 'failure');
      assert.match(row.turnpike.marks, /client_disconnected/);
      assert.match(row.turnpike.marks, /estimated/);
      assert.equal(row.turnpike.http_status, 499);
      assert.ok(row.completion_tokens >= 9 && row.completion_tokens < 400, `${row.completion_tokens} tokens`);
      assert.ok(nano(row.spend) > 0);
    });
  }
});

test('what the client sends travels: unknown fields, and nothing of our key', async () => {
  await client().chat.completions.create({ model: 'seen', messages: hi, a_new_field: { deep: [1] }, user: 'alice' });
  const [request] = await scene.fake.requests();
  const body = JSON.parse(request.body);
  assert.deepEqual(body.a_new_field, { deep: [1] });
  assert.equal(body.user, 'alice');
  assert.equal(body.model, 'seen');
  assert.ok(!JSON.stringify(request).includes(scene.key));
  assert.ok(!request.headers.some(([name]) => name.toLowerCase().startsWith('x-stainless')), 'the client says nothing of itself to the provider');
});

test('the ledger, the keys and the provider agree', () => scene.assertBooked());
