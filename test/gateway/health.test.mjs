// Active probes, routing by what they show, rests and events, and the health routes of LiteLLM. Providers are scripted and
// count what they are asked.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, test } from 'node:test';
import { ListingProvider, usualReply } from '../harness/listing_provider.mjs';
import { shapeDeployment } from '../harness/shape_deployment.mjs';
import { ShapeProvider } from '../harness/shape_provider.mjs';
import { Gateway, deployment, scene, until } from '../harness/turnpike.mjs';

const tag = 'litellm-internal-health-check';
const secret = 'sk-provider-key-0123456789';
const away = [500, { error: { message: 'oops', type: 'server_error' } }];
const nothing = [404, { error: { message: 'no such path' } }];
const none = { lists: nothing };

let provider;
before(async () => (provider = await ListingProvider.start()));
after(() => provider.close());

const entry = (group, id, { params, info = {}, base } = {}) =>
  deployment(group, base ?? `${provider.url}/${id}/v1`, { params, info: { id, ...info } });
const every = (seconds, more = {}) => ({ background_health_checks: true, health_check_interval: seconds, ...more });
const start = async (own, config, options = {}) => own(await Gateway.start({ config, ...options }));
const get = async (gateway, target, options) => (await gateway.call('GET', target, options)).json;
const endpoint = async (gateway, id) => {
  const { healthy_endpoints: well, unhealthy_endpoints: unwell } = await get(gateway, `/health?model_id=${id}`);
  return { ...[...well, ...unwell][0], well: well.length === 1 };
};
const checked = (gateway, id, status) =>
  until(async () => {
    const found = await endpoint(gateway, id);
    return found.last_check?.status === status ? found : undefined;
  }, `${id} to be found ${status}`);
const sample = async (gateway, name, labels = '') => {
  const line = (await gateway.metrics()).split('\n').find((text) => text.startsWith(name + labels) && !text.startsWith('#'));
  return line ? Number(line.split(' ').at(-1)) : undefined;
};
const eventsOf = async (gateway, query = '') => (await get(gateway, `/health/events${query}`)).events;

test('AC-HEALTH-1: probes ask for the list of models where there is one, with the credential of calls, and never for a text', () =>
  scene(
    (own) => {
      const names = ['openai', 'azure', 'anthropic', 'gemini', 'cohere', 'ollama'];
      for (const name of names) provider.on(name);
      const at = (name, tail = '') => ({ base: `${provider.url}/${name}${tail}`, params: { model: `${name}/m` } });
      return start(own, {
        model_list: [
          entry('g', 'openai'),
          entry('g', 'azure', { ...at('azure'), params: { model: 'azure/m', api_version: '2024-10-21' } }),
          entry('g', 'anthropic', at('anthropic')),
          entry('g', 'gemini', at('gemini', '/v1beta')),
          entry('g', 'cohere', at('cohere')),
          entry('g', 'ollama', at('ollama')),
        ],
        general_settings: every(0.3),
      });
    },
    async (gateway) => {
      const expected = {
        openai: ['/v1/models', 'authorization', `Bearer ${secret}`],
        azure: ['/openai/models?api-version=2024-10-21', 'api-key', secret],
        anthropic: ['/v1/models?limit=1', 'x-api-key', secret],
        gemini: ['/v1beta/models?pageSize=1', 'x-goog-api-key', secret],
        cohere: ['/v1/models?page_size=1', 'authorization', `Bearer ${secret}`],
        ollama: ['/api/tags', 'authorization', `Bearer ${secret}`],
      };
      for (const [name, [path, header, value]] of Object.entries(expected)) {
        await until(() => provider.of(name).length >= 2, `two rounds at ${name}`);
        for (const request of provider.of(name)) {
          assert.equal(`${request.method} ${request.path}`, `GET ${path}`);
          assert.equal(request.headers[header], value, name);
          assert.equal(request.body, '');
        }
        const found = await checked(gateway, name, 'healthy');
        assert.equal(found.last_check.asked, 'model_list');
        assert.ok(found.well);
      }
      assert.equal((await get(gateway, '/spend/logs?summarize=false')).length, 0, 'a list costs nothing and is no entry');
      assert.ok((await sample(gateway, 'turnpike_health_checks_total', '{way="model_list"}')) >= 12);
      assert.equal(await sample(gateway, 'turnpike_health_checks_total', '{way="call"}'), 0);
    },
  ));

