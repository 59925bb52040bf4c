// What is seen from outside: series with few and right labels, one line per call, trace context, health.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { FakeProvider, Gateway, deployment, masterKey, scene, until } from '../harness/turnpike.mjs';

let fake;
let gateway;

before(async () => {
  fake = await FakeProvider.start();
  gateway = await Gateway.start({
    config: {
      model_list: [
        deployment('gpt', fake.base(), { info: { id: 'deployment-1' } }),
        deployment('recorded', fake.base('record')),
        deployment('failing', fake.base('status=500'), { info: { id: 'deployment-2' } }),
        deployment('limited', fake.base('status=429,retry_after=1')),
        deployment('cut', fake.base('cut_after=5')),
        deployment('with-fallback', fake.base('status=503')),
      ],
      router_settings: { num_retries: 0, disable_cooldowns: true, fallbacks: [{ 'with-fallback': ['gpt'] }] },
      turnpike: { shutdown_grace: 0 },
    },
  });
});
after(async () => {
  await gateway?.stop();
  await fake?.stop();
});

/** Samples by name: [{ labels, value }]. */
function parse(text) {
  const samples = {};
  for (const line of text.split('\n')) {
    const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (!match) {
      assert.ok(line === '' || line.startsWith('# HELP ') || line.startsWith('# TYPE '), line);
      continue;
    }
    const labels = Object.fromEntries([...(match[2] ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, name, value]) => [name, value]));
    const names = Object.keys(labels).filter((name) => name !== 'le');
    assert.deepEqual(names, [...names].sort(), line);
    (samples[match[1]] ??= []).push({ labels, value: Number(match[3]) });
  }
  return samples;
}
const find = (samples, name, wanted) => (samples[name] ?? []).filter(({ labels }) => Object.entries(wanted).every(([label, value]) => labels[label] === value));

/** The samples as soon as a call with these labels is in them: it is counted when its reply has left. */
const counted = (labels, name = 'litellm_proxy_total_requests_metric_total') => until(async () => {
  const samples = parse(await gateway.metrics());
  return find(samples, name, labels).length > 0 && samples;
}, `${name} of ${JSON.stringify(labels)}`);

const lineOf = (one, id) => until(() => one.accessLog().find((line) => line.call_id === id), `the line of ${id}`);

test('a call that was answered: counts, tokens, cost and times under the names and labels of LiteLLM', async () => {
  const key = await gateway.newKey({ key_alias: 'labels', team_id: 'team-1', user_id: 'user-1' });
  const { token } = (await gateway.call('GET', '/key/list?key_alias=labels&return_full_object=true')).json.keys[0];
  const reply = await gateway.stream({ model: 'gpt', user: 'end-user-1', fake: { prompt_tokens: 100, tokens: 7 } }, { key, headers: { 'user-agent': 'agent-1' } });
  assert.equal(reply.status, 200, reply.text);
  const samples = await counted({ hashed_api_key: token });
  const who = { api_key_alias: 'labels', end_user: 'None', hashed_api_key: token, team: 'team-1', team_alias: 'None', user: 'user-1' };
  const client = { client_ip: 'None', user_agent: 'None' };
  const exactly = (name, labels, value) => {
    const found = find(samples, name, { hashed_api_key: token, ...(labels.le ? { le: labels.le } : {}) });
    assert.equal(found.length, 1, `${name}: ${JSON.stringify(found)}`);
    assert.deepEqual(found[0].labels, labels, name);
    if (value !== undefined) assert.equal(found[0].value, value, name);
  };
  exactly('litellm_proxy_total_requests_metric_total', { ...who, ...client, model_id: 'deployment-1', requested_model: 'gpt', route: '/v1/chat/completions', status_code: '200', user_email: 'None' }, 1);
  exactly('litellm_requests_metric_total', { ...who, ...client, model: 'gpt', model_id: 'deployment-1', user_email: 'None' }, 1);
  exactly('litellm_spend_metric_total', { ...who, ...client, model: 'gpt', model_id: 'deployment-1', user_email: 'None' }, 0.000114);
  const tokens = { ...who, model: 'gpt', model_id: 'deployment-1', requested_model: 'gpt', user_email: 'None' };
  exactly('litellm_total_tokens_metric_total', tokens, 107);
  exactly('litellm_input_tokens_metric_total', tokens, 100);
  exactly('litellm_output_tokens_metric_total', tokens, 7);
  const latency = { ...who, model: 'gpt', model_id: 'deployment-1', requested_model: 'gpt' };
  for (const name of ['litellm_request_total_latency_metric', 'litellm_llm_api_latency_metric', 'litellm_llm_api_time_to_first_token_metric']) {
    exactly(`${name}_count`, latency, 1);
    exactly(`${name}_bucket`, { ...latency, le: '+Inf' }, 1);
    const bounds = find(samples, `${name}_bucket`, { hashed_api_key: token }).map(({ labels }) => labels.le);
    const halves = Array.from({ length: 19 }, (_, i) => (1 + i / 2).toFixed(1));
    assert.deepEqual(bounds, ['0.005', '0.00625', '0.0125', '0.025', '0.05', '0.1', '0.5', ...halves, '15.0', '20.0', '25.0', '30.0', '60.0', '120.0', '180.0', '240.0', '300.0', '+Inf']);
  }
  const upstream = { api_base: fake.url + '/v1', api_provider: 'openai', litellm_model_name: 'gpt', model_id: 'deployment-1' };
  exactly('litellm_overhead_latency_metric_count', { api_key_alias: 'labels', hashed_api_key: token, model_group: 'gpt', ...upstream }, 1);
  for (const name of ['litellm_deployment_total_requests_total', 'litellm_deployment_success_responses_total']) {
    exactly(name, { api_key_alias: 'labels', hashed_api_key: token, team: 'team-1', team_alias: 'None', requested_model: 'gpt', ...client, ...upstream }, 1);
  }
  assert.equal(find(samples, 'litellm_deployment_state', { model_id: 'deployment-1' })[0].value, 0);
});

