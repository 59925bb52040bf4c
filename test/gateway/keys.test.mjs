// Who is calling: every place a key may stand in, every reason to refuse one, and what a key may not ask for.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { FakeProvider, Gateway, binary, deployment, masterKey, scene, until } from '../harness/turnpike.mjs';

let fake;
let gateway;

const config = (more = {}) => ({
  model_list: [
    deployment('gpt', fake.base()),
    deployment('big', fake.base()),
    deployment('beta-1', fake.base(), { info: { access_groups: ['beta'] } }),
    { model_name: 'openai/*', litellm_params: { model: 'openai/*', api_base: fake.base(), api_key: 'sk-provider-key-0123456789' } },
  ],
  ...more,
  turnpike: { shutdown_grace: 0, ...more.turnpike },
});

before(async () => {
  fake = await FakeProvider.start();
  gateway = await Gateway.start({ config: config() });
});
after(async () => {
  await gateway?.stop();
  await fake?.stop();
});

const hash = (secret) => crypto.createHash('sha256').update(secret).digest('hex');
const chatBody = { model: 'gpt', messages: [{ role: 'user', content: 'hi' }] };
const callWith = (headers, target = '/v1/chat/completions') => gateway.call('POST', target, { key: null, headers, body: chatBody });

test('the first place that holds something is the key, in the order of LiteLLM', async () => {
  const key = await gateway.newKey();
  const places = ['x-litellm-api-key', 'authorization', 'api-key', 'x-api-key', 'x-goog-api-key', 'ocp-apim-subscription-key'];
  const written = (name, value) => (name === 'authorization' ? `Bearer ${value}` : value);
  for (let i = 0; i < places.length; ++i) {
    // Every later place holds a wrong key, which nobody looks at.
    const headers = Object.fromEntries(places.slice(i).map((name, n) => [name, written(name, n === 0 ? key : 'sk-wrong-key-00000000')]));
    const reply = await callWith(headers);
    assert.equal(reply.status, 200, `${places[i]}: ${reply.text}`);
    if (i === 0) continue;
    const refused = await callWith({ ...headers, [places[i - 1]]: written(places[i - 1], 'sk-wrong-key-00000000') });
    assert.equal(refused.status, 401, `${places[i - 1]} comes before ${places[i]}`);
  }
  for (const value of [`Bearer ${key}`, `bearer ${key}`, `Basic ${key}`, `AWS4-HMAC-SHA256 Credential=Bearer ${key}/20260101/us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature=0`]) {
    assert.equal((await callWith({ authorization: value })).status, 200, value.slice(0, 20));
  }
  assert.equal((await callWith({}, `/v1/chat/completions?key=${key}`)).status, 401, 'a key in the query is for Google routes only');
});

test('litellm_key_header_name replaces every other place', async () => {
  await scene(
    (own) => Gateway.start({ config: config({ general_settings: { litellm_key_header_name: 'X-Our-Key' } }), ready: true }).then(own),
    async (other) => {
      const made = await other.call('POST', '/key/generate', { key: null, headers: { 'x-our-key': `Bearer ${masterKey}` }, body: {} });
      assert.equal(made.status, 200, made.text);
      const ask = (headers) => other.call('POST', '/v1/chat/completions', { key: null, headers, body: chatBody });
      assert.equal((await ask({ 'x-our-key': `Bearer ${made.json.key}` })).status, 200);
      assert.equal((await ask({ 'x-our-key': made.json.key })).status, 200);
      assert.equal((await ask({ authorization: `Bearer ${made.json.key}` })).status, 401);
      assert.equal((await ask({ 'x-litellm-api-key': made.json.key })).status, 401);
      await other.stop();
    },
  );
});

