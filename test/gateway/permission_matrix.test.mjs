// Who may do what: every route of the gateway's own table, called by every role, on an object that is the role's own and
// on a foreign one. The table says which roles a route lets in at all; below stands whose object it may be. A route that
// lets users in and is not named here fails the test: somebody has to say whose it is for.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { KeyServer, audience } from '../harness/key_server.mjs';
import { FakeProvider, Gateway, deployment, masterKey } from '../harness/turnpike.mjs';

let fake;
let keyServer;
let gateway;
const keys = {}; // Of each role.

const admins = ['proxy_admin'];
const everybody = ['proxy_admin', 'proxy_admin_viewer', 'org_admin', 'team_admin', 'internal_user', 'internal_user_viewer', 'key_without_user'];
const roles = [...everybody, 'end_user']; // The last with a token that names a customer: it calls models, nothing else.
const readers = ['proxy_admin', 'proxy_admin_viewer'];
const team = ['proxy_admin', 'org_admin', 'team_admin'];
const organization = ['proxy_admin', 'org_admin'];
const owners = [...team, 'internal_user'];
const members = ['proxy_admin', 'proxy_admin_viewer', 'org_admin', 'team_admin', 'internal_user', 'internal_user_viewer'];

const userOf = { proxy_admin: 'boss', proxy_admin_viewer: 'auditor', org_admin: 'orga', team_admin: 'lead', internal_user: 'dev', internal_user_viewer: 'guest' };

/** By `Who` of the table, for routes that ask for no object. */
const byColumn = {
  public: [...roles, 'nobody'],
  'public unless require_auth_for_metrics_endpoint': [...roles, 'nobody'],
  'any key': everybody,
  "any key but a viewer's": roles.filter((role) => !role.endsWith('_viewer')),
  'admin or viewer': readers,
  admin: admins,
};
/** Which models there are is asked by whoever calls them. */
const listsModels = /^\/(v1\/|openai\/)?models(\/\{model\})?$/;
const columnsOfObjects = ['users, of their own', 'users but viewers, of their own'];

let counter = 0;
const fresh = (what) => `${what}-${++counter}`;
const asMaster = async (method, path, body) => {
  const reply = await gateway.call(method, path, { body });
  assert.equal(reply.status, 200, `${method} ${path} ${JSON.stringify(body)}: ${reply.text}`);
  return reply.json;
};

/** A key of the team at hand, of `role`'s user where it has one: what "own" and "foreign" mean for keys. */
const makeKey = (own, role) =>
  asMaster('POST', '/key/generate', own ? { team_id: 'red', user_id: ['internal_user', 'internal_user_viewer'].includes(role) ? userOf[role] : 'dev' } : { team_id: 'blue', user_id: 'stranger' });
const teamOf = (own) => (own ? 'red' : 'blue');
const organizationOf = (own) => (own ? 'ours' : 'theirs');
const makeTeam = async (own) => {
  const team_id = fresh('team');
  await asMaster('POST', '/team/new', { team_id, organization_id: organizationOf(own), members_with_roles: own ? [{ role: 'admin', user_id: 'lead' }] : [] });
  return team_id;
};
const storedModel = (own) => ({ model_name: fresh('model'), litellm_params: { model: 'openai/gpt', api_key: 'sk-of-the-team-0123' }, model_info: { team_id: teamOf(own) } });
const makeModel = async (own) => (await asMaster('POST', '/model/new', storedModel(own))).model_id;
const onTeam = (body = {}) => (own) => ({ body: { team_id: teamOf(own), ...body } });
const onKey = (body = {}) => async (own, role) => ({ body: { key: (await makeKey(own, role)).token, ...body } });
const onOrganization = (body = {}) => (own) => ({ body: { organization_id: organizationOf(own), ...body } });