test('a call that failed: the error is counted with its class and status, for the call and for the attempt', async () => {
  const key = await gateway.newKey({ key_alias: 'errors' });
  for (const [model, status] of [['failing', 500], ['limited', 429], ['nobody-has-it', 400], ['with-fallback', 200]]) {
    assert.equal((await gateway.chat({ model }, { key })).status, status, model);
  }
  assert.equal((await gateway.chat({ model: 'gpt' }, { key: 'sk-not-a-key-0123456789' })).status, 401);
  const refused = { hashed_api_key: 'None', exception_status: '401' };
  const samples = await counted(refused, 'litellm_proxy_failed_requests_metric_total');
  const failed = find(samples, 'litellm_proxy_failed_requests_metric_total', { api_key_alias: 'errors' });
  const faces = failed.map(({ labels }) => `${labels.requested_model} ${labels.exception_class} ${labels.exception_status}`).sort();
  assert.deepEqual(faces, ['failing Openai.InternalServerError 500', 'limited Openai.RateLimitError 429', 'other BadRequestError 400']);
  assert.equal(find(samples, 'litellm_proxy_failed_requests_metric_total', refused).length, 1);
  const attempts = find(samples, 'litellm_deployment_failure_responses_total', { api_key_alias: 'errors', model_id: 'deployment-2' });
  assert.deepEqual([attempts.length, attempts[0].value, attempts[0].labels.exception_class, attempts[0].labels.exception_status], [1, 1, 'Openai.InternalServerError', '500']);
  const fallbacks = find(samples, 'litellm_deployment_successful_fallbacks_total', { api_key_alias: 'errors' });
  assert.deepEqual([fallbacks.length, fallbacks[0].labels.requested_model, fallbacks[0].labels.fallback_model, fallbacks[0].labels.exception_status], [1, 'with-fallback', 'gpt', '503']);
  assert.equal(find(samples, 'litellm_llm_api_failed_requests_metric_total', { api_key_alias: 'errors' }).reduce((sum, { value }) => sum + value, 0), 2);
});

