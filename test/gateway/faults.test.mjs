// What a provider may do wrong, over real sockets, and what a caller then gets: every stage at which an answer can break
// (AC-COOL, AC-RETRY, AC-FALL, AC-ERR). What a provider may say is in error_table.test.mjs. After each test the books must be right.
import assert from 'node:assert/strict';
import zlib from 'node:zlib';
import { after, before, test } from 'node:test';
import { Books, nano, priceOf } from '../harness/books.mjs';
import { RawProvider, chunk, events, goodReply, goodStream, role, stop, usage, word } from '../harness/raw_provider.mjs';
import { Gateway, deployment, scene, until } from '../harness/turnpike.mjs';

let provider;
let gateway;
const good = priceOf(11, 7);

const said = (message, more = {}) => ({ error: { message, type: null, param: null, code: null, ...more } });

/** Ways to break an answer to a plain call. `billed`: bytes of a 2xx body came, so the attempt is not repeated in its group. */
const plainBreaks = {
  cut_sized: { script: async (turn) => (await turn.head(200, { 'content-type': 'application/json', 'content-length': goodReply.length }), await turn.write(goodReply.slice(0, 180)), turn.end()), face: 502, billed: true, kind: 'upstream_truncated' },
  cut_chunked: { script: async (turn) => (await turn.head(200, { 'transfer-encoding': 'chunked' }), await turn.chunk(goodReply.slice(0, 180)), await turn.sleep(30), turn.reset()), face: 502, billed: true, kind: 'upstream_truncated' },
  cut_after_head: { script: async (turn) => (await turn.head(200, { 'content-length': goodReply.length }), await turn.sleep(30), turn.end()), face: 502, kind: 'upstream_truncated' },
  no_json: { script: (turn) => turn.json(200, 'oops'), face: 502, billed: true, kind: 'upstream_malformed' },
  no_choices: { script: (turn) => turn.json(200, '{"id":"x"}'), face: 502, billed: true, kind: 'upstream_malformed' },
  sse: { script: (turn) => turn.sse(goodStream), face: 502, billed: true, kind: 'upstream_malformed' },
  empty: { script: (turn) => turn.json(200, ''), face: 502, kind: 'upstream_malformed' },
  nothing: { script: (turn) => turn.head(204), face: 502, kind: 'upstream_malformed' },
  gzip: { script: async (turn) => (await turn.head(200, { 'content-encoding': 'gzip', 'transfer-encoding': 'chunked' }), await turn.chunk(zlib.gzipSync(goodReply)), await turn.last()), face: 502, kind: 'upstream_malformed', says: /content-encoding: gzip/ },
  bad_chunks: { script: async (turn) => (await turn.head(200, { 'transfer-encoding': 'chunked' }), await turn.write('zz\r\nhello\r\n')), face: 502, kind: 'upstream_malformed' },
};

/** Ways to break a stream before its first content: a fallback takes over in silence. */
const earlyBreaks = {
  after_head: { script: async (turn) => (await turn.sseHead(), await turn.sleep(20), turn.reset()), kind: 'upstream_truncated' },
  after_comment: { script: async (turn) => (await turn.sseHead(), await turn.chunk(': wait\n\n'), await turn.sleep(20), turn.reset()), kind: 'upstream_truncated', billed: true },
  ended_at_once: { script: async (turn) => (await turn.sseHead(), await turn.last()), kind: 'upstream_truncated' },
  done_alone: { script: (turn) => turn.sse(events('[DONE]')), kind: 'upstream_truncated', billed: true },
  inside_first: { script: async (turn) => (await turn.sseHead(), await turn.chunk(events(word('a')).slice(0, 60)), await turn.sleep(20), turn.reset()), kind: 'upstream_truncated', billed: true },
  after_role: { script: async (turn) => (await turn.sseHead(), await turn.chunk(events(role)), await turn.sleep(20), turn.reset()), kind: 'upstream_truncated', billed: true },
  first_event_is_error: { script: (turn) => turn.sse(events(JSON.stringify(said('overloaded', { type: 'server_error' })))), kind: 'upstream_internal' },
  named_error: { script: (turn) => turn.sse(`event: error\n${events(JSON.stringify(said('Rate limit reached')))}`), kind: 'upstream_rate_limited' },
  comment_then_error: { script: (turn) => turn.sse(`: OPENROUTER PROCESSING\n\n${events(JSON.stringify(said('gone', { code: 502 })))}`), kind: 'upstream_bad_gateway' },
  json_error: { script: (turn) => turn.json(200, said('bad key', { code: 'invalid_api_key' })), kind: 'upstream_unauthenticated' },
  html: { script: async (turn) => (await turn.sseHead({ 'content-type': 'text/html' }), await turn.chunk('<html>502 Bad Gateway</html>'), await turn.last()), kind: 'upstream_malformed', billed: true },
  no_json: { script: (turn) => turn.sse(events('{oops}')), kind: 'upstream_malformed', billed: true },
  gzip: { script: async (turn) => (await turn.sseHead({ 'content-encoding': 'gzip' }), await turn.chunk(zlib.gzipSync(goodStream)), await turn.last()), kind: 'upstream_malformed' },
};

