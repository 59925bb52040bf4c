// The one table of errors (docs/routing.md, "What a failure leads to") over HTTP: each row as each of four vendors says it,
// asked whole and as a stream, of a group of one, of a group of two and of a group with a fallback. What the caller is told,
// how often providers were asked, who rests afterwards and what the ledger says must be what the row says.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { Books, nano, priceOf } from '../harness/books.mjs';
import { asksStream, bytesOf, dialects } from '../harness/raw_dialects.mjs';
import { ShapeGroups, answer, checkHeaders, contentOf, everyWay, failing, firstWord, modes, shapes } from '../harness/shape_groups.mjs';
import { frame } from '../harness/shapes/bedrock.mjs';
import { freePort } from '../harness/turnpike.mjs';
import { vendorErrors } from '../harness/vendor_errors.mjs';

const good = priceOf(11, 7);
const retries = 1;

/**
 * `again`: in its group the call is tried again never, elsewhere (where another deployment is left) or anywhere.
 * `rests`: the deployment does so at once. `counts`: the failure counts in the minute. All lead to the fallback.
 */
const rows = [
  { signal: '400, invalid request', failure: 'bad_request', status: 400, name: 'BadRequestError', type: 'invalid_request_error', kind: 'upstream_bad_request', again: 'never' },
  { signal: 'context too long', failure: 'context', status: 400, name: 'ContextWindowExceededError', type: 'invalid_request_error', kind: 'upstream_context_window', again: 'never' },
  { signal: 'content policy', failure: 'policy', status: 400, name: 'ContentPolicyViolationError', type: 'invalid_request_error', kind: 'upstream_content_policy', again: 'never' },
  { signal: '401, invalid key', failure: 'wrong_key', status: 401, name: 'AuthenticationError', type: 'authentication_error', kind: 'upstream_unauthenticated', again: 'elsewhere', rests: true, counts: true },
  { signal: 'an account without credit', failure: 'account', status: 429, name: 'RateLimitError', type: 'throttling_error', kind: 'upstream_rate_limited', again: 'elsewhere', rests: true, counts: true },
  { signal: '403', failure: 'forbidden', status: 403, name: 'PermissionDeniedError', type: 'permission_error', kind: 'upstream_forbidden', again: 'never', rests: true, counts: true },
  { signal: '404, model not found', failure: 'no_model', status: 404, name: 'NotFoundError', type: 'not_found_error', kind: 'upstream_not_found', again: 'never', rests: true, counts: true },
  { signal: '404 (Gemini: 403) about a file', failure: 'no_file', status: 404, name: 'NotFoundError', type: 'not_found_error', kind: 'upstream_not_found', again: 'never' },
  { signal: '408', failure: 'timeout', status: 408, name: 'Timeout', type: 'timeout_error', kind: 'upstream_timeout', again: 'anywhere', counts: true },
  { signal: '504', failure: 'gateway_timeout', status: 408, name: 'Timeout', type: 'timeout_error', kind: 'upstream_timeout', again: 'anywhere', counts: true },
  { signal: '409', failure: 'conflict', status: 409, name: 'APIError', type: 'conflict_error', kind: 'upstream_conflict', again: 'anywhere' },
  { signal: '413', failure: 'too_large', status: 413, name: 'BadRequestError', type: 'invalid_request_error', kind: 'upstream_too_large', again: 'never' },
  { signal: '422', failure: 'unprocessable', status: 422, name: 'UnprocessableEntityError', type: 'invalid_request_error', kind: 'upstream_unprocessable', again: 'never' },
  { signal: '429', failure: 'rate_limit', status: 429, name: 'RateLimitError', type: 'throttling_error', kind: 'upstream_rate_limited', again: 'anywhere', rests: true, counts: true },
  { signal: '500', failure: 'internal', status: 500, name: 'InternalServerError', type: 'api_error', kind: 'upstream_internal', again: 'anywhere', counts: true },
  { signal: '502', failure: 'bad_gateway', status: 502, name: 'BadGatewayError', type: 'api_error', kind: 'upstream_bad_gateway', again: 'anywhere', counts: true },
  { signal: '503', failure: 'unavailable', status: 503, name: 'ServiceUnavailableError', type: 'api_error', kind: 'upstream_unavailable', again: 'anywhere', counts: true },
  { signal: '529, overloaded', failure: 'overloaded', status: 500, name: 'InternalServerError', type: 'api_error', kind: 'upstream_internal', again: 'anywhere', counts: true },
  { signal: 'another 4xx', failure: 'other_4xx', status: 418, name: 'BadRequestError', type: 'invalid_request_error', kind: 'upstream_bad_request', again: 'never' },
  { signal: 'another 5xx', failure: 'other_5xx', status: 502, name: 'BadGatewayError', type: 'api_error', kind: 'upstream_bad_gateway', again: 'anywhere', counts: true },
  { signal: 'a redirect', failure: 'redirect', status: 502, name: 'APIError', type: 'api_error', kind: 'upstream_malformed', again: 'never', counts: true },
  { signal: 'connection refused', base: 'closed', status: 500, name: 'APIConnectionError', type: 'api_connection_error', kind: 'upstream_connection', again: 'anywhere', counts: true },
  { signal: 'connection reset', script: (turn) => turn.reset(), status: 500, name: 'APIConnectionError', type: 'api_connection_error', kind: 'upstream_connection', again: 'anywhere', counts: true },
  { signal: 'connection closed without a word', script: (turn) => turn.end(), status: 500, name: 'APIConnectionError', type: 'api_connection_error', kind: 'upstream_connection', again: 'anywhere', counts: true },
  { signal: 'no TLS where it should be', base: 'deaf', status: 500, name: 'APIConnectionError', type: 'api_connection_error', kind: 'upstream_connection', again: 'anywhere', counts: true },
  { signal: 'no HTTP', script: (turn) => turn.write('SSH-2.0-OpenSSH_9.6\r\n\r\n'), status: 502, name: 'APIError', type: 'api_error', kind: 'upstream_malformed', again: 'anywhere', counts: true },
  { signal: 'a 200 that holds an error', failure: 'throttled', script: throttledIn200, status: 429, name: 'RateLimitError', type: 'throttling_error', kind: 'upstream_rate_limited', again: 'anywhere', rests: true, counts: true },
  { signal: 'unparsable answer', script: unreadable, status: 502, name: 'APIError', type: 'api_error', kind: 'upstream_malformed', again: 'never', counts: true, billed: true },
];

