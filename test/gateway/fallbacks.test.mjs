// Where a failure leads: lists for too long contexts and for refused contents, retries and rests by class of error, higher
// orders, and what the tests that clients ask for do (AC-RETRY, AC-FALL, AC-COOL). Providers are scripted; after each test
// the books must be right.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Books, priceOf } from '../harness/books.mjs';
import { RawProvider, chunk, events, goodReply, goodStream, role, usageChunk } from '../harness/raw_provider.mjs';
import { Gateway, deployment } from '../harness/turnpike.mjs';

let provider;
let gateway;
const good = priceOf(11, 7);
const streamed = { stream: true };
const said = (message, more = {}) => ({ error: { message, type: null, param: null, code: null, ...more } });

/** Failures by name: status, body, header fields. */
const failures = {
  long: [400, said('This model\'s maximum context length is 5 tokens', { code: 'context_length_exceeded' })],
  refused: [400, said('no', { code: 'content_policy_violation' })],
  bad: [400, said('bad thing', { type: 'invalid_request_error' })],
  key: [401, said('Incorrect API key provided', { code: 'invalid_api_key' })],
  slow: [408, said('slow')],
  busy: [429, said('slow down', { code: 'rate_limit_exceeded' })],
  oops: [500, said('oops')],
  away: [503, said('away'), { 'retry-after': '11' }],
  spent: [400, said('Your credit balance is too low to access the Anthropic API.', { type: 'invalid_request_error' })],
  ceiling: [400, said('You have reached your specified API usage limits.', { type: 'invalid_request_error' })],
};

before(async () => {
  provider = await RawProvider.start();
  const answering = (name) => provider.on(name, async (turn) => (JSON.parse(turn.request.body).stream ? turn.sse(goodStream) : turn.json(200, goodReply)));
  const models = [];
  const serve = (group, base, params = {}, id = `${group}-1`) => models.push(deployment(group, base, { params, info: { id } }));
  for (const name of ['general', 'roomy', 'lenient', 'last']) serve(name, answering(name));
  for (const [name, [status, body, headers]] of Object.entries(failures)) {
    const base = provider.on(name, (turn) => turn.json(status, body, headers));
    serve(name, base);
    serve(`openai/${name}`, base, {}, `prefixed-${name}`);
    serve(`only-${name}`, base);
    serve(`counted-${name}`, base, {}, `counted-${name}-1`);
    serve(`counted-${name}`, base, {}, `counted-${name}-2`);
    for (const number of [1, 2, 3]) serve(`levels-${name}`, base, { order: 1 }, `levels-${name}-${number}`);
    serve(`levels-${name}`, answering(`upper-${name}`), { order: 2 }, `levels-${name}-upper`);
  }
  const filtered = goodReply.replace('"stop"', '"content_filter"');
  const filteredStream = events(role, chunk('{"index":0,"delta":{},"finish_reason":"content_filter"}'), usageChunk, '[DONE]');
  const filters = provider.on('filtered', (turn) => (JSON.parse(turn.request.body).stream ? turn.sse(filteredStream) : turn.json(200, filtered)));
  serve('filtered', filters);
  serve('shown', filters);
  serve('chain-1', provider.base('long'));
  serve('chain-2', provider.base('long'));
  serve('circle-1', provider.base('bad'));
  serve('circle-2', provider.base('bad'));
  serve('finer', provider.on('finer', (turn) => turn.json(429, said('slow down'), { 'retry-after-ms': '2500' })));
  gateway = await Gateway.start({
    config: {
      model_list: models,
      router_settings: {
        num_retries: 0,
        retry_after: 0,
        fallbacks: [
          ...Object.keys(failures).map((name) => ({ [name]: ['general'] })),
          { 'circle-1': ['circle-2'] }, { 'circle-2': ['circle-1'] }, { shown: ['general'] },
          { 'chain-1': [{ model: 'general', temperature: 0.25 }] },
        ],
        context_window_fallbacks: [{ long: ['roomy'] }, { 'chain-1': ['chain-2'] }, { 'chain-2': [{ model: 'roomy', temperature: 0.5, max_tokens: 9 }] }],
        content_policy_fallbacks: [{ refused: ['lenient'] }, { filtered: ['lenient'] }],
        model_group_retry_policy: Object.fromEntries(Object.keys(failures).map((name) => [`counted-${name}`, { BadRequestErrorRetries: 1, AuthenticationErrorRetries: 1, TimeoutErrorRetries: 1, RateLimitErrorRetries: 1, ContentPolicyViolationErrorRetries: 0, InternalServerErrorRetries: 1 }])),
        allowed_fails_policy: { InternalServerErrorAllowedFails: 100, TimeoutErrorAllowedFails: 1, BadRequestErrorAllowedFails: 0 },
      },
    },
  });
});