test('health is passive unless it is asked for: GET /health sends nothing, probe=true of an administrator asks once', () =>
  scene(
    (own) => start(own, { model_list: [entry('quiet', 'quiet')] }),
    async (gateway) => {
      for (let i = 0; i < 3; i += 1) assert.equal((await get(gateway, '/health')).healthy_count, 1);
      assert.equal(provider.of('quiet').length, 0);
      const key = await gateway.newKey();
      assert.equal((await gateway.call('GET', '/health?probe=true', { key })).status, 403);
      assert.equal(provider.of('quiet').length, 0);
      const probed = await get(gateway, '/health?probe=true');
      assert.equal(probed.healthy_endpoints[0].last_check.asked, 'model_list');
      assert.equal(provider.of('quiet').length, 1);
    },
  ));

test('without a list a call of a few tokens is made, booked with its tag and on nobody\'s budget', () =>
  scene(
    (own) => {
      for (const name of ['chat', 'vectors', 'pictures', 'limits']) provider.on(name, none);
      return start(own, {
        model_list: [
          entry('chat', 'chat'),
          entry('vectors', 'vectors', { info: { mode: 'embedding' } }),
          entry('pictures', 'pictures', { info: { mode: 'image_generation' } }),
          entry('limits', 'limits', { info: { health_check_max_tokens: 1 } }),
        ],
        general_settings: every(60),
      });
    },
    async (gateway) => {
      const key = await gateway.newKey({ max_budget: 1 });
      assert.equal((await checked(gateway, 'chat', 'healthy')).last_check.asked, 'call');
      await checked(gateway, 'vectors', 'healthy');
      await checked(gateway, 'limits', 'healthy');
      const skipped = await checked(gateway, 'pictures', 'skipped');
      assert.match(skipped.last_check.error, /no list of models.*image_generation/);
      assert.ok(skipped.well, 'what is not probed is not unwell');
      const [chat] = provider.of('chat', 'calls');
      assert.equal(JSON.parse(chat.body).max_tokens, 5);
      assert.equal(JSON.parse(provider.of('limits', 'calls')[0].body).max_tokens, 1);
      assert.equal(provider.of('vectors', 'calls')[0].path, '/v1/embeddings');
      assert.equal(provider.of('pictures', 'calls').length, 0);
      const rows = await until(async () => {
        const found = (await get(gateway, '/spend/logs?summarize=false')).filter((row) => row.request_tags.includes(tag));
        return found.length === 3 ? found : undefined;
      }, 'three entries');
      const row = rows.find((candidate) => candidate.model_group === 'chat');
      assert.equal(row.spend, 3 * 0.000001 + 2 * 0.000002);
      assert.equal((await gateway.keyInfo(key)).spend, 0);
      assert.ok(Math.abs((await sample(gateway, 'turnpike_health_checks_spend')) - rows.reduce((sum, { spend }) => sum + spend, 0)) < 1e-12);

      assert.equal(provider.of('chat', 'lists').length, 1);
      await get(gateway, '/health?model_id=chat&probe=true');
      assert.equal(provider.of('chat', 'lists').length, 1, 'that it has no list is remembered');
      assert.equal(provider.of('chat', 'calls').length, 2);
    },
  ));

