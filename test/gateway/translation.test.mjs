// Random calls, answers and broken streams through every big shape. What the vendor would refuse is never sent, and what a
// caller wrote arrives once; what the provider meant is read the same whole and streamed, and booked to the nanodollar; a
// stream that breaks says so. TRANSLATION_SEED repeats a run; TRANSLATION_CALLS, of each kind and shape, makes it longer (at
// most 5000: the ledger shows 10,000 rows at once).
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { nano } from '../harness/books.mjs';
import { Chance } from '../harness/random.mjs';
import { breakOff, carry, costOf, meaningOf, randomAnswer } from '../harness/random_answers.mjs';
import { randomCall } from '../harness/random_calls.mjs';
import { readBroken, readStream, readWhole } from '../harness/read_answer.mjs';
import { shapeDeployment } from '../harness/shape_deployment.mjs';
import { ShapeProvider, shapes } from '../harness/shape_provider.mjs';
import { Gateway } from '../harness/turnpike.mjs';

const firstSeed = Number(process.env.TRANSLATION_SEED ?? Math.floor(Math.random() * 1e9));
const calls = Number(process.env.TRANSLATION_CALLS ?? 120);

// Listed models whose traits the deployment has in turn; undefined: a model nobody has listed.
const models = {
  openai: [undefined, 'gpt-5'], azure: [undefined], anthropic: [undefined, 'claude-opus-4-6', 'claude-opus-4-8'],
  gemini: [undefined, 'gemini/gemini-2.5-pro'], vertex: [undefined], cohere: [undefined, 'command-a-reasoning-08-2025'],
  bedrock: [undefined, 'us.anthropic.claude-opus-4-6-v1', 'anthropic.claude-sonnet-4-5-20250929-v1:0'],
};
// Members without a name at OpenAI that travel to it as they are: there they are the caller's own fault.
const unknown = { openai: ['top_k', 'thinking'], azure: ['top_k', 'thinking'] };
// Faults that stand in the caller's own history and are repaired only where that is asked for (modify_params).
const repaired = /first message is the|functionCall that follows no user|forced call beside thinking|calls in the history and no toolConfig/;

const names = ['get_weather', 'a', 'Search-2'];
const tools = names.map((name) => ({ type: 'function', function: { name, parameters: { type: 'object', properties: {} } } }));

/** Every text in a value, also those inside of base64. */
function textsOf(value, out = []) {
  if (typeof value === 'string') {
    const data = /^(?:data:[^,]*;base64,)?([A-Za-z0-9+/]{8,}={0,2})$/.exec(value);
    out.push(value);
    if (data) out.push(Buffer.from(data[1], 'base64').toString('latin1'));
  } else if (value && typeof value === 'object') {
    for (const [name, member] of Object.entries(value)) textsOf(member, out).push(name);
  }
  return out;
}

/** The marker words of `call` that did not arrive once in `body`. */
function lostIn(body, { marks }) {
  const texts = textsOf(body);
  return marks.flatMap(({ word, where, must }) => {
    const times = texts.reduce((sum, text) => sum + text.split(word).length - 1, 0);
    return times === 1 || (must === 'may' && times === 0) ? [] : [`${word} (${where}) ${times} times`];
  });
}

/** Runs `body` for each seed; what fails is told with its seed. */
async function each(what, body) {
  for (let seed = firstSeed; seed < firstSeed + calls; seed += 1) {
    try {
      await body(seed, new Chance(seed));
    } catch (error) {
      error.message = `TRANSLATION_SEED=${seed} TRANSLATION_CALLS=1 (${what}): ${error.message}`;
      throw error;
    }
  }
}

class Side {
  gateways = [];

  async start(shape) {
    this.provider = await ShapeProvider.start(shape);
    this.provider.passes = ['x_unknown', ...(unknown[shape] ?? [])];
    for (const modify_params of [false, true]) {
      this.gateways.push(await Gateway.start({ config: {
        turnpike: { shutdown_grace: 0 },
        model_list: models[shape].map((like, at) => shapeDeployment(shape, this.provider.url, { name: at === 0 ? 'group' : `group-${at}`, like, params: { cooldown_time: 0 } })),
        router_settings: { num_retries: 0, disable_cooldowns: true }, litellm_settings: { modify_params },
      } }));
    }
  }
  async close() {
    await Promise.all(this.gateways.map((gateway) => gateway.stop()));
    await this.provider?.close();
  }
  /** Asks the first gateway for what `answer` means; returns the reply. */
  ask(key, id, answer, stream, withTools) {
    this.provider.script = () => answer;
    this.provider.counts = () => true;
    const body = { model: 'group', messages: [{ role: 'user', content: 'x' }], ...(withTools ? { tools } : {}), ...(stream ? { stream, stream_options: { include_usage: true } } : {}) };
    return this.gateways[0].call('POST', '/v1/chat/completions', { key, body, headers: { 'x-litellm-call-id': id } });
  }
  /** The ledger rows of a key, by call id. */
  async rows(key, count) {
    const rows = await this.gateways[0].rows(`api_key=${key}&limit=10000`, count);
    return new Map(rows.map((row) => [row.turnpike.call_id, row]));
  }
}

