// Reports of spend and activity against the ledger's rows: every sum of every report, to the nanodollar, for every kind
// of caller.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { nano } from '../harness/books.mjs';
import { FakeProvider, Gateway, deployment } from '../harness/turnpike.mjs';

let fake;
let gateway;
let rows; // Of the ledger, as /spend/logs lists them.
const keys = {};
const hashes = {};
const today = new Date().toISOString().slice(0, 10);
const days = `start_date=${today}&end_date=${today}`;

const get = async (target, { key, status = 200 } = {}) => {
  const reply = await gateway.call('GET', target, { key: key ?? undefined });
  assert.equal(reply.status, status, `${target}: ${reply.text}`);
  return reply.json;
};
const post = async (target, body, { key, status = 200 } = {}) => {
  const reply = await gateway.call('POST', target, { body, key: key ?? undefined });
  assert.equal(reply.status, status, `${target}: ${reply.text}`);
  return reply.json;
};

/** Sums of rows by `name` of a row, which may be several. */
function sums(chosen, name = () => ['all']) {
  const found = {};
  for (const row of chosen) {
    for (const key of new Set([name(row)].flat())) {
      if (key === '' || key === null || key === undefined) continue;
      const sum = (found[key] ??= { nano: 0, prompt: 0, completion: 0, calls: 0, failed: 0 });
      sum.nano += nano(row.spend);
      sum.prompt += row.prompt_tokens;
      sum.completion += row.completion_tokens;
      sum.calls += 1;
      if (row.status !== 'success') sum.failed += 1;
    }
  }
  return found;
}
const total = (chosen) => sums(chosen).all ?? { nano: 0, prompt: 0, completion: 0, calls: 0, failed: 0 };
const nanosOf = (chosen, name) => Object.fromEntries(Object.entries(sums(chosen, name)).map(([key, sum]) => [key, sum.nano]));
const by = (list, name, value) => Object.fromEntries(list.map((entry) => [entry[name], value(entry)]));

before(async () => {
  fake = await FakeProvider.start();
  const model = (name, directives, more) => deployment(name, fake.base(directives), more);
  gateway = await Gateway.start({
    config: {
      model_list: [model('cheap', 'prompt_tokens=7,tokens=3'), model('dear', 'prompt_tokens=11,tokens=500', { params: { output_cost_per_token: 0.000033333 } }), model('busy', 'status=429'), model('broken', 'status=500')],
      router_settings: { num_retries: 0, disable_cooldowns: true },
      turnpike: { shutdown_grace: 0 },
    },
  });
  await post('/organization/new', { organization_id: 'ours', organization_alias: 'Ours' });
  for (const user_id of ['ann', 'bob', 'lead', 'orga', 'auditor']) {
    await post('/user/new', { user_id, user_role: user_id === 'auditor' ? 'proxy_admin_viewer' : 'internal_user', auto_create_key: false });
  }
  await post('/organization/member_add', { organization_id: 'ours', member: { role: 'org_admin', user_id: 'orga' } });
  const members = ['ann', 'bob', 'lead'].map((user_id) => ({ user_id, role: user_id === 'lead' ? 'admin' : 'user' }));
  await post('/team/new', { team_id: 'red', team_alias: 'Reds', organization_id: 'ours', members_with_roles: members });
  await post('/team/new', { team_id: 'blue', members_with_roles: [{ role: 'user', user_id: 'bob' }] });
  const made = { ann: { user_id: 'ann', key_alias: 'of-ann' }, annRed: { user_id: 'ann', team_id: 'red' }, bobRed: { user_id: 'bob', team_id: 'red' }, bobBlue: { user_id: 'bob', team_id: 'blue' }, lead: { user_id: 'lead' }, orga: { user_id: 'orga' }, auditor: { user_id: 'auditor' }, bare: {} };
  for (const [name, fields] of Object.entries(made)) {
    const reply = await post('/key/generate', fields);
    keys[name] = reply.key;
    hashes[name] = reply.token;
  }
  let count = 0;
  for (const [name, key] of Object.entries(keys)) {
    if (name === 'auditor') continue;
    for (const chosen of ['cheap', 'dear', 'cheap', 'busy', 'broken'].slice(0, name.endsWith('Red') ? 5 : 3)) {
      count += 1;
      const tags = count % 3 === 0 ? ['odd', 'odd', name] : [];
      const reply = await gateway.chat({ model: chosen, user: count % 2 ? 'buyer' : undefined, metadata: { tags } }, { key, headers: { 'x-litellm-trace-id': `session-${name}` } });
      assert.ok([200, 429, 500].includes(reply.status), reply.text);
    }
  }
  rows = await gateway.rows('limit=1000', count);
});
after(async () => {
  await gateway?.stop();
  await fake?.stop();
});

