// What a newcomer meets first: each message says what is wrong and what to do. Texts are in golden/, rewritten with
// UPDATE_FIXTURES=1; what differs from run to run is replaced by words.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Child, FakeProvider, Gateway, binary, deployment, freePort, masterKey, runBinary, scene, temporaryDirectory, until } from '../harness/turnpike.mjs';

const golden = path.join(path.dirname(fileURLToPath(import.meta.url)), 'golden');
let fake;

before(async () => {
  fake = await FakeProvider.start();
});
after(async () => {
  await fake?.stop();
});

function check(name, text, replacements = []) {
  let shown = text;
  for (const [from, to] of replacements) shown = shown.replaceAll(from, to);
  shown = shown
    .replaceAll(/\b[0-9a-f]{64}\b/g, 'SHA256')
    .replaceAll(/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g, 'UUID')
    .replaceAll(/\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(\.\d+)?Z?/g, 'TIME');
  const file = path.join(golden, `${name}.txt`);
  if (process.env.UPDATE_FIXTURES) {
    fs.mkdirSync(golden, { recursive: true });
    fs.writeFileSync(file, shown);
    return;
  }
  assert.equal(shown, fs.readFileSync(file, 'utf8'), `golden/${name}.txt`);
}

const face = (reply) => `HTTP ${reply.status}\n${reply.headers.get('retry-after') ? `retry-after: ${reply.headers.get('retry-after')}\n` : ''}${JSON.stringify(reply.json ?? reply.text, null, 1)}\n`;

const simple = () => ({ model_list: [deployment('gpt-4o-mini', fake.base()), deployment('gpt-4o', fake.base()), deployment('claude-sonnet', fake.base())] });

async function startFails(name, config, { flags = [], env = {}, replacements = [] } = {}) {
  const directory = temporaryDirectory();
  const file = path.join(directory, 'config.yaml');
  if (config !== undefined) fs.writeFileSync(file, config);
  const ended = await runBinary(['--config', file, '--port', String(await freePort()), '--data_dir', path.join(directory, 'data'), ...flags], {
    env: { HOME: directory, ...env },
  });
  assert.notEqual(ended.code, 0, `starts although it should not\n${ended.stderr}`);
  assert.equal(ended.signal, null);
  check(name, `exit ${ended.code}\n${ended.stderr}`, [[file, 'config.yaml'], [directory, 'DIR'], ...replacements]);
  fs.rmSync(directory, { recursive: true });
  return ended;
}

test('wrong key, no key, wrong model, no such route', async () => {
  await scene(
    (own) => Gateway.start({ config: simple() }).then(own),
    async (gateway) => {
      const wrong = await gateway.chat({ model: 'gpt-4o' }, { key: 'sk-this-is-not-a-key-1234' });
      assert.equal(wrong.status, 401);
      check('wrong_key', face(wrong));
      const none = await gateway.chat({ model: 'gpt-4o' }, { key: null });
      assert.equal(none.status, 401);
      check('no_key', face(none));
      const unknown = await gateway.chat({ model: 'gpt-4-o' });
      assert.ok([400, 404].includes(unknown.status), unknown.text);
      assert.match(unknown.text, /gpt-4o/);
      check('wrong_model', face(unknown));
      const missing = await gateway.call('POST', '/v1/chat/completions', { body: { messages: [] } });
      assert.equal(missing.status, 400);
      check('no_model', face(missing));
      const broken = await gateway.call('POST', '/v1/chat/completions', { body: '{"model": "gpt-4o",' });
      assert.equal(broken.status, 400);
      check('broken_json', face(broken));
      const route = await gateway.call('POST', '/v1/chat/completion', { body: {} });
      assert.equal(route.status, 404);
      check('no_such_route', face(route));
      const method = await gateway.call('GET', '/v1/chat/completions');
      assert.equal(method.status, 405);
      check('wrong_method', face(method));
      await gateway.stop();
    },
  );
});