after(async () => {
  await gateway?.stop();
  await provider?.stop();
});

const unhealthy = async (group) => (await gateway.call('GET', `/health?model=${encodeURIComponent(group)}`)).json.unhealthy_count;
const ask = (books, body) => (body.stream ? books.stream(body) : books.chat(body));

test('AC-FALL-1, -2: a context too long and a refused content lead along their own lists, streams too', async () => {
  const books = await Books.open(gateway);
  let served = 0;
  const rows = [['long', 'roomy'], ['openai/long', 'roomy'], ['refused', 'lenient'], ['openai/refused', 'lenient'], ['bad', 'general'], ['oops', 'general'], ['chain-1', 'roomy']];
  for (const [model, group] of rows) {
    for (const body of [{}, streamed]) {
      const reply = await ask(books, { model, ...body });
      const where = `${model} ${JSON.stringify(body)}: ${reply.status} ${reply.text}`;
      assert.equal(reply.status, 200, where);
      assert.equal(reply.headers.get('x-litellm-model-group'), group, where);
      assert.equal(reply.headers.get('x-litellm-attempted-fallbacks'), model === 'chain-1' ? '2' : '1', where);
      assert.equal(reply.headers.get('x-litellm-attempted-retries'), '0', where);
      assert.equal((await books.row()).turnpike.requested_model, model, where);
      served += good;
    }
  }
  const sent = JSON.parse(provider.calls('roomy').at(-1).request.body);
  assert.equal(sent.temperature, 0.5, 'a configured fallback may change parameters');
  assert.equal(sent.max_tokens, 9);
  await books.close(served);
});

test('a list that says nothing of the group ends the call; a circle ends; disable_fallbacks holds for every list', async () => {
  const books = await Books.open(gateway);
  for (const [model, attempts] of [['only-long', 1], ['only-refused', 1], ['circle-1', 2]]) {
    for (const body of [{}, streamed]) {
      const reply = await books.chat({ model, ...body });
      assert.equal(reply.status, 400, `${model}: ${reply.text}`);
      assert.equal((await books.row()).turnpike.attempts.length, attempts, model);
    }
  }
  for (const model of ['long', 'refused', 'bad', 'filtered']) {
    const reply = await books.chat({ model, disable_fallbacks: true });
    assert.equal(reply.status, model === 'filtered' ? 200 : 400, `${model}: ${reply.text}`);
    assert.equal(reply.headers.get('x-litellm-attempted-fallbacks'), '0', model);
  }
  await books.close(good);
});

test('the request\'s own lists come before the configured ones, in every form', async () => {
  const books = await Books.open(gateway);
  const forms = [
    [{ context_window_fallbacks: ['last'] }, 'last'],
    [{ context_window_fallbacks: [{ model: 'last', temperature: 0.75 }] }, 'last'],
    [{ context_window_fallbacks: [{ long: ['last'] }, { '*': ['general'] }] }, 'last'],
    [{ context_window_fallbacks: [{ '*': ['general'] }] }, 'general'],
    [{ fallbacks: [{ long: ['last'] }] }, 'roomy'],
    [{ content_policy_fallbacks: ['last'] }, 'roomy'],
  ];
  for (const [own, group] of forms) {
    const reply = await books.chat({ model: 'long', ...own });
    const where = `${JSON.stringify(own)}: ${reply.text}`;
    assert.equal(reply.status, 200, where);
    assert.equal(reply.headers.get('x-litellm-model-group'), group, where);
    const sent = JSON.parse(provider.calls(group).at(-1).request.body);
    for (const name of Object.keys(own)) assert.ok(!(name in sent), `${name} stays here`);
  }
  assert.equal(JSON.parse(provider.calls('last')[1].request.body).temperature, 0.75);
  for (const [own, says] of [[{ context_window_fallbacks: ['nobody'] }, /nobody/], [{ content_policy_fallbacks: 'x' }, /must be a list/], [{ fallbacks: [{ long: 'last' }] }, /must be a model name/]]) {
    const reply = await gateway.chat({ model: 'long', ...own }, { key: books.key });
    assert.equal(reply.status, 400, reply.text);
    assert.match(reply.json.error.message, says);
    assert.equal(reply.json.error.param, Object.keys(own)[0]);
  }
  await books.close(forms.length * good);
});

test('AC-FALL-3: a configured list keeps to the models of the key', async () => {
  const books = await Books.open(gateway, { models: ['long', 'general'] });
  const reply = await books.chat({ model: 'long' });
  assert.equal(reply.status, 400, reply.text);
  assert.equal((await gateway.chat({ model: 'long', context_window_fallbacks: ['last'] }, { key: books.key })).status, 403);
  await books.close(0);
});