test('a flood of bad models, paths, users and agents adds few series; the page stays small and quick', async () => {
  const key = await gateway.newKey({ key_alias: 'flood' });
  await gateway.chat({ model: 'gpt' }, { key });
  const count = (text) => text.split('\n').filter((line) => line && !line.startsWith('#')).length;
  const before = count(await gateway.metrics());
  const agent = new http.Agent({ keepAlive: true, maxSockets: 16 });
  const send = (i) =>
    new Promise((resolve, reject) => {
      const odd = `${i}-"\\\n\u2028`;
      const paths = ['/v1/chat/completions', `/engines/model-${i}/chat/completions`, `/openai/deployments/other-${i}/embeddings`, `/no/such/${i}`];
      const request = http.request({ port: gateway.port, host: '127.0.0.1', method: 'POST', path: paths[i % paths.length], agent, headers: { authorization: `Bearer ${i % 3 === 0 ? `sk-unknown-${i}` : key}`, 'user-agent': `flood-agent-${i}`, 'x-litellm-end-user-id': `flood-user-${i}`, 'x-litellm-tags': `tag-${i}` } }, (reply) => {
        reply.resume();
        reply.on('end', () => resolve(reply.statusCode));
      });
      request.on('error', reject);
      request.end(JSON.stringify({ model: `bad-${odd}`, user: `flood-user-${odd}`, messages: [{ role: 'user', content: 'hi' }], input: 'a' }));
    });
  for (let i = 0; i < 10_000; i += 50) {
    for (const status of await Promise.all(Array.from({ length: 50 }, (_, n) => send(i + n)))) assert.ok(status >= 400 && status < 500, String(status));
  }
  agent.destroy();
  const times = [];
  let text;
  for (let i = 0; i < 5; ++i) {
    const started = performance.now();
    text = await gateway.metrics();
    times.push(performance.now() - started);
  }
  const added = count(text) - before;
  assert.ok(added <= 200, `${added} samples more`);
  assert.ok(text.length <= 5_000_000, `${text.length} bytes`);
  assert.ok(Math.min(...times) <= 50, `${Math.min(...times)} ms`);
  parse(text);
  assert.ok(!/flood-user|flood-agent|bad-\d|sk-unknown/.test(text));
});

test('one JSON line per call, with all ids, whatever became of it', async () => {
  const key = await gateway.newKey({ key_alias: 'lines', user_id: 'u-1', team_id: 't-1', metadata: { tags: ['key-tag'] } });
  const { token } = (await gateway.call('GET', '/key/list?key_alias=lines&return_full_object=true')).json.keys[0];
  const trace = (n) => `00-0af7651916cd43dd8448eb211c8031${n}-b7ad6b7169203331-01`;
  const cases = [
    ['answered', 'gpt', 'success', 200, false],
    ['streamed', 'gpt', 'success', 200, true],
    ['failed', 'failing', 'failure', 500, false],
    ['unknown', 'nobody-has-it', 'failure', 400, false],
    ['fell back', 'with-fallback', 'success', 200, false],
    ['broke', 'cut', 'failure', 200, true],
  ];
  let n = 10;
  for (const [name, model, outcome, status, stream] of cases) {
    const id = `lines-${n}`;
    const reply = await gateway.chat({ model, stream, user: 'customer-1', tags: ['call-tag'] }, { key, headers: { 'x-litellm-call-id': id, traceparent: trace(n), 'user-agent': 'agent-of-lines' } });
    assert.equal(reply.status, status, `${name}: ${reply.text}`);
    const line = await lineOf(gateway, id);
    assert.equal(gateway.accessLog().filter((other) => other.call_id === id).length, 1, name);
    assert.deepEqual([line.outcome, line.http_status, line.stream, line.requested_model], [outcome, status, stream, model], name);
    assert.deepEqual([line.key_hash, line.key_alias, line.user_id, line.team_id, line.end_user], [token, 'lines', 'u-1', 't-1', 'customer-1'], name);
    assert.deepEqual([...line.tags].sort(), ['call-tag', 'key-tag'], name);
    assert.deepEqual([line.trace_id, line.parent_span_id], [`0af7651916cd43dd8448eb211c8031${n}`, 'b7ad6b7169203331'], name);
    assert.match(line.span_id, /^[0-9a-f]{16}$/);
    assert.match(line.record_id, /\S{16,}/, name);
    assert.ok(Number(line.duration_ms) >= 0 && line.client_ip === '127.0.0.1' && line.user_agent === 'agent-of-lines', name);
    if (outcome === 'success') {
      assert.match(line.provider_request_id, /\S/, name);
      assert.ok(line.cost > 0 && line.prompt_tokens > 0 && line.completion_tokens === 16 && line.model_group === 'gpt', JSON.stringify(line));
      assert.equal(line.end_reason !== undefined, true, name);
    } else {
      assert.ok(line.error && line.error_text, JSON.stringify(line));
    }
    if (name === 'fell back') {
      assert.equal(line.fallbacks, 1);
      assert.deepEqual(line.attempts.map((attempt) => [attempt.model_group, attempt.status]), [['with-fallback', 503], ['gpt', 200]]);
    }
    if (model !== 'nobody-has-it') {
      const [row] = await gateway.rows(`request_id=${id}`, 1);
      assert.equal(row.turnpike.record_id, line.record_id, `${name}: the entry and the line are one`);
    }
    ++n;
  }
  const refused = await gateway.chat({ model: 'gpt' }, { key: 'sk-nobody-0123456789', headers: { 'x-litellm-call-id': 'lines-refused' } });
  assert.equal(refused.status, 401);
  const line = await lineOf(gateway, 'lines-refused');
  assert.deepEqual([line.http_status, line.outcome], [401, 'failure']);
});

