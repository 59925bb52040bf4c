// Providers as the wire sees them: addresses, credentials and field names of the catalogue's rows, and what becomes of
// a model's name. Each provider is played by the scripted one, to which its base-URL variable points.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { FakeProvider, Gateway, masterKey, runBinary, scene } from '../harness/turnpike.mjs';

let fake;
before(async () => {
  fake = await FakeProvider.start();
});
after(async () => {
  await fake?.stop();
});

const recorded = () => fake.base('record');
const last = async () => {
  const request = (await fake.requests()).at(-1);
  return { target: request.target.replace(/^\/fake\/[^/]*/, ''), headers: Object.fromEntries(request.headers.map(([name, value]) => [name.toLowerCase(), value])), body: JSON.parse(request.body) };
};
const group = (name, params) => ({ model_name: name, litellm_params: params });

test('turnpike providers: the whole catalogue, as reviewed', async () => {
  const listed = await runBinary(['providers']);
  assert.equal(listed.code, 0, listed.stderr);
  const golden = path.join(path.dirname(fileURLToPath(import.meta.url)), 'golden/providers.txt');
  if (process.env.UPDATE_FIXTURES) fs.writeFileSync(golden, listed.stdout);
  assert.equal(listed.stdout, fs.readFileSync(golden, 'utf8'));
  assert.ok(listed.stdout.split('\n').length > 140);
});

test('keys and addresses come from the environment, each key travels as its provider wants it', async () => {
  const key = 'key-of-the-environment';
  const cases = [
    ['openai/m', { OPENAI_API_KEY: key, OPENAI_BASE_URL: recorded() }, 'authorization', `Bearer ${key}`],
    ['openai/m', { OPENAI_API_KEY: key, OPENAI_API_BASE: recorded() }, 'authorization', `Bearer ${key}`],
    ['groq/m', { GROQ_API_KEY: key, GROQ_API_BASE: recorded() }, 'authorization', `Bearer ${key}`],
    ['fireworks_ai/m', { FIREWORKS_AI_TOKEN: key, FIREWORKS_API_BASE: recorded() }, 'authorization', `Bearer ${key}`],
    ['together_ai/m', { TOGETHERAI_API_KEY: key, TOGETHER_AI_API_KEY: 'before it in the row', TOGETHER_AI_API_BASE: recorded() }, 'authorization', 'Bearer before it in the row'],
    ['sarvam/m', { SARVAM_API_KEY: key, SARVAM_API_BASE: recorded() }, 'api-subscription-key', key],
    ['assemblyai/m', { ASSEMBLYAI_API_KEY: key, ASSEMBLYAI_API_BASE: recorded() }, 'authorization', key],
    ['hosted_vllm/m', { HOSTED_VLLM_API_BASE: recorded() }, 'authorization', undefined],
    ['hosted_vllm/m', { HOSTED_VLLM_API_KEY: key, HOSTED_VLLM_API_BASE: recorded() }, 'authorization', `Bearer ${key}`],
    ['openrouter/m', { OPENROUTER_API_KEY: key, OPENROUTER_API_BASE: recorded(), OR_SITE_URL: 'https://app.example' }, 'http-referer', 'https://app.example', `Bearer ${key}`],
    ['novita/m', { NOVITA_API_KEY: key, NOVITA_API_BASE: recorded() }, 'x-novita-source', 'turnpike', `Bearer ${key}`],
    ['scaleway/m', { SCW_SECRET_KEY: key, SCALEWAY_API_BASE: recorded() }, 'authorization', `Bearer ${key}`],
  ];
  for (const [model, env, header, value, bearer] of cases) {
    await scene(
      (own) => Gateway.start({ config: { turnpike: { shutdown_grace: 0 }, model_list: [group('m', { model })] }, env }).then(own),
      async (gateway) => {
        const reply = await gateway.chat({ model: 'm' });
        assert.equal(reply.status, 200, `${model}: ${reply.text}`);
        const sent = await last();
        assert.equal(sent.headers[header], value, model);
        if (header !== 'authorization') assert.equal(sent.headers.authorization, bearer, model);
        assert.equal(sent.target, '/v1/chat/completions', model);
        await gateway.stop();
      },
    );
  }
});