async function unreadable(turn) {
  await turn.head(200, { 'content-type': 'text/html', 'content-length': 12 });
  await turn.write('<html></html');
}

/** The same that a 429 would say, as the whole answer or the first event of a stream. */
async function throttledIn200(turn, shape) {
  const dialect = dialects[shape];
  if (!asksStream(turn.request)) return turn.json(200, vendorErrors[shape].throttled.body);
  await turn.sseHead({ 'content-type': dialect.head });
  await turn.chunk(dialect.throttled);
  return turn.last();
}

const slug = (text) => text.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');
const groupOf = (shape, row, mode, form) => `${shape}-${slug(row.signal)}-${mode}-${form}`;

let groups;
let deaf; // Speaks no TLS.

/** A whole answer, or a stream without content, that says it was filtered, in each vendor's words. */
const filters = { openai: ['"stop"', '"content_filter"'], anthropic: ['"end_turn"', '"refusal"'], gemini: ['"STOP"', '"SAFETY"'], bedrock: ['"end_turn"', '"content_filtered"'] };
async function filtered(turn, shape) {
  const dialect = dialects[shape];
  const [usual, word] = filters[shape];
  if (!asksStream(turn.request)) return turn.json(200, JSON.stringify(dialect.whole).replace(usual, word));
  const end = shape === 'bedrock' ? [frame('messageStop', { stopReason: 'content_filtered' }), dialect.end.at(-1)] : dialect.end.map((event) => Buffer.from(event.toString().replace(usual, word)));
  await turn.sseHead({ 'content-type': dialect.head });
  await turn.chunk(bytesOf([...dialect.begin, ...end]));
  return turn.last();
}