const checkMetrics = (metrics, sum, what) => {
  assert.equal(nano(metrics.spend), sum.nano, `${what}: spend`);
  const { spend, ...rest } = metrics;
  assert.deepEqual(
    rest,
    { prompt_tokens: sum.prompt, completion_tokens: sum.completion, cache_read_input_tokens: 0, cache_creation_input_tokens: 0, total_tokens: sum.prompt + sum.completion, successful_requests: sum.calls - sum.failed, failed_requests: sum.failed, api_requests: sum.calls },
    what,
  );
};

/** Every figure of an answer of daily activity. `chosen`: the rows it must be of; `entity`: whose they count for. */
function checkActivity(answer, chosen, entity) {
  const counted = chosen.flatMap((row) => [...new Set([entity(row)].flat())].filter(Boolean).map((name) => ({ ...row, name })));
  const all = total(counted);
  assert.deepEqual(Object.keys(answer).sort(), ['metadata', 'results']);
  const { metadata } = answer;
  assert.equal(nano(metadata.total_spend), all.nano);
  assert.deepEqual(
    [metadata.total_prompt_tokens, metadata.total_completion_tokens, metadata.total_tokens, metadata.total_api_requests, metadata.total_successful_requests, metadata.total_failed_requests],
    [all.prompt, all.completion, all.prompt + all.completion, all.calls, all.calls - all.failed, all.failed],
  );
  assert.deepEqual([metadata.page, metadata.total_pages, metadata.has_more], [1, counted.length ? 1 : 0, false]);
  if (counted.length === 0) return assert.deepEqual(answer.results, []);
  assert.equal(answer.results.length, 1);
  const [day] = answer.results;
  assert.equal(day.date, today);
  checkMetrics(day.metrics, all, 'the day');
  const names = { models: (row) => row.model, model_groups: (row) => row.model_group, providers: (row) => row.custom_llm_provider, endpoints: () => '/v1/chat/completions', entities: (row) => row.name };
  for (const [breakdown, name] of Object.entries(names)) {
    const expected = sums(counted, name);
    assert.deepEqual(Object.keys(day.breakdown[breakdown]).sort(), Object.keys(expected).sort(), breakdown);
    for (const [id, sum] of Object.entries(expected)) {
      const entry = day.breakdown[breakdown][id];
      checkMetrics(entry.metrics, sum, `${breakdown} ${id}`);
      const byKey = sums(counted.filter((row) => [name(row)].flat().includes(id)), (row) => row.api_key);
      assert.deepEqual(Object.keys(entry.api_key_breakdown).sort(), Object.keys(byKey).sort(), `${breakdown} ${id}`);
      for (const [hash, ofKey] of Object.entries(byKey)) checkMetrics(entry.api_key_breakdown[hash].metrics, ofKey, `${breakdown} ${id} ${hash}`);
    }
  }
  for (const [hash, sum] of Object.entries(sums(counted, (row) => row.api_key))) checkMetrics(day.breakdown.api_keys[hash].metrics, sum, `key ${hash}`);
  assert.deepEqual(day.breakdown.mcp_servers, {});
  return day;
}

