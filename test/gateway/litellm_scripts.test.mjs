// What scripts written for LiteLLM's management API do, in their order: a member's rights in his team, the budget he has
// there, a model that is kept by a tool and read back, one key changed and looked at by whoever holds it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { FakeProvider, Gateway, deployment, masterKey, until } from '../harness/turnpike.mjs';

let fake;
let gateway;
before(async () => {
  fake = await FakeProvider.start();
  gateway = await Gateway.start({
    config: {
      model_list: [deployment('gpt', fake.base())],
      general_settings: { store_model_in_db: true },
      turnpike: { shutdown_grace: 0 },
    },
  });
});
after(async () => {
  await gateway?.stop();
  await fake?.stop();
});

const send = async (method, path, body, { key = masterKey, status = 200, type } = {}) => {
  const reply = await gateway.call(method, path, { body, key });
  assert.equal(reply.status, status, `${method} ${path} ${JSON.stringify(body)}: ${reply.text}`);
  if (type) assert.equal(reply.json.error.type, type, reply.text);
  return reply.json;
};
const ask = (key, model = 'gpt') => gateway.chat({ model, fake: { prompt_tokens: 100, tokens: 7 } }, { key });

/** A team with one key of its own, and a member of it with a key of his. */
async function teamWithMember(name, permissions) {
  const { team_id } = await send('POST', '/team/new', { team_alias: name, team_member_permissions: permissions });
  const { key: keyOfTeam } = await send('POST', '/key/generate', { team_id });
  const { user_id } = await send('POST', '/user/new', { user_id: `user-of-${name}`, team_id });
  const { key } = await send('POST', '/key/generate', { user_id });
  return { team_id, keyOfTeam, user_id, key };
}

test('a member looks at keys of his team, and does with them what the team permits', async () => {
  const denied = { status: 401, type: 'team_member_permission_error' };
  const plain = await teamWithMember('plain', null);
  const asPlain = { ...denied, key: plain.key };
  await send('POST', '/key/generate', { team_id: plain.team_id }, asPlain);
  await send('POST', '/key/update', { key: plain.keyOfTeam, metadata: { a: 1 }, team_id: 'another' }, asPlain);
  await send('POST', '/key/delete', { keys: [plain.keyOfTeam] }, asPlain);
  await send('POST', '/key/regenerate', { key: plain.keyOfTeam }, asPlain);
  assert.equal((await send('GET', `/key/info?key=${plain.keyOfTeam}`, undefined, { key: plain.key })).info.team_id, plain.team_id);

  const editor = await teamWithMember('editor', ['/key/update', '/key/info']);
  await send('POST', '/key/update', { key: editor.keyOfTeam, metadata: { a: 1 }, team_id: editor.team_id }, { key: editor.key });
  await send('POST', '/key/generate', { team_id: editor.team_id }, { ...denied, key: editor.key });

  const maker = await teamWithMember('maker', ['/key/generate']);
  const made = await send('POST', '/key/generate', { team_id: maker.team_id }, { key: maker.key });
  assert.deepEqual([made.team_id, made.user_id], [maker.team_id, maker.user_id]);
  await send('POST', '/key/update', { key: maker.keyOfTeam, metadata: {} }, { ...denied, key: maker.key });
});

test('the key that comes with a user of a team is held to what he may spend there', async () => {
  const { team_id } = await send('POST', '/team/new', { team_alias: 'thrifty' });
  const user = await send('POST', '/user/new', { user_id: 'saver', team_id, models: ['gpt'], max_budget: 10, aliases: { a: 'b' }, duration: null });
  await send('POST', '/team/member_update', { team_id, user_id: 'saver', max_budget_in_team: 0.0000001 });
  const membership = async () => {
    const { teams } = await send('GET', '/user/info?user_id=saver');
    return teams.find((team) => team.team_id === team_id).team_memberships[0];
  };
  assert.deepEqual([(await membership()).spend, (await membership()).litellm_budget_table.max_budget], [0, 0.0000001]);
  assert.equal((await ask(user.key)).status, 200);
  await until(async () => (await membership()).spend > 0, 'what he has spent in the team');
  const refused = await ask(user.key);
  assert.equal(refused.status, 429, refused.text);
  assert.match(refused.json.error.message, /Budget has been exceeded! User=saver in Team=/);
});

