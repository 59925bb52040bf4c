// `turnpike drill`: faults played against a configuration, what callers would see, a score, and what is missing. Hosts of
// the configurations are real ones or names under .invalid: none may be connected to, and no key of the environment sent.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { once } from 'node:events';
import { test } from 'node:test';
import { root, runBinary, temporaryDirectory } from '../harness/turnpike.mjs';

const criteria = ['truthful', 'in_time', 'in_cap', 'booked', 'answered'];

/** Runs the drill on a configuration (an object or the path of a file). */
async function drill(config, flags = [], env = {}) {
  const directory = temporaryDirectory();
  let file = config;
  if (typeof config === 'object') {
    file = path.join(directory, 'config.yaml');
    fs.writeFileSync(file, JSON.stringify(config));
  }
  const ended = await runBinary(['drill', '--config', file, ...flags], { env: { TMPDIR: directory, ...env }, ms: 120_000 });
  const left = fs.readdirSync(directory).filter((name) => name.startsWith('turnpike-drill'));
  fs.rmSync(directory, { recursive: true });
  assert.deepEqual(left, [], 'nothing is left behind');
  assert.equal(ended.signal, null, ended.stderr);
  return ended;
}
const drillJson = async (config, flags = [], env = {}) => {
  const ended = await drill(config, ['--format', 'json', ...flags], env);
  assert.equal(ended.stderr, '');
  return { code: ended.code, report: JSON.parse(ended.stdout) };
};

const deployment = (name, model, more = {}) => ({ model_name: name, litellm_params: { model, api_key: 'sk-test', ...more } });

test('the example configuration is at 100 % where a healthy fallback exists, and is told what the last resort lacks', async () => {
  const ended = await drill(path.join(root, 'data/example-config.yaml'));
  assert.equal(ended.code, 1, 'the last resort has no fallback');
  assert.equal(ended.stderr, '');
  const lines = ended.stdout.split('\n');
  assert.deepEqual(lines.filter((line) => line.length > 100), [], 'it fits a terminal');
  const score = lines.slice(lines.findIndex((line) => line.startsWith('Score')));
  const shares = (text) => [...score.find((line) => line.includes(text)).matchAll(/(\d+) % \((\d+) of (\d+)\)/g)].map((found) => found.slice(1).map(Number));
  for (const criterion of ["an answer, or a truthful error in OpenAI's dialect", 'within the deadline', 'attempts within the cap', "the ledger's entry equals the provider's account"]) {
    const [all, rescued] = shares(criterion);
    assert.equal(all[0], 100, `${criterion}\n${ended.stdout}`);
    assert.equal(rescued[0], 100, criterion);
  }
  const [all, rescued] = shares('all of these');
  assert.deepEqual([rescued[0], rescued[1]], [100, rescued[2]], ended.stdout);
  assert.ok(rescued[2] >= 80, 'faults in two groups, whole and streamed');
  assert.ok(all[0] < 100 && all[2] > rescued[2]);
  assert.match(ended.stdout, /a call may take 5 s here\s+and\s+60\s+s\s+in your\s+configuration/);
  assert.match(ended.stdout, /guardrails\/pii-mask-presidio is not enforced/);
  assert.match(ended.stdout, /1\. llama-70b-internal has 1 deployment and no fallback: \d+ of 26 faults reach its callers\./);
  assert.match(ended.stdout, /- llama-70b-internal: \[(gpt-4-prod|claude-opus-prod)\]/);
  assert.doesNotMatch(ended.stdout, /FAILED|others well/);
});