test('activity by day: users, teams, organisations, tags, customers, whole and by what they asked for', async () => {
  const users = checkActivity(await get(`/user/daily/activity?${days}`), rows, (row) => row.user);
  assert.equal(users.breakdown.api_keys[hashes.ann].metadata.key_alias, 'of-ann');
  assert.equal(users.breakdown.api_keys[hashes.annRed].metadata.team_id, 'red');
  checkActivity(await get(`/user/daily/activity/aggregated?${days}`), rows, (row) => row.user);
  const teams = checkActivity(await get(`/team/daily/activity?${days}`), rows, (row) => row.team_id);
  assert.deepEqual(teams.breakdown.entities.red.metadata, { team_alias: 'Reds' });
  checkActivity(await get(`/organization/daily/activity?${days}`), rows, (row) => row.organization_id);
  checkActivity(await get(`/tag/daily/activity?${days}`), rows, (row) => row.request_tags);
  for (const path of ['customer', 'end_user']) checkActivity(await get(`/${path}/daily/activity?${days}`), rows, (row) => row.end_user);
});

test('activity by day: filters, what is left out, pages, time zones, what is missing', async () => {
  const of = (wanted) => rows.filter(wanted);
  checkActivity(await get(`/user/daily/activity?${days}&user_id=ann`), of((row) => row.user === 'ann'), (row) => row.user);
  checkActivity(await get(`/user/daily/activity?${days}&model=dear`), of((row) => row.model === 'dear'), (row) => row.user);
  checkActivity(await get(`/user/daily/activity?${days}&api_key=${keys.bobRed}`), of((row) => row.api_key === hashes.bobRed), (row) => row.user);
  checkActivity(await get(`/team/daily/activity?${days}&team_ids=red,unknown`), of((row) => row.team_id === 'red'), (row) => row.team_id);
  checkActivity(await get(`/team/daily/activity?${days}&exclude_team_ids=red`), of((row) => row.team_id !== 'red'), (row) => row.team_id);
  checkActivity(await get(`/tag/daily/activity?${days}&tags=odd`), of((row) => row.request_tags.includes('odd')), () => 'odd');
  checkActivity(await get(`/organization/daily/activity?${days}&exclude_organization_ids=ours`), [], (row) => row.organization_id);

  const whole = await get(`/user/daily/activity?${days}`);
  let spend = 0;
  let requests = 0;
  let page = 1;
  for (let more = true; more; page += 1) {
    const part = await get(`/user/daily/activity?${days}&page=${page}&page_size=4`);
    spend += nano(part.metadata.total_spend);
    requests += part.metadata.total_api_requests;
    assert.equal(part.metadata.page, page);
    more = part.metadata.has_more;
    assert.equal(more, page < part.metadata.total_pages);
  }
  assert.ok(page > 3, 'several pages');
  assert.deepEqual([spend, requests], [nano(whole.metadata.total_spend), whole.metadata.total_api_requests]);

  // Whose clocks are behind UTC's asks for a day that ends on the next one.
  const yesterday = new Date(Date.now() - 86_400_000).toISOString().slice(0, 10);
  const past = `start_date=${yesterday}&end_date=${yesterday}`;
  assert.equal((await get(`/user/daily/activity?${past}`)).results.length, 0);
  assert.equal((await get(`/user/daily/activity?${past}&timezone=480`)).results.length, 1);
  assert.equal((await get(`/user/daily/activity?${past}&timezone=-330`)).results.length, 0);
  for (const wrong of ['', 'start_date=2026-01-01', `${days}&page_size=0`, `${days}&timezone=x`, 'start_date=x&end_date=y', `${days}&api_key=nothing`]) await get(`/user/daily/activity?${wrong}`, { status: 400 });
});