test('addresses with and without /v1, with a slash at the end, or whole', async () => {
  const at = (suffix) => `${fake.url}/fake/record${suffix}`;
  const cases = [
    ['openai/m', at('/v1'), '/v1/chat/completions'],
    ['openai/m', at('/v1/'), '/v1/chat/completions'],
    ['openai/m', at('/v1//'), '/v1/chat/completions'],
    ['openai/m', at('/v1/chat/completions'), '/v1/chat/completions'],
    ['openai/m', fake.url, '/chat/completions'],
    ['openai/m', `${fake.url}/`, '/chat/completions'],
    ['mistral/m', fake.url, '/v1/chat/completions'],
    ['mistral/m', `${fake.url}/v1`, '/v1/chat/completions'],
    ['huggingface/m', fake.url, '/v1/chat/completions'],
    ['heroku/m', `${fake.url}/v1/`, '/v1/chat/completions'],
  ];
  const model_list = cases.map(([model, api_base], i) => group(`case-${i}`, { model, api_base, api_key: 'k', extra_body: { fake: { record: true } } }));
  await scene(
    (own) => Gateway.start({ config: { turnpike: { shutdown_grace: 0 }, model_list } }).then(own),
    async (gateway) => {
      for (const [i, [model, api_base, target]] of cases.entries()) {
        const reply = await gateway.chat({ model: `case-${i}` });
        assert.equal(reply.status, 200, `${api_base}: ${reply.text}`);
        assert.equal((await last()).target, target, `${model} at ${api_base}`);
        assert.ok(reply.headers.get('x-litellm-model-api-base').startsWith(fake.url));
      }
      await gateway.stop();
    },
  );
});

test('whose a model is: prefix, custom_llm_provider, address, bare name', async () => {
  const base = recorded();
  const cases = [
    [{ model: 'openai/org/name:tag' }, 'org/name:tag', 'openai'],
    [{ model: 'openrouter/openai/gpt-4o' }, 'openai/gpt-4o', 'openrouter'],
    [{ model: 'gpt-4o', custom_llm_provider: 'groq' }, 'gpt-4o', 'groq'],
    [{ model: 'groq/llama', custom_llm_provider: 'groq' }, 'llama', 'groq'],
    [{ model: 'openai/gpt-4o', custom_llm_provider: 'openrouter' }, 'openai/gpt-4o', 'openrouter'],
    [{ model: 'gpt-4o' }, 'gpt-4o', 'openai'],
    [{ model: 'fireworks_ai/llama-v3' }, 'accounts/fireworks/models/llama-v3', 'fireworks_ai'],
    [{ model: 'custom_openai/m' }, 'm', 'custom_openai'],
  ];
  const model_list = cases.map(([params], i) => group(`case-${i}`, { ...params, api_base: base, api_key: 'k' }));
  model_list.push(group('far-away', { model: 'far-away/m', api_base: base, api_key: 'k' }));
  await scene(
    (own) => Gateway.start({ config: { turnpike: { shutdown_grace: 0 }, model_list } }).then(own),
    async (gateway) => {
      for (const [i, [params, wire, provider]] of cases.entries()) {
        const id = `provider-${i}`;
        const reply = await gateway.chat({ model: `case-${i}` }, { headers: { 'x-litellm-call-id': id } });
        assert.equal(reply.status, 200, `${JSON.stringify(params)}: ${reply.text}`);
        assert.equal((await last()).body.model, wire, JSON.stringify(params));
        assert.equal(reply.json.model, `case-${i}`, 'the caller sees the name it asked for');
        const [row] = await gateway.rows(`request_id=${id}`, 1);
        assert.equal(row.custom_llm_provider, provider, JSON.stringify(params));
      }
      const readiness = await gateway.call('GET', '/health/readiness');
      assert.match(readiness.json.problems.join(), /far-away: no provider is known for model "far-away\/m"/);
      await gateway.stop();
    },
  );
});

