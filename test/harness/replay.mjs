// Replays the recorded conversation traffic (test/data/traces) through a gateway, and reads back from every side what it
// cost: rows, keys, metrics, the scripted provider's account, the SQLite file. All sums are integers of nanodollars.
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { deployment, root, sleep } from './turnpike.mjs';

/** Dollars as decimal text ("0.054399", "1.2345e-7") times 10^digits; what does not fit is an error, never rounded. */
export function decimal(text, digits) {
  const match = /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/i.exec(String(text));
  if (!match) throw new Error(`not a decimal: ${text}`);
  const [, sign, whole, fraction = '', exponent = '0'] = match;
  const shift = digits - fraction.length + Number(exponent);
  let value = BigInt(whole + fraction);
  if (shift >= 0) value *= 10n ** BigInt(shift);
  else if (value % 10n ** BigInt(-shift) !== 0n) throw new Error(`${text} has more than ${digits} decimals`);
  else value /= 10n ** BigInt(-shift);
  return sign ? -value : value;
}
export const nano = (text) => decimal(text, 9);

/** Prices with odd digits, so that most bills need rounding. By the model's name at the provider. */
const prices = {
  'small-1': { input: '1.2345e-7', cached: '3.0861e-8', output: '4.00555e-7' },
  'large-east': { input: '2.500073e-6', cached: '1.250037e-6', output: '1.0000131e-5' },
  'large-west': { input: '2.499927e-6', cached: '1.249963e-6', output: '9.9998691e-6' },
};
const groupOf = { 'small-1': 'conv-small', 'large-east': 'conv-large', 'large-west': 'conv-large' };

/** What one answer costs: the exact sum in 1e-24 dollars, rounded once, half to even. Written apart from the gateway's. */
export function bill(model, tokens) {
  const price = prices[model];
  const at = (text, count) => decimal(text, 24) * BigInt(count);
  const grains = at(price.input, tokens.prompt_tokens - tokens.cached_tokens) + at(price.cached, tokens.cached_tokens) + at(price.output, tokens.completion_tokens);
  const unit = 10n ** 15n;
  const whole = grains / unit;
  const rest = grains % unit;
  const up = 2n * rest > unit || (2n * rest === unit && whole % 2n === 1n);
  return up ? whole + 1n : whole;
}

export function traceConfig(providerBase) {
  const models = Object.entries(prices).map(([model, price]) =>
    deployment(groupOf[model], providerBase, {
      params: {
        model: `openai/${model}`,
        input_cost_per_token: Number(price.input),
        cache_read_input_token_cost: Number(price.cached),
        output_cost_per_token: Number(price.output),
      },
    }),
  );
  return { model_list: models };
}

/** The calls of the trace: when, how long, how they are asked. `count` of the 2,000 rows. */
export function readTrace(count = 2000) {
  const lines = fs.readFileSync(path.join(root, 'test/data/traces/azure2023_conv_2000.csv'), 'utf8').trim().split('\n').slice(1, count + 1);
  return lines.map((line, index) => {
    const [offset, prompt, completion] = line.split(',').map(Number);
    const stream = index % 2 === 1;
    return { index, offset, prompt, completion, stream, wantsUsage: index % 4 === 1, cached: index % 5 === 0 ? Math.floor(prompt / 3) : 0 };
  });
}

const filler = 'the road goes on past gate and mile and ford until the last lane turns for home and '.repeat(500);

function bodyOf(row) {
  // About four bytes of JSON make a token; the scripted provider reports the trace's own count.
  const text = filler.slice(0, Math.max(1, row.prompt * 4 - 36));
  const fake = { tokens: row.completion, prompt_tokens: row.prompt, cached_tokens: row.cached };
  if (!row.stream) fake.latency_ms = 20 + (row.index % 60);
  else if (row.index % 8 === 1) fake.token_ms = 5;  // The provider's timers step 10 ms: about 100 tokens a second.
  else Object.assign(fake, { burst: 4, slow_first_ms: 20 + (row.index % 60) });
  const more = `${row.stream ? ',"stream":true' : ''}${row.wantsUsage ? ',"stream_options":{"include_usage":true}' : ''}`;
  return `{"model":"${row.index % 3 === 0 ? 'conv-large' : 'conv-small'}","max_tokens":${row.completion},"messages":[{"role":"user","content":"${text}"}]${more},"fake":${JSON.stringify(fake)}}`;
}

/**
 * One client for the whole trace: every row is asked at its time, and again (as a new call with an id of its own) when
 * its answer was cut or the gateway was away. `attempts` lists every call that was made and how it ended: `whole`,
 * `cut`, `refused` (no connection, so nothing was sent) or the HTTP status of an answer that was none.
 */