test('activity by day: everybody sees what is his', async () => {
  const mine = (user) => rows.filter((row) => row.user === user);
  checkActivity(await get(`/user/daily/activity?${days}`, { key: keys.ann }), mine('ann'), (row) => row.user);
  await get(`/user/daily/activity?${days}&user_id=bob`, { key: keys.ann, status: 403 });
  checkActivity(await get(`/user/daily/activity?${days}`, { key: keys.bare }), [], (row) => row.user);
  checkActivity(await get(`/user/daily/activity?${days}`, { key: keys.auditor }), rows, (row) => row.user);
  // The admin of a team sees all of it, a member what he has used himself.
  checkActivity(await get(`/team/daily/activity?${days}`, { key: keys.lead }), rows.filter((row) => row.team_id === 'red'), (row) => row.team_id);
  checkActivity(await get(`/team/daily/activity?${days}`, { key: keys.ann }), rows.filter((row) => row.team_id === 'red' && row.user === 'ann'), (row) => row.team_id);
  checkActivity(await get(`/team/daily/activity?${days}`, { key: keys.bobRed }), mine('bob').filter((row) => row.team_id), (row) => row.team_id);
  await get(`/team/daily/activity?${days}&team_ids=blue`, { key: keys.ann, status: 403 });
  checkActivity(await get(`/organization/daily/activity?${days}`, { key: keys.orga }), rows.filter((row) => row.organization_id === 'ours'), (row) => row.organization_id);
  checkActivity(await get(`/organization/daily/activity?${days}`, { key: keys.ann }), [], (row) => row.organization_id);
  await get(`/organization/daily/activity?${days}&organization_ids=ours`, { key: keys.ann, status: 403 });
  for (const path of ['tag', 'customer']) await get(`/${path}/daily/activity?${days}`, { key: keys.ann, status: 401 });
});