test('no provider key', async () => {
  const config = { model_list: [{ model_name: 'gpt-4o', litellm_params: { model: 'openai/gpt-4o', api_key: 'os.environ/OPENAI_API_KEY' } }] };
  await scene(
    (own) => Gateway.start({ config }).then(own),
    async (gateway) => {
      const reply = await gateway.chat({ model: 'gpt-4o' });
      assert.match(reply.text, /OPENAI_API_KEY/);
      check('no_provider_key', face(reply));
      await until(() => /config\.yaml:\d+: gpt-4o: no API key: set OPENAI_API_KEY/.test(gateway.stderr), 'the start to tell it, too');
      // However often it is asked: the remedy does not hide behind a deployment that rests.
      const again = await gateway.chat({ model: 'gpt-4o' });
      assert.match(again.text, /OPENAI_API_KEY/);
      await gateway.stop();
    },
  );
});

test('a key may not call this model; a key has no money left', async () => {
  await scene(
    (own) => Gateway.start({ config: simple() }).then(own),
    async (gateway) => {
      const narrow = await gateway.newKey({ models: ['gpt-4o-mini'] });
      const refused = await gateway.chat({ model: 'gpt-4o' }, { key: narrow });
      assert.equal(refused.status, 403);
      check('model_not_allowed', face(refused));
      const poor = await gateway.newKey({ max_budget: 0 });
      const spent = await gateway.chat({ model: 'gpt-4o' }, { key: poor });
      assert.equal(spent.status, 429);
      check('budget_spent', face(spent));
      await gateway.stop();
    },
  );
});

test('provider down', async () => {
  const port = await freePort();
  const config = { model_list: [deployment('gpt-4o', `http://127.0.0.1:${port}/v1`)], router_settings: { num_retries: 0 } };
  await scene(
    (own) => Gateway.start({ config }).then(own),
    async (gateway) => {
      const reply = await gateway.chat({ model: 'gpt-4o' });
      assert.ok(reply.status >= 500, reply.text);
      check('provider_down', face(reply), [[String(port), 'PORT']]);
      await gateway.stop();
    },
  );
});

test('no config file', async () => {
  await startFails('no_config_file', undefined);
});

test('broken YAML names its line', async () => {
  const ended = await startFails('broken_yaml', 'model_list:\n  - model_name: gpt-4o\n    litellm_params:\n      model: openai/gpt-4o\n     api_key: "sk-x"\n');
  assert.match(ended.stderr, /config\.yaml:\d+/);
});

test('a wrong type names its line', async () => {
  await startFails('wrong_type', 'model_list:\n  - model_name: gpt-4o\n    litellm_params:\n      model: openai/gpt-4o\nrouter_settings:\n  num_retries: many\n');
});

test('a protecting key that is not enforced stops the start', async () => {
  const ended = await startFails(
    'unenforced',
    'model_list:\n  - model_name: gpt-4o\n    litellm_params:\n      model: openai/gpt-4o\nlitellm_settings:\n  guardrails:\n    - guardrail_name: pii\n      litellm_params:\n        guardrail: presidio\n        mode: pre_call\ngeneral_settings:\n  master_key: sk-1234567890\n',
  );
  assert.match(ended.stderr, /allow_unenforced/);
});

test('a non-loopback host without a master key is refused', async () => {
  await startFails('no_auth', 'model_list:\n  - model_name: gpt-4o\n    litellm_params:\n      model: openai/gpt-4o\n      api_key: sk-x\n', { flags: ['--host', '0.0.0.0'] });
});

test('an unknown config key is reported with its line and the nearest name', async () => {
  const directory = temporaryDirectory();
  const file = path.join(directory, 'config.yaml');
  fs.writeFileSync(file, `model_list:\n  - model_name: gpt-4o\n    litellm_params:\n      model: openai/gpt-4o\n      api_key: sk-x\nrouter_settings:\n  num_retrys: 3\ngeneral_settings:\n  master_key: ${masterKey}\n`);
  const checked = await runBinary(['check-config', '--config', file], { env: { HOME: directory } });
  assert.equal(checked.code, 1, checked.stdout + checked.stderr);
  assert.match(checked.stdout + checked.stderr, /num_retries/);
  check('unknown_config_key', `exit ${checked.code}\n${checked.stdout}${checked.stderr}`, [[file, 'config.yaml']]);
  fs.rmSync(directory, { recursive: true });
});