/** Every reason to refuse a key, with its status, type and param by default and as release 1.81 had them. */
const refusals = async (one) => {
  const blocked = await one.newKey({ blocked: true });
  const expired = await one.newKey({ duration: '1s' });
  const narrow = await one.newKey({ models: ['gpt'] });
  const spent = await one.newKey({ max_budget: 0 });
  await until(async () => (await one.chat(chatBody, { key: expired })).status !== 200, 'the key to expire');
  return [
    ['none', null, 401, 'auth_error', 401, /No api key passed in\./],
    ['no scheme', { authorization: 'sk-abc' }, 401, 'auth_error', 401, /Malformed API Key passed in\. Ensure Key has `Bearer ` prefix\./],
    ['not a virtual key', 'abcdefghijklmnop', 401, 'auth_error', 401, /LiteLLM Virtual Key expected\. Received=abcd\*\*\*\*mnop, expected to start with 'sk-'\./],
    ['a hash', hash(narrow), 401, 'auth_error', 401, /expected to start with 'sk-'/],
    ['unknown', 'sk-unknown-0123456789', 401, 'token_not_found_in_db', 401, /Invalid proxy server token passed\. Received API Key = sk-\.\.\.6789, Key Hash \(Token\) =[0-9a-f]{64}\. Unable to find token in cache or `LiteLLM_VerificationTokenTable`/],
    ['blocked', blocked, 401, 'auth_error', 401, /Key is blocked\. Update via `\/key\/unblock` if you're admin\./],
    ['expired', expired, 401, 'expired_key', 400, /Authentication Error - Expired Key\. Key Expiry time .* and current time /],
    ['model', narrow, 403, 'key_model_access_denied', 401, /key not allowed to access model\. This key can only access models=\['gpt'\]\. Tried to access big/, 'big'],
    ['budget', spent, 429, 'budget_exceeded', 400, /Budget has been exceeded! Current cost: .*, Max budget: 0/],
  ];
};

for (const compat of ['', '1.81']) {
  test(`refusals ${compat ? `as release ${compat}` : 'in the later form'}`, async () => {
    await scene(
      (own) => Gateway.start({ config: config(compat ? { turnpike: { litellm_compat: compat } } : {}) }).then(own),
      async (one) => {
        for (const [name, key, status, type, oldStatus, says, model = 'gpt'] of await refusals(one)) {
          const headers = typeof key === 'object' && key ? key : key ? { authorization: `Bearer ${key}` } : {};
          const before = (await fake.account()).calls;
          const reply = await one.call('POST', '/v1/chat/completions', { key: null, headers, body: { ...chatBody, model } });
          const wanted = compat ? oldStatus : status;
          assert.equal(reply.status, wanted, `${name}: ${reply.text}`);
          assert.equal(reply.json.error.type, type, name);
          assert.equal(reply.json.error.code, name === 'budget' && !compat ? 'budget_spent' : String(wanted), name);
          assert.match(reply.json.error.message, says, name);
          assert.equal((await fake.account()).calls, before, `${name}: nothing reached the provider`);
          if (name === 'budget' && !compat) assert.equal(reply.headers.get('x-should-retry'), 'false');
        }
        await one.stop();
      },
    );
  });
}

test('malformed bearers are refused at once and reach no query: quotes, NUL, a megabyte, percent and Unicode tricks', async () => {
  const secrets = ["sk-' OR '1'='1", 'sk-"; DROP TABLE verification_key; --', 'sk-%27%20OR%201=1', 'sk-\u00e9\u4e2d', 'sk-\\u0027', 'sk-$(reboot)', 'sk-{{7*7}}', 'sk-', `sk-${'a'.repeat(7000)}`, 'sk-..%2f..%2f', 'sk-\t x'];
  for (const secret of secrets) {
    const latin = Buffer.from(secret, 'utf8').toString('latin1');
    const started = performance.now();
    const reply = await gateway.call('GET', '/v1/models', { key: null, headers: { authorization: `Bearer ${latin}` } });
    assert.equal(reply.status, 401, `${secret.slice(0, 30)}: ${reply.text}`);
    assert.ok(performance.now() - started < 500);
  }
  const megabyte = await gateway.call('GET', '/v1/models', { key: null, headers: { authorization: `Bearer sk-${'a'.repeat(1 << 20)}` } }).catch((error) => ({ status: 431, error }));
  assert.ok([401, 431].includes(megabyte.status), String(megabyte.status));
  for (const query of ["user_id=' OR 1=1 --", 'key_alias=%00', 'sort_by=spend;DROP TABLE x', 'key_hash=%27', 'page=-1', 'size=100000', 'sort_order=asc--']) {
    const reply = await gateway.call('GET', `/key/list?${query.replaceAll(' ', '%20')}`);
    assert.ok([200, 400].includes(reply.status), `${query}: ${reply.status} ${reply.text}`);
    if (reply.status === 200) assert.equal(reply.json.total_count, 0, query);
  }
  assert.equal((await gateway.call('GET', '/key/list')).status, 200, 'the table is still there');
});

test('allow-lists: names, patterns, access groups, special words; the model list shows the same', async () => {
  const cases = [
    [['gpt'], { gpt: 200, big: 403, 'openai/gpt-4o': 403, 'beta-1': 403 }],
    [['openai/*'], { gpt: 403, 'openai/gpt-4o': 200 }],
    [['*'], { gpt: 200, 'openai/gpt-4o': 200 }],
    [['all-proxy-models'], { gpt: 200, big: 200 }],
    [['no-default-models'], { gpt: 403, big: 403 }],
    [['beta'], { 'beta-1': 200, gpt: 403 }],
    [[], { gpt: 200, big: 200, 'beta-1': 200 }],
  ];
  for (const [models, wanted] of cases) {
    const key = await gateway.newKey({ models });
    const listed = (await gateway.call('GET', '/v1/models', { key })).json.data.map((model) => model.id);
    for (const [model, status] of Object.entries(wanted)) {
      const reply = await gateway.chat({ model }, { key });
      assert.equal(reply.status, status, `${models} on ${model}: ${reply.text}`);
      assert.equal(listed.includes(model), status === 200, `${models}: ${model} in ${listed.slice(0, 10)}`);
      const one = await gateway.call('GET', `/v1/models/${encodeURIComponent(model)}`, { key });
      assert.equal(one.status, status === 200 ? 200 : 404, `${models}: /v1/models/${model}`);
    }
  }
  // A fallback of the request is held to the list as well.
  const narrow = await gateway.newKey({ models: ['gpt'] });
  const reply = await gateway.chat({ model: 'gpt', fallbacks: ['big'] }, { key: narrow });
  assert.equal(reply.status, 403, reply.text);
  // An alias of the key stands for what it names.
  const aliased = await gateway.newKey({ models: ['gpt'], aliases: { short: 'gpt' } });
  assert.equal((await gateway.chat({ model: 'short' }, { key: aliased })).status, 200);
});

/** Calls on one connection that is kept alive; `same` says whether all went over one socket. */
function keptAlive(port) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const sockets = new Set();
  const call = (key) =>
    new Promise((resolve, reject) => {
      const request = http.request({ port, host: '127.0.0.1', method: 'POST', path: '/v1/chat/completions', agent, headers: { authorization: `Bearer ${key}` } }, (reply) => {
        reply.resume();
        reply.on('end', () => resolve(reply.statusCode));
      });
      request.on('socket', (socket) => sockets.add(socket));
      request.on('error', reject);
      request.end(JSON.stringify(chatBody));
    });
  return { call, sockets, close: () => agent.destroy() };
}

