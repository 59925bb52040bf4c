// Models, credentials and access groups that stand in the database (store_model_in_db): made while the gateway runs, in force
// at once, there after a restart, sealed with the salt key; a team's admin brings a key of his own, and nobody else's is sent.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Postgres } from '../harness/postgres.mjs';
import { RawProvider, goodReply } from '../harness/raw_provider.mjs';
import { Gateway, deployment, runBinary, temporaryDirectory, until } from '../harness/turnpike.mjs';

const salt = 'sk-salt-of-this-test';
const providerKey = 'sk-provider-marker-4711';
const directory = temporaryDirectory();
let provider;
let gateway;
let base;

const start = (env = {}) =>
  Gateway.start({
    directory,
    env: { LITELLM_SALT_KEY: salt, ...env },
    config: {
      model_list: [deployment('of-file', base, { info: { id: 'file-1', access_groups: ['beta'] } })],
      credential_list: [{ credential_name: 'file-credential', credential_values: { api_key: 'sk-of-the-file-0001', api_base: base } }],
      general_settings: { store_model_in_db: true },
      turnpike: { shutdown_grace: 0 },
    },
  });

before(async () => {
  provider = await RawProvider.start();
  base = provider.on('any', (turn) => turn.json(200, goodReply));
  gateway = await start();
});
after(async () => {
  await gateway?.stop();
  await provider?.stop();
  fs.rmSync(directory, { recursive: true, force: true });
});

const send = async (method, target, body, { status = 200, key } = {}) => {
  const reply = await gateway.call(method, target, { ...(body ? { body } : {}), ...(key ? { key } : {}) });
  assert.equal(reply.status, status, `${method} ${target}: ${reply.text}`);
  return reply.json;
};
const stored = (name, more = {}, info = {}) => ({
  model_name: name,
  litellm_params: { model: `openai/${name}`, api_base: base, api_key: providerKey, input_cost_per_token: 0.000001, output_cost_per_token: 0.000002, ...more },
  ...(Object.keys(info).length ? { model_info: info } : {}),
});
const call = async (model, key) => (await gateway.chat({ model }, key ? { key } : {})).status;
const lastKey = () => provider.calls('any').at(-1).request.headers.authorization;
const infoOf = async (id) => (await send('GET', `/v1/model/info?litellm_model_id=${id}`)).data[0];

test('a model is served from the moment it is stored, changed in place, and gone when deleted', async () => {
  assert.equal(await call('new-one'), 400);
  const made = await send('POST', '/model/new', stored('new-one', { rpm: 100 }, { id: 'new-1', mode: 'chat' }));
  assert.deepEqual([made.model_id, made.model_name, made.litellm_params.model, made.created_by], ['new-1', 'new-one', 'openai/new-one', 'default_user_id']);
  assert.ok(!JSON.stringify(made).includes(providerKey), 'the key stays inside');
  assert.equal(await call('new-one'), 200);
  assert.equal(lastKey(), `Bearer ${providerKey}`);
  assert.deepEqual([(await infoOf('new-1')).model_info.db_model, (await infoOf('file-1')).model_info.db_model], [true, false]);

  await send('PATCH', '/model/new-1/update', { litellm_params: { api_key: 'sk-second-key-0815' } });
  assert.equal(await call('new-one'), 200);
  assert.equal(lastKey(), 'Bearer sk-second-key-0815');
  await send('POST', '/model/update', { model_name: 'renamed', litellm_params: { rpm: 5 }, model_info: { id: 'new-1' } });
  assert.deepEqual([await call('new-one'), await call('renamed')], [400, 200]);
  assert.equal((await infoOf('new-1')).litellm_params.rpm, 5);

  assert.deepEqual(await send('POST', '/model/delete', { id: 'new-1' }), { message: 'Model: new-1 deleted successfully' });
  assert.equal(await call('renamed'), 400);
  await send('POST', '/model/delete', { id: 'new-1' }, { status: 400 });
  await send('POST', '/model/delete', { id: 'file-1' }, { status: 400 });
  const log = (await send('GET', '/audit?table_name=LiteLLM_ProxyModelTable&page_size=100')).audit_logs;
  assert.deepEqual(log.map((row) => row.action).sort(), ['created', 'deleted', 'updated', 'updated']);
  assert.ok(!JSON.stringify(log).includes('sk-second'), 'no secret in the audit log');
});