test('sums of everybody', async () => {
  const all = total(rows);
  const spend = await get('/global/spend');
  assert.equal(nano(spend.spend), all.nano);
  assert.equal(spend.max_budget, 0);
  assert.deepEqual((await get('/global/spend/logs')).map((day) => [day.date, nano(day.spend)]), [[today, all.nano]]);
  assert.deepEqual((await get(`/global/spend/logs?api_key=${keys.ann}`)).map((day) => nano(day.spend)), [total(rows.filter((row) => row.api_key === hashes.ann)).nano]);
  const top = await get('/global/spend/keys?limit=3');
  assert.equal(top.length, 3);
  const ofKeys = nanosOf(rows, (row) => row.api_key);
  for (const entry of await get('/global/spend/keys')) {
    assert.equal(nano(entry.total_spend), ofKeys[entry.api_key]);
    if (entry.api_key === hashes.ann) assert.deepEqual([entry.key_alias, /^sk-\.\.\./.test(entry.key_name)], ['of-ann', true]);
  }
  assert.deepEqual(by(await get('/global/spend/models'), 'model', (entry) => nano(entry.total_spend)), nanosOf(rows, (row) => row.model));
  assert.deepEqual(by(await get('/global/spend/provider'), 'provider', (entry) => nano(entry.spend)), nanosOf(rows, (row) => row.custom_llm_provider));
  const ofTeams = nanosOf(rows, (row) => ({ red: 'Reds' })[row.team_id] ?? row.team_id);
  const teams = await get('/global/spend/teams');
  assert.deepEqual(by(teams.total_spend_per_team, 'team_id', (entry) => nano(entry.total_spend)), ofTeams);
  assert.deepEqual(teams.teams.sort(), Object.keys(ofTeams).sort());
  const [{ date, ...parts }] = teams.daily_spend;
  assert.equal(date, today);
  assert.deepEqual(Object.fromEntries(Object.entries(parts).map(([name, dollars]) => [name, nano(dollars)])), ofTeams);

  const tags = sums(rows, (row) => row.request_tags);
  const perTag = (list, name, dollars) => by(list, name, (entry) => [nano(entry[dollars]), entry.log_count]);
  const expectedTags = Object.fromEntries(Object.entries(tags).map(([tag, sum]) => [tag, [sum.nano, sum.calls]]));
  assert.deepEqual(perTag((await get(`/global/spend/tags?${days}`)).spend_per_tag, 'name', 'spend'), expectedTags);
  assert.deepEqual(perTag(await get(`/spend/tags?${days}`), 'individual_request_tag', 'total_spend'), expectedTags);
  assert.deepEqual((await get('/spend/tags?tags=odd')).map((entry) => entry.individual_request_tag), ['odd']);
  assert.deepEqual((await get('/global/spend/all_tag_names')).tag_names, Object.keys(tags).sort());
  assert.deepEqual((await get('/tag/distinct')).results, Object.keys(tags).sort().map((tag) => ({ tag })));
  assert.deepEqual((await get('/global/all_end_users')).end_users, ['buyer']);
  const customers = sums(rows, (row) => row.end_user);
  const shown = (list) => by(list, 'end_user', (entry) => [nano(entry.total_spend), entry.total_count]);
  assert.deepEqual(shown(await post('/global/spend/end_users', {})), { buyer: [customers.buyer.nano, customers.buyer.calls] });
  const ofAnn = sums(rows.filter((row) => row.api_key === hashes.ann), (row) => row.end_user);
  assert.deepEqual(shown(await post('/global/spend/end_users', { api_key: keys.ann, startTime: today })), { buyer: [ofAnn.buyer.nano, ofAnn.buyer.calls] });
  // What one user sees of all this.
  const ann = rows.filter((row) => row.user === 'ann');
  assert.deepEqual(by(await get('/global/spend/models', { key: keys.ann }), 'model', (entry) => nano(entry.total_spend)), nanosOf(ann, (row) => row.model));
  assert.deepEqual(perTag((await get('/global/spend/tags', { key: keys.ann })).spend_per_tag, 'name', 'spend'), Object.fromEntries(Object.entries(sums(ann, (row) => row.request_tags)).map(([tag, sum]) => [tag, [sum.nano, sum.calls]])));
  assert.deepEqual(Object.keys(by(await get('/global/spend/keys', { key: keys.bare }), 'api_key', () => 1)), [hashes.bare]);
  assert.deepEqual((await get('/spend/users')).map((entry) => [entry.user_id, nano(entry.spend)]).slice(0, 2).sort(), Object.entries(nanosOf(rows, (row) => row.user)).sort((a, b) => b[1] - a[1]).slice(0, 2).sort());
  assert.deepEqual((await get('/spend/users', { key: keys.ann })).map((entry) => entry.user_id), ['ann']);
  await get('/spend/users?user_id=bob', { key: keys.ann, status: 403 });
});

test('the report of teams, customers and keys', async () => {
  const report = (more) => get(`/global/spend/report?${days}&${more}`);
  for (const [group, list, name, entity] of [['team', 'teams', 'team_name', (row) => ({ red: 'Reds' })[row.team_id] ?? row.team_id], ['customer', 'customers', 'customer', (row) => row.end_user]]) {
    const [day] = await report(`group_by=${group}`);
    assert.equal(day.group_by_day, `${today}T00:00:00+00:00`);
    assert.deepEqual(by(day[list], name, (entry) => nano(entry.total_spend)), nanosOf(rows, entity));
    for (const entry of day[list]) {
      assert.equal(entry.metadata.reduce((sum, part) => sum + nano(part.spend), 0), nano(entry.total_spend));
      for (const part of entry.metadata) {
        const own = total(rows.filter((row) => entity(row) === entry[name] && row.model === part.model && row.api_key === part.api_key));
        assert.deepEqual([nano(part.spend), part.total_tokens], [own.nano, own.prompt + own.completion]);
      }
    }
  }
  assert.deepEqual((await report('team_id=blue'))[0].teams.map((entry) => entry.team_name), ['blue']);
  assert.deepEqual((await report('customer_id=buyer'))[0].customers.map((entry) => entry.customer), ['buyer']);
  for (const [query, chosen] of [['group_by=api_key', rows], [`api_key=${keys.ann}`, rows.filter((row) => row.api_key === hashes.ann)], ['internal_user_id=bob', rows.filter((row) => row.user === 'bob')]]) {
    const entries = await report(query);
    assert.deepEqual(by(entries, 'api_key', (entry) => [nano(entry.total_cost), entry.total_input_tokens, entry.total_output_tokens]), Object.fromEntries(Object.entries(sums(chosen, (row) => row.api_key)).map(([hash, sum]) => [hash, [sum.nano, sum.prompt, sum.completion]])));
    for (const entry of entries) assert.equal(entry.model_details.reduce((sum, part) => sum + nano(part.total_cost), 0), nano(entry.total_cost));
  }
  await get('/global/spend/report', { status: 400 });
  await get(`/global/spend/report?${days}&group_by=colour`, { status: 400 });
});

