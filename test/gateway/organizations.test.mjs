// Users, organisations, customers and tags before the real binary: what a call costs is booked to everybody it belongs to, a
// budget of any of them refuses, an edit of a shared budget reaches all who share it, and what is deleted takes its keys along.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { FakeProvider, Gateway, deployment, until } from '../harness/turnpike.mjs';

let fake;
let gateway;
before(async () => {
  fake = await FakeProvider.start();
  gateway = await Gateway.start({
    config: {
      model_list: [deployment('gpt', fake.base())],
      litellm_settings: { timezone: 'Europe/Berlin', max_internal_user_budget: 50, internal_user_budget_duration: '1mo' },
      turnpike: { shutdown_grace: 0 },
    },
  });
});
after(async () => {
  await gateway?.stop();
  await fake?.stop();
});

const send = async (method, path, body, status = 200) => {
  const reply = await gateway.call(method, path, body ? { body } : {});
  assert.equal(reply.status, status, `${method} ${path}: ${JSON.stringify(reply.json)}`);
  return reply.json;
};
const ask = (key, more = {}) => gateway.chat({ model: 'gpt', fake: { prompt_tokens: 100, tokens: 7 }, ...more }, { key });

test('a call is booked to the user and the organisation of its key', async () => {
  await send('POST', '/organization/new', { organization_id: 'booked', organization_alias: 'Booked', max_budget: 10 });
  const user = await send('POST', '/user/new', { user_id: 'payer', user_email: 'payer@example.com' });
  assert.equal(user.max_budget, 50);
  assert.match(user.budget_reset_at, /^\d{4}-\d{2}-(28|29|30|31)T2[23]:00:00/, 'the first of the month in Berlin');
  const key = await gateway.newKey({ user_id: 'payer', organization_id: 'booked' });
  assert.equal((await ask(key)).status, 200);
  const spent = async (path, pick) => pick(await send('GET', path)).spend;
  await until(async () => (await spent('/user/info?user_id=payer', (info) => info.user_info)) > 0, 'the spend of the user');
  await until(async () => (await spent('/organization/info?organization_id=booked', (info) => info)) > 0, 'the spend of the organisation');
});

test('a budget of the user refuses, and an edit of it comes into force', async () => {
  const { key } = await send('POST', '/user/new', { user_id: 'poor', max_budget: 0 });
  assert.equal((await ask(key)).status, 429);
  await send('POST', '/user/update', { user_id: 'poor', max_budget: 1 });
  await until(async () => (await ask(key)).status === 200, 'the new budget of the user');
});

test('an edit of a shared budget reaches every organisation that is linked to it', async () => {
  await send('POST', '/budget/new', { budget_id: 'shared', max_budget: 0 });
  const keys = [];
  for (const organization_id of ['first', 'second']) {
    await send('POST', '/organization/new', { organization_id, organization_alias: organization_id, budget_id: 'shared' });
    keys.push(await gateway.newKey({ organization_id }));
  }
  for (const key of keys) assert.equal((await ask(key)).status, 429);
  await send('POST', '/budget/update', { budget_id: 'shared', max_budget: 1 });
  for (const key of keys) await until(async () => (await ask(key)).status === 200, 'the new budget of the organisation');
  await send('POST', '/budget/delete', { id: 'shared' }, 400);
});

test('a customer is blocked, and held to a budget of his own', async () => {
  const key = await gateway.newKey({});
  await send('POST', '/customer/new', { user_id: 'poor-customer', max_budget: 0 });
  await send('POST', '/end_user/new', { user_id: 'rude-customer' });
  assert.equal((await ask(key, { user: 'poor-customer' })).status, 429);
  assert.equal((await ask(key, { user: 'rude-customer' })).status, 200);
  await send('POST', '/customer/block', { user_ids: ['rude-customer'] });
  await until(async () => (await ask(key, { user: 'rude-customer' })).status === 400, 'the block');
  assert.equal((await ask(key, { user: 'somebody else' })).status, 200);
});

test('a tag is held to a budget of its own', async () => {
  const key = await gateway.newKey({});
  await send('POST', '/tag/new', { name: 'poor-tag', max_budget: 0 });
  assert.equal((await ask(key, { metadata: { tags: ['poor-tag'] } })).status, 429);
  assert.equal((await ask(key, { metadata: { tags: ['other-tag'] } })).status, 200);
});

test('with an organisation its keys go, and with a user his', async () => {
  await send('POST', '/organization/new', { organization_id: 'leaves', organization_alias: 'Leaves' });
  const { key: ofUser } = await send('POST', '/user/new', { user_id: 'leaver' });
  const ofOrganization = await gateway.newKey({ organization_id: 'leaves' });
  assert.equal((await ask(ofUser)).status, 200);
  assert.equal((await ask(ofOrganization)).status, 200);
  await send('DELETE', '/organization/delete', { organization_ids: ['leaves'] });
  await until(async () => (await ask(ofOrganization)).status === 401, 'the end of the key');
  await send('POST', '/user/delete', { user_ids: ['leaver'] });
  await until(async () => (await ask(ofUser)).status === 401, 'the end of the key');
});