/** Says too much after its first content. */
async function throttledLate(turn, shape) {
  await firstWord(turn, shape);
  await turn.sleep(30);
  await turn.chunk(dialects[shape].throttled);
  return turn.last();
}

/** For what the gateway says itself, and what a whole answer or a begun stream can say. */
function serveOwn(shape) {
  const serve = (name, script, params) => groups.serve(shape, `${shape}-${name}`, script, params);
  const fallBack = (name, to) => groups.fallBack(`${shape}-${name}`, to);
  serve('plain', answer);
  serve('plain-back', answer);
  fallBack('plain-back', 'openai-backup');
  serve('filtered', filtered);
  serve('late', throttledLate);
  fallBack('late', `${shape}-backup`);
  serve('tagged', answer, { tags: ['red'] });
  serve('tagged-back', answer, { tags: ['red'] });
  serve('blue', answer, { tags: ['blue'] });
  fallBack('tagged-back', `${shape}-blue`);
  for (const mode of modes) {
    const limited = `limited-${mode}`;
    for (const form of ['alone', 'pair', 'back']) serve(`${limited}-${form}`, answer, { rpm: 1 });
    serve(`${limited}-pair`, answer, { rpm: 1, path: `${shape}-${limited}-pair-2` });
    fallBack(`${limited}-back`, `${shape}-backup`);
  }
}

before(async () => {
  groups = await ShapeGroups.open();
  deaf = net.createServer((socket) => socket.on('error', () => {}).once('data', () => socket.end('220 mail.example ESMTP\r\n')));
  deaf.listen(0, '127.0.0.1');
  await once(deaf, 'listening');
  const elsewhere = { closed: `http://127.0.0.1:${await freePort()}`, deaf: `https://127.0.0.1:${deaf.address().port}` };
  for (const shape of shapes) {
    groups.serve(shape, `${shape}-backup`, answer);
    serveOwn(shape);
  }
  for (const row of rows) {
    const fails = elsewhere[row.base] ?? row.script ?? failing(row.failure);
    for (const [shape, mode] of everyWay) {
      const [alone, pair, back] = ['alone', 'pair', 'back'].map((form) => groupOf(shape, row, mode, form));
      groups.serve(shape, alone, fails);
      groups.serve(shape, pair, fails, { weight: 1 });
      groups.serve(shape, pair, answer, { weight: 0, path: `${pair}-2` });
      groups.serve(shape, back, fails);
      groups.fallBack(back, `${shape}-backup`);
    }
  }
  await groups.start({ num_retries: retries, enable_tag_filtering: true, optional_pre_call_checks: ['enforce_model_rate_limits'] });
});

after(async () => {
  await groups?.stop();
  deaf?.close();
});

// A connection that was used before and ends now is tried once more anew: that the old one is dead is no news of the provider.
const isCounted = (row) => !row.base && row.kind !== 'upstream_connection';

/** What the vendor said, in the caller's words. */
function checkFace(row, shape, group, { reply }, attempts) {
  const said = row.failure ? vendorErrors[shape][row.failure] : { message: '', shown: {} };
  const { status, name, type, param = null, code = String(status) } = { ...row, ...said.shown };
  assert.equal(reply.status, status, reply.text);
  const { error } = reply.json;
  assert.deepEqual(Object.keys(error), ['message', 'type', 'param', 'code']);
  assert.ok(error.message.startsWith(`litellm.${name}: `), error.message);
  assert.ok(error.message.includes(said.message), error.message);
  assert.ok(error.message.includes(`. Received Model Group=${group}\nAvailable Model Group Fallbacks=None`), error.message);
  assert.ok(attempts === 1 || error.message.endsWith(` LiteLLM Retried: ${attempts - 1} times, LiteLLM Max Retries: ${retries}`), error.message);
  assert.deepEqual([error.type, error.param, error.code], [type, param, code]);
  assert.equal(reply.headers.get('content-type'), 'application/json');
  const after = row.failure === 'rate_limit' && shape !== 'bedrock' ? '2' : null;
  assert.equal(reply.headers.get('retry-after'), after, 'the provider\'s Retry-After');
}