test('calls by day: all, by model, those that met a rate limit, those of a cache', async () => {
  const all = total(rows);
  const shown = new Date().toLocaleDateString('en-US', { month: 'short', day: '2-digit', timeZone: 'UTC' });
  assert.deepEqual(await get(`/global/activity?${days}`), { daily_data: [{ date: shown, api_requests: all.calls, total_tokens: all.prompt + all.completion }], sum_api_requests: all.calls, sum_total_tokens: all.prompt + all.completion });
  const ofModels = sums(rows, (row) => row.model_group);
  const models = await get(`/global/activity/model?${days}`);
  assert.deepEqual(by(models, 'model', (entry) => [entry.sum_api_requests, entry.sum_total_tokens]), Object.fromEntries(Object.entries(ofModels).map(([model, sum]) => [model, [sum.calls, sum.prompt + sum.completion]])));
  assert.equal(models[0].model, 'cheap', 'the busiest first');
  const limited = rows.filter((row) => row.model_group === 'busy').length;
  assert.deepEqual(await get(`/global/activity/exceptions?${days}`), { daily_data: [{ date: shown, num_rate_limit_exceptions: limited }], sum_num_rate_limit_exceptions: limited });
  const [deploymentOf] = await get(`/global/activity/exceptions/deployment?${days}&model_group=busy`);
  assert.deepEqual([deploymentOf.sum_num_rate_limit_exceptions, deploymentOf.api_base.startsWith(fake.url)], [limited, true]);
  assert.deepEqual(await get(`/global/activity/exceptions/deployment?${days}&model_group=cheap`), []);
  const hits = await get(`/global/activity/cache_hits?${days}`);
  assert.equal(hits.reduce((sum, entry) => sum + entry.total_rows, 0), all.calls);
  assert.ok(hits.every((entry) => entry.call_type === 'acompletion' && entry.cache_hit_true_rows === 0));
  for (const path of ['/global/activity', '/global/activity/model', '/global/activity/exceptions']) await get(path, { status: 400 });
});