test('vendors whose list is elsewhere or under other rights are asked for a few tokens in their own dialect', async () => {
  const shapes = await Promise.all(['vertex', 'bedrock'].map((shape) => ShapeProvider.start(shape)));
  try {
    await scene(
      (own) => start(own, { model_list: shapes.map(({ name, url }) => ({ ...shapeDeployment(name, url, { name }), model_info: { id: `${name}-1` } })) }),
      async (gateway) => {
        const { healthy_endpoints: well, unhealthy_count: unwell } = await get(gateway, '/health?probe=true');
        assert.equal(unwell, 0, JSON.stringify(well));
        assert.deepEqual(well.map(({ last_check: check }) => [check.status, check.asked]), [['healthy', 'call'], ['healthy', 'call']]);
        for (const shape of shapes) {
          assert.deepEqual(shape.faults, []);
          assert.equal(shape.calls.length, 1);
        }
      },
    );
  } finally {
    await Promise.all(shapes.map((shape) => shape.close()));
  }
});

test('probes stop at health_check_budget_per_day and say so', () =>
  scene(
    (own) => {
      provider.on('dear', none);
      return start(own, {
        model_list: [entry('dear', 'dear', { params: { input_cost_per_token: 0.001, output_cost_per_token: 0.001 } })],
        turnpike: { health_check_budget_per_day: 0.03 },
        general_settings: every(0.1),
      });
    },
    async (gateway) => {
      // 21 tokens are expected and 5 are used: the second call fits (0.005 + 0.021), the third does not.
      const found = await checked(gateway, 'dear', 'skipped');
      assert.match(found.last_check.error, /health_check_budget_per_day \(0\.03 USD\) is used up for today/);
      const calls = provider.of('dear', 'calls').length;
      assert.equal(calls, 2);
      await until(async () => (await sample(gateway, 'turnpike_health_checks_over_budget_total')) >= 3, 'refusals to be counted');
      assert.equal(provider.of('dear', 'calls').length, calls);
    },
  ));

test('a failed probe is shown and changes nothing else; the deployment is well again with the next one', () =>
  scene(
    (own) => {
      provider.on('lone', { lists: away });
      return start(own, { model_list: [entry('lone', 'lone')], general_settings: every(0.2) });
    },
    async (gateway) => {
      const found = await checked(gateway, 'lone', 'unhealthy');
      assert.equal(found.well, false);
      assert.equal(found.error, 'the latest probe failed');
      assert.match(found.last_check.error, /oops/);
      assert.equal((await gateway.chat({ model: 'lone' })).status, 200, 'calls go on');
      assert.equal((await get(gateway, '/health/cooldowns')).count, 0);
      provider.on('lone');
      assert.ok((await checked(gateway, 'lone', 'healthy')).well);
    },
  ));

const served = (reply) => reply.headers.get('x-litellm-model-id');
const servers = async (gateway, count = 20) => {
  const seen = new Set();
  for (let i = 0; i < count; i += 1) {
    const reply = await gateway.chat({ model: 'pair' });
    assert.equal(reply.status, 200, reply.text);
    seen.add(served(reply));
  }
  return [...seen].sort().join();
};

test('enable_health_check_routing keeps calls from a deployment whose probe failed, unless nobody would be left', () =>
  scene(
    (own) => {
      provider.on('pair-a', { lists: away });
      provider.on('pair-b');
      return start(own, {
        model_list: [entry('pair', 'pair-a'), entry('pair', 'pair-b')],
        general_settings: every(0.2, { enable_health_check_routing: true, health_check_staleness_threshold: 30 }),
      });
    },
    async (gateway) => {
      await checked(gateway, 'pair-a', 'unhealthy');
      await checked(gateway, 'pair-b', 'healthy');
      assert.equal(await servers(gateway), 'pair-b');
      provider.on('pair-b', { lists: away });
      await checked(gateway, 'pair-b', 'unhealthy');
      assert.equal(await servers(gateway), 'pair-a,pair-b', 'the filter is passed by');
      provider.on('pair-a');
      await checked(gateway, 'pair-a', 'healthy');
      assert.equal(await servers(gateway), 'pair-a');
    },
  ));