test('members come and go; a team that is deleted is in nobody\'s list', async () => {
  await send('POST', '/user/new', { user_id: 'lead' });
  const { team_id } = await send('POST', '/team/new', { team_alias: 'crew', members_with_roles: [{ role: 'admin', user_id: 'lead' }] });
  const member = Array.from({ length: 10 }, (_, at) => ({ role: 'user', user_id: `crew-${at}@example.com` }));
  await send('POST', '/team/member_add', { team_id, member });
  assert.equal((await send('GET', `/team/info?team_id=${team_id}`)).team_info.members_with_roles.length, 11);
  const before = (await send('POST', '/team/update', { team_id, team_alias: 'crew' })).data;
  const renamed = (await send('POST', '/team/update', { team_id, team_alias: 'band' })).data;
  assert.deepEqual({ ...renamed, updated_at: 0 }, { ...before, team_alias: 'band', updated_at: 0 }, 'nothing else changes');
  await send('POST', '/team/member_delete', { team_id, user_id: 'crew-3@example.com' });
  await send('POST', '/team/member_delete', { team_id, user_id: 'crew-3@example.com' }, { status: 400 });
  await send('POST', '/team/member_add', { team_id, member: { role: 'user', user_id: 'crew-4@example.com' } }, { status: 400, type: 'team_member_already_in_team' });
  await send('POST', '/team/delete', { team_ids: [team_id] });
  assert.deepEqual((await send('GET', '/user/info?user_id=lead')).teams, []);
  const gone = await send('GET', `/team/info?team_id=${team_id}`, undefined, { status: 404 });
  assert.equal(gone.detail.error, gone.error.message, 'either shape of an error has the text');
});

test('a model that a tool keeps reads back as it was written, and is called until it is deleted', async () => {
  const written = {
    custom_llm_provider: 'openai',
    model: 'openai/gpt-4o',
    api_base: fake.base(),
    input_cost_per_token: 0.0000025,
    output_cost_per_token: 0.00001,
    tpm: 100000,
    rpm: 1000,
    timeout: 2.5,
    reasoning_effort: 'low',
  };
  const info = { id: 'kept-1', db_model: true, base_model: 'gpt-4o', tier: 'paid', mode: 'chat' };
  const made = await send('POST', '/model/new', { model_name: 'kept', litellm_params: { ...written, api_key: 'sk-of-the-tool' }, model_info: info });
  assert.equal(made.model_id, 'kept-1');
  const readBack = async () => (await send('GET', '/model/info?litellm_model_id=kept-1')).data[0];
  let seen = await readBack();
  for (const [name, value] of Object.entries(written)) assert.equal(seen.litellm_params[name], value, name);
  for (const [name, value] of Object.entries(info)) assert.equal(seen.model_info[name], value, name);
  assert.equal(seen.litellm_params.api_key, undefined);
  await send('PATCH', '/model/kept-1/update', { litellm_params: { rpm: 2000 }, model_info: { id: 'kept-1', tier: 'free' } });
  seen = await readBack();
  assert.deepEqual([seen.litellm_params.rpm, seen.litellm_params.tpm, seen.model_info.tier, seen.model_info.mode], [2000, 100000, 'free', 'chat']);
  const key = await gateway.newKey();
  assert.equal((await ask(key, 'kept')).status, 200);
  await send('POST', '/model/delete', { id: 'kept-1' });
  assert.notEqual((await ask(key, 'kept')).status, 200);
  await send('GET', '/model/info?litellm_model_id=kept-1', undefined, { status: 400 });
});

test('a key is looked at by itself and by administrators, and by no other key', async () => {
  const [own, other] = [await gateway.newKey({ models: ['other'] }), await gateway.newKey()];
  for (const [path, key] of [[`/key/info?key=${own}`, masterKey], [`/key/info?key=${own}`, own], ['/key/info', own]]) {
    assert.deepEqual((await send('GET', path, undefined, { key })).info.models, ['other']);
  }
  await send('GET', `/key/info?key=${own}`, undefined, { key: other, status: 403 });
  assert.equal((await ask(own)).status, 403);
  await send('POST', '/key/update', { key: own, models: ['gpt'] });
  assert.equal((await ask(own)).status, 200, 'at once');
  const { keys } = await send('GET', '/key/list?return_full_object=True&size=100');
  assert.ok(keys.some((key) => key.key_name === `sk-...${own.slice(-4)}` && key.models[0] === 'gpt'));
  await send('POST', '/key/delete', { keys: [own], key_aliases: null });
  assert.equal((await ask(own)).status, 401);
});