test('port taken', async () => {
  await scene(
    (own) => Gateway.start({ config: simple() }).then(own),
    async (gateway) => {
      const directory = temporaryDirectory();
      const second = await runBinary(['--config', gateway.file, '--port', String(gateway.port), '--host', '127.0.0.1', '--data_dir', path.join(directory, 'data')], { env: { HOME: directory } });
      assert.notEqual(second.code, 0);
      check('port_taken', `exit ${second.code}\n${second.stderr}`, [[String(gateway.port), 'PORT'], [gateway.file, 'config.yaml'], [directory, 'DIR']]);
      fs.rmSync(directory, { recursive: true });
      assert.equal((await gateway.chat({ model: 'gpt-4o' })).status, 200, 'the first is not disturbed');
      await gateway.stop();
    },
  );
});

test('second process on the same data directory', async () => {
  await scene(
    (own) => Gateway.start({ config: simple() }).then(own),
    async (gateway) => {
      const second = await runBinary(['--config', gateway.file, '--port', String(await freePort()), '--host', '127.0.0.1', '--data_dir', path.join(gateway.directory, 'data')], { env: { HOME: gateway.directory } });
      assert.notEqual(second.code, 0);
      assert.ok(second.stderr.includes(String(gateway.pid)), `names the process that holds it: ${second.stderr}`);
      check('second_process', `exit ${second.code}\n${second.stderr}`, [[String(gateway.pid), 'PID'], [gateway.directory, 'DIR']]);
      assert.equal((await gateway.chat({ model: 'gpt-4o' })).status, 200);
      await gateway.stop();
    },
  );
});

test('neither a config file nor a provider key', async () => {
  const directory = temporaryDirectory();
  const ended = await runBinary(['--skip_server_startup', '--data_dir', path.join(directory, 'data')], { env: { HOME: directory } });
  assert.equal(ended.code, 0, ended.stderr);
  check('nothing_to_serve', ended.stderr, [[directory, 'DIR']]);
  fs.rmSync(directory, { recursive: true });
});

test('a flag of LiteLLM whose promise is not kept is refused', async () => {
  const ended = await runBinary(['--ssl_keyfile_path', 'key.pem']);
  assert.equal(ended.code, 2);
  check('refused_flag', `exit ${ended.code}\n${ended.stderr}`);
});

test('--model serves one model without a config file', async () => {
  await scene(
    async (own) => {
      const directory = temporaryDirectory();
      const port = await freePort();
      const args = ['--model', 'openai/small', '--alias', "it's small", '--api_base', fake.base(), '--max_tokens', '3', '--headers', '{"x-marker": "yes"}'];
      const child = own(new Child([binary, ...args, '--port', String(port), '--data_dir', path.join(directory, 'data')], {
        env: { PATH: process.env.PATH, HOME: directory, OPENAI_API_KEY: 'sk-x', LITELLM_MASTER_KEY: masterKey },
      }));
      child.clean = () => fs.rmSync(directory, { recursive: true, force: true });
      return { child, port };
    },
    async ({ child, port }) => {
      await until(() => {
        assert.ok(!child.ended, child.stderr);
        return child.stderr.includes(` on http://127.0.0.1:${port}: `);
      }, 'the gateway');
      const reply = await fetch(`http://127.0.0.1:${port}/v1/chat/completions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${masterKey}`, 'content-type': 'application/json' },
        body: JSON.stringify({ model: "it's small", messages: [{ role: 'user', content: 'hi' }] }),
      });
      const answer = await reply.json();
      assert.equal(reply.status, 200, JSON.stringify(answer));
      assert.equal(answer.usage.completion_tokens, 3, 'the default of --max_tokens travels');
      child.signal('SIGTERM');
      assert.equal((await child.wait()).code, 0);
    },
  );
});

test('wrong flag and --help', async () => {
  const wrong = await runBinary(['--portt', '4000']);
  assert.notEqual(wrong.code, 0);
  check('wrong_flag', `exit ${wrong.code}\n${wrong.stderr}`);
  const help = await runBinary(['--help']);
  assert.equal(help.code, 0);
  assert.match(help.stdout, /--config/);
  const version = await runBinary(['version']);
  assert.equal(version.code, 0);
});