test('without enable_health_check_routing probes decide nothing; with allowed_fails_policy failed ones count towards a rest', () =>
  scene(
    async (own) => {
      provider.on('pair-c', { lists: away });
      provider.on('pair-d');
      provider.on('strict', { lists: away });
      return [
        await start(own, { model_list: [entry('pair', 'pair-c'), entry('pair', 'pair-d')], general_settings: every(0.2) }),
        await start(own, {
          model_list: [entry('strict', 'strict')],
          general_settings: every(0.2),
          router_settings: { enable_health_check_routing: true, allowed_fails_policy: { InternalServerErrorAllowedFails: 1 }, cooldown_time: 30 },
        }),
      ];
    },
    async ([plain, strict]) => {
      await checked(plain, 'pair-c', 'unhealthy');
      assert.equal(await servers(plain), 'pair-c,pair-d');
      const resting = await until(async () => (await get(strict, '/health/cooldowns')).cooldowns[0], 'a rest');
      assert.equal(resting.model_id, 'strict');
      assert.ok(resting.failures_this_minute >= 2);
    },
  ));

test('a rest is seen on its route, in the metrics and as one event, and its end as another', () =>
  scene(
    (own) => {
      provider.on('busy', { calls: [429, { error: { message: 'slow down' } }, { 'retry-after': '2' }] });
      return start(own, { model_list: [entry('crowd', 'busy')], router_settings: { num_retries: 0 } });
    },
    async (gateway) => {
      for (let i = 0; i < 5; i += 1) assert.equal((await gateway.chat({ model: 'crowd' })).status, 429);
      const { cooldowns, count } = await get(gateway, '/health/cooldowns');
      assert.equal(count, 1);
      const [rest] = cooldowns;
      assert.equal(rest.model_id, 'busy');
      assert.equal(rest.model_name, 'crowd');
      assert.equal(rest.status, 429);
      assert.equal(rest.error, 'upstream_rate_limited');
      assert.ok(rest.seconds_left >= 1 && rest.seconds_left <= 2, rest.seconds_left);
      assert.ok(Date.parse(rest.until) - Date.parse(rest.since) >= 2000);
      assert.equal(await sample(gateway, 'litellm_deployment_state'), 2);
      assert.ok((await sample(gateway, 'turnpike_deployment_cooldown_seconds')) >= 1);

      const raised = await eventsOf(gateway);
      assert.deepEqual(raised.map(({ kind }) => kind).sort(), ['cooldown_deployment', 'llm_exceptions', 'outage_alerts'], JSON.stringify(raised));
      const dark = raised.find(({ kind }) => kind === 'outage_alerts');
      assert.match(dark.text, /^all deployments of group crowd rest, the first one for 2 s/);
      assert.equal(dark.level, 'High');
      const line = /event cooldown_deployment: deployment busy of group crowd \(openai\) rests for 2 s: status 429, upstream_rate_limited/g;
      const lines = await until(() => gateway.stderr.match(line), 'the line in the log');
      assert.equal(lines.length, 1);
      assert.equal(await sample(gateway, 'turnpike_events_total', '{kind="cooldown_deployment"}'), 1);

      provider.on('busy');
      await until(async () => (await gateway.chat({ model: 'crowd' })).status === 200, 'the provider to be back');
      const [back] = await eventsOf(gateway, '?kind=deployment_recovered');
      assert.equal(back.model_id, 'busy');
      assert.equal((await get(gateway, '/health/cooldowns')).count, 0);
    },
  ));