function checkFailures(row, seen, id, attempts) {
  if (seen.failures === undefined) return; // The minute is over.
  assert.equal(seen.failures[id], row.counts ? attempts : 0, 'counted in the minute');
}

const checks = {
  async alone(books, row, shape, mode) {
    const group = groupOf(shape, row, mode, 'alone');
    const attempts = row.again === 'anywhere' ? 1 + retries : 1;
    const seen = await groups.ask(books, group, mode);
    checkFace(row, shape, group, seen, attempts);
    checkHeaders(seen, {
      'x-litellm-model-id': `${group}-1`, 'x-litellm-model-group': group, 'x-litellm-requested-model': group, 'x-litellm-attempted-retries': String(attempts - 1),
      'x-litellm-attempted-fallbacks': '0', 'x-litellm-max-retries': String(retries), 'x-litellm-response-cost': '0',
    });
    if (isCounted(row)) assert.equal(groups.asked(`${group}-1`), attempts, 'how often the provider was asked');
    assert.deepEqual(seen.resting, row.rests ? [`${group}-1`] : [], 'who rests');
    checkFailures(row, seen, `${group}-1`, attempts);
    const { turnpike, ...entry } = seen.row;
    assert.deepEqual([entry.status, entry.model_group, turnpike.requested_model, turnpike.http_status], ['failure', group, group, seen.reply.status]);
    assert.deepEqual(seen.asked, Array(attempts).fill(`${group}-1`));
    const { kind = row.kind } = vendorErrors[shape][row.failure]?.shown ?? {};
    for (const one of turnpike.attempts) assert.equal(one.error, kind);
    assert.equal(nano(entry.spend) > 0, Boolean(row.billed), `costs ${entry.spend}`);
    return nano(entry.spend);
  },
  async pair(books, row, shape, mode) {
    const group = groupOf(shape, row, mode, 'pair');
    const again = row.again !== 'never';
    const seen = await groups.ask(books, group, mode);
    if (again) {
      assert.equal(contentOf(seen.reply, mode, group), 'one two');
    } else {
      checkFace(row, shape, group, seen, 1);
    }
    checkHeaders(seen, {
      'x-litellm-model-id': `${group}-${again ? 2 : 1}`, 'x-litellm-model-group': group, 'x-litellm-attempted-retries': again ? '1' : '0', 'x-litellm-attempted-fallbacks': '0',
    });
    assert.deepEqual(seen.asked, again ? [`${group}-1`, `${group}-2`] : [`${group}-1`]);
    if (isCounted(row)) assert.equal(groups.asked(`${group}-1`), 1);
    assert.deepEqual(seen.resting, row.rests ? [`${group}-1`] : []);
    checkFailures(row, seen, `${group}-1`, 1);
    if (again) assert.deepEqual([nano(seen.row.spend), seen.row.turnpike.marks], [good, 'retried'], 'what was served is booked');
    return nano(seen.row.spend);
  },
  async back(books, row, shape, mode) {
    const group = groupOf(shape, row, mode, 'back');
    const backup = `${shape}-backup`;
    // One that rests is not waited for while a fallback can answer.
    const first = row.again === 'anywhere' && !row.rests ? 1 + retries : 1;
    const seen = await groups.ask(books, group, mode);
    assert.equal(contentOf(seen.reply, mode, backup), 'one two');
    checkHeaders(seen, {
      'x-litellm-model-id': `${backup}-1`, 'x-litellm-model-group': backup, 'x-litellm-requested-model': group, 'x-litellm-attempted-retries': String(first - 1),
      'x-litellm-attempted-fallbacks': '1',
    });
    assert.deepEqual(seen.asked, [...Array(first).fill(`${group}-1`), `${backup}-1`]);
    assert.deepEqual(seen.resting, row.rests ? [`${group}-1`] : []);
    const { turnpike, ...entry } = seen.row;
    assert.deepEqual([entry.status, entry.model_group, turnpike.requested_model], ['success', backup, group]);
    assert.match(turnpike.marks, /fell_back/);
    assert.equal(nano(entry.spend) > good, Boolean(row.billed), `costs ${entry.spend}`);
    if (!row.billed) assert.equal(nano(entry.spend), good);
    return nano(entry.spend);
  },
};