test('block, unblock, expiry, model list and delete count at once, also on connections that stay open', async () => {
  const key = await gateway.newKey();
  const lines = Array.from({ length: 8 }, () => keptAlive(gateway.port));
  const all = async (status, what) => {
    const started = performance.now();
    await until(async () => (await Promise.all(lines.map((line) => line.call(key)))).every((got) => got === status), what, 1000);
    assert.ok(performance.now() - started < 1000, what);
  };
  const change = async (route, body) => {
    const reply = await gateway.call('POST', route, { body });
    assert.equal(reply.status, 200, reply.text);
  };
  try {
    await all(200, 'the key to work');
    await change('/key/block', { key });
    await all(401, 'block');
    await change('/key/unblock', { key: hash(key) });
    await all(200, 'unblock');
    await change('/key/update', { key, models: ['big'] });
    await all(403, 'the model list');
    await change('/key/update', { key, models: [], max_budget: 0 });
    await all(429, 'the budget');
    await change('/key/update', { key, max_budget: null });
    await all(200, 'no budget');
    await change('/key/delete', { keys: [key] });
    await all(401, 'delete');
    for (const line of lines) assert.equal(line.sockets.size, 1, 'one connection each');
  } finally {
    for (const line of lines) line.close();
  }
  // Made again under the same secret it works at once: nobody remembers that it was unknown.
  await change('/key/generate', { key });
  assert.equal((await gateway.chat(chatBody, { key })).status, 200);
});