/** Whose objects the routes are for: `own` and `foreign` are the roles that get through; `list` is cut to what is theirs. */
const rules = {
  'POST /key/generate': { own: team, foreign: admins, ask: onTeam() },
  'POST /key/service-account/generate': { own: team, foreign: admins, ask: (own) => ({ body: { team_id: teamOf(own), key_alias: fresh('service') } }) },
  'POST /key/update': { own: owners, foreign: admins, ask: onKey({ metadata: { a: 1 } }) },
  'POST /key/delete': { own: owners, foreign: admins, ask: async (own, role) => ({ body: { keys: [(await makeKey(own, role)).token] } }) },
  'POST /key/block': { own: team, foreign: admins, ask: onKey() },
  'POST /key/unblock': { own: team, foreign: admins, ask: onKey() },
  'POST /key/regenerate': { own: owners, foreign: admins, ask: onKey() },
  'POST /key/{key}/regenerate': { own: owners, foreign: admins, ask: async (own, role) => ({ path: `/key/${(await makeKey(own, role)).token}/regenerate`, body: {} }) },
  'POST /key/{key}/reset_spend': { own: team, foreign: admins, ask: async (own, role) => ({ path: `/key/${(await makeKey(own, role)).token}/reset_spend`, body: { reset_to: 0 } }) },
  'GET /key/info': { own: members, foreign: readers, ask: async (own, role) => ({ path: `/key/info?key=${(await makeKey(own, role)).token}` }) },
  'GET /key/list': { list: everybody },
  'GET /key/aliases': { list: everybody },

  'POST /team/new': { own: organization, foreign: admins, ask: (own) => ({ body: { team_id: fresh('made'), organization_id: organizationOf(own) } }) },
  'POST /team/update': { own: team, foreign: admins, ask: onTeam({ metadata: { a: 1 } }) },
  'POST /team/delete': { own: team, foreign: admins, ask: async (own) => ({ body: { team_ids: [await makeTeam(own)] } }) },
  'POST /team/block': { own: organization, foreign: admins, ask: async (own) => ({ body: { team_id: await makeTeam(own) } }) },
  'POST /team/unblock': { own: organization, foreign: admins, ask: async (own) => ({ body: { team_id: await makeTeam(own) } }) },
  'POST /team/model/add': { own: team, foreign: admins, ask: onTeam({ models: ['gpt'] }) },
  'POST /team/model/delete': { own: team, foreign: admins, ask: onTeam({ models: ['unknown'] }) },
  'GET /team/info': { own: members, foreign: readers, ask: (own) => ({ path: `/team/info?team_id=${teamOf(own)}` }) },
  'GET /team/list': { list: everybody },
  'GET /v2/team/list': { list: everybody },
  'GET /team/filter/ui': { list: everybody },
  'GET /team/available': { list: everybody },
  'POST /team/member_add': { own: team, foreign: admins, ask: (own) => onTeam({ member: { role: 'user', user_id: fresh('member') } })(own) },
  'POST /team/member_delete': { own: team, foreign: admins, ask: onTeam({ user_id: 'nobody' }) },
  'POST /team/member_update': { own: team, foreign: admins, ask: onTeam({ user_id: 'nobody', max_budget_in_team: 1 }) },
  'GET /team/permissions_list': { own: [...team, 'proxy_admin_viewer'], foreign: readers, ask: (own) => ({ path: `/team/permissions_list?team_id=${teamOf(own)}` }) },
  'POST /team/permissions_update': { own: team, foreign: admins, ask: onTeam({ team_member_permissions: ['/key/info', '/key/health'] }) },
  // With the secrets of the team's callbacks: for whoever may set them.
  'GET /team/{team_id}/callback': { own: team, foreign: admins, ask: (own) => ({ path: `/team/${teamOf(own)}/callback` }) },
  'POST /team/{team_id}/callback': { own: team, foreign: admins, ask: (own) => ({ path: `/team/${teamOf(own)}/callback`, body: {} }) },

  'POST /user/new': { own: organization, foreign: admins, ask: (own) => ({ body: { user_id: fresh('user'), auto_create_key: false, organizations: [organizationOf(own)] } }) },
  'POST /user/update': { own: ['proxy_admin', 'org_admin', 'team_admin', 'internal_user'], foreign: admins, ask: (own, role) => ({ body: { user_id: own ? (userOf[role] ?? 'dev') : 'stranger', user_alias: 'x' } }) },
  'GET /user/info': { own: members, foreign: readers, ask: (own, role) => ({ path: `/user/info?user_id=${own ? (userOf[role] ?? 'dev') : 'stranger'}` }) },
  // Where admins of teams look up whom they add.
  'GET /user/filter/ui': { list: [...readers, 'org_admin', 'team_admin'], of: 'everybody' },

  'POST /model/new': { own: team, foreign: admins, ask: (own) => ({ body: storedModel(own) }) },
  'POST /model/update': { own: team, foreign: admins, ask: async (own) => ({ body: { model_info: { id: await makeModel(own) }, litellm_params: { rpm: 5 } } }) },
  'PATCH /model/{model}/update': { own: team, foreign: admins, ask: async (own) => ({ path: `/model/${await makeModel(own)}/update`, body: { litellm_params: { rpm: 5 } } }) },
  'POST /model/delete': { own: team, foreign: admins, ask: async (own) => ({ body: { id: await makeModel(own) } }) },

  'PATCH /organization/update': { own: organization, foreign: admins, ask: onOrganization({ metadata: { a: 1 } }) },
  'GET /organization/list': { list: everybody },
  'GET /organization/info': { own: members, foreign: readers, ask: (own) => ({ path: `/organization/info?organization_id=${organizationOf(own)}` }) },
  'POST /organization/info': { own: members, foreign: readers, ask: (own) => ({ body: { organizations: [organizationOf(own)] } }) },
  'POST /organization/member_add': { own: organization, foreign: admins, ask: (own) => onOrganization({ member: { role: 'internal_user', user_id: fresh('member') } })(own) },
  'PATCH /organization/member_update': { own: organization, foreign: admins, ask: onOrganization({ user_id: 'nobody', role: 'internal_user' }) },
  'DELETE /organization/member_delete': { own: organization, foreign: admins, ask: onOrganization({ user_id: 'nobody' }) },
};

