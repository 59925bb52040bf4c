// How a call that did not go well is booked: one test for each row of the rule for cost when the usage is not complete.
// The rows that are tested elsewhere: successes and prices in money.test.mjs, stages of a hang-up in disconnect.test.mjs,
// drains in drain.test.mjs, the end of the process in stop.test.mjs, kills at named points in journal.test.mjs.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { once } from 'node:events';
import { Books, nano, priceOf, rowsOnDisk } from '../harness/books.mjs';
import { hangUp } from '../harness/hang_up.mjs';
import { RawProvider, events, goodReply, goodStream, role, stop, usage, usageChunk, word } from '../harness/raw_provider.mjs';
import { Gateway, deployment, runBinary, sleep, temporaryDirectory, until } from '../harness/turnpike.mjs';

const question = [{ role: 'user', content: 'Which sentence has all the letters?' }];
const sentence = 'The quick brown fox jumps over the lazy dog.'; // 10 tokens.
const good = priceOf(11, 7); // Of goodReply and goodStream.
const quick = { shutdown_grace: 0, termination_grace: 2 }; // A stop takes no time.
const silent = (turn) => turn.gone();
const reply = (turn) => turn.json(200, goodReply);
const stream = (turn) => turn.sse(goodStream);
const refusal = (status) => (turn) => turn.json(status, '{"error":{"message":"no"}}');
const partOf = (...datas) => async (turn) => (await turn.sseHead(), await turn.chunk(events(...datas)), turn.end());
const partAndSilence = (...datas) => async (turn) => (await turn.sseHead(), await turn.chunk(events(...datas)), await turn.gone());

/**
 * `script` answers the calls to the row's own model, `fallback` those behind it. `cost`: nanodollars, or the tokens of an
 * answer that we count (the prompt as the row says it). `hangUp`: the caller goes when this text has come ('': when the
 * call has reached the provider). `exposed`: the provider may still bill what was held.
 */
const rows = {
  'row 10: the provider refuses and no retry is left': { script: refusal(500), status: 'failure', cost: 0, marks: 'upstream_error' },
  'row 11: a 200 whose body is an error object': {
    script: (turn) => turn.json(200, '{"error":{"message":"overloaded","type":"server_error"}}'),
    status: 'failure',
    cost: 0,
    marks: 'upstream_error',
  },
  'row 11: a 200 whose body is an error object that says what it used': {
    script: (turn) => turn.json(200, `{"error":{"message":"overloaded","type":"server_error"},${usage}}`),
    status: 'failure',
    cost: good,
    marks: 'upstream_error',
  },
  'row 12: an attempt fails unbilled, a retry succeeds': { script: (turn, n) => (n === 1 ? refusal(500) : reply)(turn), body: { num_retries: 1 }, status: 'success', cost: good, marks: 'retried' },
  'row 12: an attempt fails unbilled, a fallback succeeds': { script: refusal(503), fallback: reply, status: 'success', cost: good, marks: 'fell_back' },
  'row 13: an attempt that we count fails, a fallback answers': {
    script: partOf(role),
    fallback: stream,
    body: { stream: true },
    status: 'success',
    cost: (row) => good + nano(row.metadata.attempts?.[0]?.cost ?? row.turnpike.attempts[0].cost),
    more: (row) => assert.ok(nano(row.spend) > good && nano(row.spend) <= good + priceOf(30, 0), `${row.spend}: the prompt twice`),
    marks: 'estimated,fell_back,retried_billed',
  },
  'row 13: an attempt that said what it used fails, a fallback answers': {
    script: partOf(role, usageChunk),
    fallback: stream,
    body: { stream: true },
    status: 'success',
    cost: 2 * good,
    marks: 'fell_back,retried_billed',
  },
  'row 14: a stream breaks after content': { script: partOf(role, word(sentence)), fallback: stream, body: { stream: true }, status: 'failure', cost: { tokens: 10 }, marks: 'estimated,truncated' },
  'row 14: a stream breaks after content and usage': {
    script: partOf(role, word('one two'), usageChunk),
    body: { stream: true },
    status: 'failure',
    cost: good,
    marks: 'truncated',
  },
  'row 15: our own time-out before a byte': { script: silent, body: { timeout: 0.2 }, status: 'failure', cost: 0, marks: 'timeout' },
  'row 15: our own time-out after content': { script: partAndSilence(role, word(sentence)), body: { stream: true, timeout: 0.4 }, status: 'failure', cost: { tokens: 10 }, marks: 'estimated,timeout' },
  'row 19: the caller goes before a byte': { script: silent, hangUp: '', status: 'aborted', cost: 0, marks: 'client_disconnected', exposed: true },
  'row 19: the caller goes before a byte of the second attempt, the first was billed': {
    script: partOf(role, usageChunk),
    fallback: silent,
    body: { stream: true },
    hangUp: '',
    status: 'aborted',
    cost: good,
    marks: 'fell_back,retried_billed,client_disconnected',
    exposed: true,
  },
  'row 19: the caller goes while a retry waits: the provider has refused, it bills nothing': {
    script: (turn) => turn.json(429, '{"error":{"message":"busy"}}', { 'retry-after': '20' }),
    body: { num_retries: 1 },
    hangUp: '',
    status: 'aborted',
    cost: 0,
    marks: 'client_disconnected',
  },
  'row 20: the caller goes mid-answer': { script: partAndSilence(role, word(sentence)), body: { stream: true }, hangUp: 'lazy dog', status: 'aborted', cost: { tokens: 10 }, marks: 'estimated,client_disconnected' },
  'row 20: the caller goes when all usage was seen': {
    script: partAndSilence(role, word(sentence), stop, usageChunk),
    body: { stream: true },
    hangUp: 'lazy dog',
    status: 'aborted',
    cost: good,
    marks: 'client_disconnected',
  },
};
const modelOf = (name) => name.replace(/[^a-z0-9]+/g, '-');

