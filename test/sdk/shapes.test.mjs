// One program of the OpenAI client, unchanged, against every big shape played by a scripted provider: tools, streams,
// images, structured output. The provider holds every request to its vendor's own types.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import OpenAI from 'openai';
import { shapeDeployment } from '../harness/shape_deployment.mjs';
import { ShapeProvider, shapes } from '../harness/shape_provider.mjs';
import { Gateway } from '../harness/turnpike.mjs';
import { nano } from './scene.mjs';

const priceNano = { input: 1000, cached: 250, output: 2000 };

const city = { type: 'object', properties: { city: { type: 'string', description: 'Name of the city' } }, required: ['city'], additionalProperties: false };
const tools = [
  { type: 'function', function: { name: 'get_weather', description: 'Current weather of a city', parameters: city } },
  { type: 'function', function: { name: 'get_time', description: 'Local time of a city', parameters: city } },
];
const placeFormat = {
  type: 'json_schema',
  json_schema: {
    name: 'place', strict: true,
    schema: {
      type: 'object', properties: { city: { type: 'string' }, country: { type: 'string' } }, required: ['city', 'country'], additionalProperties: false,
    },
  },
};
const redPixel = 'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==';

/** What the application does; it knows nothing of who answers. Returns what it was told. */
async function program(client, model) {
  const told = {};
  const hello = await client.chat.completions.create({
    model, messages: [{ role: 'system', content: 'Be brief.' }, { role: 'user', content: 'Say hello.' }], temperature: 0.2, max_tokens: 100,
  });
  told.hello = hello.choices[0].message.content;
  assert.equal(hello.choices[0].finish_reason, 'stop');
  assert.equal(hello.usage.total_tokens, hello.usage.prompt_tokens + hello.usage.completion_tokens);

  const helper = client.chat.completions.stream({ model, messages: [{ role: 'user', content: 'Say hello.' }], stream_options: { include_usage: true } });
  const streamed = await helper.finalChatCompletion();
  told.streamed = streamed.choices[0].message.content;
  assert.deepEqual(streamed.usage.completion_tokens, hello.usage.completion_tokens);

  // Two calls at once, then their results, as an agent's loop does it; once whole, once streamed.
  for (const stream of [false, true]) {
    const messages = [{ role: 'user', content: 'Weather and time in Paris?' }];
    const ask = async () => {
      if (!stream) return client.chat.completions.create({ model, messages, tools });
      return client.chat.completions.stream({ model, messages, tools }).finalChatCompletion();
    };
    const asked = await ask();
    assert.equal(asked.choices[0].finish_reason, 'tool_calls');
    const { tool_calls: calls } = asked.choices[0].message;
    assert.equal(new Set(calls.map((call) => call.id)).size, calls.length);
    assert.ok(calls.every((call) => call.id && call.type === 'function'));
    told[`calls ${stream}`] = calls.map((call) => [call.function.name, JSON.parse(call.function.arguments)]);
    // Only the standard fields go back.
    messages.push({ role: 'assistant', content: null, tool_calls: calls.map(({ id, type, function: { name, arguments: text } }) => ({ id, type, function: { name, arguments: text } })) });
    for (const call of calls) messages.push({ role: 'tool', tool_call_id: call.id, content: JSON.stringify({ answer: call.function.name }) });
    told[`after calls ${stream}`] = (await ask()).choices[0].message.content;
  }

  const runner = client.chat.completions.runTools({
    model, messages: [{ role: 'user', content: 'Weather in Paris?' }],
    tools: [{ type: 'function', function: { ...tools[0].function, parse: JSON.parse, function: async ({ city: name }) => `21 degrees in ${name}` } }],
  });
  told.runner = await runner.finalContent();

  const seen = await client.chat.completions.create({
    model, messages: [{ role: 'user', content: [{ type: 'text', text: 'What is this?' }, { type: 'image_url', image_url: { url: redPixel } }] }],
  });
  told.image = seen.choices[0].message.content;

  const parsed = await client.chat.completions.parse({ model, messages: [{ role: 'user', content: 'Name a city.' }], response_format: placeFormat });
  told.place = JSON.parse(parsed.choices[0].message.content);
  const place = await client.chat.completions.stream({ model, messages: [{ role: 'user', content: 'Name a city.' }], response_format: placeFormat }).finalChatCompletion();
  told['place streamed'] = JSON.parse(place.choices[0].message.content);
  assert.equal(place.choices[0].finish_reason, 'stop');
  return told;
}

const expected = {
  hello: 'Bonjour ☕, hello.',
  streamed: 'Bonjour ☕, hello.',
  'calls false': [['get_weather', { city: 'Paris' }], ['get_time', { city: 'Paris' }]],
  'after calls false': '2 results: 21 °C at 12:30.',
  'calls true': [['get_weather', { city: 'Paris' }], ['get_time', { city: 'Paris' }]],
  'after calls true': '2 results: 21 °C at 12:30.',
  runner: '1 results: 21 °C at 12:30.',
  image: 'A red square.',
  place: { city: 'Paris', country: 'France' },
  'place streamed': { city: 'Paris', country: 'France' },
};

for (const name of Object.keys(shapes)) {
  describe(`the same program, answered by ${name}`, () => {
    let provider;
    let gateway;
    let key;
    before(async () => {
      provider = await ShapeProvider.start(name);
      gateway = await Gateway.start({ config: { model_list: [shapeDeployment(name, provider.url)], router_settings: { num_retries: 0 } } });
      key = await gateway.newKey({ max_budget: 10 });
    });
    after(async () => {
      await gateway?.stop();
      await provider?.close();
    });

    test('says the same, asks by the vendor\'s types, and costs what the vendor counted', async () => {
      const client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: key, maxRetries: 0 });
      const told = await program(client, 'group');
      assert.deepEqual(provider.faults, []);
      assert.deepEqual(told, expected);
      const rows = await gateway.rows(`api_key=${key}&limit=1000`, provider.calls.length);
      const { input, cached, output } = provider.total();
      const served = (input - cached) * priceNano.input + cached * priceNano.cached + output * priceNano.output;
      assert.equal(rows.reduce((sum, row) => sum + nano(row.spend), 0), served);
      assert.equal(nano((await gateway.keyInfo(key)).spend), served);
      if (name === 'vertex') assert.equal(provider.tokenRequests, 1, 'one token for all calls');
    });
  });
}