test('a caller who leaves is one line as well', async () => {
  await scene(
    (own) => Gateway.start({ config: { turnpike: { shutdown_grace: 0 }, model_list: [deployment('slow', fake.base('tokens=1000,token_ms=20'))] } }).then(own),
    async (one) => {
      const key = await one.newKey();
      const cancel = new AbortController();
      const reply = await fetch(`${one.url}/v1/chat/completions`, { method: 'POST', signal: cancel.signal, headers: { authorization: `Bearer ${key}`, 'x-litellm-call-id': 'left' }, body: JSON.stringify({ model: 'slow', stream: true, messages: [{ role: 'user', content: 'hi' }] }) });
      await reply.body.getReader().read();
      cancel.abort();
      const line = await lineOf(one, 'left');
      assert.deepEqual([line.outcome, line.http_status], ['aborted', 499], JSON.stringify(line));
      assert.match(line.marks, /client_disconnected/);
      await one.stop();
    },
  );
});

test('traceparent: continued when it is one, begun when it is not, forwarded with a span of our own', async () => {
  const sent = async (traceparent) => {
    const headers = { 'x-litellm-call-id': `trace-${Math.random()}`, ...(traceparent ? { traceparent } : {}) };
    const reply = await gateway.chat({ model: 'recorded' }, { headers });
    assert.equal(reply.status, 200, reply.text);
    const upstream = (await fake.requests()).at(-1).headers.find(([name]) => name.toLowerCase() === 'traceparent')?.[1];
    return { upstream, line: await lineOf(gateway, headers['x-litellm-call-id']) };
  };
  const good = await sent('00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00');
  assert.equal(good.upstream, `00-0af7651916cd43dd8448eb211c80319c-${good.line.span_id}-00`);
  assert.notEqual(good.line.span_id, 'b7ad6b7169203331');
  const later = await sent('cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-comes');
  assert.match(later.upstream, /^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01$/);
  for (const bad of [undefined, 'garbage', '00-00000000000000000000000000000000-b7ad6b7169203331-01', '00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01', '00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01', 'ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01']) {
    const begun = await sent(bad);
    assert.equal(begun.upstream, undefined, 'a trace that nobody follows is not sent on, unless the file says so');
    assert.match(begun.line.trace_id, /^[0-9a-f]{32}$/, bad);
    assert.notEqual(begun.line.trace_id, '0af7651916cd43dd8448eb211c80319c', bad);
    assert.equal(begun.line.parent_span_id, undefined, bad);
  }
});