/** Ways to break a stream after content has left: one error event, then [DONE]. */
const lateBreaks = {
  closed: { end: (turn) => turn.last(), code: '502', type: 'upstream_stream_error' },
  cut: { end: (turn) => turn.reset(), code: '502', type: 'upstream_stream_error' },
  inside_event: { end: async (turn) => (await turn.chunk(events(word('lost')).slice(0, 50)), await turn.last()), code: '502', type: 'upstream_stream_error' },
  error_event: { end: async (turn) => (await turn.chunk(events(JSON.stringify(said('boom', { type: 'server_error', code: 'server_error' })))), await turn.last()), code: 'server_error', type: 'server_error' },
  no_json: { end: async (turn) => (await turn.chunk(events('{oops}')), await turn.last()), code: '502' },
  broke_off: { end: async (turn) => (await turn.chunk(events(chunk('{"index":0,"delta":{},"finish_reason":"insufficient_system_resource"}'))), await turn.last()), code: '503' },
};

before(async () => {
  provider = await RawProvider.start();
  const backup = provider.on('backup', async (turn) => (JSON.parse(turn.request.body).stream ? turn.sse(goodStream) : turn.json(200, goodReply)));
  const models = [deployment('backup', backup)];
  const fallbacks = [];
  const serve = (name, base, params = {}) => {
    models.push(deployment(name, base, { params, info: { id: `${name}-1` } }));
  };
  const badRequest = provider.on('bad_request', (turn) => turn.json(400, said('bad thing', { type: 'invalid_request_error', param: 'n' })));
  serve('bad_request', badRequest);
  models.push(deployment('bad_request', badRequest, { info: { id: 'bad_request-2' } }));
  for (const [group, table] of Object.entries({ plain: plainBreaks, early: earlyBreaks })) {
    for (const [name, one] of Object.entries(table)) {
      const base = provider.on(`${group}-${name}`, one.script);
      serve(`lone-${group}-${name}`, base);
      serve(`crowd-${group}-${name}`, base, { order: 1 });
      models.push(deployment(`crowd-${group}-${name}`, backup, { params: { order: 2 }, info: { id: `crowd-${group}-${name}-2` } }));
      serve(`back-${group}-${name}`, base);
      fallbacks.push({ [`back-${group}-${name}`]: ['backup'] });
    }
  }
  for (const [name, one] of Object.entries(lateBreaks)) {
    const base = provider.on(`late-${name}`, async (turn) => {
      await turn.sseHead();
      await turn.chunk(events(role, word('The quick brown fox'), word(' jumps over the lazy dog.')));
      await turn.sleep(30);
      await one.end(turn);
    });
    serve(`late-${name}`, base);
    fallbacks.push({ [`late-${name}`]: ['backup'] });
  }
  serve('informed', provider.on('informed', async (turn) => (await turn.write('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n'), turn.json(200, goodReply))));
  serve('many-headers', provider.on('many-headers', (turn) => turn.json(200, goodReply, { 'x-ratelimit-remaining-requests': '41', 'X-Request-Id': 'req_1', 'set-cookie': 'a=b', ...Object.fromEntries(Array.from({ length: 80 }, (_, i) => [`x-noise-${i}`, 'n'.repeat(90)])) })));
  for (const number of [1, 2, 3]) serve(`six-${number}`, provider.on('six', (turn) => turn.json(503, said('busy'))), {});
  for (const number of [1, 2, 3]) models.push(deployment(`six-${number}`, provider.base('six'), { info: { id: `six-${number}-other` } }));
  fallbacks.push({ 'six-1': ['six-2', 'six-3'] });
  for (const number of [1, 2, 3, 4, 5]) models.push(deployment('five', provider.base('six'), { info: { id: `five-${number}` } }));
  const usedUp = { ...said('overloaded', { type: 'server_error' }), usage: { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 } };
  serve('used-up', provider.on('used-up', (turn) => turn.json(200, usedUp)));
  serve('broke-off', provider.on('broke-off', (turn) => turn.json(200, goodReply.replace('"stop"', '"error"'))));
  const usages = { prompt: '{"prompt_tokens":11}', completion: '{"completion_tokens":7}' };
  for (const [side, only] of Object.entries(usages)) {
    const answered = provider.on(`only-${side}`, (turn) =>
      JSON.parse(turn.request.body).stream ? turn.sse(events(role, word('one two'), stop, chunk('', `,"usage":${only}`), '[DONE]')) : turn.json(200, goodReply.replace(usage, `"usage":${only}`)));
    serve(`only-${side}`, answered);
  }
  // The same bytes in one piece and in two: what they cost must not depend on it.
  serve('sse-at-once', provider.on('sse-at-once', (turn) => turn.write(`HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${goodStream.length.toString(16)}\r\n${goodStream}\r\n0\r\n\r\n`)));
  serve('sse-in-two', provider.on('sse-in-two', async (turn) => (await turn.sseHead(), await turn.chunk(goodStream.slice(0, 200)), await turn.sleep(20), await turn.chunk(goodStream.slice(200)), await turn.last())));
  serve('no-option', provider.on('no-option', (turn) => turn.json(400, said('Unknown parameter: stream_options'))));
  fallbacks.push({ five: ['no-option'] });
  gateway = await Gateway.start({ config: { model_list: models, router_settings: { fallbacks } } });
});