test('entries by pages: filters, orders, sessions', async () => {
  const range = `start_date=${today}%2000:00:00&end_date=${today}%2023:59:59`;
  const first = await get(`/spend/logs/v2?${range}&page_size=10`);
  assert.deepEqual([first.total, first.page, first.page_size, first.total_pages, first.data.length], [rows.length, 1, 10, Math.ceil(rows.length / 10), 10]);
  const seen = new Set();
  for (let page = 1; page <= first.total_pages; page += 1) {
    for (const row of (await get(`/spend/logs/ui?${range}&page_size=10&page=${page}&sort_by=spend&sort_order=asc`)).data) seen.add(row.turnpike.record_id);
  }
  assert.equal(seen.size, rows.length, 'each row on one page');
  const spends = (await get(`/spend/logs/v2?${range}&sort_by=spend`)).data.map((row) => row.spend);
  assert.deepEqual(spends, [...spends].sort((a, b) => b - a));
  const count = async (filter, options) => (await get(`/spend/logs/v2?${range}&${filter}`, options)).total;
  const expected = (wanted) => rows.filter(wanted).length;
  assert.equal(await count('status_filter=failure'), expected((row) => row.status === 'failure'));
  assert.equal(await count('status_filter=success&model=dear'), expected((row) => row.model === 'dear'));
  assert.equal(await count('team_id=red&user_id=bob'), expected((row) => row.team_id === 'red' && row.user === 'bob'));
  assert.equal(await count('key_alias=of-ann'), expected((row) => row.api_key === hashes.ann));
  assert.equal(await count(`api_key=${hashes.lead}&end_user=buyer`), expected((row) => row.api_key === hashes.lead && row.end_user === 'buyer'));
  assert.equal(await count('error_code=429'), expected((row) => row.model_group === 'busy'));
  assert.equal(await count('min_spend=0.001'), expected((row) => row.spend >= 0.001));
  assert.equal(await count('max_spend=0.001&status_filter=success'), expected((row) => row.spend <= 0.001 && row.status === 'success'));
  assert.equal(await count(`model_id=${rows[0].model_id}`), expected((row) => row.model_id === rows[0].model_id));
  assert.equal(await count('error_message=%25'), 0, 'a percent sign is one');
  assert.equal(await count('', { key: keys.ann }), expected((row) => row.user === 'ann'));
  assert.equal(await count('', { key: keys.bare }), expected((row) => row.api_key === hashes.bare));
  const session = rows.find((row) => row.api_key === hashes.ann).session_id;
  const ofSession = await get(`/spend/logs/session/ui?session_id=${session}`);
  assert.equal(ofSession.total, expected((row) => row.session_id === session));
  assert.deepEqual(await get(`/spend/logs/ui/${rows[0].turnpike.call_id}`), { messages: {}, response: {}, proxy_server_request: {} });
  await get(`/spend/logs/ui/${rows.find((row) => row.user === 'bob').turnpike.call_id}`, { key: keys.ann, status: 404 });
  for (const wrong of ['', `${range}&sort_by=colour`, `${range}&page_size=1000`, `${range}&status_filter=maybe`, `${range}&min_spend=x`]) await get(`/spend/logs/v2?${wrong}`, { status: 400 });
});

test('what a call would cost, and what an answer has cost', async () => {
  const usage = { prompt_tokens: 1000, completion_tokens: 10, total_tokens: 1010 };
  assert.deepEqual(await post('/spend/calculate', { completion_response: { model: 'cheap', usage } }), { cost: 0.00102 });
  assert.deepEqual(await post('/spend/calculate', { model: 'dear', completion_response: { model: 'gpt-4o', usage } }, { key: keys.ann }), { cost: 0.00133333 });
  const { cost } = await post('/spend/calculate', { model: 'cheap', messages: [{ role: 'user', content: 'four words are here' }] });
  assert.ok(cost > 0.000005 && cost < 0.00002, String(cost));
  for (const wrong of [{}, { model: 'cheap' }, { model: 'nobody-has-this', messages: [] }, { completion_response: { model: 'cheap' } }]) await post('/spend/calculate', wrong, { status: 400 });
});

test('the master key sets what keys and teams have spent to 0; the rows and reports stay', async () => {
  const reports = [`/user/daily/activity?${days}`, '/global/spend/models'];
  const before = await Promise.all(reports.map((path) => get(path)));
  await post('/global/spend/reset', {}, { key: keys.auditor, status: 403 });
  await post('/global/spend/refresh', {});
  assert.ok((await gateway.keyInfo(keys.ann)).spend > 0);
  await post('/global/spend/reset', {});
  for (const name of ['ann', 'bobRed', 'bare']) assert.equal((await gateway.keyInfo(keys[name])).spend, 0, name);
  assert.equal((await get('/team/info?team_id=red')).team_info.spend, 0);
  assert.deepEqual(await Promise.all(reports.map((path) => get(path))), before);
  assert.equal((await gateway.rows('limit=1000', rows.length)).length, rows.length);
});
