// What nobody gets by asking: files of the machine, processes, hashes of passwords, a key that is over, a model under a name
// that means another. AC-SEC-3 and AC-SEC-5; who may write which field stands in src/api/permission_fields_test.cc.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { FakeProvider, Gateway, deployment, sleep } from '../harness/turnpike.mjs';

const marker = 'marker-of-a-file-4711';
let fake;
let gateway;
let file; // Of the machine, that no request may have read.

const asMaster = async (method, target, body) => {
  const reply = await gateway.call(method, target, { body });
  assert.equal(reply.status, 200, `${method} ${target} ${JSON.stringify(body)}: ${reply.text}`);
  return reply.json;
};

before(async () => {
  fake = await FakeProvider.start();
  const general_settings = { store_model_in_db: true, service_account_settings: { enforced_params: ['user'] } };
  const models = ['cheap', 'dear'].map((name) => deployment(name, fake.base()));
  models[1].model_info = { access_groups: ['club'] };
  gateway = await Gateway.start({ config: { model_list: models, general_settings, turnpike: { shutdown_grace: 0 } } });
  file = path.join(gateway.directory, 'secret.json');
  fs.writeFileSync(file, JSON.stringify({ type: 'authorized_user', client_id: marker, client_secret: marker, refresh_token: marker }));
  await asMaster('POST', '/user/new', { user_id: 'lead', auto_create_key: false });
  await asMaster('POST', '/team/new', { team_id: 'red', models: ['cheap'], members_with_roles: [{ role: 'admin', user_id: 'lead' }] });
  await asMaster('POST', '/key/generate', { key: 'sk-lead', user_id: 'lead' });
});
after(async () => {
  await gateway?.stop();
  await fake?.stop();
});

test('AC-SEC-3: no route reads a file or starts a process that a request names', async () => {
  const model = (litellm_params) => ({ model_name: 'stored', litellm_params: { model: 'openai/gpt', api_key: 'sk-of-mine-0123456789', ...litellm_params } });
  const cases = [
    ['/model/new', model({ model: 'vertex_ai/gemini-2.0-flash', vertex_project: 'p', vertex_credentials: file })],
    ['/model/new', model({ model: 'vertex_ai/gemini-2.0-flash', vertex_project: 'p', vertex_credentials: { type: 'external_account', credential_source: { file } } })],
    ['/model/new', model({ model: 'vertex_ai/gemini-2.0-flash', vertex_project: 'p', vertex_credentials: `{"type":"external\\u005faccount","credential_source":{"file":"${file}"}}` })],
    ['/model/new', model({ api_key: `oidc/file/${file}` })],
    ['/model/new', model({ api_base: `file://${file}` })],
    ['/model/new', model({ model: 'bedrock/anthropic.claude-3-haiku-20240307-v1:0', aws_region_name: 'us-east-1', aws_role_name: 'arn:aws:iam::1:role/r', aws_web_identity_token: file })],
    ['/model/new', model({ api_key: 'os.environ/LITELLM_MASTER_KEY' })],
    ['/model/new', model({ api_key: 'os.environ/DATABASE_URL' })],
    ['/health/test_connection', { litellm_params: { model: 'vertex_ai/gemini-2.0-flash', vertex_project: 'p', vertex_credentials: file } }],
    ['/v1/chat/completions', { model: 'cheap', messages: [{ role: 'user', content: 'hi' }], vertex_credentials: file }],
    ['/v1/chat/completions', { model: 'cheap', messages: [{ role: 'user', content: 'hi' }], api_base: `file://${file}` }],
    ['/v1/chat/completions', { model: 'cheap', messages: [{ role: 'user', content: 'hi' }], metadata: { aws_web_identity_token: file } }],
  ];
  for (const [target, body] of cases) {
    const reply = await gateway.call('POST', target, { body });
    const label = `${target} ${JSON.stringify(body)}: ${reply.status} ${reply.text.slice(0, 300)}`;
    if (target === '/health/test_connection' && reply.status === 200) assert.equal(reply.json.status, 'error', label);
    else assert.equal(reply.status, 400, label);
    assert.ok(!reply.text.includes(marker), label);
  }
  // A credential may hold any text; the model that takes it says what it is used for.
  await gateway.call('POST', '/credentials', { body: { credential_name: 'on-disk', credential_values: { vertex_credentials: file, vertex_project: 'p' }, credential_info: {} } });
  const named = await gateway.call('POST', '/model/new', { body: { model_name: 'stored', litellm_params: { model: 'vertex_ai/gemini-2.0-flash', litellm_credential_name: 'on-disk' } } });
  assert.equal(named.status, 400, named.text);
  for (const request of await fake.requests()) assert.ok(!JSON.stringify(request).includes(marker));
  assert.ok(!gateway.printed.includes(marker));
});