after(async () => {
  await gateway?.stop();
  await provider?.stop();
});

const streamed = { stream: true };
test('AC-RETRY-2: a plain answer that may be billed is not repeated in its group, and is booked', async () => {
  const books = await Books.open(gateway);
  let booked = 0;
  for (const [name, one] of Object.entries(plainBreaks)) {
    const alone = await books.chat({ model: `lone-plain-${name}`, num_retries: 0 });
    assert.equal(alone.status, one.face, `${name}: ${alone.text}`);
    if (one.says) assert.match(alone.json.error.message, one.says);
    const row = await books.row();
    assert.equal(row.turnpike.error_kind, one.kind, name);
    assert.equal(nano(row.spend) > 0, Boolean(one.billed), `${name} costs ${row.spend}`);
    if (one.billed) assert.match(row.turnpike.marks, /estimated/, name);
    if (one.kind === 'upstream_truncated' && one.billed) assert.equal(row.completion_tokens, 2, `${name}: "one two" had come`);
    booked += nano(row.spend);

    const crowd = await books.chat({ model: `crowd-plain-${name}` });
    assert.equal(crowd.status, one.billed ? one.face : 200, `${name}: ${crowd.text}`);
    booked += nano((await books.row()).spend);

    const back = await books.chat({ model: `back-plain-${name}` , num_retries: 0 });
    assert.equal(back.status, 200, `${name}: ${back.text}`);
    const fell = await books.row();
    assert.equal(/retried_billed/.test(fell.turnpike.marks), Boolean(one.billed), name);
    assert.equal(nano(fell.spend), good + nano(row.spend), `${name}: one row, both attempts`);
    booked += nano(fell.spend);
  }
  await books.close(booked);
});

test('AC-FALL-1, AC-ERR-2: a stream that breaks before its first content is replaced in silence', async () => {
  const books = await Books.open(gateway);
  let booked = 0;
  for (const [name, one] of Object.entries(earlyBreaks)) {
    const alone = await books.chat({ model: `lone-early-${name}`, num_retries: 0, ...streamed });
    assert.ok(alone.status >= 400, `${name}: an error has its own status: ${alone.status} ${alone.text}`);
    assert.ok(alone.json.error.message, name);
    const row = await books.row();
    assert.equal(row.turnpike.error_kind, one.kind, `${name}: ${alone.text}`);
    assert.equal(nano(row.spend) > 0, Boolean(one.billed), `${name} costs ${row.spend}`);
    booked += nano(row.spend);

    const crowd = await books.stream({ model: `crowd-early-${name}` });
    assert.equal(crowd.status, one.billed ? alone.status : 200, `${name}: ${crowd.text}`);
    booked += nano((await books.row()).spend);

    const back = await books.stream({ model: `back-early-${name}`, num_retries: 0 });
    assert.equal(back.status, 200, `${name}: ${back.text}`);
    assert.equal(back.events.at(-1), '[DONE]');
    assert.ok(!back.text.includes('"error"'), `${name}: ${back.text}`);
    assert.equal(back.events[0].model, 'backup');
    const fell = await books.row();
    assert.equal(nano(fell.spend), good + nano(row.spend), `${name}: one row, both attempts`);
    booked += nano(fell.spend);
  }
  await books.close(booked);
});