test('an answer that was filtered goes to the fallback that waits for it, and is booked; else it is shown', async () => {
  const books = await Books.open(gateway);
  for (const body of [{}, streamed]) {
    const reply = await ask(books, { model: 'filtered', ...body });
    assert.equal(reply.status, 200, reply.text);
    assert.equal(reply.headers.get('x-litellm-model-group'), 'lenient', JSON.stringify(body));
    const row = await books.row();
    assert.equal(row.turnpike.attempts.length, 2);
    assert.equal(row.turnpike.attempts[0].error_kind ?? row.turnpike.attempts[0].error, 'upstream_content_policy');
    const shown = await ask(books, { model: 'shown', ...body });
    assert.equal(shown.headers.get('x-litellm-model-group'), 'shown');
    assert.match(shown.text ?? JSON.stringify(shown.events), /content_filter/);
  }
  assert.equal(await unhealthy('filtered'), 0, 'nobody rests for it');
  await books.close();
});

test('AC-RETRY-1: retries by class of error, the group\'s own policy before the number of the router', async () => {
  const books = await Books.open(gateway);
  const wanted = { long: 0, refused: 0, bad: 1, key: 1, slow: 1, busy: 1, oops: 1, away: 1 };
  for (const [name, retries] of Object.entries(wanted)) {
    const reply = await books.chat({ model: `counted-${name}` });
    assert.equal(reply.status, failures[name][0], `${name}: ${reply.text}`);
    assert.equal(reply.headers.get('x-litellm-attempted-retries'), String(retries), name);
    const row = await books.row();
    const asked = row.turnpike.attempts.map((one) => one.deployment_id);
    assert.equal(asked.length, 1 + retries, name);
    assert.equal(new Set(asked).size, asked.length, `${name}: a deployment not yet tried comes first`);
  }
  await books.close(0);
});

test('a higher order is asked before the fallbacks, where that can help', async () => {
  const books = await Books.open(gateway);
  let served = 0;
  for (const [name, enters] of Object.entries({ key: true, slow: true, busy: true, oops: true, away: true, spent: true, bad: false, long: false, refused: false })) {
    const reply = await books.chat({ model: `levels-${name}` });
    assert.equal(reply.status, enters ? 200 : failures[name][0], `${name}: ${reply.text}`);
    assert.equal(reply.headers.get('x-litellm-attempted-fallbacks'), '0', name);
    const asked = (await books.row()).turnpike.attempts.map((one) => one.deployment_id);
    assert.equal(asked.length, enters ? 2 : 1, name);
    if (enters) assert.equal(asked[1], `levels-${name}-upper`);
    served += enters ? good : 0;
  }
  await books.close(served);
});

test('AC-COOL-1, -2: rests by class of error: what is allowed, accounts in trouble, never a caller\'s mistake', async () => {
  const books = await Books.open(gateway);
  for (const name of ['long', 'refused', 'bad', 'oops']) {
    for (let i = 0; i < 6; ++i) await books.chat({ model: `only-${name}`, disable_fallbacks: true });
    assert.equal(await unhealthy(`only-${name}`), 0, `${name} never rests`);
  }
  await books.chat({ model: 'only-slow' });
  assert.equal(await unhealthy('only-slow'), 0, 'one time-out is allowed');
  await books.chat({ model: 'only-slow' });
  assert.equal(await unhealthy('only-slow'), 1, 'the second is not');
  for (const name of ['key', 'busy', 'spent', 'ceiling']) {
    await books.chat({ model: `only-${name}` });
    assert.equal(await unhealthy(`only-${name}`), 1, `${name} rests at once`);
  }
  await books.close(0);
});

test('AC-RETRY-3: the last word keeps the provider\'s Retry-After, milliseconds too', async () => {
  const books = await Books.open(gateway);
  const away = await books.chat({ model: 'only-away' });
  assert.equal(away.status, 503);
  assert.equal(away.headers.get('retry-after'), '11');
  const finer = await books.chat({ model: 'finer' });
  assert.equal(finer.status, 429);
  assert.equal(finer.headers.get('retry-after'), '3');
  await books.close(0);
});

test('the failures that clients ask for go along the list of their kind', async () => {
  const books = await Books.open(gateway);
  const rows = [
    ['mock_testing_fallbacks', 'long', 'general'],
    ['mock_testing_rate_limit_error', 'long', 'general'],
    ['mock_testing_context_fallbacks', 'long', 'roomy'],
    ['mock_testing_context_window_fallbacks', 'long', 'roomy'],
    ['mock_testing_content_policy_fallbacks', 'refused', 'lenient'],
  ];
  for (const [flag, model, group] of rows) {
    for (const body of [{}, streamed]) {
      const reply = await ask(books, { model, [flag]: true, ...body });
      assert.equal(reply.status, 200, `${flag}: ${reply.text}`);
      assert.equal(reply.headers.get('x-litellm-model-group'), group, flag);
    }
  }
  await books.close(rows.length * 2 * good);
});