test('an outage is one event, however many calls meet it, and a slow answer is told', () =>
  scene(
    (own) => {
      provider.on('down', { calls: away });
      provider.on('slow', { calls: [200, usualReply, {}, 200] });
      return start(own, {
        model_list: [entry('down', 'down'), entry('slow', 'slow')],
        router_settings: { num_retries: 0 },
        general_settings: { alerting_threshold: 0.1, alerting_args: { minor_outage_alert_threshold: 3, major_outage_alert_threshold: 6 } },
      });
    },
    async (gateway) => {
      for (let i = 0; i < 12; i += 1) assert.equal((await gateway.chat({ model: 'down' })).status, 500);
      const raised = await eventsOf(gateway);
      assert.deepEqual(raised.map(({ kind, level }) => `${kind} ${level}`), ['llm_exceptions Medium', 'outage_alerts Medium', 'outage_alerts High']);
      assert.deepEqual(raised.map(({ id }) => id), [1, 2, 3]);
      assert.equal(raised[2].status, 500);
      assert.equal((await get(gateway, '/health/events?since=2')).last_id, 3);
      assert.deepEqual((await eventsOf(gateway, '?since=1&limit=1')).map(({ id }) => id), [3]);
      assert.deepEqual((await eventsOf(gateway, '?since=3')), []);
      assert.equal((await gateway.call('GET', '/health/events?kind=nonsense')).status, 400);
      assert.equal((await gateway.call('GET', '/health/events?limit=0')).status, 400);
      for (let i = 0; i < 2; i += 1) assert.equal((await gateway.chat({ model: 'slow' })).status, 200);
      const slow = await eventsOf(gateway, '?kind=llm_too_slow');
      assert.deepEqual(slow.map((event) => event.model_id), ['slow']);
      assert.ok(slow[0].value >= 0.2, JSON.stringify(slow));
      assert.equal(await sample(gateway, 'litellm_deployment_state', `{api_base="${provider.url}/down/v1"`), 1);
    },
  ));

test('a call without an answer is told while it hangs', () =>
  scene(
    (own) => {
      provider.on('hangs', { calls: 'hang' });
      return start(own, { model_list: [entry('hangs', 'hangs')], general_settings: { alerting_threshold: 0.3 } });
    },
    async (gateway) => {
      const gone = new AbortController();
      const call = gateway.chat({ model: 'hangs' }, { signal: gone.signal }).catch(() => {});
      const [told] = await until(async () => {
        const raised = await eventsOf(gateway, '?kind=llm_requests_hanging');
        return raised.length > 0 ? raised : undefined;
      }, 'the hanging call to be told');
      assert.equal(told.model_id, 'hangs');
      assert.ok(told.value >= 0.3);
      gone.abort();
      await call;
    },
  ));

test('the health routes that tell of providers are for administrators', () =>
  scene(
    (own) => start(own, { model_list: [entry('open', 'open')] }),
    async (gateway) => {
      const key = await gateway.newKey();
      for (const path of ['/health/events', '/health/cooldowns', '/health/history', '/health/latest', '/health/services?service=slack']) {
        assert.equal((await gateway.call('GET', path, { key: null })).status, 401, path);
        assert.equal((await gateway.call('GET', path, { key })).status, 401, path);
        assert.notEqual((await gateway.call('GET', path)).status, 401, path);
      }
      assert.equal((await gateway.call('POST', '/health/test_connection', { key, body: { model_id: 'open' } })).status, 401);
      assert.equal(provider.of('open').length, 0);
    },
  ));

