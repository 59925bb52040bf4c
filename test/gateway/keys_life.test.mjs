// The life of a key over HTTP: made within what the configuration allows, raised for a time, rotated with and without grace,
// rotated by itself, deleted and still found among the deleted.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { FakeProvider, Gateway, deployment, temporaryDirectory, until } from '../harness/turnpike.mjs';

let fake;
let gateway;
let rotated;

before(async () => {
  rotated = temporaryDirectory();
  fake = await FakeProvider.start();
  gateway = await Gateway.start({
    config: {
      model_list: [deployment('gpt', fake.base())],
      litellm_settings: {
        default_key_generate_params: { metadata: { made: 'here' } },
        upperbound_key_generate_params: { max_budget: 100 },
      },
      turnpike: { shutdown_grace: 0, rotated_keys_dir: rotated },
    },
    env: { LITELLM_KEY_ROTATION_CHECK_INTERVAL_SECONDS: '1', LITELLM_KEY_ROTATION_GRACE_PERIOD: '1h' },
  });
});
after(async () => {
  await gateway?.stop();
  await fake?.stop();
  fs.rmSync(rotated, { recursive: true, force: true });
});

const hash = (secret) => crypto.createHash('sha256').update(secret).digest('hex');
const post = async (target, body, key) => gateway.call('POST', target, { body, ...(key ? { key } : {}) });
const calls = async (key) => (await gateway.chat({ model: 'gpt' }, { key })).status;

test('a key is made within what the configuration allows', async () => {
  const made = await post('/key/generate', { key_alias: 'bounded' });
  assert.equal(made.status, 200, made.text);
  assert.equal(made.json.max_budget, 100);
  assert.equal(made.json.metadata.made, 'here');
  const above = await post('/key/generate', { max_budget: 101 });
  assert.equal(above.status, 400);
  assert.equal(above.json.error.message, 'max_budget is over max limit set in config - user_value=101; max_value=100');
});

test('a raised budget lets calls through', async () => {
  const key = await gateway.newKey({ max_budget: 0 });
  assert.equal(await calls(key), 429);
  const raised = await post('/key/update', { key, temp_budget_increase: 1, temp_budget_expiry: '2999-01-01T00:00:00Z' });
  assert.equal(raised.status, 200, raised.text);
  assert.equal(await calls(key), 200);
  await post('/key/update', { key, temp_budget_increase: 1, temp_budget_expiry: '2001-01-01T00:00:00Z' });
  assert.equal(await calls(key), 429);
});

test('a rotated key keeps its spend, and its old secret for the grace period', async () => {
  const first = await gateway.newKey({ key_alias: 'rotating' });
  assert.equal(await calls(first), 200);
  const second = (await post('/key/regenerate', { key: first, grace_period: '1h' })).json;
  assert.equal(second.key_alias, 'rotating');
  assert.equal(second.rotation_count, 1);
  assert.equal(await calls(first), 200);
  assert.equal(await calls(second.key), 200);
  const third = (await post(`/key/${second.token}/regenerate`, { grace_period: '0s' })).json;
  assert.equal(await calls(second.key), 401);
  assert.equal(await calls(third.key), 200);
  await until(async () => (await gateway.keyInfo(third.key)).spend > 0, 'the spend of all its secrets');
  assert.equal((await post('/key/block', { key: third.key })).status, 200);
  assert.equal(await calls(third.key), 401);
  assert.equal(await calls(first), 401);
});

test('a key rotates by itself and hands its secret over in a file', async () => {
  const old = await gateway.newKey({ key_alias: 'self', auto_rotate: true, rotation_interval: '1s' });
  const file = path.join(rotated, 'self');
  await until(() => fs.existsSync(file), 'the new secret');
  await until(async () => (await calls(fs.readFileSync(file, 'utf8').trim())) === 200, 'a call with the new secret');
  assert.equal(fs.statSync(file).mode & 0o777, 0o600);
  assert.equal(await calls(old), 200, 'within its grace');
  assert.equal((await post('/key/delete', { key_aliases: ['self'] })).status, 200);
});

test('who deleted a key is known afterwards', async () => {
  const key = await gateway.newKey({ key_alias: 'gone' });
  const removed = await gateway.call('POST', '/key/delete', { body: { keys: [key] }, headers: { 'litellm-changed-by': 'ada' } });
  assert.equal(removed.status, 200, removed.text);
  assert.equal(await calls(key), 401);
  const deleted = await gateway.call('GET', '/key/list?status=deleted&return_full_object=true&size=1');
  assert.equal(deleted.json.keys[0].token, hash(key));
  assert.equal(deleted.json.keys[0].deleted_by, 'ada');
  assert.ok(!(await gateway.call('GET', '/key/aliases')).json.aliases.includes('gone'));
});