test('a fault in every stage ends in an answer from the fallback, with the price of what each provider served', async () => {
  const config = {
    model_list: [deployment('gpt', 'openai/gpt-4o'), deployment('claude', 'anthropic/claude-opus-4-7')],
    router_settings: { fallbacks: [{ gpt: ['claude'] }, { claude: ['gpt'] }], num_retries: 1, timeout: 3 },
  };
  const { code, report } = await drillJson(config);
  assert.equal(code, 0, JSON.stringify(report.results.filter((result) => !result.passed), null, 1));
  assert.equal(report.deadline_ms, 3000);
  assert.equal(report.configured_deadline_ms, 3000);
  assert.equal(report.score.all.passed.percent, 100);
  assert.deepEqual(Object.keys(report.score.all), [...criteria, 'passed']);
  const find = (fault, stream, group = 'gpt') => report.results.find((result) => result.group === group && result.fault === fault && result.stream === stream);
  const prompt = 20, completion = 16;
  const claude = (prompt * 5 + completion * 25) / 1e6;
  for (const fault of ['429', '429-retry-after', '500', '503', 'silent', 'reset', 'dns', 'tls', 'connect-timeout', 'error-in-200', 'wrong-key', 'no-credit', 'silent-body']) {
    for (const stream of [false, true]) {
      const result = find(fault, stream);
      assert.deepEqual([result.end, result.answered_by, result.status], ['answer', 'claude', 200], `${fault} ${stream}`);
      assert.equal(result.billed, claude, `${fault}: the fault itself costs nothing`);
      assert.equal(result.estimated, false, fault);
    }
  }
  const cut = find('cut', false);
  assert.ok(cut.estimated && cut.billed > claude, 'half an answer came, and is on the bill');
  for (const fault of ['cut-mid-stream', 'stalled-mid-stream', 'error-mid-stream']) {
    const result = find(fault, true);
    assert.deepEqual([result.end, result.status], ['error_event', 200], fault);
    assert.equal(result.attempts, 1);
  }
  assert.equal(find('slow-first-token', true).answered_by, 'gpt');
  assert.equal(find('slow-first-token', false), undefined, 'a whole answer has no first token');
});

test('one deployment without retries scores lower and is told what is missing', async () => {
  const config = { model_list: [deployment('gpt', 'openai/gpt-4o')], router_settings: { num_retries: 0, timeout: 2 } };
  const { code, report } = await drillJson(config);
  assert.equal(code, 1);
  const { all, with_healthy_fallback: rescued } = report.score;
  assert.equal(rescued.passed.of, 0);
  for (const criterion of ['truthful', 'in_time', 'in_cap', 'booked']) assert.equal(all[criterion].percent, 100, `${criterion}: the gateway keeps its word without fallbacks too`);
  assert.ok(all.answered.percent < 50 && all.passed.met === all.answered.met);
  const texts = report.missing.map((advice) => advice.text);
  assert.match(texts[0], /^gpt has 1 deployment and no fallback: \d+ of 26 faults reach its callers\. Add:$/);
  assert.deepEqual(report.missing[0].lines.slice(0, 2), ['router_settings:', '  fallbacks:']);
  assert.ok(texts.some((text) => text.startsWith('num_retries is 0')));
  assert.ok(texts.some((text) => text.startsWith('stream_timeout is not set')));
  const silent = report.results.find((result) => result.fault === 'silent');
  assert.deepEqual([silent.end, silent.status, silent.error_type], ['error', 408, 'timeout_error']);
});

