// docs/guide/add-a-provider.md performed: its configuration, with nothing changed but the address.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { FakeProvider, Gateway, masterKey, root, runBinary, scene, temporaryDirectory, until } from '../harness/turnpike.mjs';

let fake;
before(async () => {
  fake = await FakeProvider.start();
});
after(async () => {
  await fake?.stop();
});

const page = fs.readFileSync(path.join(root, 'docs/guide/add-a-provider.md'), 'utf8');
const example = () => {
  const yaml = /```yaml\n([\s\S]*?)```/.exec(page)[1];
  const address = 'https://llm.acme.example/v1';
  assert.equal(yaml.split(address).length, 2, 'the page names one address');
  return `${yaml.replace(address, fake.base('record'))}  shutdown_grace: 0\ngeneral_settings:\n  master_key: ${masterKey}\n`;
};
const last = async () => {
  const request = (await fake.requests()).at(-1);
  return { target: request.target, headers: Object.fromEntries(request.headers.map(([name, value]) => [name.toLowerCase(), value])), body: JSON.parse(request.body) };
};
const key = 'key-of-acme-0123456789';
const asked = { model: 'small', max_completion_tokens: 9, seed: 7, logit_bias: { 5: 1 }, store: true, temperature: 0.5, x_acme: [1] };

test('the example of the page serves whole and streamed calls, with its renames, drops and key', async () => {
  await scene(
    (own) => Gateway.start({ config: example(), env: { ACME_API_KEY: key } }).then(own),
    async (gateway) => {
      const reply = await gateway.chat({ ...asked, messages: [{ role: 'developer', content: 'Be brief.' }, { role: 'user', content: 'hi' }] });
      assert.equal(reply.status, 200, reply.text);
      assert.equal(reply.json.model, 'small');
      const sent = await last();
      assert.ok(sent.target.endsWith('/v1/chat/completions'), sent.target);
      assert.equal(sent.headers.authorization, `Bearer ${key}`);
      assert.deepEqual(sent.body, {
        model: 'small-1', max_tokens: 9, random_seed: 7, temperature: 0.5, x_acme: [1],
        messages: [{ role: 'system', content: 'Be brief.' }, { role: 'user', content: 'hi' }],
      });

      const stream = await gateway.stream({ ...asked, stream_options: { include_usage: true } });
      assert.equal(stream.status, 200, stream.text);
      assert.equal(stream.events.at(-1), '[DONE]');
      assert.ok(stream.events.at(-2).usage.total_tokens > 0, 'usage comes last');
      assert.ok(stream.events.slice(0, -2).some((event) => event.choices[0].delta.content), 'text comes in pieces');
      const streamed = (await last()).body;
      assert.equal(streamed.max_tokens, 9);
      assert.equal(streamed.random_seed, 7);
      assert.deepEqual(streamed.stream_options, { include_usage: true });
      for (const gone of ['max_completion_tokens', 'seed', 'logit_bias', 'store']) assert.ok(!(gone in streamed), gone);

      const refused = await gateway.chat({ model: 'small', verbosity: 'low' });
      assert.equal(refused.status, 400);
      assert.equal(refused.json.error.code, 'unsupported_parameter');
      assert.equal(refused.json.error.param, 'verbosity');
      const rows = await gateway.rows('', 3);
      assert.ok(rows.some((row) => row.custom_llm_provider === 'acme' && row.spend > 0), 'booked under its name, at its price');
      assert.ok(!gateway.printed.includes(key), 'its key is nowhere to be read');
      await gateway.stop();
    },
  );
});

test('without its variable the provider is not asked, and the answer says which one it is', async () => {
  await scene(
    (own) => Gateway.start({ config: example() }).then(own),
    async (gateway) => {
      const before = (await fake.requests()).length;
      const reply = await gateway.chat({ model: 'small' });
      assert.equal(reply.status, 401, reply.text);
      assert.match(reply.json.error.message, /ACME_API_KEY/);
      assert.equal((await fake.requests()).length, before);
      await gateway.stop();
    },
  );
});