test('a key that was unknown works as soon as it is made', async () => {
  const secret = 'sk-made-a-moment-later-1';
  assert.equal((await gateway.chat(chatBody, { key: secret })).status, 401);
  await gateway.newKey({ key: secret });
  await until(async () => (await gateway.chat(chatBody, { key: secret })).status === 200, 'the new key', 1000);
});

test('a flood of unknown keys leaves no memory behind and no known key out', async () => {
  const key = await gateway.newKey();
  assert.equal((await gateway.chat(chatBody, { key })).status, 200);
  const flood = async (from, count) => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 16 });
    const one = (i) =>
      new Promise((resolve, reject) => {
        const request = http.get({ port: gateway.port, host: '127.0.0.1', path: '/v1/models', agent, headers: { 'x-api-key': `sk-unknown-${from + i}-padding` } }, (reply) => {
          reply.resume();
          reply.on('end', () => resolve(reply.statusCode));
        });
        request.on('error', reject);
      });
    for (let i = 0; i < count; i += 64) {
      for (const status of await Promise.all(Array.from({ length: 64 }, (_, n) => one(i + n)))) assert.equal(status, 401);
    }
    agent.destroy();
  };
  await flood(0, 2048);
  const before = gateway.rssKib();
  await flood(10_000, 20_480);
  const grown = gateway.rssKib() - before;
  // An address sanitizer keeps freed memory back: what it shows says nothing.
  if (!binary.includes('/dev/')) assert.ok(grown < 16 << 10, `RSS grew by ${grown} KiB`);
  assert.equal((await gateway.chat(chatBody, { key })).status, 200);
});