const spendDays = 'start_date=2026-01-01&end_date=2026-01-02';
const foreignOf = { user: 'user_id=stranger', team: 'team_ids=blue', organization: 'organization_ids=theirs' };
const ownOf = { user: (role) => `user_id=${userOf[role] ?? ''}`, team: () => 'team_ids=red', organization: () => 'organization_ids=ours' };
const activity = (kind) => (own, role) => ({ path: `/${kind}/daily/activity?${spendDays}&${own ? ownOf[kind](role) : foreignOf[kind]}` });
Object.assign(rules, {
  'GET /spend/users': { list: everybody },
  'GET /spend/tags': { list: everybody },
  'GET /global/spend/keys': { list: everybody },
  'GET /global/spend/models': { list: everybody },
  'GET /global/spend/provider': { list: everybody },
  'GET /global/spend/tags': { list: everybody },
  'POST /global/spend/end_users': { list: everybody },
  'GET /global/activity': { list: everybody },
  'GET /global/activity/model': { list: everybody },
  'GET /global/activity/cache_hits': { list: everybody },
  'GET /user/daily/activity': { own: everybody, foreign: readers, ask: activity('user') },
  'GET /user/daily/activity/aggregated': { list: everybody },
  'GET /team/daily/activity': { own: members, foreign: readers, ask: activity('team') },
  'POST /global/spend/reset': { list: [] }, // The master key itself, which is no user's.
  'GET /organization/daily/activity': { own: [...readers, 'org_admin'], foreign: readers, ask: activity('organization') },
});

before(async () => {
  fake = await FakeProvider.start();
  keyServer = await KeyServer.start();
  const general_settings = { store_model_in_db: true, enable_jwt_auth: true, litellm_jwtauth: { end_user_id_jwt_field: 'customer' } };
  const env = { JWT_PUBLIC_KEY_URL: keyServer.url, JWT_AUDIENCE: audience };
  gateway = await Gateway.start({ config: { model_list: [deployment('gpt', fake.base())], general_settings, turnpike: { shutdown_grace: 0 } }, env });
  for (const organization_id of ['ours', 'theirs']) await asMaster('POST', '/organization/new', { organization_id, organization_alias: organization_id });
  for (const [role, user_id] of Object.entries({ ...userOf, foreign: 'stranger' })) {
    const user_role = role.startsWith('proxy_') || role === 'internal_user_viewer' ? role : 'internal_user';
    await asMaster('POST', '/user/new', { user_id, user_role, auto_create_key: false });
  }
  for (const user_id of ['lead', 'dev', 'guest', 'auditor']) await asMaster('POST', '/organization/member_add', { organization_id: 'ours', member: { role: 'internal_user', user_id } });
  await asMaster('POST', '/organization/member_add', { organization_id: 'ours', member: { role: 'org_admin', user_id: 'orga' } });
  const member = (user_id, role = 'user') => ({ role, user_id });
  await asMaster('POST', '/team/new', { team_id: 'red', team_alias: 'red', organization_id: 'ours', models: ['gpt'], members_with_roles: [member('lead', 'admin'), member('dev'), member('guest')] });
  await asMaster('POST', '/team/new', { team_id: 'blue', team_alias: 'foreign-blue', organization_id: 'theirs', members_with_roles: [member('stranger', 'admin')] });
  await asMaster('POST', '/key/generate', { team_id: 'blue', user_id: 'stranger', key_alias: 'foreign-key' });
  for (const [role, user_id] of Object.entries(userOf)) keys[role] = (await asMaster('POST', '/key/generate', { user_id })).key;
  keys.key_without_user = (await asMaster('POST', '/key/generate', {})).key;
  keys.end_user = keyServer.token({ customer: 'buyer' });
  keys.nobody = null;
});
after(async () => {
  await gateway?.stop();
  await keyServer?.kill();
  await fake?.stop();
});

