// A day of a platform team, told as one story: two replicas on one PostgreSQL, and people who do their work with them.
import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import { Postgres } from '../harness/postgres.mjs';
import { FakeProvider, Gateway, deployment, masterKey, scene, until } from '../harness/turnpike.mjs';

let server;
let fake;
before(async () => {
  server = await Postgres.start();
  fake = await FakeProvider.start();
});
after(async () => {
  await server?.stop();
  await fake?.stop();
});

const promptTokens = 1000;
const callCost = 0.001; // 1,000 tokens at a dollar per million; the answer has none.

/** Somebody at one of the replicas, with the key he has; `bill`: where his served calls are counted. */
class Person {
  constructor(name, key, replica, bill = { calls: 0 }) {
    Object.assign(this, { name, key, replica, bill });
  }
  at(replica) {
    return new Person(this.name, this.key, replica, this.bill);
  }
  async tries(method, target, body) {
    return this.replica.call(method, target, { key: this.key, body });
  }
  async does(target, body) {
    const reply = await this.tries('POST', target, body);
    assert.equal(reply.status, 200, `${this.name}: ${target}: ${reply.text}`);
    return reply.json;
  }
  async reads(target) {
    const reply = await this.tries('GET', target);
    assert.equal(reply.status, 200, `${this.name}: ${target}: ${reply.text}`);
    return reply.json;
  }
  async isRefused(target, body, status, words) {
    const reply = await this.tries(body === undefined ? 'GET' : 'POST', target, body);
    assert.equal(reply.status, status, `${this.name}: ${target}: ${reply.text}`);
    assert.match(reply.text, words, `${this.name}: ${target}`);
  }
  async calls(model) {
    const reply = await this.replica.chat({ model, fake: { prompt_tokens: promptTokens, tokens: 0 } }, { key: this.key });
    if (reply.status === 200) this.bill.calls += 1;
    return reply;
  }
  async isServed(model) {
    const reply = await this.calls(model);
    assert.equal(reply.status, 200, `${this.name} calls ${model}: ${reply.text}`);
  }
  async isNotServed(model, status, words) {
    const reply = await this.calls(model);
    assert.equal(reply.status, status, `${this.name} calls ${model}: ${reply.text}`);
    assert.match(reply.text, words, `${this.name} calls ${model}`);
  }
}

/** What the log says in order of time, each line as "action table by whom", and checks of its form. */
async function theLogTellsIt(olga, bob) {
  const lines = (await olga.reads('/audit?sort_order=asc&page_size=100')).audit_logs;
  for (const line of lines) {
    assert.match(line.id, /^[0-9a-f-]{36}$/);
    assert.match(line.request_id, /^[0-9a-f-]{36}$/);
    assert.ok(Date.parse(line.updated_at) <= Date.now() + 1000);
    assert.ok(line.action === 'created' || line.before_value, `${line.action} ${line.object_id}: from what`);
    assert.ok(line.action === 'deleted' || line.updated_values, `${line.action} ${line.object_id}: to what`);
    for (const secret of [olga.key, bob.key]) assert.ok(!JSON.stringify(line).includes(secret), 'no secret in the log');
  }
  const told = lines.map((line) => `${line.changed_by} ${line.action} ${line.table_name.replace('LiteLLM_', '')}`);
  const inOrder = [
    'default_user_id created OrganizationTable',
    'default_user_id created TeamTable',
    'default_user_id created TeamMembership',
    'default_user_id created VerificationToken',
    'ann created UserTable',
    'ann created TeamMembership',
    'ann created VerificationToken',
    'ann blocked VerificationToken',
    'ann rotated VerificationToken',
    'zoe created VerificationToken',
    'default_user_id blocked TeamTable',
    'ann deleted VerificationToken',
    'ann deleted TeamMembership',
  ];
  let from = 0;
  for (const wanted of inOrder) {
    const at = told.indexOf(wanted, from);
    assert.notEqual(at, -1, `${wanted} after line ${from}:\n${told.join('\n')}`);
    from = at + 1;
  }
  // It is read by whoever asks for a part of it, and taken away whole.
  const ofTeam = (await olga.reads('/audit?table_name=LiteLLM_TeamTable&object_id=ads&action=blocked')).audit_logs;
  assert.equal(ofTeam.length, 1);
  assert.equal(ofTeam[0].before_value.blocked, false);
  assert.equal(ofTeam[0].updated_values.blocked, true);
  const exported = (await olga.tries('GET', '/audit?format=jsonl')).text.trim().split('\n').map((line) => JSON.parse(line));
  assert.deepEqual(exported.map((line) => line.id), lines.map((line) => line.id));
}