test('the environment says which providers are served without a config file', async () => {
  const found = async (env) => (await runBinary(['providers', '--found'], { env })).stdout.trim().split('\n').filter(Boolean);
  const cases = [
    [{ ANTHROPIC_API_KEY: 'k' }, ['anthropic ANTHROPIC_API_KEY os.environ/ANTHROPIC_API_KEY']],
    [{ GEMINI_API_KEY: 'k', CO_API_KEY: 'k' }, ['cohere CO_API_KEY os.environ/CO_API_KEY', 'gemini GEMINI_API_KEY os.environ/GEMINI_API_KEY']],
    [{ OLLAMA_API_KEY: 'k' }, ['ollama_cloud OLLAMA_API_KEY os.environ/OLLAMA_API_KEY']], // A key is for the company, not for one's own.
    [{ AWS_ACCESS_KEY_ID: 'k', AWS_SECRET_ACCESS_KEY: 'k' }, ['bedrock AWS_ACCESS_KEY_ID']],
    [{ AZURE_API_KEY: 'k' }, []], // Whose address?
    [{ AZURE_API_KEY: 'k', AZURE_API_BASE: 'https://mine.openai.azure.com' }, ['azure AZURE_API_KEY os.environ/AZURE_API_KEY']],
    [{ CLOUDFLARE_API_KEY: 'k' }, []],
    [{ GOOGLE_APPLICATION_CREDENTIALS: '/nowhere/key.json' }, []],
    [{ GOOGLE_APPLICATION_CREDENTIALS: '/nowhere/key.json', VERTEXAI_PROJECT: 'p' }, ['vertex_ai GOOGLE_APPLICATION_CREDENTIALS']],
    [{ REPLICATE_API_KEY: 'k' }, []], // Not served.
  ];
  for (const [env, providers] of cases) assert.deepEqual(await found(env), providers, JSON.stringify(env));
  const directory = temporaryDirectory();
  const env = { AWS_ACCESS_KEY_ID: 'k', ANTHROPIC_API_KEY: 'k' };
  assert.equal((await runBinary(['init', 'c.yaml'], { env, cwd: directory })).code, 0);
  const written = fs.readFileSync(path.join(directory, 'c.yaml'), 'utf8');
  assert.match(written, /model: "bedrock\/\*"\n +# credentials: .*AWS_ACCESS_KEY_ID/);
  assert.match(written, /model: "anthropic\/\*"\n +api_key: os\.environ\/ANTHROPIC_API_KEY/);
  const checked = await runBinary(['check-config', 'c.yaml'], { env: { ...env, LITELLM_MASTER_KEY: masterKey }, cwd: directory });
  assert.equal(checked.code, 0, checked.stdout);
  fs.rmSync(directory, { recursive: true });
});

test('without a config file the keys found in the environment become wildcard groups, named and never shown', async () => {
  await scene(
    async (own) => {
      const directory = temporaryDirectory();
      const port = await freePort();
      const child = own(new Child([binary, '--port', String(port), '--data_dir', path.join(directory, 'data')], {
        env: { PATH: process.env.PATH, HOME: directory, OPENAI_API_KEY: 'sk-marker-openai-key', GROQ_API_KEY: 'gsk-marker-groq-key', LITELLM_MASTER_KEY: masterKey },
        cwd: directory,
      }));
      child.clean = () => fs.rmSync(directory, { recursive: true, force: true });
      return { child, port };
    },
    async ({ child, port }) => {
      const url = `http://127.0.0.1:${port}`;
      for (let i = 0; ; ++i) {
        const ready = await fetch(`${url}/health/readiness`).catch(() => undefined);
        if (ready?.status === 200) break;
        assert.ok(i < 200 && !child.ended, child.stderr);
        await new Promise((resolve) => setTimeout(resolve, 25));
      }
      const models = await (await fetch(`${url}/v1/models?return_wildcard_routes=true`, { headers: { authorization: `Bearer ${masterKey}` } })).json();
      const names = models.data.map((model) => model.id).join();
      assert.ok(names.includes('openai/') && names.includes('groq/'), names);
      assert.ok(child.printed.includes('OPENAI_API_KEY'), child.printed);
      assert.ok(!child.printed.includes('marker'), 'never shown');
      child.signal('SIGTERM');
      assert.equal((await child.wait()).code, 0);
    },
  );
});
