// AC-LOG-1: every secret is a marker, every way to succeed and to fail is gone at debug level, and no marker comes out:
// not in what is printed, not in a file, not in metrics, error bodies, headers or pages.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Postgres } from '../harness/postgres.mjs';
import { RawProvider, goodReply } from '../harness/raw_provider.mjs';
import { TokenServer } from '../harness/token_server.mjs';
import { FakeProvider, Gateway, deployment, freePort, runBinary, scene, temporaryDirectory, until } from '../harness/turnpike.mjs';

const secrets = {};
/** A value that stands nowhere else; shaped like the thing it plays. */
function marker(name, shape = (core) => core) {
  const core = `MARKER${name.replaceAll(/[^a-z0-9]/gi, '')}${Math.random().toString(36).slice(2, 10)}zq`;
  secrets[name] = core;
  return shape(core);
}

/** Where a marker stands in `text`; with what is around it, so that the place is found. */
function leaks(where, text) {
  return Object.entries(secrets)
    .filter(([, core]) => text.includes(core))
    .map(([name, core]) => `${name} in ${where}: ...${text.slice(Math.max(0, text.indexOf(core) - 120), text.indexOf(core) + 60)}...`);
}

test('no secret is ever printed, stored, counted or answered', async () => {
  const master = marker('master key', (core) => `sk-${core}`);
  const providerKey = marker('provider key', (core) => `sk-${core}`);
  const odd = marker('provider key without a prefix');
  const fromEnvironment = marker('provider key of the environment', (core) => `sk-proj-${core}`);
  const exported = marker('environment_variables');
  const header = marker('extra header');
  const credential = marker('credential_list', (core) => `sk-${core}`);
  const password = marker('password of a URL');
  const found = [];
  const answers = [];

  await scene(
    async (own) => {
      const fake = own(await FakeProvider.start());
      const server = own(await Postgres.start());
      const away = `http://127.0.0.1:${await freePort()}/v1`;
      const withKey = (name, base, more = {}) => deployment(name, base, { params: { api_key: providerKey, extra_headers: { 'X-Secret': header }, ...more } });
      const config = {
        model_list: [
          withKey('gpt', fake.base()),
          withKey('odd', fake.base(), { api_key: odd }),
          { model_name: 'environment', litellm_params: { model: 'openai/x', api_base: fake.base() } },
          { model_name: 'exported', litellm_params: { model: 'groq/x', api_base: fake.base() } },
          { model_name: 'credential', litellm_params: { model: 'openai/y', litellm_credential_name: 'shared' } },
          withKey('fails', fake.base('status=500')),
          withKey('refuses', fake.base('status=401')),
          withKey('away', away),
          withKey('cut', fake.base('cut_after=3')),
          withKey('broken', fake.base('malformed_json')),
          withKey('mocked', fake.base(), { mock_response: 'hello' }),
          withKey('password', `https://user:${password}@127.0.0.1:1/v1`),
          { model_name: 'lost', litellm_params: { model: 'hosted_vllm/x', api_key: providerKey } },
        ],
        credential_list: [{ credential_name: 'shared', credential_values: { api_key: credential, api_base: fake.base() } }],
        environment_variables: { GROQ_API_KEY: exported, PLAIN: exported },
        general_settings: { master_key: master, database_url: server.url(server.fresh()).replace('@', `:${password}@`), alerting: ['slack'] },
        router_settings: { num_retries: 0, disable_cooldowns: true, redis_host: '127.0.0.1', redis_password: marker('redis'), fallbacks: [{ fails: ['refuses'] }] },
        litellm_settings: { success_callback: ['langfuse', 'prometheus'], langfuse_secret_key: marker('langfuse'), cache: true, cache_params: { type: 'redis', password: marker('cache') }, unknown_secret_key: marker('unknown key of the file') },
      };
      const gateway = own(
        await Gateway.start({
          config,
          flags: ['--detailed_debug'],
          env: {
            OPENAI_API_KEY: fromEnvironment, ANTHROPIC_API_KEY: marker('environment nobody asked for'), LITELLM_SALT_KEY: marker('salt'), LANGFUSE_SECRET_KEY: marker('langfuse of the environment'),
            LITELLM_MODEL_COST_MAP_URL: `http://user:${password}@127.0.0.1:1/prices.json`, SLACK_WEBHOOK_URL: marker('webhook', (core) => `https://hooks.example/${core}`), HTTPS_PROXY: `http://user:${password}@127.0.0.1:1`,
          },
        }),
      );
      return { fake, gateway, config, server };
    },
    async ({ fake, gateway, config, server }) => {
      /** Answers to a caller, which may only hold a secret where the route exists to hand one out. */
      // Which key was meant comes back as it was sent; nothing else may hold it.
      const named = /^\/key\/(update|info|delete)\b/;
      const ask = async (method, target, options = {}) => {
        const reply = await gateway.call(method, target, { key: master, ...options });
        let { text } = reply;
        if (reply.status === 200 && named.test(target)) {
          const { key, deleted_keys, ...rest } = reply.json;
          for (const name of deleted_keys ?? [key]) assert.ok(`${target}${JSON.stringify(options.body)}`.includes(name), text);
          text = JSON.stringify(rest);
        }
        answers.push([`${method} ${target.split('?')[0]} ${reply.status}`, `${[...reply.headers].join('\n')}\n${text}`]);
        return reply;
      };
      const chat = (model, options = {}, more = {}) => ask('POST', '/v1/chat/completions', { ...options, body: { model, messages: [{ role: 'user', content: 'hi' }], ...more } });

      // Virtual keys: made here and by the caller, in every route that takes one.
      const own = marker('virtual key of our choice', (core) => `sk-${core}`);
      const made = await gateway.call('POST', '/key/generate', { key: master, body: { key: own, key_alias: 'mine' } });
      assert.equal(made.status, 200, made.text);
      const random = await gateway.call('POST', '/key/generate', { key: master, body: {} });
      secrets['virtual key made for us'] = random.json.key.slice(3);
      for (const [target, body] of [['/key/update', { key: own, metadata: { a: 1 } }], ['/key/block', { key: random.json.key }], ['/key/unblock', { key: random.json.key }], ['/key/generate', { key: own }], ['/key/update', { key: own, tpm_limit: 5 }], ['/key/delete', { keys: [marker('unknown key to delete', (core) => `sk-${core}`)] }]]) await ask('POST', target, { body });
      for (const target of [`/key/info?key=${own}`, `/key/info?key=${random.json.key}`, '/key/list?return_full_object=true', `/spend/logs?api_key=${own}`, '/spend/keys', '/model/info', '/v1/models', '/health', '/config/yaml', '/routes']) await ask('GET', target);
      await ask('POST', '/key/generate', { body: `{"key": "${own}", broken` });

      // Wrong bearers, in every place.
      const wrong = marker('wrong key', (core) => `sk-${core}`);
      const plain = marker('wrong key without a prefix', (core) => `${core}-padding`);
      const cookie = marker('cookie', (core) => `session=${core}`);
      for (const headers of [{ authorization: `Bearer ${wrong}` }, { authorization: `Bearer ${plain}` }, { authorization: wrong }, { authorization: `Basic ${plain}` }, { 'x-api-key': wrong }, { 'x-litellm-api-key': plain }, { 'x-goog-api-key': wrong }, { 'ocp-apim-subscription-key': plain }]) {
        await chat('gpt', { key: null, headers: { ...headers, cookie } });
        await ask('GET', '/key/list', { key: null, headers });
      }
      await ask('POST', `/v1beta/models/gpt:generateContent?key=${wrong}`, { key: null, body: {} });
      await ask('GET', `/no/such/route?key=${wrong}`, { key: null });
      await ask('GET', `/v1/chat/completions?api_key=${wrong}`, { key: own });

      // Every way a call ends, plain and streamed.
      for (const { model_name: model } of config.model_list) {
        for (const stream of [false, true]) await chat(model, { key: own, headers: { cookie } }, { stream });
      }
      // Providers quote the key they refuse, some of them in the middle of a stream.
      const quoted = { gpt: `Incorrect API key provided: ${providerKey}. ${header}`, odd: `${odd} is wrong, ${header} as well` };
      for (const status of [400, 401, 403, 404, 408, 422, 429, 500, 503]) {
        for (const model of ['gpt', 'odd']) await chat(model, { key: own }, { fake: { status, error_message: quoted[model] } });
      }
      for (const fields of [{ error_in_200: true }, { error_in_200: true, stream: true }, { error_after: 1, stream: true }, { error_after: 3, stream: true }]) {
        const { stream = false, ...directives } = fields;
        for (const model of ['gpt', 'odd']) await chat(model, { key: own }, { stream, fake: { ...directives, error_message: quoted[model] } });
      }
      await chat('nobody', { key: own });
      await chat('gpt', { key: own }, { api_key: providerKey });
      await chat('gpt', { key: own }, { metadata: { extra_headers: { authorization: own } } });
      await ask('POST', '/v1/chat/completions', { key: own, body: '{"broken' });
      await ask('POST', '/v1/embeddings', { key: own, body: { model: 'gpt', input: 'a' } });
      await ask('POST', '/v1/completions', { key: own, body: { model: 'fails', prompt: 'a' } });
      await ask('POST', '/key/delete', { body: { keys: [random.json.key] } });
      await chat('gpt', { key: random.json.key });

      // Reloads: a new secret in the file, and a file that is refused.
      config.model_list[0].litellm_params.api_key = marker('provider key of the reload', (core) => `sk-${core}`);
      config.model_list.splice(-2);
      config.general_settings.master_key = master;
      fs.writeFileSync(gateway.file, JSON.stringify(config, null, 1));
      const reloaded = await ask('POST', '/config/reload');
      assert.equal(reloaded.status, 200, reloaded.text);
      const text = fs.readFileSync(gateway.file, 'utf8');
      for (const broken of [`${text}\napi_key: ${marker('broken file')}\n  x`, text.replace('"num_retries": 0', `"num_retries": "${marker('wrong type')}"`), text.replace('"redis_password"', `"redis_password": 1, "redis_password"`), text.replace('"master_key"', `"maximum_spend_logs_retention_period": "${marker('protecting value')}", "master_key"`)]) {
        if (broken.includes('num_retries": "')) delete secrets['wrong type']; // No secret: the message quotes what it found.
        fs.writeFileSync(gateway.file, broken);
        const refused = await ask('POST', '/config/reload');
        assert.equal(refused.status, 400, refused.text);
        const checked = await runBinary(['check-config', gateway.file, '--print-effective'], { env: { OPENAI_API_KEY: fromEnvironment } });
        found.push(...leaks('check-config', checked.stdout + checked.stderr));
      }
      fs.writeFileSync(gateway.file, text);
      const shown = await runBinary(['check-config', gateway.file, '--print-effective'], { env: { OPENAI_API_KEY: fromEnvironment } });
      assert.match(shown.stdout, /model_list/);
      found.push(...leaks('--print-effective', shown.stdout + shown.stderr));

      for (const headers of [{ accept: 'text/html' }, { accept: '*/*' }]) await ask('GET', '/', { key: null, headers });
      for (const target of ['/metrics', '/health/readiness', '/health/liveliness', '/test', '/routes']) await ask('GET', target, { key: null });
      // The log is written behind the calls.
      await until(() => gateway.accessLog().length > 40, 'more than 40 lines of the access log');
      await gateway.rows('limit=10000', 1).catch(() => undefined);
      // The provider did get its keys: the markers are the values in use.
      const account = JSON.stringify(await fake.account());
      assert.ok(account.length > 0);

      await until(() => gateway.stderr.includes('key '), 'the operator\'s log');
      // The database goes away: whatever its client has to say about it.
      await server.pause('SIGQUIT');
      await until(async () => (await ask('GET', '/health/readiness', { key: null })).json.db === 'unreachable', 'the outage');
      for (const target of ['/key/list', '/spend/keys']) await ask('GET', target);
      await server.resume();
      await until(async () => (await ask('GET', '/health/readiness', { key: null })).json.db === 'connected', 'the database');
      const data = path.join(gateway.directory, 'data');
      const scan = () => {
        for (const entry of fs.readdirSync(gateway.directory, { recursive: true, withFileTypes: true })) {
          const file = path.join(entry.parentPath ?? entry.path, entry.name);
          if (!entry.isFile() || file === gateway.file) continue;
          found.push(...leaks(`file ${path.relative(data, file)}`, fs.readFileSync(file).toString('latin1')));
        }
      };
      scan();
      gateway.signal('SIGTERM');
      assert.equal((await gateway.wait()).code, 0, gateway.stderr.slice(-2000));
      scan();
      found.push(...leaks('stdout', gateway.stdout), ...leaks('stderr', gateway.stderr));
      for (const [where, answer] of answers) found.push(...leaks(where, answer));
      await fake.stop();
    },
  );
  assert.deepEqual([...new Set(found)], []);
});