test('a model that cannot be served is refused at the route, with the field', async () => {
  const cases = [
    [{ ...stored('x'), litellm_params: { model: 'no-such-provider/x' } }, 'litellm_params'],
    [stored('x', { rpm: 'many' }), 'litellm_params.rpm'],
    [stored('x', { weight: -1 }), 'litellm_params.weight'],
    [stored('x', { litellm_credential_name: 'nobody' }), 'litellm_params'],
    [{ model_name: 'x' }, 'litellm_params'],
    [{ litellm_params: { model: 'openai/x' } }, 'model_name'],
    [stored('x', {}, { id: 'file-1' }), 'model_info.id'],
    // A row is written over the network: it names no file and no secret of the gateway's own.
    [stored('x', { model: 'vertex_ai/gemini-2.0-flash', vertex_credentials: '/etc/passwd' }), 'litellm_params.vertex_credentials'],
    [stored('x', { api_key: 'os.environ/LITELLM_SALT_KEY' }), 'litellm_params.api_key'],
    [stored('x', { aws_web_identity_token: 'oidc/file//etc/passwd' }), 'litellm_params.aws_web_identity_token'],
  ];
  for (const [body, field] of cases) {
    const reply = await gateway.call('POST', '/model/new', { body });
    assert.equal(reply.status, 400, reply.text);
    assert.ok(reply.json.error.param.startsWith(field), `${reply.json.error.param} for ${field}: ${reply.text}`);
  }
  assert.equal((await send('GET', '/v2/model/info?search=x')).total_count, 0);
});

test('credentials are stored sealed, shown masked and laid under the models that name them', async () => {
  await send('POST', '/credentials', { credential_name: 'shared', credential_values: { api_key: 'sk-shared-credential-1', api_base: base }, credential_info: { custom_llm_provider: 'OpenAI' } });
  await send('POST', '/credentials', { credential_name: 'shared', credential_values: {}, credential_info: {} }, { status: 409 });
  const list = await send('GET', '/credentials');
  assert.deepEqual(list.credentials.map((one) => one.credential_name), ['file-credential', 'shared']);
  assert.ok(!JSON.stringify(list).includes('sk-shared-credential-1'));
  for (const [name, secret] of [['shared', 'sk-shared-credential-1'], ['file-credential', 'sk-of-the-file-0001']]) {
    const id = `by-${name}`;
    await send('POST', '/model/new', { model_name: id, litellm_params: { model: 'openai/x', litellm_credential_name: name, input_cost_per_token: 0, output_cost_per_token: 0 }, model_info: { id } });
    assert.equal(await call(id), 200);
    assert.equal(lastKey(), `Bearer ${secret}`);
  }
  await send('PATCH', '/credentials/shared', { credential_name: 'shared', credential_values: { api_key: 'sk-shared-credential-2' }, credential_info: {} });
  assert.equal(await call('by-shared'), 200);
  assert.equal(lastKey(), 'Bearer sk-shared-credential-2');
  assert.equal((await send('GET', '/credentials/by_name/shared')).credential_name, 'shared');
  await send('GET', '/credentials/by_name/nobody', undefined, { status: 404 });
  await send('DELETE', '/credentials/file-credential', undefined, { status: 400 });
  await send('DELETE', '/credentials/shared');
  assert.equal(await call('by-shared'), 400, 'nothing is left to reach the provider with');
});

test('what is stored outlives a restart, and is left out by name when the salt key is another one', async () => {
  await send('POST', '/model/new', stored('kept', {}, { id: 'kept-1' }));
  const kept = async () => [await call('kept'), await call('of-file')];
  assert.deepEqual(await kept(), [200, 200]);
  await gateway.stop();
  for (const file of fs.readdirSync(path.join(directory, 'data')).filter((name) => name.startsWith('turnpike.db'))) {
    const bytes = fs.readFileSync(path.join(directory, 'data', file)).toString('latin1');
    assert.ok(!bytes.includes(providerKey) && !bytes.includes('sk-shared-credential'), `no secret in ${file}`);
  }
  gateway = await start({ LITELLM_SALT_KEY: 'another' });
  assert.deepEqual(await kept(), [400, 200]);
  assert.match(gateway.printed, /stored model kept \(kept-1\): \w+ cannot be decrypted/);
  await gateway.stop();
  const rotate = (from, to) =>
    runBinary(['rotate-salt-key', '--config', path.join(directory, 'config.yaml'), '--data_dir', path.join(directory, 'data')], { env: { LITELLM_SALT_KEY: from, TURNPIKE_NEW_SALT_KEY: to } });
  const refused = await rotate('another', 'sk-new-salt');
  assert.deepEqual([refused.code, /Nothing has been changed/.test(refused.stderr)], [1, true], refused.stderr);
  const rotated = await rotate(salt, 'sk-new-salt');
  assert.equal(rotated.code, 0, rotated.stderr);
  assert.match(rotated.stdout, /models and \d credentials are sealed anew/);
  gateway = await start({ LITELLM_SALT_KEY: 'sk-new-salt' });
  assert.deepEqual(await kept(), [200, 200]);
});