test('fields a provider spells differently or refuses are renamed or dropped; everything else travels', async () => {
  const base = recorded();
  const asked = { max_completion_tokens: 9, seed: 7, logprobs: true, store: true, user: 'u', service_tier: 'flex', temperature: 0.25, unknown_field: { deep: [1, 2.5] }, metadata: { a: 'b' } };
  const cases = {
    openai: { max_completion_tokens: 9, seed: 7, logprobs: true, store: true, user: 'u', service_tier: 'flex', metadata: { a: 'b' } },
    groq: { max_completion_tokens: 9, seed: 7, user: 'u', service_tier: 'flex' },
    cerebras: { max_tokens: 9, seed: 7, logprobs: true, user: 'u', service_tier: 'flex' },
    mistral: { max_tokens: 9, random_seed: 7, service_tier: 'flex', metadata: { a: 'b' } },
    openai_like: { max_tokens: 9, seed: 7, logprobs: true, user: 'u' },
    litellm_proxy: { max_completion_tokens: 9, seed: 7, logprobs: true, store: true, user: 'u', service_tier: 'flex', metadata: { a: 'b' } },
  };
  const model_list = Object.keys(cases).map((name) => group(name, { model: `${name}/m`, api_base: base, api_key: 'k', organization: 'org-1', extra_headers: { 'X-Team': 'blue' }, drop_params: true }));
  model_list.push(group('strict', { model: 'groq/m', api_base: base, api_key: 'k' }));
  model_list.push(group('defaults', { model: 'openai/m', api_base: base, api_key: 'k', temperature: 0.75, max_tokens: 3, additional_drop_params: ['seed'] }));
  await scene(
    (own) => Gateway.start({ config: { turnpike: { shutdown_grace: 0 }, model_list } }).then(own),
    async (gateway) => {
      for (const [name, wanted] of Object.entries(cases)) {
        const reply = await gateway.chat({ model: name, ...asked });
        assert.equal(reply.status, 200, `${name}: ${reply.text}`);
        const { headers, body } = await last();
        delete body.messages;
        assert.deepEqual(body, { model: 'm', temperature: 0.25, unknown_field: { deep: [1, 2.5] }, ...wanted }, name);
        assert.deepEqual([headers['x-team'], headers['openai-organization']], ['blue', 'org-1'], name);
        assert.equal(headers['content-type'], 'application/json');
      }
      const refused = await gateway.chat({ model: 'strict', ...asked });
      assert.equal(refused.status, 400);
      assert.deepEqual([refused.json.error.param, refused.json.error.code], ['logprobs', 'unsupported_parameter']);
      assert.equal((await gateway.chat({ model: 'strict', ...asked, drop_params: true })).status, 200, 'the caller may let it be dropped');
      assert.equal((await last()).body.logprobs, undefined);
      assert.equal((await gateway.chat({ model: 'strict', ...asked, allowed_openai_params: ['logprobs'] })).status, 200);
      assert.equal((await last()).body.logprobs, true);
      const both = await gateway.chat({ model: 'cerebras', max_tokens: 5, max_completion_tokens: 9 });
      assert.equal(both.status, 200, both.text);
      const sent = (await last()).body;
      assert.deepEqual([sent.max_tokens, sent.max_completion_tokens], [9, undefined], 'the newer spelling counts');
      const defaults = await gateway.chat({ model: 'defaults', temperature: 0.5, seed: 7 });
      assert.equal(defaults.status, 200, defaults.text);
      const { temperature, max_tokens, seed } = (await last()).body;
      assert.deepEqual([temperature, max_tokens, seed], [0.5, 3, undefined], 'the caller wins over the deployment');

      for (const [name, asks] of [['openai', true], ['mistral', false]]) {
        const streamed = await gateway.stream({ model: name });
        assert.equal(streamed.status, 200, streamed.text);
        assert.deepEqual((await last()).body.stream_options, asks ? { include_usage: true } : undefined, name);
      }
      await gateway.stop();
    },
  );
});

test('embeddings and text completions go to their paths, with the row\'s field names', async () => {
  const base = recorded();
  const model_list = [group('voyage', { model: 'voyage/m', api_base: base, api_key: 'k' }), group('openai', { model: 'openai/m', api_base: base, api_key: 'k' })];
  await scene(
    (own) => Gateway.start({ config: { turnpike: { shutdown_grace: 0 }, model_list } }).then(own),
    async (gateway) => {
      for (const [name, field] of [['voyage', 'output_dimension'], ['openai', 'dimensions']]) {
        const reply = await gateway.call('POST', '/v1/embeddings', { body: { model: name, input: 'a', dimensions: 4 } });
        assert.equal(reply.status, 200, reply.text);
        const sent = await last();
        assert.equal(sent.target, '/v1/embeddings');
        assert.equal(sent.body[field], 4, name);
      }
      const reply = await gateway.call('POST', '/v1/completions', { body: { model: 'openai', prompt: 'a' } });
      assert.equal(reply.status, 200, reply.text);
      assert.equal((await last()).target, '/v1/completions');
      await gateway.stop();
    },
  );
});

test('a provider whose key is missing says which variable would hold it, and is not asked', async () => {
  await scene(
    (own) => Gateway.start({ config: { turnpike: { shutdown_grace: 0 }, model_list: [group('m', { model: 'groq/m' }), group('own', { model: 'groq/m', api_base: fake.base() })] } }).then(own),
    async (gateway) => {
      // Not a byte leaves for the provider's own address.
      const reply = await gateway.chat({ model: 'm' });
      assert.equal(reply.status, 401, reply.text);
      assert.match(reply.json.error.message, /GROQ_API_KEY/);
      assert.equal((await gateway.chat({ model: 'own' })).status, 200, 'a server of our own needs none');
      assert.match((await gateway.call('GET', '/health/readiness', { key: masterKey })).json.problems.join(), /m: no API key: set GROQ_API_KEY/);
      await gateway.stop();
    },
  );
});