let provider;
let gateway;
let books;
const exposures = new Map(); // By call id: whether the row has one.

/** A deployment, and one behind it where there is a fallback. */
function groups(name, { script, fallback }) {
  const model = modelOf(name);
  const list = [deployment(model, provider.on(model, script))];
  if (fallback) list.push(deployment(`${model}-behind`, provider.on(`${model}-behind`, fallback)));
  return list;
}
const listOf = (table) => Object.entries(table).flatMap(([name, row]) => groups(name, row));
const fallbacksOf = (table) => Object.entries(table).filter(([, row]) => row.fallback).map(([name]) => ({ [modelOf(name)]: [`${modelOf(name)}-behind`] }));

before(async () => {
  provider = await RawProvider.start();
  const full = deployment('full', provider.on('full', silent), { params: { max_parallel_requests: 1 } });
  gateway = await Gateway.start({
    config: { model_list: [...listOf(rows), full], router_settings: { num_retries: 0, fallbacks: fallbacksOf(rows), disable_cooldowns: true }, turnpike: quick },
  });
  books = await Books.open(gateway);
});

after(async () => {
  await gateway?.stop();
  await provider?.stop();
});

function expectCost(row, cost) {
  if (typeof cost === 'number') return assert.equal(nano(row.spend), cost);
  assert.equal(row.completion_tokens, cost.tokens);
  assert.ok(row.prompt_tokens >= 8 && row.prompt_tokens <= 30, `${row.prompt_tokens} prompt tokens`);
  return assert.equal(nano(row.spend), priceOf(row.prompt_tokens, row.completion_tokens));
}

for (const [name, one] of Object.entries(rows)) {
  test(name, async () => {
    const model = modelOf(name);
    const body = { model, messages: question, ...one.body };
    const last = one.fallback ? `${model}-behind` : model;
    if (one.hangUp === undefined) await books.chat(body);
    else await hangUp(books, body, { seen: one.hangUp, ready: () => until(() => provider.calls(last).length === 1, 'the call') });
    const row = await books.row();
    assert.equal(row.turnpike.status, one.status);
    assert.equal(row.turnpike.marks, one.marks);
    if (one.more) one.more(row);
    else expectCost(row, one.cost);
    exposures.set(books.lastId, { exposed: Boolean(one.exposed), cost: nano(row.spend) });
  });
}