test("a team's model is the team's alone, under the name the team gave it", async () => {
  for (const id of ['red', 'blue']) await send('POST', '/team/new', { team_id: id, team_alias: id });
  await send('POST', '/user/new', { user_id: 'red-admin', user_role: 'internal_user', auto_create_key: false });
  await send('POST', '/team/member_add', { team_id: 'red', member: { role: 'admin', user_id: 'red-admin' } });
  const admin = await gateway.newKey({ user_id: 'red-admin' });
  const red = await gateway.newKey({ team_id: 'red' });
  const blue = await gateway.newKey({ team_id: 'blue' });
  const own = { model_name: 'ours', litellm_params: { model: 'openai/x', api_key: 'sk-of-the-team-1' }, model_info: { team_id: 'red', id: 'ours-1' } };

  await send('POST', '/model/new', own, { status: 401, key: blue });
  await send('POST', '/model/new', { ...own, model_info: { team_id: 'blue' } }, { status: 403, key: admin });
  await send('POST', '/model/new', { ...own, model_info: {} }, { status: 403, key: admin });
  for (const [params, field] of [
    [{ api_base: base }, 'api_base'],
    [{ litellm_credential_name: 'file-credential' }, 'litellm_credential_name'],
    [{ api_key: 'os.environ/OPENAI_API_KEY' }, 'api_key'],
    [{ api_key: undefined }, 'api_key'],
    [{ input_cost_per_token: 0 }, 'input_cost_per_token'],
    [{ model: 'bedrock/anthropic.claude-3-haiku-20240307-v1:0' }, 'model'],
  ]) {
    const reply = await gateway.call('POST', '/model/new', { key: admin, body: { ...own, litellm_params: { ...own.litellm_params, ...params } } });
    assert.deepEqual([reply.status, reply.json.error.param], [400, `litellm_params.${field}`], reply.text);
  }
  const made = await send('POST', '/model/new', own, { key: admin });
  assert.match(made.model_name, /^model_name_red_/);
  assert.equal(made.model_info.team_public_model_name, 'ours');
  // The master key says where it goes; the team's admin may not.
  await send('PATCH', '/model/ours-1/update', { litellm_params: { api_base: base, input_cost_per_token: 0.000001, output_cost_per_token: 0.000002 } });
  const tries = {};
  for (const name of ['ours', made.model_name, 'ours-1']) tries[name] = [await call(name, red), await call(name, blue)];
  assert.equal(tries.ours[0], 200);
  assert.equal(lastKey(), 'Bearer sk-of-the-team-1');
  assert.equal(tries[made.model_name][0], 200);
  for (const [name, [, foreign]] of Object.entries(tries)) assert.ok(foreign >= 400, `${name} by another team: ${foreign}`);
  const names = async (key) => (await send('GET', '/v1/models', undefined, { key })).data.map((one) => one.id);
  assert.ok((await names(red)).includes('ours'));
  assert.ok(!(await names(blue)).some((id) => id === 'ours' || id === made.model_name));
  assert.equal((await send('GET', '/v2/model/info?modelId=ours-1', undefined, { key: blue })).total_count, 0);
  await send('POST', '/model/delete', { id: 'ours-1' });
  assert.equal(await call('ours', red), 400);
});