/** Milliseconds until everybody of `people` is refused. */
async function stopped(people, model) {
  const begun = performance.now();
  await Promise.all(people.map((person) => until(async () => (await person.calls(model)).status === 401, `${person.name} to be stopped`, 5000)));
  return performance.now() - begun;
}

async function twoReplicas(own) {
  const config = {
    model_list: ['small', 'large', 'secret'].map((name) => deployment(name, fake.base())),
    general_settings: { database_url: server.url(server.fresh()) },
    turnpike: { shutdown_grace: 0 },
  };
  const east = own(await Gateway.start({ config }));
  const west = own(await Gateway.start({ config }));
  return { east, west };
}

test('AC-CONF-3: a day of a platform team', async (story) => {
  await scene(twoReplicas, async ({ east, west }) => {
    const searchBill = { calls: 0 };
    const olga = new Person('Olga, the administrator', masterKey, east);

    // In the morning Olga sets up the company: one organisation, two teams in it, an admin for each.
    await olga.does('/organization/new', { organization_id: 'acme', organization_alias: 'Acme', models: ['small', 'large'], max_budget: 100 });
    await olga.does('/team/new', { team_id: 'search', team_alias: 'Search', organization_id: 'acme', models: ['small'], max_budget: 10, members_with_roles: [{ role: 'admin', user_id: 'ann' }] });
    await olga.does('/team/new', { team_id: 'ads', team_alias: 'Ads', organization_id: 'acme', models: ['small', 'large'], max_budget: 5, members_with_roles: [{ role: 'admin', user_id: 'zoe' }] });
    const ann = new Person('Ann, admin of Search', (await olga.does('/key/generate', { user_id: 'ann', key_alias: 'ann' })).key, east);
    const zoe = new Person('Zoe, admin of Ads', (await olga.does('/key/generate', { user_id: 'zoe', key_alias: 'zoe' })).key, west);

    // Ann takes Bob into her team, with a dollar to spend there, and mints a key for him and one for a service.
    await ann.does('/team/member_add', { team_id: 'search', member: { role: 'user', user_id: 'bob', user_email: 'bob@acme.test' }, max_budget_in_team: 1 });
    const bob = new Person('Bob, in Search', (await ann.does('/key/generate', { team_id: 'search', user_id: 'bob', models: ['small'], max_budget: 0.5, key_alias: 'bob in search' })).key, east, searchBill);
    const crawler = new Person('the crawler of Search', (await ann.does('/key/generate', { team_id: 'search', max_budget: 2, key_alias: 'crawler' })).key, west, searchBill);
    await bob.isServed('small');
    await bob.at(west).isServed('small');
    await crawler.isServed('small');

    // She cannot hand out what Search does not have: other models, more money, other teams. Nor can she enlarge it.
    await ann.isRefused('/key/generate', { team_id: 'search', models: ['large'] }, 403, /large/);
    await ann.isRefused('/key/generate', { team_id: 'search', max_budget: 11 }, 403, /max_budget/);
    await ann.isRefused('/key/generate', { team_id: 'ads' }, 403, /ads/);
    await ann.isRefused('/key/generate', { user_id: 'zoe' }, 403, /zoe/);
    await ann.isRefused('/team/update', { team_id: 'search', max_budget: 50 }, 403, /max_budget/);
    await ann.isRefused('/team/model/add', { team_id: 'search', models: ['large'] }, 403, /models/);
    await bob.isNotServed('large', 403, /small/);

    // The other team is none of her business, and hers none of Zoe's.
    assert.deepEqual((await ann.reads('/team/list')).map((team) => team.team_id), ['search']);
    await ann.isRefused('/team/info?team_id=ads', undefined, 403, /ads/);
    await ann.isRefused('/team/member_add', { team_id: 'ads', member: { role: 'admin', user_id: 'ann' } }, 403, /ads/);
    await zoe.isRefused('/team/info?team_id=search', undefined, 403, /search/);
    await zoe.isRefused('/team/delete', { team_ids: ['search'] }, 403, /search/);
    await zoe.isRefused('/key/delete', { keys: [bob.key] }, 403, /./);
    await bob.isRefused('/team/update', { team_id: 'search', team_alias: 'Bob' }, 403, /admin/);
    await bob.isRefused('/audit', undefined, 401, /admin/);

    // At noon Bob's laptop is stolen. Ann blocks his key: both replicas stop it within a second.
    const bobs = [bob, bob.at(west)];
    for (const person of bobs) await person.isServed('small');
    await ann.does('/key/block', { key: bob.key });
    const tookMs = await stopped(bobs, 'small');
    assert.ok(tookMs < 1000, `the key was stopped after ${Math.round(tookMs)} ms`);
    await bob.at(west).isNotServed('small', 401, /blocked/i);
    await crawler.isServed('small');

    // The crawler's key is rotated. The old secret goes on until the service has the new one, and then no longer.
    const graceEnds = performance.now() + 3000; // At the earliest: it begins when the replica has read the request.
    const rotated = await ann.does('/key/regenerate', { key: crawler.key, grace_period: '3s' });
    assert.notEqual(rotated.key, crawler.key);
    const renewed = new Person('the crawler with its new key', rotated.key, west, searchBill);
    await renewed.isServed('small');
    await renewed.at(east).isServed('small');
    await crawler.isServed('small');
    await crawler.at(east).isServed('small');
    await stopped([crawler, crawler.at(east)], 'small');
    assert.ok(performance.now() > graceEnds - 100, 'the old secret was served for its grace period');
    await renewed.isServed('small');

    // In the evening Olga stops Ads for the night, from the other replica, and reads what Search has cost.
    const advert = new Person('the adverts', (await zoe.does('/key/generate', { team_id: 'ads', key_alias: 'adverts' })).key, east);
    await advert.isServed('large');
    await olga.at(west).does('/team/block', { team_id: 'ads' });
    const teamTookMs = await stopped([advert, advert.at(west)], 'large');
    story.diagnostic(`a blocked key stopped on both replicas after ${Math.round(tookMs)} ms, a blocked team after ${Math.round(teamTookMs)} ms`);
    assert.ok(teamTookMs < 1000, `the team was stopped after ${Math.round(teamTookMs)} ms`);
    await zoe.isRefused('/team/unblock', { team_id: 'ads' }, 403, /block and unblock/);

    const search = await until(async () => {
      const info = await olga.reads('/team/info?team_id=search');
      return Math.abs(info.team_info.spend - searchBill.calls * callCost) < 1e-9 && info;
    }, `${searchBill.calls} calls of Search to stand in its account`);
    assert.deepEqual(search.team_memberships.map((member) => member.user_id).sort(), ['ann', 'bob']);

    // At night Bob leaves: his key of the team goes with him.
    await ann.does('/team/member_delete', { team_id: 'search', user_id: 'bob' });
    assert.deepEqual((await ann.reads('/team/info?team_id=search')).keys.map((key) => key.key_alias), ['crawler']);

    // The audit log tells it all: who, what, on which object, in which request, from what to what.
    await theLogTellsIt(olga, bob);
    await Promise.all([east.stop(), west.stop()]);
  });
});