test('rows 16 and 18: a caller who goes before admission leaves no entry, one who goes before an attempt was sent one of cost 0', async () => {
  const socket = net.connect(gateway.port, '127.0.0.1');
  await once(socket, 'connect');
  const half = JSON.stringify({ model: 'full', messages: question });
  socket.write(`POST /v1/chat/completions HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer ${books.key}\r\nContent-Length: ${half.length}\r\n\r\n${half.slice(0, 9)}`);
  socket.resetAndDestroy();

  const first = new AbortController();
  const running = books.chat({ model: 'full', messages: question }, { signal: first.signal }).catch(() => {});
  const firstId = books.lastId;
  await until(() => provider.calls('full').length === 1, 'the only place to be taken');
  await hangUp(books, { model: 'full', messages: question }, { ready: async () => {} });
  const row = await books.row();
  assert.equal(row.turnpike.status, 'aborted');
  assert.equal(row.turnpike.marks, 'client_disconnected');
  assert.equal(nano(row.spend), 0);
  exposures.set(books.lastId, { exposed: false, cost: 0 });
  assert.equal(provider.calls('full').length, 1, 'it was not sent');
  first.abort();
  await running;
  await books.row(firstId);
});

test('what a provider may still bill is in the row as exposure; the sums agree', async () => {
  await books.close();
  const { directory } = gateway;
  gateway.ownsDirectory = false;
  await gateway.stop();
  for (const row of rowsOnDisk(directory)) {
    const known = exposures.get(row.call_id);
    if (!known) continue;
    assert.equal(row.exposure_nano, known.exposed ? row.held_nano - known.cost : 0, JSON.stringify(row));
    if (known.exposed) assert.ok(row.exposure_nano > 0);
    exposures.delete(row.call_id);
  }
  assert.equal(exposures.size, 0, 'every row was looked at');
  const verified = await runBinary(['ledger', 'verify', '--data_dir', `${directory}/data`]);
  assert.equal(verified.code, 0, verified.stdout + verified.stderr);
  fs.rmSync(directory, { recursive: true, force: true });
  gateway = undefined;
});

/** Calls under way when the process is killed; what a restart books of them. */
const killed = {
  'row 24: an attempt was sent, nothing had come': { script: silent, cost: 0, marks: 'interrupted', exposed: true },
  'row 25: a plain answer had begun': {
    script: async (turn) => (await turn.head(200, { 'content-type': 'application/json', 'content-length': goodReply.length }), await turn.write(goodReply.slice(0, 60)), await turn.gone()),
    prompt: true,
    marks: 'estimated,interrupted',
  },
  'row 25: an answer had begun': { script: partAndSilence(role, word(sentence)), body: { stream: true }, seen: 'lazy dog', prompt: true, marks: 'estimated,interrupted' },
  'row 25: an attempt was billed and failed, the next was sent': {
    script: partOf(role, usageChunk),
    fallback: silent,
    body: { stream: true },
    cost: good,
    marks: 'estimated,interrupted',
    exposed: true,
  },
  'row 25: an attempt was billed and failed, the next had begun to answer': {
    script: partOf(role, usageChunk),
    fallback: partAndSilence(role, word(sentence)),
    body: { stream: true },
    seen: 'lazy dog',
    prompt: true,
    before: good,
    marks: 'estimated,interrupted',
  },
};

test(Object.keys(killed).join('; '), async () => {
  const directory = temporaryDirectory();
  const config = { model_list: listOf(killed), router_settings: { num_retries: 0, fallbacks: fallbacksOf(killed) }, turnpike: quick };
  const first = await Gateway.start({ config, directory });
  let second;
  try {
    const own = await Books.open(first);
    const ids = {};
    const open = [];
    for (const [name, one] of Object.entries(killed)) {
      const model = modelOf(name);
      const seen = await new Promise((resolve, reject) => {
        const call = fetch(`${first.url}/v1/chat/completions`, {
          method: 'POST',
          headers: { authorization: `Bearer ${own.key}`, 'content-type': 'application/json', ...own.sign() },
          body: JSON.stringify({ model, messages: question, ...one.body }),
        });
        open.push(call.catch(() => {}));
        if (!one.seen) until(() => provider.calls(one.fallback ? `${model}-behind` : model).length === 1, 'the call').then(resolve, reject);
        else call.then(async (answer) => resolve(await answer.body.getReader().read()), reject);
      });
      assert.ok(seen);
      ids[name] = own.lastId;
    }
    await sleep(60); // What the provider has sent by now has been read.
    await first.kill();
    await Promise.all(open);
    second = await Gateway.start({ config, directory });
    for (const [name, one] of Object.entries(killed)) {
      const [row] = await second.rows(`request_id=${ids[name]}`, 1);
      assert.equal(row.turnpike.status, 'interrupted', name);
      assert.equal(row.turnpike.marks, one.marks, name);
      if (!one.prompt) assert.equal(nano(row.spend), one.cost, name);
      else assert.equal(nano(row.spend), (one.before ?? 0) + priceOf(row.prompt_tokens, 0), name);
      if (one.prompt) assert.ok(row.prompt_tokens > 0, name);
    }
    await second.stop();
    for (const row of rowsOnDisk(directory)) {
      const [, one] = Object.entries(killed).find(([name]) => ids[name] === row.call_id);
      assert.equal(row.exposure_nano, one.exposed ? row.held_nano - row.cost_nano : 0);
    }
  } finally {
    for (const child of [first, second]) if (child && !child.ended) await child.kill();
    fs.rmSync(directory, { recursive: true, force: true });
  }
});