export class Replay {
  constructor({ url, keys, rows, speed = 20 }) {
    Object.assign(this, { url: new URL(url), keys, rows, speed });
    this.agent = new http.Agent({ keepAlive: true, maxSockets: Infinity, maxFreeSockets: 512 });
    this.attempts = [];
    this.answered = 0;
    this.open = new Set();
    this.up = Promise.resolve();
  }
  /** Callers wait with their next try until the function that comes back is called. */
  down() {
    let up;
    this.up = new Promise((resolve) => (up = resolve));
    return up;
  }
  async run() {
    const begun = performance.now();
    const calls = [];
    for (const row of this.rows) {
      const wait = row.offset / this.speed - (performance.now() - begun);
      if (wait > 1) await sleep(wait);
      calls.push(this.ask(row));
    }
    await Promise.all(calls);
    this.agent.destroy();
    return performance.now() - begun;
  }
  async ask(row) {
    const body = Buffer.from(bodyOf(row));
    for (let attempt = 1; ; ++attempt) {
      await this.up;
      const call = { id: `trace-${row.index}-${attempt}`, row, key: this.keys[row.index % this.keys.length], bytes: 0 };
      this.attempts.push(call);
      this.open.add(call);
      call.end = await this.send(call, body);
      this.open.delete(call);
      if (call.end === 'whole') return ++this.answered;
      if (attempt === 50) throw new Error(`row ${row.index} was tried ${attempt} times: ${call.end} ${call.tail}`);
      await sleep(20);
    }
  }
  send(call, body) {
    return new Promise((resolve) => {
      const request = http.request({
        agent: this.agent,
        host: this.url.hostname,
        port: this.url.port,
        method: 'POST',
        path: '/v1/chat/completions',
        headers: { authorization: `Bearer ${call.key}`, 'content-type': 'application/json', 'content-length': body.length, 'x-litellm-call-id': call.id },
      });
      request.on('error', (error) => resolve(error.code === 'ECONNREFUSED' ? 'refused' : 'cut'));
      request.on('response', (reply) => {
        call.echoed = reply.headers['x-litellm-call-id'];
        call.cost = reply.headers['x-litellm-response-cost'];
        // Of a stream only the end is kept; it says whether all of it came.
        let pieces = [];
        reply.on('data', (piece) => {
          call.bytes += piece.length;
          if (call.row.stream && pieces.length > 1) pieces = pieces.slice(-1);
          pieces.push(piece);
        });
        const finish = () => {
          call.tail = Buffer.concat(pieces).toString();
          const whole = call.row.stream ? call.tail.endsWith('data: [DONE]\n\n') : reply.complete;
          resolve(reply.statusCode !== 200 ? `status ${reply.statusCode}` : whole ? 'whole' : 'cut');
        };
        reply.on('error', () => {});
        reply.on('close', finish);
      });
      request.end(body);
    });
  }
  get whole() {
    return this.attempts.filter((call) => call.end === 'whole');
  }
}

/** The usage that the caller was told, or undefined. */
export function toldUsage(call) {
  if (!call.row.stream) return JSON.parse(call.tail).usage;
  const chunks = call.tail.split('\n\n').filter((event) => event.startsWith('data: {') && event.includes('"usage"'));
  return chunks.map((event) => JSON.parse(event.slice(6)).usage).find((usage) => usage);
}

export const sum = (values) => values.reduce((total, value) => total + value, 0n);

export function sumBy(items, key, value) {
  const sums = new Map();
  for (const item of items) sums.set(key(item), (sums.get(key(item)) ?? 0n) + value(item));
  return sums;
}

/** litellm_spend_metric_total over all series. */
export function spendOfMetrics(page) {
  const values = page.split('\n').filter((line) => line.startsWith('litellm_spend_metric_total'));
  return sum(values.map((line) => nano(line.slice(line.lastIndexOf(' ') + 1))));
}

/** One number of a metrics page, summed over its series. */
export function metric(page, name) {
  const lines = page.split('\n').filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`));
  if (lines.length === 0) throw new Error(`no metric ${name}`);
  return lines.reduce((total, line) => total + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}

/** Every row of /spend/logs. */
export async function allRows(gateway) {
  const reply = await gateway.call('GET', '/spend/logs?limit=10000');
  if (reply.status !== 200) throw new Error(`/spend/logs: ${reply.status} ${reply.text}`);
  return reply.json.map((row) => ({ ...row, nano: nano(row.spend) }));
}

/** What each key has spent as /key/info says it, in the order of `keys`. */
export async function keySpends(gateway, keys) {
  const spends = [];
  for (const key of keys) spends.push(nano((await gateway.keyInfo(key)).spend));
  return spends;
}

/** The ledger as it stands in the SQLite file of a stopped gateway. */
export function readLedgerFile(directory) {
  const database = new DatabaseSync(path.join(directory, 'data/turnpike.db'), { readOnly: true });
  const all = (sql) => {
    const statement = database.prepare(sql);
    statement.setReadBigInts(true);
    return statement.all();
  };
  try {
    return {
      entries: all('SELECT call_id, key_hash, status, cost_nano, provider_request_id FROM entry WHERE kind = 0'),
      keys: all('SELECT k.hash, w.spent_nano, w.calls FROM verification_key k JOIN account_window w ON w.account_id = k.account_id'),
      daily: all('SELECT key_hash, sum(cost_nano) AS cost_nano, sum(calls) AS calls FROM daily WHERE entity_kind = 6 GROUP BY key_hash'),
    };
  } finally {
    database.close();
  }
}