/** Refused is 401 or 403; whatever else is answered, the role was let through to what the request asks for. */
const isRefused = (reply) => reply.status === 401 || reply.status === 403;

const surprises = [];
const expect = async (label, role, allowed, request) => {
  const reply = await gateway.call(request.method, request.path, { key: keys[role], body: request.body });
  if (reply.status >= 500 || isRefused(reply) === allowed) surprises.push(`${label} as ${role}: ${reply.status}, expected ${allowed ? 'to be let through' : 'a refusal'}: ${reply.text.slice(0, 200)}`);
  return reply;
};

test('every route lets in the roles of its column, and on objects of users those to whom they belong', async () => {
  const { routes } = (await gateway.call('GET', '/routes', { key: null })).json;
  assert.ok(routes.length > 60, 'the table of routes');
  const skipped = ['POST /config/reload']; // Swaps the configuration under the test; its column is that of its neighbours.
  for (const route of routes) {
    const method = route.methods[0];
    const label = `${method} ${route.path}`;
    if (skipped.includes(label)) continue;
    const rule = rules[label];
    const path = route.path.replace(/\{[^}]+\}/, 'unknown');
    const body = method === 'GET' ? undefined : {};
    if (!rule) {
      if (columnsOfObjects.includes(route.who)) {
        surprises.push(`${label}: nobody has said whose objects it is for`);
        continue;
      }
      const allowed = listsModels.test(route.path) ? roles : byColumn[route.who];
      assert.ok(allowed, `${label}: column "${route.who}"`);
      for (const role of [...roles, 'nobody']) await expect(label, role, allowed.includes(role), { method, path, body });
      continue;
    }
    for (const role of roles) {
      if (rule.list) {
        const reply = await expect(label, role, rule.list.includes(role), { method, path, body });
        if (!readers.includes(role) && rule.of !== 'everybody' && /foreign-|"blue"|stranger|theirs/.test(reply.text)) surprises.push(`${label} shows ${role} what is foreign: ${reply.text.slice(0, 300)}`);
        continue;
      }
      for (const own of [true, false]) {
        const request = { method, path, body, ...(await rule.ask(own, role)) };
        await expect(`${label}, ${own ? 'own' : 'foreign'}`, role, (own ? rule.own : rule.foreign).includes(role), request);
      }
    }
    assert.ok(isRefused(await gateway.call(method, path, { key: null, body })), `${label} without a key`);
  }
  for (const label of Object.keys(rules)) assert.ok(routes.some((route) => `${route.methods[0]} ${route.path}` === label), `${label} is in the table`);
  assert.deepEqual(surprises.splice(0), []);
});

test('an end user calls models, on his own account, and nothing of management', async () => {
  const reply = await gateway.chat({ model: 'gpt', user: 'somebody else' }, { key: keys.end_user });
  assert.equal(reply.status, 200, reply.text);
  const [row] = await gateway.rows(`request_id=${reply.headers.get('x-litellm-call-id')}`, 1);
  assert.equal(row.end_user, 'buyer', 'whatever the call says');
  for (const path of ['/key/info', '/spend/logs', '/health', '/tag/list', '/user/available_roles', '/model/info']) {
    assert.equal((await gateway.call('GET', path, { key: keys.end_user })).status, 401, path);
  }
});