for (const [shape, mode] of everyWay) {
  test(`${shape}, ${mode}`, { concurrency: true }, async (t) => {
    const books = await Books.open(groups.gateway);
    let booked = 0;
    await Promise.all(rows.flatMap((row) => Object.entries(checks).map(([form, check]) => t.test(`${row.signal}: ${form}`, async () => {
      const cost = await check(books, row, shape, mode);
      booked += cost;
    }))));
    await books.close(booked);
    assert.equal(groups.asked('trap'), 0, 'redirects are not followed');
  });
}

/** `check(books, shape, mode)` for each of both; returns nanodollars booked. */
function each(name, check, ways = everyWay) {
  test(name, { concurrency: true }, async (t) => {
    const books = await Books.open(groups.gateway);
    let booked = 0;
    await Promise.all(ways.map(([shape, mode]) => t.test(`${shape}, ${mode}`, async () => {
      const cost = await check(books, shape, mode);
      booked += cost;
    })));
    await books.close(booked);
  });
}

each('a parameter that the provider does not have: nobody is asked, a fallback that has it answers', async (books, shape, mode) => {
  const fields = { logit_bias: { 50256: -100 } };
  const alone = await groups.ask(books, `${shape}-plain`, mode, fields);
  assert.equal(alone.reply.status, 400, alone.reply.text);
  assert.match(alone.reply.json.error.message, /^litellm\.UnsupportedParamsError: /);
  assert.deepEqual([alone.reply.json.error.type, alone.reply.json.error.param, alone.reply.json.error.code], ['invalid_request_error', 'logit_bias', 'unsupported_parameter']);
  assert.deepEqual(alone.resting, []);
  assert.equal(nano(alone.row.spend), 0);
  const back = await groups.ask(books, `${shape}-plain-back`, mode, fields);
  assert.equal(contentOf(back.reply, mode, 'openai-backup'), 'one two');
  checkHeaders(back, { 'x-litellm-model-group': 'openai-backup', 'x-litellm-attempted-retries': '0', 'x-litellm-attempted-fallbacks': '1' });
  for (const group of ['plain', 'plain-back']) assert.equal(groups.asked(`${shape}-${group}-1`), 0, 'not asked');
  return nano(back.row.spend);
}, everyWay.filter(([shape]) => shape !== 'openai')); // It passes everything on.

each('a 200 that was filtered is shown, or goes to the fallback for refused contents; both are booked', async (books, shape, mode) => {
  const shown = await groups.ask(books, `${shape}-filtered`, mode);
  assert.equal(shown.reply.status, 200, shown.reply.text);
  assert.match(shown.reply.text, /"finish_reason":\s*"content_filter"/);
  const back = await groups.ask(books, `${shape}-filtered`, mode, { content_policy_fallbacks: [`${shape}-backup`] });
  assert.equal(contentOf(back.reply, mode, `${shape}-backup`), 'one two');
  assert.deepEqual(back.asked, [`${shape}-filtered-1`, `${shape}-backup-1`]);
  assert.equal(back.row.turnpike.attempts[0].error, 'upstream_content_policy');
  assert.deepEqual(back.resting, []);
  assert.deepEqual([shown, back].map(({ row }) => nano(row.spend)), [good, 2 * good]);
  return 3 * good;
});