test('AC-ERR-1, -3: a stream that breaks later ends with one error event and [DONE], and is a failure that cost something', async () => {
  const books = await Books.open(gateway);
  let booked = 0;
  for (const [name, one] of Object.entries(lateBreaks)) {
    const before = provider.calls('backup').length;
    const reply = await books.stream({ model: `late-${name}` });
    const where = `${name}: ${reply.text}`;
    assert.equal(reply.status, 200, where);
    assert.equal(reply.events.at(-1), '[DONE]', where);
    const { error } = reply.events.at(-2);
    assert.equal(error.code, one.code, where);
    if (one.type) assert.equal(error.type, one.type, where);
    assert.ok(error.message, where);
    const chunks = reply.events.slice(0, -2);
    assert.equal(chunks.map((each) => each.choices[0].delta.content ?? '').join(''), 'The quick brown fox jumps over the lazy dog.', where);
    assert.ok(chunks.every((each) => each.choices[0].finish_reason === null), 'no invented success');
    assert.equal(provider.calls('backup').length, before, 'no silent restart');
    const row = await books.row();
    assert.equal(row.status, 'failure', where);
    assert.equal(row.completion_tokens, 10, where);
    assert.ok(row.prompt_tokens > 0, where);
    assert.match(row.turnpike.marks, /estimated/, where);
    assert.match(row.turnpike.marks, /truncated/, where);
    assert.ok(row.metadata.error_information.error_message.startsWith('litellm.'), JSON.stringify(row.metadata.error_information));
    booked += nano(row.spend);
  }
  await books.close(booked);
});

test('1xx answers are read past; what comes back stays below 4096 bytes of head', async () => {
  const books = await Books.open(gateway);
  assert.equal((await books.chat({ model: 'informed' })).status, 200);
  const reply = await books.chat({ model: 'many-headers' }, { headers: { 'x-request-from': 'test' } });
  assert.equal(reply.status, 200, reply.text);
  assert.equal(reply.headers.get('x-ratelimit-remaining-requests'), '41');
  assert.equal(reply.headers.get('llm_provider-x-ratelimit-remaining-requests'), '41');
  assert.equal(reply.headers.get('llm_provider-x-request-id'), 'req_1');
  assert.equal(reply.headers.get('set-cookie'), null);
  const size = [...reply.headers].reduce((sum, [name, value]) => sum + name.length + value.length + 4, 20);
  assert.ok(size < 4096, `${size} bytes`);
  await books.close(2 * good);
});

test('AC-RETRY-1: six attempts in all, whatever the groups would allow', async () => {
  const books = await Books.open(gateway);
  const reply = await books.chat({ model: 'six-1', num_retries: 9 });
  assert.equal(reply.status, 503, reply.text);
  assert.equal(provider.calls('six').length, 6);
  const row = await books.row();
  assert.equal(row.turnpike.attempts.length, 6);
  assert.equal(1 + row.turnpike.retries + row.turnpike.fallbacks, 6);
  assert.equal(reply.headers.get('x-litellm-attempted-retries'), String(row.turnpike.retries));
  assert.equal(reply.headers.get('x-litellm-attempted-fallbacks'), String(row.turnpike.fallbacks));
  assert.match(reply.json.error.message, /LiteLLM Retried: \d+ times, LiteLLM Max Retries: 9$/);
  await books.close(0);
});

test('AC-RETRY-1: the question that AC-OAI-2 asks again is no seventh attempt', async () => {
  const books = await Books.open(gateway);
  const before = provider.all.length;
  const reply = await books.chat({ model: 'five', num_retries: 4, stream: true });
  assert.equal(reply.status, 503, reply.text);
  assert.equal(provider.all.length - before, 6);
  assert.equal(provider.calls('no-option').length, 1);
  await books.close(0);
});