test('AC-SEC-5: hashes of passwords never leave the API, and the hash of a key is no key', async () => {
  const password = 'a-password-that-is-long-enough';
  const made = await asMaster('POST', '/user/new', { user_id: 'ann', password });
  await asMaster('POST', '/user/update', { user_id: 'ann', password: `${password}-2` });
  await asMaster('POST', '/team/member_add', { team_id: 'red', member: { role: 'user', user_id: 'ann' } });
  const texts = [JSON.stringify(made)];
  for (const target of ['/user/info?user_id=ann', '/user/list', '/user/filter/ui?user_id=ann', '/team/info?team_id=red', '/audit', '/key/list?return_full_object=true&expand=user']) {
    texts.push(JSON.stringify(await asMaster('GET', target)));
  }
  texts.push((await gateway.call('POST', '/team/member_update', { body: { team_id: 'red', user_id: 'ann', role: 'user' } })).text);
  texts.push((await gateway.call('POST', '/user/delete', { body: { user_ids: ['ann'] } })).text, gateway.printed);
  for (const text of texts) assert.ok(!/scrypt|a-password-that/.test(text), text.slice(0, 400));

  const { token } = await asMaster('POST', '/key/generate', {});
  for (const secret of [token, `sk-${token}`, 'sk-lea', 'sk-leadd', 'sk-lead\u00a0', 'SK-LEAD']) {
    const reply = await gateway.call('GET', '/v1/models', { key: null, headers: { 'x-api-key': Buffer.from(secret, 'utf8').toString('latin1') } });
    assert.equal(reply.status, 401, secret);
  }
});

test('a key that is over is over at management routes too', async () => {
  const keyOf = async (fields) => (await asMaster('POST', '/key/generate', { user_id: 'lead', ...fields })).key;
  const managing = async (key) => (await gateway.call('POST', '/key/generate', { key, body: {} })).status;
  const blocked = await keyOf({});
  assert.equal(await managing(blocked), 200);
  await asMaster('POST', '/key/block', { key: blocked });
  assert.equal(await managing(blocked), 401, 'blocked');
  const short = await keyOf({ duration: '1s' });
  while (Date.parse((await gateway.keyInfo(short)).expires) > Date.now()) await sleep(50);
  assert.equal(await managing(short), 401, 'expired');
  await asMaster('POST', '/team/new', { team_id: 'doomed', members_with_roles: [{ role: 'admin', user_id: 'lead' }] });
  const doomed = await keyOf({ team_id: 'doomed' });
  const ofTeam = async () => (await gateway.call('POST', '/key/generate', { key: doomed, body: { team_id: 'doomed' } })).status;
  assert.equal(await ofTeam(), 200);
  await asMaster('POST', '/team/block', { team_id: 'doomed' });
  assert.equal(await ofTeam(), 401, 'its team is blocked');
  await asMaster('POST', '/team/unblock', { team_id: 'doomed' });
  assert.equal(await ofTeam(), 200);
  await asMaster('POST', '/team/delete', { team_ids: ['doomed'] });
  assert.equal(await ofTeam(), 401, 'its team is gone');
  const gone = await keyOf({});
  await asMaster('POST', '/key/delete', { keys: [gone] });
  assert.equal(await managing(gone), 401, 'deleted');
});