test('only the hash is stored: no file of the data directory holds a secret', async () => {
  const key = await gateway.newKey({ key_alias: 'stored-once' });
  const reply = await gateway.chat(chatBody, { key });
  await gateway.rows(`request_id=${reply.headers.get('x-litellm-call-id')}`, 1);
  const files = fs.readdirSync(path.join(gateway.directory, 'data'), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  assert.ok(files.length >= 2);
  let found = false;
  for (const entry of files) {
    const bytes = fs.readFileSync(path.join(entry.parentPath ?? entry.path, entry.name));
    assert.ok(!bytes.includes(key), entry.name);
    assert.ok(!bytes.includes(masterKey), entry.name);
    found ||= bytes.includes(hash(key));
  }
  assert.ok(found, 'the hash is');
  for (const target of ['/key/list?return_full_object=true&size=100', `/key/info?key=${key}`, `/key/info?key=${hash(key)}`, '/spend/logs', '/spend/keys']) {
    const shown = await gateway.call('GET', target);
    assert.equal(shown.status, 200, target);
    const text = target.endsWith(key) ? JSON.stringify(shown.json.info) : shown.text; // Its name as it was sent stands beside.
    assert.ok(!text.includes(key), target);
  }
});

test('nobody gets more than the master key gave: management routes are refused to keys, a key sees itself only', async () => {
  const key = await gateway.newKey({ metadata: { note: 'mine' } });
  const other = await gateway.newKey();
  for (const [method, route, body] of [
    ['POST', '/key/generate', {}],
    ['POST', '/key/update', { key, max_budget: 1000 }],
    ['POST', '/key/update', { key: hash(key), models: [] }],
    ['POST', '/key/delete', { keys: [other] }],
    ['POST', '/key/block', { key: other }],
    ['POST', '/key/unblock', { key }],
    ['GET', '/spend/keys'],
    ['POST', '/config/reload'],
  ]) {
    const reply = await gateway.call(method, route, { key, body });
    assert.equal(reply.status, 401, `${route}: ${reply.text}`);
    assert.match(reply.json.error.message, /Only proxy admin can be used to generate, delete, update info/, route);
  }
  const listed = await gateway.call('GET', '/key/list', { key });
  assert.equal(listed.status, 200, listed.text);
  assert.ok(listed.json.keys.every((one) => one === hash(key)), listed.text);
  assert.equal((await gateway.call('GET', '/key/info', { key })).json.info.metadata.note, 'mine');
  assert.equal((await gateway.call('GET', `/key/info?key=${other}`, { key })).status, 403);
  assert.equal((await gateway.call('GET', `/key/info?key=${hash(other)}`, { key })).status, 403);
  const rows = await gateway.call('GET', `/spend/logs?api_key=${hash(other)}`, { key });
  assert.ok(rows.status === 403 || rows.json.length === 0, rows.text);
});

test('fields that protect and are not enforced are a 400 that names them, and nothing is stored', async () => {
  const key = await gateway.newKey({ key_alias: 'before' });
  for (const [field, value] of Object.entries({
    rpm_limit_type: 'often', tpm_limit_type: ['dynamic'], budget_reset_at: '2030-01-01T00:00:00Z',
    guardrails: ['pii'], allowed_cache_controls: ['no-cache'], allowed_passthrough_routes: ['/x'], policies: ['p'],
  })) {
    for (const [route, body] of [['/key/generate', { key_alias: `with-${field}`, [field]: value }], ['/key/update', { key, key_alias: `with-${field}`, [field]: value }]]) {
      const reply = await gateway.call('POST', route, { body });
      assert.equal(reply.status, 400, `${route} ${field}: ${reply.text}`);
      assert.equal(reply.json.error.param, field);
      assert.match(reply.json.error.message, new RegExp(field));
    }
    assert.equal((await gateway.call('GET', `/key/list?key_alias=with-${field}`)).json.total_count, 0, field);
  }
  assert.equal((await gateway.keyInfo(key)).key_alias, 'before');
  for (const field of ['guardrails', 'policies', 'tpm_limit_type']) {
    const reply = await gateway.call('POST', '/key/generate', { body: { metadata: { [field]: ['x'] } } });
    assert.equal(reply.status, 400, reply.text);
    assert.equal(reply.json.error.param, `metadata.${field}`);
  }
  // Scripts send everything they know; what asks for nothing passes.
  assert.equal((await gateway.call('POST', '/key/generate', { body: { tpm_limit: null, guardrails: [], permissions: {}, auto_rotate: false, key_type: 'default' } })).status, 200);
});

test('fields that would send a call elsewhere are refused at every depth, and the caller\'s words are not', async () => {
  const key = await gateway.newKey();
  const before = (await fake.account()).calls;
  const values = { api_base: 'http://evil.example', base_url: 'http://evil.example', api_key: 'k', api_version: 'x', aws_region_name: 'x', vertex_project: 'x', extra_headers: { host: 'evil' }, langfuse_host: 'http://evil.example', proxy: 'http://evil.example' };
  for (const [field, value] of Object.entries(values)) {
    const inner = { [field]: value };
    for (const body of [inner, { metadata: inner }, { metadata: { a: [{ b: inner }] } }, { litellm_metadata: inner }, { extra_body: { a: inner } }, { metadata: JSON.stringify(inner) }, { fallbacks: [{ model: 'gpt', ...inner }] }, { whatever: { deep: [inner] } }]) {
      const reply = await gateway.chat({ ...chatBody, ...body }, { key });
      assert.equal(reply.status, 400, `${JSON.stringify(body)}: ${reply.text}`);
      assert.equal(reply.json.error.param, field);
      assert.match(reply.json.error.message, new RegExp(`${field} is not allowed in request body`));
    }
    assert.equal((await gateway.call('POST', '/v1/embeddings', { key, body: { model: 'gpt', input: 'a', metadata: { a: inner } } })).status, 400, field);
    assert.equal((await gateway.call('POST', '/v1/completions', { key, body: { model: 'gpt', prompt: 'a', extra_body: inner } })).status, 400, field);
  }
  assert.equal((await fake.account()).calls, before, 'nothing reached the provider');
  const schema = { type: 'object', properties: { api_key: { type: 'string' }, base_url: { type: 'string' } } };
  const reply = await gateway.chat({ ...chatBody, messages: [{ role: 'user', content: '{"api_base": "x"}', name: 'api_key' }], tools: [{ type: 'function', function: { name: 'f', parameters: schema } }], response_format: { type: 'json_schema', json_schema: { name: 's', schema } } }, { key });
  assert.equal(reply.status, 200, reply.text);
});

test('the shape of the answers: generate, info, update, list, delete', async () => {
  const made = await gateway.call('POST', '/key/generate', { body: { key_alias: 'shape', models: ['gpt'], max_budget: 1.5, duration: '30d', metadata: { a: 1 }, tags: ['t'], user_id: 'u', team_id: 'tm' }, headers: { 'litellm-changed-by': 'ops' } });
  assert.equal(made.status, 200, made.text);
  const { key } = made.json;
  assert.match(key, /^sk-[A-Za-z0-9_-]{22}$/);
  assert.equal(made.json.token, hash(key));
  assert.equal(made.json.token_id, hash(key));
  assert.equal(made.json.key_name, `sk-...${key.slice(-4)}`);
  assert.equal(made.json.created_by, 'ops');
  assert.deepEqual([made.json.max_budget, made.json.spend, made.json.user_id, made.json.team_id, made.json.models], [1.5, 0, 'u', 'tm', ['gpt']]);
  assert.ok(Math.abs(Date.parse(made.json.expires) - Date.now() - 30 * 86_400_000) < 60_000);
  for (const field of ['created_at', 'updated_at', 'litellm_budget_table', 'aliases', 'config', 'metadata', 'permissions']) assert.ok(field in made.json, field);
  const duplicate = await gateway.call('POST', '/key/generate', { body: { key_alias: 'shape' } });
  assert.equal(duplicate.status, 400);
  assert.equal(duplicate.json.error.param, 'key_alias');
  assert.match(duplicate.json.error.message, /Key with alias 'shape' already exists\. Unique key aliases across all keys are required\./);
  const wrong = await gateway.call('POST', '/key/generate', { body: { key: 'no-prefix' } });
  assert.equal(wrong.status, 400);
  assert.match(wrong.json.error.message, /Invalid key format\. LiteLLM Virtual Key must start with 'sk-'/);
  assert.equal((await gateway.call('POST', '/key/generate', { body: { max_budget: -1 } })).status, 400);

  const info = await gateway.call('GET', `/key/info?key=${key}`);
  assert.ok(!('token' in info.json.info));
  assert.equal(info.json.info.key_alias, 'shape');
  assert.equal((await gateway.call('GET', '/key/info?key=sk-nobody')).status, 404);
  const updated = await gateway.call('POST', '/key/update', { body: { key, max_budget: null, duration: '-1' } });
  assert.deepEqual([updated.json.max_budget, updated.json.expires, updated.json.key_alias], [null, null, 'shape'], 'only what was sent');
  assert.equal((await gateway.call('POST', '/key/update', { body: { key: 'sk-nobody', models: [] } })).status, 404);
  const listed = await gateway.call('GET', '/key/list?user_id=u&return_full_object=true');
  assert.deepEqual([listed.json.total_count, listed.json.current_page, listed.json.total_pages, listed.json.keys[0].token], [1, 1, 1, hash(key)]);
  assert.deepEqual((await gateway.call('GET', '/key/list?user_id=u')).json.keys, [hash(key)]);
  const deleted = await gateway.call('POST', '/key/delete', { body: { key_aliases: ['shape'] } });
  assert.deepEqual(deleted.json.deleted_keys, ['shape'], 'as sent');
  assert.equal((await gateway.call('POST', '/key/delete', { body: { keys: [key] } })).status, 404);
});