test('a retry that the budget does not cover is not made: the error stays that of the provider', async () => {
  const table = { broke: { script: partOf(role, word('')), fallback: stream } };
  const config = { model_list: listOf(table), router_settings: { num_retries: 0, fallbacks: fallbacksOf(table) }, turnpike: { ...quick, budget_mode: 'strict' } };
  const strict = await Gateway.start({ config });
  try {
    // Strict: 287,000 nanodollars are held for 100 tokens of output and a prompt with its margin; what the first attempt was
    // billed does not fit beside them.
    const own = await Books.open(strict, { max_budget: 0.00029 });
    const answer = await own.chat({ model: 'broke', messages: question, stream: true, max_tokens: 100 });
    assert.ok(answer.status >= 500, answer.text);
    assert.notEqual(answer.json.error.type, 'budget_exceeded');
    const row = await own.row();
    assert.equal(row.turnpike.status, 'failure');
    assert.match(row.turnpike.marks, /retry_unaffordable/);
    assert.equal(provider.calls('broke-behind').length, 0);
    assert.ok(nano(row.spend) > 0);
  } finally {
    await strict.stop();
  }
});

test('stream_over_budget: cut ends a stream that outgrows a strict budget, finish does not', async () => {
  // A provider that heeds no max_tokens: 3 tokens were asked for.
  const flood = async (turn) => {
    await turn.sseHead();
    await turn.chunk(events(role));
    for (let i = 0; i < 40 && turn.open; i += 1) {
      await turn.chunk(events(word(`${sentence} `)));
      await turn.sleep(10);
    }
    if (!turn.open) return;
    await turn.chunk(events(stop, '[DONE]'));
    await turn.last();
  };
  for (const policy of ['cut', 'finish']) {
    const config = { model_list: listOf({ [policy]: { script: flood } }), turnpike: { ...quick, budget_mode: 'strict', stream_over_budget: policy } };
    const strict = await Gateway.start({ config });
    try {
      const own = await Books.open(strict, { max_budget: priceOf(100, 60) / 1e9 });
      const answer = await own.stream({ model: policy, messages: question, max_tokens: 3 });
      const row = await own.row();
      if (policy === 'cut') {
        const error = answer.events.find((event) => event.error);
        assert.equal(error.error.type, 'budget_exceeded');
        assert.equal(answer.events.at(-1), '[DONE]');
        assert.equal(row.turnpike.status, 'failure');
        assert.equal(row.turnpike.marks, 'estimated,truncated,hold_exceeded,budget_cut');
        assert.ok(row.completion_tokens >= 60 && row.completion_tokens <= 250, `${row.completion_tokens} tokens`);
        assert.equal((await strict.call('GET', `/health?model=${policy}`)).json.unhealthy_count, 0, 'the provider is not to blame');
      } else {
        assert.equal(answer.events.find((event) => event.error), undefined);
        assert.equal(row.turnpike.status, 'success');
        assert.ok(row.completion_tokens >= 400);
      }
      assert.equal(nano(row.spend), priceOf(row.prompt_tokens, row.completion_tokens));
    } finally {
      await strict.stop();
    }
  }
});