test('AC-SEC-4: nobody gives more than he holds', async () => {
  await asMaster('POST', '/team/update', { team_id: 'red', max_budget: 10, tpm_limit: 1000 });
  const ask = (role, path, body) => gateway.call('POST', path, { key: keys[role], body });
  const narrow = (await asMaster('POST', '/key/generate', { user_id: 'dev', models: ['gpt'], max_budget: 5, allowed_routes: ['/key/generate', 'info_routes'] })).key;
  const cases = [
    ['team_admin', '/key/generate', { team_id: 'red', models: ['gpt'], max_budget: 10 }, 200],
    ['team_admin', '/key/generate', { team_id: 'red', models: ['other'] }, 403, 'models'],
    ['team_admin', '/key/generate', { team_id: 'red', models: ['*'] }, 403, 'models'],
    ['team_admin', '/key/generate', { team_id: 'red', max_budget: 10.01 }, 403, 'max_budget'],
    ['team_admin', '/team/update', { team_id: 'red', max_budget: 11 }, 403, 'max_budget'],
    ['team_admin', '/team/update', { team_id: 'red', max_budget: null }, 403, 'max_budget'],
    ['team_admin', '/team/update', { team_id: 'red', models: ['gpt', 'other'] }, 403, 'models'],
    ['team_admin', '/team/update', { team_id: 'red', models: [] }, 403, 'models'],
    ['team_admin', '/team/update', { team_id: 'red', max_budget: 9 }, 200],
    ['internal_user', '/user/update', { user_id: 'dev', user_role: 'proxy_admin' }, 403, 'user_role'],
    ['internal_user', '/user/update', { user_id: 'dev', max_budget: 1000 }, 403, 'max_budget'],
    ['internal_user', '/key/generate', { user_id: 'boss' }, 403],
    ['internal_user', '/key/generate', { permissions: { get_spend_routes: true } }, 403, 'permissions'],
    ['org_admin', '/user/new', { user_id: 'crown', organizations: ['ours'], user_role: 'proxy_admin' }, 403, 'user_role'],
    ['org_admin', '/team/new', { organization_id: 'theirs' }, 403],
    ['key_without_user', '/key/generate', {}, 401],
  ];
  for (const [role, path, body, status, param] of cases) {
    const reply = await ask(role, path, body);
    assert.equal(reply.status, status, `${role} ${path} ${JSON.stringify(body)}: ${reply.text}`);
    if (param) assert.equal(reply.json.error.param, param, reply.text);
  }
  // A key that is held to less makes no key that is held to more.
  const made = (body) => gateway.call('POST', '/key/generate', { key: narrow, body });
  assert.equal((await made({ models: ['gpt'], max_budget: 5, allowed_routes: ['/key/info'] })).status, 200);
  for (const [body, param] of [
    [{ models: ['gpt'], max_budget: 6, allowed_routes: ['/key/info'] }, 'max_budget'],
    [{ models: ['gpt'], allowed_routes: ['/key/info'] }, 'max_budget'],
    [{ max_budget: 5, allowed_routes: ['/key/info'] }, 'models'],
    [{ models: ['gpt'], max_budget: 5, allowed_routes: ['llm_api_routes'] }, 'allowed_routes'],
    [{ models: ['gpt'], max_budget: 5 }, 'allowed_routes'],
  ]) {
    const reply = await made(body);
    assert.equal(reply.status, 403, `${JSON.stringify(body)}: ${reply.text}`);
    assert.equal(reply.json.error.param, param, reply.text);
  }
});