test('a reader of the log that does not read costs lines, never calls, and does not hold up the end', async () => {
  await scene(
    (own) => Gateway.start({ config: { turnpike: { shutdown_grace: 0 }, model_list: [{ model_name: 'mock', litellm_params: { model: 'openai/mock', mock_response: 'hello', api_key: 'k' } }] }, flags: ['--num_workers', '1'] }).then(own),
    async (one) => {
      const key = await one.newKey();
      one.process.stdout.pause();
      const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });
      const call = () =>
        new Promise((resolve, reject) => {
          const request = http.request({ port: one.port, host: '127.0.0.1', method: 'POST', path: '/v1/chat/completions', agent, headers: { authorization: `Bearer ${key}`, 'user-agent': 'a'.repeat(2000) } }, (reply) => {
            reply.resume();
            reply.on('end', () => resolve(reply.statusCode));
          });
          request.on('error', reject);
          request.end(JSON.stringify({ model: 'mock', messages: [{ role: 'user', content: 'hi' }] }));
        });
      const dropped = async () => parse(await one.metrics()).turnpike_access_log_dropped_total[0].value;
      let slowest = 0;
      for (let round = 0; round < 400 && (await dropped()) === 0; ++round) {
        const started = performance.now();
        for (const status of await Promise.all(Array.from({ length: 16 }, call))) assert.equal(status, 200);
        slowest = Math.max(slowest, performance.now() - started);
      }
      agent.destroy();
      assert.ok((await dropped()) > 0, 'the buffers are full by now');
      assert.ok(slowest < 2000, `${slowest} ms for 16 calls`);
      const ended = performance.now();
      await until(() => {
        one.signal('SIGTERM');
        return true;
      }, 'the signal');
      // The pipe is read again only when the process has gone, as it would be with a reader that hangs.
      await new Promise((resolve) => one.process.once('exit', resolve));
      assert.ok(performance.now() - ended < 10_000);
      one.process.stdout.resume();
      assert.equal((await one.wait()).code, 0);
    },
  );
});

test('health: alive, ready with versions and problems, deployments as calls have shown them', async () => {
  for (const path of ['/health/liveliness', '/health/liveness']) {
    const alive = await gateway.call('GET', path, { key: null });
    assert.deepEqual([alive.status, alive.text], [200, '"I\'m alive!"'], path);
  }
  const ready = await gateway.call('GET', '/health/readiness', { key: null });
  assert.equal(ready.status, 200);
  assert.deepEqual([ready.json.status, ready.json.db, ready.json.cache, ready.json.draining], ['connected', 'connected', null, false]);
  assert.match(ready.json.price_table, /^\d{4}-\d{2}-\d{2} sha256:[0-9a-f]{8}/);
  assert.match(ready.json.litellm_version, /^\d+\.\d+\.\d+/);
  assert.ok(Array.isArray(ready.json.problems) && Array.isArray(ready.json.unenforced) && Array.isArray(ready.json.success_callbacks));
  assert.ok(Date.parse(ready.json.last_updated) > 0);
  assert.equal((await gateway.call('GET', '/health', { key: null })).status, 401);
  const key = await gateway.newKey({ models: ['gpt'] });
  const mine = await gateway.call('GET', '/health', { key });
  assert.deepEqual([mine.json.healthy_count, mine.json.healthy_endpoints[0].model_name], [1, 'gpt']);
  assert.ok(!('api_base' in mine.json.healthy_endpoints[0]), 'addresses are for administrators');
  assert.equal((await gateway.call('GET', '/health?model=nobody')).status, 404);
  const calls = (await fake.account()).calls;
  await gateway.call('GET', '/health');
  assert.equal((await fake.account()).calls, calls, 'no provider is asked');
});

test('metrics can be closed to strangers', async () => {
  await scene(
    (own) => Gateway.start({ config: { turnpike: { shutdown_grace: 0 }, model_list: [deployment('gpt', fake.base())], litellm_settings: { require_auth_for_metrics_endpoint: true } } }).then(own),
    async (one) => {
      assert.equal((await one.call('GET', '/metrics', { key: null })).status, 401);
      assert.equal((await one.call('GET', '/metrics')).status, 200);
      await one.stop();
    },
  );
  assert.equal((await gateway.call('GET', '/metrics', { key: null })).status, 200);
  assert.equal((await gateway.call('GET', '/metrics', { key: null })).headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
  assert.equal((await gateway.call('GET', '/metrics', { key: masterKey })).status, 200);
});
