// data/example-config.yaml, started as an estate would start it: its first provider goes dark, refusing connections or
// taking them and never answering, and the second, which speaks another dialect, serves the callers within their deadline;
// when both are dark the last resort does.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { ShapeProvider, providerKey } from '../harness/shape_provider.mjs';
import { FakeProvider, Gateway, deployment, freePort, masterKey, root, runBinary, scene, temporaryDirectory } from '../harness/turnpike.mjs';

const file = path.join(root, 'data/example-config.yaml');
const guardrail = 'pii-mask-presidio';
let fake;
let claude;
before(async () => {
  fake = await FakeProvider.start();
  claude = await ShapeProvider.start('anthropic');
});
after(async () => {
  await fake?.stop();
  await claude?.close();
});

/** The file with the one address that stands in it moved to the scripted provider; nothing else is changed. */
function config() {
  const text = fs.readFileSync(file, 'utf8');
  const pieces = text.split('http://127.0.0.1:8000/v1');
  assert.equal(pieces.length, 2, 'the self-hosted address stands in the file once');
  return pieces.join(fake.base());
}

/** What such an estate has in its environment; `openai` is where its first provider is, `anthropic` the second. */
const environment = (openai, anthropic = claude.url) => ({
  LITELLM_MASTER_KEY: masterKey,
  OPENAI_API_KEY: 'sk-openai-0123456789',
  OPENAI_BASE_URL: openai,
  ANTHROPIC_API_KEY: providerKey,
  ANTHROPIC_BASE_URL: anthropic,
  VLLM_API_KEY: 'vllm-key-0123456789',
  REDIS_HOST: '127.0.0.1',
  LANGFUSE_PUBLIC_KEY: 'pk-lf-0123456789',
  LANGFUSE_SECRET_KEY: 'sk-lf-0123456789',
  SLACK_WEBHOOK_URL: 'http://127.0.0.1:9/hook',
});

const start = (own, openai, anthropic) => Gateway.start({ config: config(), env: environment(openai, anthropic), flags: ['--allow_unenforced', guardrail] }).then(own);