test('history, latest and test_connection have the forms of LiteLLM; a test goes nowhere but to what is configured', () =>
  scene(
    (own) => {
      provider.on('kept');
      provider.on('kept-too', { lists: away });
      return start(own, { model_list: [entry('keepers', 'kept'), entry('keepers', 'kept-too')] });
    },
    async (gateway) => {
      const tested = await gateway.call('POST', '/health/test_connection', { body: { model_id: 'kept' } });
      assert.equal(tested.json.status, 'success', tested.text);
      const group = await gateway.call('POST', '/health/test_connection', { body: { litellm_params: { model: 'keepers' }, mode: 'chat' } });
      assert.equal(group.json.status, 'error');
      assert.match(group.json.result.error, /oops/);
      for (const params of [{ model: 'keepers', api_base: provider.url }, { model: 'keepers', api_key: 'x' }]) {
        const refused = await gateway.call('POST', '/health/test_connection', { body: { litellm_params: params } });
        assert.equal(refused.status, 400, refused.text);
      }
      assert.equal((await gateway.call('POST', '/health/test_connection', { body: { model_id: 'nobody' } })).status, 404);
      assert.equal((await gateway.call('POST', '/health/test_connection', { body: '[]' })).status, 400);
      const history = await get(gateway, '/health/history');
      assert.equal(history.total_records, 3);
      assert.equal(history.health_checks[0].checked_by, 'test_connection');
      assert.deepEqual((await get(gateway, '/health/history?status_filter=unhealthy')).health_checks.map((row) => row.model_id), ['kept-too']);
      assert.equal((await get(gateway, '/health/history?limit=1&offset=2')).total_records, 1);
      const latest = await get(gateway, '/health/latest');
      assert.equal(latest.total_models, 2);
      assert.equal(latest.latest_health_checks.kept.status, 'healthy');
      assert.equal(latest.latest_health_checks['kept-too'].status, 'unhealthy');
      assert.equal((await gateway.call('GET', '/health/services?service=slack')).status, 400);
      assert.deepEqual(await get(gateway, '/health/backlog'), { in_flight_requests: 0 });
    },
  ));

test('no secret of a provider is in anything that health tells, though the provider quotes it', () =>
  scene(
    (own) => {
      const quoting = [500, { error: { message: `no, ${secret} is wrong` } }, { 'x-echo': secret }];
      provider.on('quotes', { lists: quoting, calls: quoting });
      provider.on('quotes-2', { lists: nothing, calls: quoting });
      return start(own, {
        model_list: [entry('quotes', 'quotes'), entry('quotes', 'quotes-2')],
        router_settings: { num_retries: 0, allowed_fails: 0 },
      });
    },
    async (gateway) => {
      for (let i = 0; i < 4; i += 1) await gateway.chat({ model: 'quotes' });
      const told = [];
      for (const path of ['/health?probe=true', '/health', '/health/history', '/health/latest', '/health/events', '/health/cooldowns', '/metrics'])
        told.push((await gateway.call('GET', path)).text);
      assert.match(told[2], /is wrong/, 'the rest of the text is kept');
      told.push(gateway.printed);
      for (const text of told) assert.ok(!text.includes(secret), text.slice(0, 2000));
    },
  ));

test('probes follow a reload, leave out whom they are told to, and do not hold up the end', () =>
  scene(
    (own) => {
      provider.on('later');
      provider.on('silent', { lists: 'hang', calls: 'hang' });
      return start(own, { model_list: [entry('later', 'later'), entry('silent', 'silent')] });
    },
    async (gateway) => {
      assert.equal(provider.of('later').length, 0, 'opt-in');
      const reload = async (config) => {
        fs.writeFileSync(gateway.file, JSON.stringify(Gateway.withMasterKey(config)));
        assert.equal((await gateway.call('POST', '/config/reload')).status, 200);
      };
      await reload({ model_list: [entry('later', 'later'), entry('silent', 'silent', { info: { disable_background_health_check: true } })], general_settings: every(0.1) });
      await until(() => provider.of('later').length >= 3, 'probes after the reload');
      assert.equal(provider.of('silent').length, 0);
      await reload({ model_list: [entry('later', 'later'), entry('silent', 'silent')], general_settings: every(0.1), turnpike: { shutdown_grace: 0.1 } });
      await until(() => provider.of('silent').length >= 1, 'a probe that hangs');
      const begun = Date.now();
      await gateway.stop();
      assert.ok(Date.now() - begun < 5000, `${Date.now() - begun} ms`);
    },
  ));