test('what stands above a key is held at its calls: routes, models, blocked teams, end users, parameters, addresses', async () => {
  const ask = (key, body = {}) => gateway.chat({ model: 'gpt', ...body }, { key });
  const refusal = async (key, body, status, text) => {
    const reply = await ask(key, body);
    assert.equal(reply.status, status, reply.text);
    assert.match(reply.json.error.message, text);
  };
  for (const role of ['proxy_admin_viewer', 'internal_user_viewer']) await refusal(keys[role], {}, 403, /Viewers/);

  const reading = await gateway.newKey({ allowed_routes: ['info_routes'] });
  await refusal(reading, {}, 403, /Virtual key is not allowed to call this route\. Only allowed to call routes: \['info_routes'\]/);
  assert.equal((await gateway.call('GET', '/key/info', { key: reading })).status, 200);
  const calling = await gateway.newKey({ allowed_routes: ['llm_api_routes'] });
  assert.equal((await ask(calling)).status, 200);
  assert.equal((await gateway.call('GET', '/key/info', { key: calling })).status, 403);
  // AC-SEC-2: other spellings of a path lead to no other decision.
  for (const path of ['//key/info', '/key/./info', '/key/x/../info', '/key%2finfo', '/KEY/INFO', '/key/info/', '/key/info;x']) {
    const reply = await gateway.call('GET', path, { key: calling });
    assert.ok([400, 403, 404].includes(reply.status), `${path}: ${reply.status}`);
  }

  await asMaster('POST', '/team/new', { team_id: 'green', models: ['gpt'], model_aliases: { nick: 'gpt' }, max_budget: 0 });
  const poor = await gateway.newKey({ team_id: 'green' });
  await refusal(poor, {}, 429, /^Budget has been exceeded! Team=green Current cost: 0, Max budget: 0/);
  await asMaster('POST', '/team/update', { team_id: 'green', max_budget: 5 });
  assert.equal((await ask(poor)).status, 200, 'a raised budget is in force at once');
  assert.equal((await ask(poor, { model: 'nick' })).status, 200, "the team's alias");
  await asMaster('POST', '/team/update', { team_id: 'green', models: ['other'] });
  const denied = await ask(poor);
  assert.equal(denied.json.error.type, 'team_model_access_denied', denied.text);
  await asMaster('POST', '/team/block', { team_id: 'green' });
  await refusal(poor, {}, 401, /^Team=green is blocked/);

  await asMaster('POST', '/customer/new', { user_id: 'buyer', max_budget: 0 });
  await refusal(calling, { user: 'buyer' }, 429, /^ExceededBudget: End User=buyer over budget\. Spend=0, Budget=0/);
  await asMaster('POST', '/customer/block', { user_ids: ['buyer'] });
  await refusal(calling, { user: 'buyer' }, 400, /User blocked from making LLM API Calls\. User=buyer/);
  assert.equal((await ask(calling, { user: 'somebody' })).status, 200);
  await asMaster('POST', '/tag/new', { name: 'campaign', max_budget: 0 });
  await refusal(calling, { metadata: { tags: ['campaign'] } }, 429, /^Budget has been exceeded! Tag=campaign /);

  const demanding = await gateway.newKey({ enforced_params: ['user', 'metadata.project'] });
  await refusal(demanding, { user: 'a' }, 400, /param=metadata\.project/);
  assert.equal((await ask(demanding, { user: 'a', metadata: { project: 'p' } })).status, 200);
  const elsewhere = await gateway.newKey({ allowed_ips: ['192.0.2.0/24'] });
  await refusal(elsewhere, {}, 403, /^Access forbidden: IP address 127\.0\.0\.1 not allowed\./);
  const forwarded = await gateway.chat({ model: 'gpt' }, { key: elsewhere, headers: { 'x-forwarded-for': '192.0.2.7' } });
  assert.equal(forwarded.status, 403, 'nobody vouches for that header');
  const here = await gateway.newKey({ allowed_ips: ['127.0.0.0/8'] });
  assert.equal((await ask(here)).status, 200);
});

test('AC-SEC-1 and AC-SEC-8: odd keys are refused quickly, and no key is no key', async () => {
  const odd = ["sk-'; DROP TABLE verification_key; --", 'sk-%00', `sk-${'x'.repeat(60_000)}`, 'sk-\u00e9\u00e8', 'sk-%27%20OR%201=1'];
  for (const secret of odd) {
    const reply = await gateway.call('GET', '/v1/models', { key: null, headers: { 'x-api-key': Buffer.from(secret, 'utf8').toString('latin1') } });
    assert.ok([401, 431].includes(reply.status), `${secret.slice(0, 20)}: ${reply.status}`);
  }
  for (const query of ["user_id=' OR '1'='1", 'sort_by=spend;drop', "key_alias=%00'"]) {
    const reply = await gateway.call('GET', `/key/list?${query.replaceAll(' ', '%20')}`, { key: masterKey });
    assert.ok(reply.status < 500, `${query}: ${reply.status} ${reply.text}`);
    if (reply.status === 200) assert.equal(reply.json.keys.length, 0, query);
  }
  assert.equal((await gateway.call('GET', '/key/list', { key: 'sk-unknown-key-000000' })).status, 401);
});