/** Takes connections and what is sent, and says nothing. */
async function blackHole(own) {
  const sockets = new Set();
  let taken = 0;
  const server = net.createServer((socket) => {
    ++taken;
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    socket.resume();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  own({
    ended: true,
    clean: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  });
  return { url: `http://127.0.0.1:${server.address().port}/v1`, taken: () => taken, open: () => sockets.size };
}

const headersOf = (reply) => ({
  group: reply.headers.get('x-litellm-model-group'),
  requested: reply.headers.get('x-litellm-requested-model'),
  retries: reply.headers.get('x-litellm-attempted-retries'),
  fallbacks: reply.headers.get('x-litellm-attempted-fallbacks'),
  most: reply.headers.get('x-litellm-max-retries'),
});

const groups = { 'claude-opus-prod': 'claude-opus-4-7', 'llama-70b-internal': 'llama-3.1-70b-prod' };

/** The row of a call that `group` answered, and its attempts group by group. */
async function rowOf(gateway, reply, group) {
  const [row] = await gateway.rows(`request_id=${reply.headers.get('x-litellm-call-id')}`, 1);
  assert.equal(row.status, 'success');
  assert.equal(row.model_group, group);
  assert.equal(row.turnpike.requested_model, 'gpt-4-prod');
  assert.equal(row.model, groups[group]);
  assert.match(row.turnpike.marks, /fell_back/);
  return { row, attempts: row.turnpike.attempts.map((attempt) => [attempt.model_group, attempt.status, attempt.error]) };
}

test('its guardrail is not enforced, so it starts only when that is said, and readiness repeats it', async () => {
  const directory = temporaryDirectory();
  const copy = path.join(directory, 'config.yaml');
  fs.copyFileSync(file, copy);
  const refused = await runBinary(['--config', copy, '--port', String(await freePort()), '--host', '127.0.0.1', '--data_dir', path.join(directory, 'data')], { env: environment(fake.base()) });
  fs.rmSync(directory, { recursive: true });
  assert.equal(refused.code, 1, refused.stderr);
  assert.match(refused.stderr, /config\.yaml:39: litellm_settings\.guardrails\[0\].*--allow_unenforced/);
  await scene(
    (own) => start(own, fake.base()),
    async (gateway) => {
      const readiness = await gateway.call('GET', '/health/readiness', { key: null });
      assert.match(JSON.stringify(readiness.json.unenforced), /guardrails/);
      const before = (await fake.account()).by_model['gpt-4-turbo']?.calls ?? 0;
      const key = await gateway.newKey({ max_budget: 1 });
      const reply = await gateway.chat({ model: 'gpt-4-prod' }, { key });
      assert.equal(reply.status, 200, reply.text);
      assert.deepEqual(headersOf(reply), { group: 'gpt-4-prod', requested: 'gpt-4-prod', retries: '0', fallbacks: '0', most: '2' });
      assert.equal((await fake.account()).by_model['gpt-4-turbo'].calls, before + 1);
      // The last resort stands on a machine of the estate's own: no price is known and a budget does not forbid it.
      const own = await gateway.chat({ model: 'llama-70b-internal' }, { key });
      assert.equal(own.status, 200, own.text);
      const [row] = await gateway.rows(`request_id=${own.headers.get('x-litellm-call-id')}`, 1);
      assert.equal(Number(row.spend), 0);
      assert.match(row.turnpike.marks, /cost_unknown.*self_hosted/);
      await gateway.stop();
    },
  );
});

test('the first provider refuses connections: three tries there, then the second', async () => {
  await scene(
    async (own) => start(own, `http://127.0.0.1:${await freePort()}/v1`),
    async (gateway) => {
      const key = await gateway.newKey({ max_budget: 1 });
      const begun = performance.now();
      const [plain, streamed] = await Promise.all([gateway.chat({ model: 'gpt-4-prod', timeout: 15 }, { key }), gateway.stream({ model: 'gpt-4-prod', num_retries: 0 }, { key })]);
      assert.ok(performance.now() - begun < 15_000, 'within the deadline');
      assert.equal(plain.status, 200, plain.text);
      assert.equal(plain.json.model, 'claude-opus-prod');
      assert.deepEqual(headersOf(plain), { group: 'claude-opus-prod', requested: 'gpt-4-prod', retries: '2', fallbacks: '1', most: '2' });
      const dark = ['gpt-4-prod', 0, 'upstream_connection'];
      const { row, attempts } = await rowOf(gateway, plain, 'claude-opus-prod');
      assert.deepEqual(attempts, [dark, dark, dark, ['claude-opus-prod', 200, undefined]]);
      assert.deepEqual([row.turnpike.retries, row.turnpike.fallbacks], [2, 1]);
      assert.deepEqual([row.custom_llm_provider, row.api_base], ['anthropic', claude.url]);
      assert.deepEqual([row.prompt_tokens, row.completion_tokens], [40, 20]);
      assert.deepEqual(row.metadata.additional_usage_values, { cache_creation_input_tokens: 0, cache_read_input_tokens: 8 });

      assert.equal(streamed.status, 200, streamed.text);
      assert.equal(streamed.events.at(-1), '[DONE]');
      assert.deepEqual([...new Set(streamed.events.slice(0, -1).map((event) => event.model))], ['claude-opus-prod']);
      assert.deepEqual(headersOf(streamed), { group: 'claude-opus-prod', requested: 'gpt-4-prod', retries: '0', fallbacks: '1', most: '0' });
      assert.deepEqual((await rowOf(gateway, streamed, 'claude-opus-prod')).attempts, [dark, ['claude-opus-prod', 200, undefined]]);

      // allowed_fails is 3: with the fourth failure of a minute the provider rests, and callers lose no time on it. Three
      // more calls fail four times within one minute, wherever it turns.
      let took;
      for (let i = 0; i < 3 && !(took < 400); ++i) {
        const again = performance.now();
        const reply = await gateway.chat({ model: 'gpt-4-prod' }, { key });
        took = performance.now() - again;
        assert.equal(reply.status, 200, reply.text);
        assert.equal(headersOf(reply).fallbacks, '1');
      }
      assert.ok(took < 400, `a resting provider is passed over, not asked for ${took} ms`);
      assert.deepEqual(claude.faults, []);
      await gateway.stop();
    },
  );
});

test('both are dark: the last resort keeps one of the six tries', async () => {
  await scene(
    async (own) => start(own, `http://127.0.0.1:${await freePort()}/v1`, `http://127.0.0.1:${await freePort()}`),
    async (gateway) => {
      const key = await gateway.newKey({ max_budget: 1 });
      const reply = await gateway.chat({ model: 'gpt-4-prod' }, { key });
      assert.equal(reply.status, 200, reply.text);
      assert.deepEqual(headersOf(reply), { group: 'llama-70b-internal', requested: 'gpt-4-prod', retries: '3', fallbacks: '2', most: '2' });
      const dark = (group) => [group, 0, 'upstream_connection'];
      const { attempts } = await rowOf(gateway, reply, 'llama-70b-internal');
      assert.deepEqual(attempts, [
        ...Array(3).fill(dark('gpt-4-prod')), ...Array(2).fill(dark('claude-opus-prod')), ['llama-70b-internal', 200, undefined],
      ]);
      await gateway.stop();
    },
  );
});

test('the first provider takes connections and never answers: the second answers before the deadline', async () => {
  await scene(
    async (own) => {
      const hole = await blackHole(own);
      return { hole, gateway: await start(own, hole.url) };
    },
    async ({ hole, gateway }) => {
      const key = await gateway.newKey({ max_budget: 1 });
      const begun = performance.now();
      const calls = await Promise.all([
        gateway.chat({ model: 'gpt-4-prod' }, { key, headers: { 'x-litellm-timeout': '3' } }),
        gateway.stream({ model: 'gpt-4-prod', timeout: 3 }, { key }),
      ]);
      const took = performance.now() - begun;
      assert.ok(took > 1000 && took < 3000, `answered after ${took} ms`);
      for (const reply of calls) {
        assert.equal(reply.status, 200, reply.text);
        assert.deepEqual(headersOf(reply), { group: 'claude-opus-prod', requested: 'gpt-4-prod', retries: '0', fallbacks: '1', most: '2' });
        const { attempts } = await rowOf(gateway, reply, 'claude-opus-prod');
        assert.deepEqual(attempts, [['gpt-4-prod', 0, 'timeout'], ['claude-opus-prod', 200, undefined]]);
      }
      assert.equal(calls[0].json.model, 'claude-opus-prod');
      assert.equal(calls[1].events.at(-1), '[DONE]');
      assert.equal(hole.taken(), 2);
      assert.equal(hole.open(), 0, 'nothing is left waiting at the dark provider');
      await gateway.stop();
    },
  );
});

test('a fallback without a price is not served on a budget, unless it is on a machine of our own', async () => {
  await scene(
    async (own) => {
      const dark = `http://127.0.0.1:${await freePort()}/v1`;
      // The address is never asked: no money can be set aside for what nobody knows the price of.
      const unpriced = { model_name: 'unpriced', litellm_params: { model: 'openai/no-such-model', api_base: 'http://unused.amazonaws.com:1/v1', api_key: 'sk-unused-0123456789' } };
      const config = { model_list: [deployment('gpt', dark), unpriced], router_settings: { num_retries: 0, fallbacks: [{ gpt: ['unpriced'] }] } };
      return own(await Gateway.start({ config }));
    },
    async (gateway) => {
      const key = await gateway.newKey({ max_budget: 1 });
      const reply = await gateway.chat({ model: 'gpt' }, { key });
      assert.equal(reply.status, 500, reply.text);
      const [row] = await gateway.rows(`request_id=${reply.headers.get('x-litellm-call-id')}`, 1);
      assert.match(row.turnpike.marks, /retry_unaffordable/);
      assert.deepEqual([row.model, row.turnpike.error_kind, Number(row.spend)], ['gpt', 'upstream_connection', 0]);
      const direct = await gateway.chat({ model: 'unpriced' }, { key });
      assert.equal(direct.status, 400, direct.text);
      assert.equal(direct.json.error.code, 'unknown_price');
      await gateway.stop();
    },
  );
});