test('a reload brings new rows and takes old ones away; a wrong one is refused with its line', async () => {
  await scene(
    (own) => Gateway.start({ config: example(), env: { ACME_API_KEY: key } }).then(own),
    async (gateway) => {
      const more = '  - model_name: second\n    litellm_params: {model: beta/m}\n';
      const row = `    - {name: beta, base_url: "${fake.base('record')}", auth: "header:x-beta", key_env: ACME_API_KEY}\n`;
      const text = example();
      fs.writeFileSync(gateway.file, text.replace('\nturnpike:', `${more}\nturnpike:`).replace('  shutdown_grace', `${row}  shutdown_grace`));
      await until(() => /Configuration reloaded/.test(gateway.stderr), 'the reload');
      const reply = await gateway.chat({ model: 'second' });
      assert.equal(reply.status, 200, reply.text);
      const sent = await last();
      assert.equal(sent.headers['x-beta'], key);
      assert.equal(sent.headers.authorization, undefined);
      assert.equal((await gateway.chat({ model: 'small' })).status, 200);

      fs.writeFileSync(gateway.file, text.replace('shape: openai', 'shape: smoke'));
      const refused = await gateway.call('POST', '/config/reload');
      assert.equal(refused.status, 400, refused.text);
      assert.match(refused.text, /config\.yaml:\d+: turnpike\.providers\[0\]\.shape: write one of openai, anthropic, gemini/);
      assert.equal((await gateway.chat({ model: 'second' })).status, 200, 'the old configuration stays');
      await gateway.stop();
    },
  );
});

/** A provider that answers every call with `replies` by the end of its path, and remembers what it was asked. */
async function scripted(replies) {
  const seen = [];
  const server = http.createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    seen.push({ url: request.url, headers: request.headers, body: JSON.parse(Buffer.concat(chunks)) });
    const [, reply] = Object.entries(replies).find(([end]) => request.url.endsWith(end)) ?? [];
    response.writeHead(reply ? 200 : 404, { 'content-type': 'application/json' }).end(JSON.stringify(reply ?? {}));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { seen, url: `http://127.0.0.1:${server.address().port}`, close: () => new Promise((resolve) => server.close(resolve).closeAllConnections()) };
}

test('shapes other than OpenAI speak their own dialect', async () => {
  const provider = await scripted({
    '/v1/messages': { id: 'msg_1', type: 'message', role: 'assistant', model: 'm', content: [{ type: 'text', text: 'Hello' }], stop_reason: 'end_turn', stop_sequence: null, usage: { input_tokens: 3, output_tokens: 2 } },
    ':generateContent': { candidates: [{ index: 0, content: { role: 'model', parts: [{ text: 'Hello' }] }, finishReason: 'STOP' }], usageMetadata: { promptTokenCount: 3, candidatesTokenCount: 2, totalTokenCount: 5 } },
  });
  const config = {
    turnpike: {
      shutdown_grace: 0,
      providers: [
        { name: 'acme-claude', base_url: provider.url, shape: 'anthropic', key_env: 'ACME_API_KEY', drop: ['top_k'] },
        { name: 'acme-gemini', base_url: `${provider.url}/v1beta`, shape: 'gemini', auth: 'header:x-acme', key_env: 'ACME_API_KEY' },
      ],
    },
    model_list: ['claude', 'gemini'].map((name) => ({ model_name: name, litellm_params: { model: `acme-${name}/m` } })),
  };
  try {
    await scene(
      (own) => Gateway.start({ config, env: { ACME_API_KEY: key } }).then(own),
      async (gateway) => {
        for (const model of ['claude', 'gemini']) {
          const reply = await gateway.chat({ model, top_k: 3, max_tokens: 8 });
          assert.equal(reply.status, 200, reply.text);
          assert.equal(reply.json.choices[0].message.content, 'Hello');
        }
        const [claude, gemini] = provider.seen;
        assert.equal(claude.url, '/v1/messages');
        assert.equal(claude.headers['x-api-key'], key);
        assert.equal(claude.body.max_tokens, 8);
        assert.ok(!('top_k' in claude.body), 'dropped');
        assert.equal(gemini.url, '/v1beta/models/m:generateContent');
        assert.equal(gemini.headers['x-acme'], key);
        assert.ok(!('x-goog-api-key' in gemini.headers));
        assert.equal(gemini.body.generationConfig.topK, 3);
        await gateway.stop();
      },
    );
  } finally {
    await provider.close();
  }
});

test('check-config names the line of a row that cannot be', async () => {
  const directory = temporaryDirectory();
  const file = path.join(directory, 'config.yaml');
  fs.writeFileSync(file, example().replace('name: acme', 'name: openai'));
  const checked = await runBinary(['check-config', '--config', file]);
  fs.rmSync(directory, { recursive: true });
  assert.equal(checked.code, 2, checked.stdout + checked.stderr);
  assert.match(checked.stdout + checked.stderr, /config\.yaml:\d+: turnpike\.providers\[0\]\.name: openai is built in/);
});
