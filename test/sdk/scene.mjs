// What every client is tried against: one gateway, one scripted provider, one group of models per behaviour; and the
// question asked after each file: does the ledger say what the provider says it served?
import assert from 'node:assert/strict';
import { FakeProvider, Gateway, deployment, until } from '../harness/turnpike.mjs';

export const statuses = [400, 401, 403, 404, 422, 429, 500, 502, 503];
const inputNano = 1000; // of one token, as `deployment` prices it
const outputNano = 2000;

/** Dollars as exact decimal text to whole nanodollars. */
export function nano(dollars) {
  const [whole, fraction = ''] = expanded(String(dollars)).split('.');
  assert.ok(fraction.length <= 9, `finer than a nanodollar: ${dollars}`);
  return Number(whole) * 1e9 + Number(fraction.padEnd(9, '0'));
}

/** JSON numbers have been through `JSON.parse`: 0.000052 may come back as 5.2e-5. */
function expanded(text) {
  const parts = /^(\d+)(?:\.(\d+))?e-(\d+)$/.exec(text);
  if (!parts) return text;
  const digits = parts[1] + (parts[2] ?? '');
  const point = parts[1].length - Number(parts[3]);
  return point > 0 ? `${digits.slice(0, point)}.${digits.slice(point)}` : `0.${'0'.repeat(-point)}${digits}`;
}

export const costNano = (usage) => usage.prompt_tokens * inputNano + (usage.completion_tokens ?? 0) * outputNano;

export class Scene {
  static async start() {
    const scene = new Scene();
    const fake = (scene.fake = await FakeProvider.start());
    try {
      await scene.startGateway(fake);
    } catch (error) {
      await scene.close();
      throw error;
    }
    return scene;
  }

  async startGateway(fake) {
    const still = { params: { cooldown_time: 0 } }; // A group that fails on purpose never rests.
    this.gateway = await Gateway.start({
      config: {
        model_list: [
          deployment('gpt', fake.base()),
          deployment('embed', fake.base()),
          deployment('tools', fake.base('tool_calls=2')),
          deployment('seen', fake.base('record')),
          ...statuses.map((status) => deployment(`status-${status}`, fake.base(`status=${status}`), still)),
          deployment('limited', fake.base('status=429,retry_after=1')),
          deployment('limited-once', fake.base('status=429,retry_after=1,fail_times=1')),
          deployment('silent', fake.base('silent'), still),
          deployment('impatient', fake.base('silent'), { params: { cooldown_time: 0, timeout: 0.3 } }),
          deployment('endless', fake.base('tokens=4000,token_ms=10')),
          deployment('cut', fake.base('cut_after=5')),
        ],
        // The clients' own attempts are counted here; the gateway's have their own tests.
        router_settings: { num_retries: 0 },
      },
    });
    this.url = this.gateway.url;
    this.key = await this.gateway.newKey({ max_budget: 10, key_alias: 'main' });
    this.narrowKey = await this.gateway.newKey({ models: ['gpt'], key_alias: 'narrow' });
  }

  /** A key whose budget is spent: one call crosses the line. */
  async spentKey() {
    const key = await this.gateway.newKey({ max_budget: 0.001 });
    const reply = await this.gateway.chat({ model: 'gpt', fake: { prompt_tokens: 3000 } }, { key });
    assert.equal(reply.status, 200, reply.text);
    return key;
  }

  /** How many calls reach the provider while `body` runs, and how long it takes. */
  async counting(body) {
    const before = (await this.fake.account()).calls;
    const begun = performance.now();
    const value = await body();
    const ms = performance.now() - begun;
    return { calls: (await this.fake.account()).calls - before, ms, value };
  }

  /** The one ledger row of the call with this id (ours, the caller's or the provider's). */
  async row(id) {
    assert.ok(id, 'a call id');
    const [row] = await this.gateway.rows(`request_id=${encodeURIComponent(id)}`, 1);
    return row;
  }

  /** `body` leaves one call unfinished: the provider notices it, and no call is open any more. */
  async hangingUp(body) {
    const before = (await this.fake.account()).aborted;
    const value = await body();
    await until(async () => {
      const { aborted, open } = await this.fake.account();
      return aborted === before + 1 && open === 0;
    }, 'the provider to be hung up upon');
    return value;
  }

  /** The ledger, the keys and the provider agree to the nanodollar. */
  async assertBooked() {
    const account = await until(async () => {
      const now = await this.fake.account();
      return now.open === 0 && now;
    }, 'the provider to be idle');
    // A call that was hung up upon is booked a moment after its caller has gone.
    const { rows, keys } = await until(async () => {
      const logs = await this.gateway.call('GET', '/spend/logs?limit=10000');
      assert.equal(logs.status, 200, logs.text);
      const spent = await this.gateway.call('GET', '/spend/keys');
      assert.equal(spent.status, 200, spent.text);
      const left = logs.json.filter((row) => /client_disconnected|timeout/.test(row.turnpike.marks));
      return left.length >= account.aborted && { rows: logs.json, keys: spent.json };
    }, 'the entries of the calls that were hung up upon');

    const sums = (list) => list.reduce((sum, row) => [sum[0] + row.prompt_tokens, sum[1] + row.completion_tokens, sum[2] + nano(row.spend)], [0, 0, 0]);
    const served = rows.filter((row) => row.status === 'success');
    assert.equal(served.length, account.served.calls, 'one success entry for each whole answer');
    const { prompt_tokens: prompt, completion_tokens: completion } = account.served;
    assert.deepEqual(sums(served), [prompt, completion, prompt * inputNano + completion * outputNano], 'tokens and cost of whole answers');
    for (const [model, has] of Object.entries(account.by_model)) {
      const own = served.filter((row) => row.model_group === model);
      assert.deepEqual([own.length, ...sums(own).slice(0, 2)], [has.calls, has.prompt_tokens, has.completion_tokens], `group ${model}`);
    }
    for (const row of rows) {
      assert.equal(nano(row.spend), costNano(row), `the cost of ${row.request_id} follows from its tokens`);
      const received = row.status === 'success' || row.turnpike.stream;
      if (!received) assert.equal(nano(row.spend), 0, `nothing came of ${row.request_id}, nothing is charged`);
    }
    const called = rows.filter((row) => row.model_id);
    assert.equal(called.length, account.calls, 'one entry for each call that reached the provider');
    assert.ok(account.calls > 0 && keys.length > 0);
    for (const key of keys) {
      const own = rows.filter((row) => row.api_key === key.token);
      assert.equal(nano(key.spend), sums(own)[2], `spend of key ${key.key_alias ?? key.token}`);
    }
    const byKeys = keys.reduce((sum, key) => sum + nano(key.spend), 0);
    assert.equal(byKeys, sums(rows)[2], 'keys and ledger agree');
    return { account, rows };
  }

  /** Both are ended, also when the gateway is not there any more. */
  async close() {
    try {
      await this.gateway?.stop();
    } finally {
      await this.fake?.stop();
    }
  }
}

export const weatherParameters = {
  type: 'object',
  properties: { city: { type: 'string' } },
  required: ['city'],
  additionalProperties: false,
};
export const weatherTool = { type: 'function', function: { name: 'get_weather', description: 'The weather of a city', parameters: weatherParameters } };
/** What the scripted provider calls when it is asked for two tool calls. */
export const weatherCalls = [{ city: 'Town 0' }, { city: 'Town 1' }];