test('an error in a 200 costs what it says it used; an unreadable answer costs the same however it arrives', async () => {
  const books = await Books.open(gateway);
  for (const model of ['used-up', 'broke-off']) {
    const reply = await books.chat({ model });
    assert.ok(reply.status >= 500, reply.text);
    assert.equal(provider.calls(model).length, 1, 'what may be billed is not repeated');
    assert.equal(nano((await books.row()).spend), good, model);
  }
  const spent = [];
  for (const model of ['sse-at-once', 'sse-in-two']) {
    await books.chat({ model });
    spent.push((await books.row()).completion_tokens);
  }
  assert.deepEqual(spent, [2, 2], '"one two"');
});

test('AC-OAI-4: the side that a provider leaves out of its usage is counted', async () => {
  const books = await Books.open(gateway);
  for (const body of [{}, streamed]) {
    await books.chat({ model: 'only-prompt', ...body });
    const prompt = await books.row();
    assert.deepEqual([prompt.prompt_tokens, prompt.completion_tokens, prompt.turnpike.marks], [11, 2, 'estimated'], '"one two"');
    await books.chat({ model: 'only-completion', ...body });
    const completion = await books.row();
    assert.ok(completion.prompt_tokens > 0, 'the prompt is counted');
    assert.deepEqual([completion.completion_tokens, completion.turnpike.marks], [7, 'estimated']);
  }
});

test('one attempt is listed as two are, failed or not', async () => {
  const books = await Books.open(gateway);
  await books.chat({ model: 'backup' });
  const { attempts: [good] } = (await books.row()).turnpike;
  assert.deepEqual([good.model_group, good.provider, good.status, good.error, good.billed], ['backup', 'openai', 200, undefined, true]);
  await books.chat({ model: 'bad_request' });
  const { attempts: [bad] } = (await books.row()).turnpike;
  assert.match(bad.deployment_id, /^bad_request-[12]$/);
  assert.deepEqual([bad.status, bad.error, bad.billed], [400, 'upstream_bad_request', false]);
});

test('AC-COOL-2, -3: failures count, the group rests, one probe looks, the others are told how long', async () => {
  await scene(
    async (own) => {
      let answer = (turn) => turn.json(500, said('oops'));
      const base = provider.on('weak', (turn) => answer(turn));
      const weak = own(await Gateway.start({ config: { model_list: [deployment('weak', base)], router_settings: { allowed_fails: 2, cooldown_time: 3, num_retries: 0 } } }));
      return { weak, set: (script) => (answer = script) };
    },
    async ({ weak, set }) => {
      const books = await Books.open(weak);
      for (let i = 0; i < 3; ++i) assert.equal((await books.chat({ model: 'weak' })).status, 500);
      assert.equal((await weak.call('GET', '/health?model=weak')).json.unhealthy_count, 1, 'the third failure of two allowed');
      let release;
      const held = new Promise((resolve) => (release = resolve));
      set(async (turn) => (await held, turn.json(200, goodReply)));
      const asked = provider.calls('weak').length;
      const probe = books.chat({ model: 'weak' });
      await until(() => provider.calls('weak').length === asked + 1, 'the probe');
      const refused = await books.chat({ model: 'weak' });
      assert.equal(refused.status, 429, refused.text);
      assert.match(refused.json.error.message, /^No deployments available for selected model, Try again in \d seconds\. Passed model=weak\. .*The provider last answered with status 500/);
      assert.ok(['1', '2', '3'].includes(refused.headers.get('retry-after')), refused.headers.get('retry-after'));
      release();
      assert.equal((await probe).status, 200);
      assert.equal((await books.chat({ model: 'weak' })).status, 200, 'it is back before its rest is over');
      assert.equal(provider.calls('weak').length, asked + 2, 'nobody else was sent');
      await books.close(2 * good);
    },
  );
});

test('AC-COOL-1: callers\' mistakes and mocked failures rest nobody', async () => {
  const books = await Books.open(gateway);
  for (const body of [{ mock_response: 'litellm.RateLimitError' }, { mock_testing_rate_limit_error: true }, { mock_testing_fallbacks: true }, { mock_timeout: true, timeout: 0.05 }]) {
    for (let i = 0; i < 6; ++i) assert.notEqual((await books.chat({ model: 'bad_request', num_retries: 0, ...body })).status, 200);
  }
  for (let i = 0; i < 6; ++i) assert.equal((await books.chat({ model: 'bad_request' })).status, 400);
  assert.equal((await gateway.call('GET', '/health?model=bad_request')).json.unhealthy_count, 0);
  await books.close(0);
});