each('the rpm of the last minute is used up: 429 with the wait, another deployment or a fallback answers, nobody rests', async (books, shape, mode) => {
  let booked = 0;
  for (const form of ['alone', 'pair', 'back']) {
    const group = `${shape}-limited-${mode}-${form}`;
    const first = await groups.ask(books, group, mode);
    assert.equal(contentOf(first.reply, mode, group), 'one two');
    const seen = await groups.ask(books, group, mode);
    booked += nano(first.row.spend) + nano(seen.row.spend);
    assert.deepEqual(seen.resting, []);
    checkHeaders(seen, { 'x-litellm-attempted-retries': '0', 'x-litellm-attempted-fallbacks': form === 'back' ? '1' : '0' });
    if (form !== 'alone') {
      assert.equal(contentOf(seen.reply, mode, form === 'back' ? `${shape}-backup` : group), 'one two');
      continue;
    }
    assert.equal(seen.reply.status, 429, seen.reply.text);
    assert.deepEqual([seen.reply.json.error.type, seen.reply.json.error.code], ['rate_limit_error', '429']);
    const after = Number(seen.reply.headers.get('retry-after')); // The window slides in 61 buckets of a second.
    assert.ok(after >= 1 && after <= 61, `Retry-After ${after}`);
    assert.deepEqual(seen.asked, []);
  }
  return booked;
});

each('tags that match nobody: 401, nobody is asked, a fallback with the tag answers', async (books, shape, mode) => {
  const alone = await groups.ask(books, `${shape}-tagged`, mode, { metadata: { tags: ['blue'] } });
  assert.equal(alone.reply.status, 401, alone.reply.text);
  assert.match(alone.reply.json.error.message, /^Not allowed to access model due to tags configuration/);
  const back = await groups.ask(books, `${shape}-tagged-back`, mode, { metadata: { tags: ['blue'] } });
  assert.equal(contentOf(back.reply, mode, `${shape}-blue`), 'one two');
  assert.deepEqual(back.asked, [`${shape}-blue-1`]);
  for (const group of ['tagged', 'tagged-back']) assert.equal(groups.asked(`${shape}-${group}-1`), 0, 'not asked');
  return good;
});

each('an error after the first content: one error event, no other deployment, no fallback, and the class of error rests', async (books, shape, mode) => {
  const { reply, row, resting } = await groups.ask(books, `${shape}-late`, mode, { num_retries: 3 });
  assert.equal(reply.events.at(-1), '[DONE]', reply.text);
  assert.match(reply.events.at(-2).error.message, /^litellm\.RateLimitError: /);
  assert.equal(contentOf(reply, mode, `${shape}-late`), 'one ');
  assert.deepEqual([row.status, row.turnpike.attempts.length, row.turnpike.fallbacks], ['failure', 1, 0]);
  assert.deepEqual(resting, [`${shape}-late-1`]);
  return nano(row.spend);
}, everyWay.filter(([, mode]) => mode === 'stream'));

test('a budget that is spent: nobody is asked, no fallback', async () => {
  const books = await Books.open(groups.gateway, { max_budget: 0 });
  for (const [shape, mode] of everyWay) {
    const asked = groups.asked(`${shape}-plain-back-1`);
    const { reply } = await groups.send(books, `${shape}-plain-back`, mode);
    assert.deepEqual([reply.status, reply.json.error.type], [429, 'budget_exceeded'], reply.text);
    checkHeaders({ reply }, { 'x-litellm-attempted-retries': '0', 'x-litellm-attempted-fallbacks': '0' });
    assert.equal(groups.asked(`${shape}-plain-back-1`), asked);
  }
});

test('a name that nobody serves: 400 that offers the nearest', async () => {
  const reply = await groups.gateway.chat({ model: 'openai-backpu' });
  assert.deepEqual([reply.status, reply.json.error.type, reply.json.error.param], [400, 'invalid_request_error', 'model'], reply.text);
  assert.match(reply.json.error.message, /openai-backup/);
});