test('a group with two deployments is struck whole and in one of them: retries save the second', async () => {
  const config = {
    model_list: [deployment('gpt', 'openai/gpt-4o'), deployment('gpt', 'openai/gpt-4o', { api_base: 'https://second.invalid/v1', input_cost_per_token: 1e-6, output_cost_per_token: 1e-6 })],
    router_settings: { timeout: 3 },
  };
  const { report } = await drillJson(config, ['--fault', '500', '--fault', 'silent']);
  const by = (fault, struck) => report.results.filter((result) => result.fault === fault && result.struck === struck);
  for (const result of by('500', 'all')) assert.deepEqual([result.status, result.passed, result.healthy_fallback], [500, false, false]);
  for (const result of by('500', 'one')) {
    assert.deepEqual([result.status, result.passed, result.attempts], [200, true, 2]);
    assert.ok([0.00021, 0.000036].includes(result.billed), `${result.billed}: the other one's own price`);
  }
  // Nothing bounds an attempt but the call itself: the silent one takes all of it.
  for (const result of by('silent', 'one')) assert.deepEqual([result.status, result.why], [408, 'others well']);
  assert.ok(report.missing.some((advice) => /falls silent and uses up the call's time/.test(advice.text)));
});

test('every dialect is drilled, and no real host is connected to nor a real key used', async () => {
  const seen = [];
  const server = net.createServer((socket) => {
    seen.push(1);
    socket.destroy();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const here = `http://127.0.0.1:${server.address().port}`;
  const region = { aws_region_name: 'us-east-1', aws_bedrock_runtime_endpoint: here };
  const config = {
    model_list: [
      deployment('openai', 'openai/gpt-4o', { api_base: 'os.environ/GPT_API_BASE', api_key: 'os.environ/OPENAI_API_KEY' }),
      deployment('azure', 'azure/my-gpt', { api_base: here, api_key: 'os.environ/NOT_SET_KEY', api_version: '2024-10-21' }),
      deployment('anthropic', 'anthropic/claude-opus-4-7', { api_base: here }),
      deployment('gemini', 'gemini/gemini-2.5-flash', { api_base: here }),
      { model_name: 'vertex', litellm_params: { model: 'vertex_ai/gemini-2.5-flash', vertex_project: 'p', vertex_location: 'us-central1', api_base: here } },
      { model_name: 'bedrock', litellm_params: { model: 'bedrock/anthropic.claude-3-5-sonnet-20240620-v1:0', ...region } },
      deployment('cohere', 'cohere_chat/command-r-plus', { api_base: here }),
      deployment('ollama', 'ollama_chat/llama3', { api_base: here }),
      deployment('watsonx', 'watsonx/ibm/granite-3-8b-instruct', { api_base: here, project_id: 'p' }),
      deployment('embeddings', 'openai/text-embedding-3-small', { api_base: here }),
      deployment('openai/*', 'openai/*', { api_base: here }),
    ],
    router_settings: { default_fallbacks: ['anthropic'], fallbacks: [{ anthropic: ['openai'] }, { embeddings: ['embeddings'] }], num_retries: 0, timeout: 3 },
  };
  const flags = ['429', 'no-credit', 'wrong-key', 'cut-mid-stream', 'error-in-200', 'missing-usage'].flatMap((fault) => ['--fault', fault]);
  const env = { OPENAI_API_KEY: 'sk-real-0123456789', GPT_API_BASE: here, ANTHROPIC_API_KEY: 'sk-real-too' };
  const { report } = await drillJson(config, flags, env).finally(() => server.close());
  assert.deepEqual(seen, [], 'nobody connected to an address of the configuration');
  assert.doesNotMatch(JSON.stringify(report), /sk-real/);
  assert.deepEqual(report.not_drilled, []);
  assert.deepEqual(report.notes, []);
  const groups = new Set(report.results.map((result) => result.group));
  assert.equal(groups.size, 11);
  const failed = report.results.filter((result) => !result.passed && result.group !== 'embeddings');
  assert.deepEqual(failed, []);
  const wild = report.results.find((result) => result.group === 'openai/*' && result.fault === '429');
  assert.equal(wild.answered_by, 'anthropic');
});

test('what cannot be drilled is named', async () => {
  const config = {
    model_list: [
      deployment('gpt', 'openai/gpt-4o'),
      deployment('picture', 'openai/dall-e-3'),
      deployment('fixed', 'openai/gpt-4o', { mock_response: 'hi' }),
      deployment('unknown', 'no-such-provider/x'),
      { ...deployment('narrow', 'openai/gpt-4o'), model_info: { max_input_tokens: 1 } },
    ],
    router_settings: { timeout: 2, enable_pre_call_checks: true, fallbacks: [{ gpt: ['other'] }, { other: ['gpt'] }] },
  };
  config.model_list.push(deployment('other', 'openai/gpt-4o'));
  const { code, report } = await drillJson(config, ['--fault', '429']);
  assert.equal(code, 1, 'a group that does not answer is no success, though all that was drilled is');
  assert.equal(report.score.all.passed.percent, 100);
  assert.deepEqual(report.not_drilled.map((group) => group.group), ['picture', 'fixed', 'narrow']);
  assert.match(report.not_drilled[2].why, /^no answer though nothing is wrong: /);
  assert.match(report.notes[0], /unknown/);
  assert.deepEqual([...new Set(report.results.map((result) => result.group))], ['gpt', 'other']);
});

test('the exit code is 2 where there is nothing to drill, and says why', async () => {
  const good = { model_list: [deployment('gpt', 'openai/gpt-4o')] };
  const cases = [
    [{ model_list: [deployment('gpt', 'openai/gpt-4o')], router_settings: { num_retries: 'many' } }, [], /num_retries.*[^]*would not start/],
    ['/no/such/file.yaml', [], /no\/such\/file\.yaml/],
    [good, ['--fault', '428'], /there is no fault 428; there are none, 429-retry-after, 429/],
    [good, ['--model', 'gtp'], /there is no model_name gtp/],
    [good, ['--format', 'xml'], /--format/],
    [good, ['--concurrency', '0'], /--concurrency/],
  ];
  for (const [config, flags, text] of cases) {
    const ended = await drill(config, flags);
    assert.equal(ended.code, 2, `${flags}\n${ended.stdout}`);
    assert.match(ended.stderr, text);
    assert.equal(ended.stdout, '');
  }
});