test("a team's own model opens no other model by its name", async () => {
  const store = (model_name, more = {}) =>
    gateway.call('POST', '/model/new', { key: 'sk-lead', body: { model_name, litellm_params: { model: 'openai/gpt', api_key: 'sk-of-the-team-0123' }, model_info: { team_id: 'red', ...more } } });
  for (const name of ['*', 'de*', 'all-proxy-models', 'all-team-models', 'club', 'dear']) {
    const reply = await store(name);
    assert.equal(reply.status, 403, `${name}: ${reply.text}`);
    assert.equal(reply.json.error.param, 'model_name', reply.text);
    assert.equal((await store('harmless', { team_public_model_name: name })).status, 403, name);
  }
  const made = await store('mine');
  assert.equal(made.status, 200, made.text);
  const red = async () => (await asMaster('GET', '/team/info?team_id=red')).team_info;
  assert.deepEqual((await red()).models, ['cheap', 'mine']);
  // Without its alias the name would be anybody's.
  const update = await gateway.call('POST', '/team/update', { key: 'sk-lead', body: { team_id: 'red', model_aliases: {} } });
  assert.equal(update.status, 403, update.text);
  assert.equal((await gateway.call('POST', '/model/delete', { key: 'sk-lead', body: { id: made.json.model_id } })).status, 200);
  assert.deepEqual((await red()).models, ['cheap']);
});

test("the admin of a team says nothing of prices, and points no key of others at another model", async () => {
  const asLead = (method, target, body) => gateway.call(method, target, { key: 'sk-lead', body });
  const own = (model_info = {}) => ({ model_name: 'priced', litellm_params: { model: 'openai/gpt', api_key: 'sk-of-the-team-0123' }, model_info: { team_id: 'red', ...model_info } });
  for (const info of [{ input_cost_per_token: 0, output_cost_per_token: 0 }, { base_model: 'cheap' }, { access_groups: ['club'] }]) {
    const reply = await asLead('POST', '/model/new', own(info));
    assert.equal(reply.status, 400, reply.text);
    assert.equal(reply.json.error.param, `model_info.${Object.keys(info)[0]}`);
  }
  const { model_id: id } = await asMaster('POST', '/model/new', own({ base_model: 'gpt-4o' }));
  const change = (body) => asLead('PATCH', `/model/${id}/update`, body);
  assert.equal((await change({ litellm_params: { rpm: 5 } })).status, 200, 'what an administrator has said stays');
  for (const [body, param] of [
    [{ model_info: { base_model: 'gpt-4o-mini' } }, 'model_info.base_model'],
    [{ model_info: { base_model: null } }, 'model_info.base_model'],
    [{ model_info: { output_cost_per_token: 0 } }, 'model_info.output_cost_per_token'],
    [{ litellm_params: { model: 'openai/gpt-dear' } }, 'litellm_params.api_key'],
    [{ litellm_params: { input_cost_per_token: 0 } }, 'litellm_params.input_cost_per_token'],
    [{ litellm_params: { api_base: fake.base() } }, 'litellm_params.api_base'],
  ]) {
    const reply = await change(body);
    assert.equal(reply.status, 400, `${JSON.stringify(body)}: ${reply.text}`);
    assert.equal(reply.json.error.param, param, reply.text);
  }
  assert.equal((await change({ litellm_params: { model: 'openai/gpt-dear', api_key: 'sk-of-the-team-4567' } })).status, 200);
  await asMaster('POST', '/model/delete', { id });
});

test('service_account_settings.enforced_params bind service accounts and nobody else', async () => {
  const service = (await asMaster('POST', '/key/service-account/generate', { team_id: 'red', key_alias: 'ci' })).key;
  const plain = (await asMaster('POST', '/key/generate', { team_id: 'red' })).key;
  const refused = await gateway.chat({ model: 'cheap' }, { key: service });
  assert.equal(refused.status, 400, refused.text);
  assert.equal(refused.json.error.param, 'user');
  assert.equal((await gateway.chat({ model: 'cheap', user: 'a' }, { key: service })).status, 200);
  assert.equal((await gateway.chat({ model: 'cheap' }, { key: plain })).status, 200);
});