test('a start that fails says why without the secret', async () => {
  const directory = temporaryDirectory();
  const file = path.join(directory, 'config.yaml');
  const key = marker('master key of a start that fails', (core) => `sk-${core}`);
  try {
    for (const text of [
      `general_settings: {master_key: ${key}, master_key: ${key}}\n`,
      `general_settings:\n  master_key: [${key}]\n`,
      `general_settings:\n  master_key: ${key}\n database_url: ${key}\n`,
      `model_list: [{model_name: a, litellm_params: {model: openai/a, api_key: {a: ${key}}}}]\n`,
      `model_list: [{model_name: a, litellm_params: {model: openai/a, api_key: k, rpm: os.environ/SECRET}}]\n`,
      `general_settings: {master_key: "${key}}\n`,
      `general_settings: {master_key: ${key}, custom_auth: a.b}\n`,
    ]) {
      fs.writeFileSync(file, text);
      for (const args of [['--config', file, '--port', '0', '--data_dir', path.join(directory, 'data')], ['check-config', file], ['check-config', file, '--print-effective']]) {
        const ended = await runBinary([...args, '--detailed_debug'].filter((arg) => args[0] === '--config' || arg !== '--detailed_debug'), { env: { HOME: directory, SECRET: key } });
        assert.notEqual(ended.code, 0, text);
        assert.deepEqual(leaks(text.split('\n')[0].slice(0, 40), ended.stdout + ended.stderr), []);
      }
    }
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
});

test('a provider that echoes its key in header fields does not hand it to the caller', async () => {
  const provider = await RawProvider.start();
  const key = marker('echoed key', (core) => `sk-${core}`);
  const echo = (turn) => ({ 'x-echo': turn.request.headers.authorization });
  const answers = provider.on('answers', (turn) => turn.json(200, goodReply, echo(turn)));
  const refuses = provider.on('refuses', (turn) => turn.json(400, '{}', echo(turn)));
  const withKey = (name, base) => deployment(name, base, { params: { api_key: key } });
  try {
    await scene(
      async (own) => own(await Gateway.start({ config: { model_list: [withKey('answers', answers), withKey('refuses', refuses)] } })),
      async (gateway) => {
        for (const model of ['answers', 'refuses']) {
          const reply = await gateway.chat({ model });
          assert.equal(reply.headers.get('llm_provider-x-echo'), 'Bearer ***', model);
        }
      },
    );
  } finally {
    await provider.stop();
  }
});

/** A model_list whose credentials are fetched from `url`, each secret a marker; and the environment that holds some of them. */
function fetchedCredentials(url) {
  const { privateKey } = crypto.generateKeyPairSync('rsa', { modulusLength: 2048, privateKeyEncoding: { type: 'pkcs8', format: 'pem' }, publicKeyEncoding: { type: 'spki', format: 'pem' } });
  secrets['private key'] = privateKey.split('\n')[3];
  const account = { type: 'service_account', client_email: 'a@b', private_key: privateKey, token_uri: `${url}/google` };
  const user = { type: 'authorized_user', client_id: 'id', client_secret: marker('secret of a user'), refresh_token: marker('refresh token'), token_uri: `${url}/google` };
  const aws = { aws_access_key_id: marker('access key id'), aws_secret_access_key: marker('secret access key'), aws_session_token: marker('session token'), aws_region_name: 'eu-west-1', api_base: url };
  const on = (name, model, params) => ({ model_name: name, litellm_params: { model, api_base: url, vertex_project: 'p', api_version: '2024-10-21', ...params } });
  const models = [
    on('account', 'vertex_ai/gemini-2.5-flash', { vertex_credentials: account }),
    on('user', 'vertex_ai/gemini-2.5-flash', { vertex_credentials: JSON.stringify(user) }),
    on('keys', 'bedrock/converse/anthropic.claude-v1', aws),
    on('role', 'bedrock/converse/anthropic.claude-v1', { ...aws, aws_role_name: 'arn:r', aws_external_id: marker('external id'), aws_sts_endpoint: `${url}/sts` }),
    on('web', 'bedrock/converse/anthropic.claude-v1', { aws_web_identity_token: marker('web identity'), aws_role_name: 'arn:r', aws_sts_endpoint: `${url}/sts` }),
    on('bearer', 'bedrock/converse/anthropic.claude-v1', { api_key: marker('Bedrock key') }),
    on('application', 'azure/d', { tenant_id: 't', client_id: 'c', client_secret: marker('client secret') }),
    on('person', 'azure/d', { tenant_id: 't', client_id: 'c', azure_username: 'u', azure_password: marker('password') }),
    on('token', 'azure/d', { azure_ad_token: marker('Entra token') }),
    on('ibm', 'watsonx/ibm/granite', { api_key: marker('IBM key'), project_id: 'p' }),
    on('zen', 'watsonx/ibm/granite', { zen_api_key: marker('Zen key'), project_id: 'p' }),
    on('principal', 'databricks/m', { client_id: 'c', client_secret: marker('secret of a principal') }),
  ];
  return { models, env: { AZURE_AUTHORITY_HOST: url, WATSONX_IAM_URL: `${url}/ibm` } };
}

test('no secret of a credential that is fetched is ever printed, stored, counted or answered', async () => {
  const given = marker('access token', (core) => `ya29.${core}`);
  const keys = { AccessKeyId: marker('temporary key id'), SecretAccessKey: marker('temporary secret'), SessionToken: marker('temporary session') };
  let mode = 'good';
  // Whoever refuses quotes all it was sent, as it came and decoded.
  const quote = ({ headers, body, form }) => `${headers.authorization} ${headers['api-key']} ${headers['x-amz-security-token']} ${body} ${[...form.values()].join(' ')}`;
  const refusal = (request) => ({ status: mode === 'refused' ? 401 : 500, json: { error: { code: 401, message: quote(request), status: 'UNAUTHENTICATED' }, message: quote(request) } });
  const tokens = (answer) => (request) => (mode === 'token refused' ? { status: 400, json: { error: 'invalid_grant', error_description: quote(request) } } : answer);
  const server = await TokenServer.start([
    [/^POST \/(google|ibm|t\/oauth2|oidc)/, tokens({ json: { access_token: given, expires_in: 3600 } })],
    [/^POST \/sts/, (request) => (mode === 'token refused' ? { status: 403, text: `<ErrorResponse><Error><Code>AccessDenied</Code><Message>${quote(request).replaceAll('&', '&amp;')}</Message></Error></ErrorResponse>` } : { json: { AssumeRoleResponse: { AssumeRoleResult: { Credentials: { ...keys, Expiration: Date.now() / 1000 + 3600 } } } } })],
    [/./, (request) => (mode === 'good' ? { status: 200, json: {} } : refusal(request))],
  ]);
  const found = [];
  try {
    const { models, env } = fetchedCredentials(server.url);
    for (mode of ['good', 'refused', 'failing', 'token refused', 'away']) {
      if (mode === 'away') await server.stop();
      await scene(
        async (own) => own(await Gateway.start({ config: { model_list: models, router_settings: { num_retries: 0, disable_cooldowns: true } }, flags: ['--detailed_debug'], env })),
        async (gateway) => {
          for (const { model_name: model } of models) {
            for (const stream of [false, true]) {
              const reply = await gateway.chat({ model, stream });
              found.push(...leaks(`answer of ${model}, ${mode}`, `${[...reply.headers].join('\n')}\n${reply.text}`));
              if (mode !== 'good') assert.notEqual(reply.status, 200, `${model}, ${mode}`);
            }
          }
          const asked = server.requests.length;
          if (mode !== 'away') assert.ok(asked > models.length, `${asked} requests in ${mode}`);
          for (const target of ['/metrics', '/model/info', '/spend/logs', '/config/yaml', '/health']) found.push(...leaks(target, (await gateway.call('GET', target)).text));
          const shown = await runBinary(['check-config', gateway.file, '--print-effective'], { env });
          assert.match(shown.stdout, /aws_secret_access_key: "\*\*\*"/);
          found.push(...leaks('--print-effective', shown.stdout + shown.stderr));
          gateway.signal('SIGTERM');
          assert.equal((await gateway.wait()).code, 0, gateway.stderr.slice(-2000));
          found.push(...leaks(`stdout, ${mode}`, gateway.stdout), ...leaks(`stderr, ${mode}`, gateway.stderr));
          for (const entry of fs.readdirSync(gateway.directory, { recursive: true, withFileTypes: true })) {
            const file = path.join(entry.parentPath ?? entry.path, entry.name);
            if (entry.isFile() && file !== gateway.file) found.push(...leaks(`file ${entry.name}, ${mode}`, fs.readFileSync(file).toString('latin1')));
          }
        },
      );
    }
  } finally {
    await server.stop();
  }
  assert.deepEqual([...new Set(found)], []);
});