function assertUsage(usage, answer) {
  assert.equal(usage.prompt_tokens, answer.input);
  assert.equal(usage.completion_tokens, answer.output);
  assert.equal(usage.total_tokens, answer.input + answer.output);
  assert.equal(usage.prompt_tokens_details?.cached_tokens ?? 0, answer.cached, 'cached tokens');
  assert.equal(usage.completion_tokens_details?.reasoning_tokens ?? 0, answer.reasoning, 'reasoning tokens');
  assert.equal(usage.cache_creation_input_tokens ?? 0, answer.written + answer.writtenHour, 'tokens written to the cache');
}

/** What the ledger must say of a broken stream: what the provider told of its usage, else what can be counted. */
function assertBroken(row, { answer, told, whole }, shape) {
  assert.equal(row.status, 'failure');
  if (told && (told.content || told.reasoning || told.calls.length > 0)) assert.ok(row.completion_tokens > 0, 'what was received is counted');
  if (shape === 'gemini' || shape === 'vertex') {
    if (whole > 0) assert.equal(nano(row.spend), costOf(answer));
  } else if (shape === 'anthropic') {
    if (whole === 0) return;
    assert.equal(row.prompt_tokens, answer.input, 'what message_start said was read');
    assert.equal(nano(row.spend), costOf({ ...answer, output: row.completion_tokens }));
  } else {
    assert.equal(nano(row.spend), row.prompt_tokens * 1000 + row.completion_tokens * 2000);
    if (row.completion_tokens > 0) assert.match(row.turnpike.marks, /estimated/);
  }
}

for (const shape of Object.keys(shapes)) {
  describe(`${calls} seeds from ${firstSeed}, answered by ${shape}`, () => {
    const side = new Side();
    before(() => side.start(shape));
    after(() => side.close());

    test('a random call is sent as the vendor takes it, or refused by the name of a parameter', async () => {
      const { provider } = side;
      provider.script = () => undefined;
      await each('call', async (seed, chance) => {
        const modify = chance.int(0, 1);
        const at = chance.int(0, models[shape].length - 1);
        const call = randomCall(chance, { model: at === 0 ? 'group' : `group-${at}` });
        provider.counts = (fault) => modify === 1 || !repaired.test(fault);
        const [asked, refused] = [provider.calls.length, provider.faults.length];
        const reply = await side.gateways[modify].call('POST', '/v1/chat/completions', { body: call.body });
        const faults = provider.faults.slice(refused);
        if (call.odd.length > 0 && faults.length > 0) return assert.equal(reply.status, 400); // Nobody's call.
        assert.deepEqual(faults, []);
        if (reply.status === 200) {
          assert.equal(provider.calls.length, asked + 1);
          return assert.deepEqual(lostIn(provider.calls.at(-1).body, call), []);
        }
        assert.equal(reply.status, 400, reply.text);
        assert.ok(reply.json.error.param && reply.json.error.message && reply.json.error.type, reply.text);
        assert.equal(provider.calls.length, asked, 'the provider was not asked');
      });
    });

    test('a random answer means and costs the same whole and streamed', async () => {
      const key = await side.gateways[0].newKey({ max_budget: 1e7 });
      const costs = new Map();
      await each('answer', async (seed) => {
        for (const stream of [false, true]) {
          const chance = new Chance(seed);
          const withTools = !chance.one(4);
          const answer = randomAnswer(chance, shape, withTools ? names : []);
          const road = chance.fork();
          if (stream) answer.carry = (events, own) => carry(road, events, own);
          costs.set(`${seed}-${stream}`, costOf(answer));
          const reply = await side.ask(key, `${seed}-${stream}`, answer, stream, withTools);
          assert.equal(reply.status, 200, reply.text);
          const { usage, ...meaning } = stream ? readStream(reply.text) : readWhole(reply.json);
          assert.deepEqual(meaning, meaningOf(answer), `stream: ${stream}`);
          assertUsage(usage, answer);
        }
      });
      const rows = await side.rows(key, costs.size);
      for (const [id, cost] of costs) assert.equal(nano(rows.get(id).spend), cost, `the cost of ${id}`);
      assert.equal(nano((await side.gateways[0].keyInfo(key)).spend), [...costs.values()].reduce((sum, cost) => sum + cost, 0));
    });

    test('a stream that breaks off ends with an error and is booked as a failure', async () => {
      const key = await side.gateways[0].newKey({ max_budget: 1e7 });
      const broken = new Map();
      await each('broken stream', async (seed, chance) => {
        const answer = randomAnswer(chance, shape, names);
        const road = chance.fork();
        const end = { answer };
        answer.carry = (events, own) => {
          const { pieces, ...how } = breakOff(road, events, own, shape);
          Object.assign(end, how);
          answer.torn = how.how === 'reset';
          return pieces;
        };
        broken.set(String(seed), end);
        const reply = await side.ask(key, String(seed), answer, true, true);
        if (reply.status !== 200) {
          assert.ok(reply.status === 429 || reply.status >= 500, reply.text);
          return assert.ok(reply.json.error.message && reply.json.error.type, reply.text);
        }
        end.told = readBroken(reply.text, end.reason ? meaningOf(answer).finish : null);
        for (const part of ['content', 'reasoning', 'refusal']) assert.ok(meaningOf(answer)[part].startsWith(end.told[part]), `${part}: ${end.told[part]}`);
        if (end.how !== 'error') assert.deepEqual([end.told.error.type, end.told.error.code], ['upstream_stream_error', '502']);
      });
      const rows = await side.rows(key, broken.size);
      for (const [id, end] of broken) assertBroken(rows.get(id), end, shape);
    });
  });
}