test('an access group opens its models to the keys that name it', async () => {
  await send('POST', '/access_group/new', { access_group: 'lab', model_names: ['nobody-serves-this'] }, { status: 400 });
  await send('POST', '/access_group/new', { access_group: 'lab', model_names: ['kept'] });
  await send('POST', '/access_group/new', { access_group: 'lab', model_names: ['kept'] }, { status: 409 });
  const key = await gateway.newKey({ models: ['lab'] });
  assert.deepEqual([await call('kept', key), await call('of-file', key)], [200, 403]);
  await send('PUT', '/access_group/lab/update', { model_names: ['of-file'] });
  assert.deepEqual([await call('kept', key), await call('of-file', key)], [403, 200]);
  const groups = (await send('GET', '/access_group/list')).access_groups;
  assert.deepEqual(groups.map((group) => [group.access_group, group.model_names]), [['beta', ['of-file']], ['lab', ['of-file']]]);
  const [row] = await send('GET', '/v1/access_group');
  assert.deepEqual([row.access_group_name, row.access_model_names], ['lab', ['of-file']]);
  await send('PUT', `/v1/access_group/${row.access_group_id}`, { description: 'for trials', access_model_names: [] });
  assert.equal(await call('of-file', key), 403, 'a group of which nothing is left opens nothing');
  await send('DELETE', '/access_group/lab/delete');
  await send('GET', '/access_group/lab/info', undefined, { status: 404 });
});

test('what is served and how it is configured can be read', async () => {
  const pages = await send('GET', '/v2/model/info?size=1&page=2&sortBy=model_name');
  assert.deepEqual([pages.data.length, pages.current_page, pages.size, pages.total_pages], [1, 2, 1, pages.total_count]);
  const [group] = (await send('GET', '/model_group/info?model_group=of-file')).data;
  assert.deepEqual([group.model_group, group.providers, group.mode, group.input_cost_per_token], ['of-file', ['openai'], 'chat', 0.000001]);
  const fields = await send('GET', '/config/list?config_type=general_settings');
  assert.deepEqual(fields.find((field) => field.field_name === 'store_model_in_db').field_value, true);
  assert.equal(fields.find((field) => field.field_name === 'master_key').field_value, '***');
  assert.equal((await send('GET', '/config/field/info?field_name=store_model_in_db')).field_value, true);
  await send('GET', '/config/field/info?field_name=nothing', undefined, { status: 400 });
  assert.equal((await send('GET', '/router/settings')).current_values.num_retries, 2);
  for (const target of ['/get/config/callbacks', '/callbacks/list', '/router/fields', '/get/allowed_ips']) await send('GET', target);
  const key = await gateway.newKey();
  for (const target of ['/config/list', '/router/settings', '/credentials', '/access_group/list'])
    assert.ok([401, 403].includes((await gateway.call('GET', target, { key })).status), target);
});

test('what is stored on one replica is served by the others within a second', async () => {
  const server = await Postgres.start();
  const replicas = [];
  try {
    const env = { DATABASE_URL: server.url(server.fresh()), LITELLM_SALT_KEY: salt, STORE_MODEL_IN_DB: 'True' };
    for (let i = 0; i < 2; ++i) replicas.push(await Gateway.start({ env, config: { model_list: [deployment('gpt', base)], turnpike: { shutdown_grace: 0 } } }));
    const [one, other] = replicas;
    const becomes = async (status) => {
      const begun = performance.now();
      await until(async () => (await other.chat({ model: 'spread' })).status === status, `status ${status} on the other replica`, 5000);
      assert.ok(performance.now() - begun < 1000);
    };
    assert.equal((await one.call('POST', '/model/new', { body: stored('spread', {}, { id: 'spread-1' }) })).status, 200);
    await becomes(200);
    assert.equal((await one.call('PATCH', '/model/spread-1/update', { body: { blocked: true } })).status, 200);
    await becomes(400);
    assert.equal((await one.call('PATCH', '/model/spread-1/update', { body: { blocked: false } })).status, 200);
    await becomes(200);
    assert.equal((await one.call('POST', '/model/delete', { body: { id: 'spread-1' } })).status, 200);
    await becomes(400);
  } finally {
    for (const replica of replicas) await replica.stop();
    await server.stop();
  }
});

test('without store_model_in_db nothing is stored', async () => {
  const plain = await Gateway.start({ config: { model_list: [deployment('gpt', base)], turnpike: { shutdown_grace: 0 } } });
  try {
    const reply = await plain.call('POST', '/model/new', { body: stored('x') });
    assert.equal(reply.status, 500);
    assert.match(reply.json.error.message, /STORE_MODEL_IN_DB/);
  } finally {
    await plain.stop();
  }
});
