// What a request may carry: what is refused and which field the refusal names, and what the extras of a gateway do.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Books, nano, priceOf } from '../harness/books.mjs';
import { RawProvider, goodReply, goodStream } from '../harness/raw_provider.mjs';
import { Gateway, deployment } from '../harness/turnpike.mjs';

let provider;
let gateway;
const good = priceOf(11, 7);

before(async () => {
  provider = await RawProvider.start();
  const answer = (turn) => (JSON.parse(turn.request.body).stream ? turn.sse(goodStream) : turn.json(200, goodReply));
  const failing = provider.on('failing', (turn) => turn.json(500, '{"error":{"message":"oops"}}'));
  const nameless = provider.on('nameless', (turn) => (JSON.parse(turn.request.body).stream ? turn.sse(goodStream.replaceAll('"id":"c1"', '"id":""')) : turn.json(200, goodReply.replace('"id":"c1"', '"id":""'))));
  const unpriced = deployment('unpriced', provider.on('unpriced', answer));
  delete unpriced.litellm_params.input_cost_per_token;
  delete unpriced.litellm_params.output_cost_per_token;
  gateway = await Gateway.start({
    config: {
      model_list: [
        deployment('good', provider.on('good', answer)),
        deployment('other', provider.on('other', answer), { params: { region_name: 'eu' } }),
        deployment('failing', failing),
        deployment('nameless', nameless),
        deployment('free', provider.on('free', answer), { params: { input_cost_per_token: 0, output_cost_per_token: 0 } }),
        unpriced,
      ],
      router_settings: { num_retries: 0, fallbacks: [{ failing: ['other', 'good'] }] },
    },
  });
});

after(async () => {
  await gateway?.stop();
  await provider?.stop();
});

const messages = '"messages":[{"role":"user","content":"hi"}]';
const chat = (more) => `{"model":"good",${messages}${more ? `,${more}` : ''}}`;
const deep = (levels) => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;

/** Bodies that are refused before anybody is asked: what they are, and what the error must say or name. */
const refused = [
  { name: 'no body', body: '', param: 'model' },
  { name: 'no JSON', body: 'model=good', says: /not valid JSON/ },
  { name: 'cut JSON', body: chat().slice(0, -3), says: /not valid JSON/ },
  { name: 'a list', body: '[]', says: /object/ },
  { name: 'a second document', body: `${chat()}{"model":"other"}`, says: /JSON/ },
  { name: 'text behind the document', body: `${chat()} x`, says: /JSON/ },
  { name: 'a NUL behind the document', body: `${chat()}\0`, says: /JSON/ },
  { name: 'model twice', body: chat('"model":"other"'), says: /model/ },
  { name: 'model twice, once escaped', body: chat('"mod\\u0065l":"other"'), says: /model/ },
  { name: 'model escaped alone', body: `{"\\u006dodel":"good",${messages}}`, ok: true },
  { name: 'stream twice', body: chat('"stream":false,"stream":true'), says: /stream/ },
  { name: 'messages twice', body: chat(messages), says: /messages/ },
  { name: 'metadata twice', body: chat('"metadata":{},"metadata":{}'), says: /metadata/ },
  { name: 'an unknown field twice', body: chat('"x":1,"x":2'), ok: true },
  { name: 'no model', body: `{${messages}}`, param: 'model' },
  { name: 'model null', body: `{"model":null,${messages}}`, says: /model/ },
  { name: 'model a number', body: `{"model":5,${messages}}`, says: /model/ },
  { name: 'model empty', body: `{"model":"",${messages}}`, param: 'model' },
  { name: 'model unknown', body: `{"model":"goood",${messages}}`, param: 'model', says: /Did you mean: good/ },
  { name: 'no messages', body: '{"model":"good"}', param: 'messages' },
  { name: 'messages null', body: '{"model":"good","messages":null}', param: 'messages' },
  { name: 'messages a string', body: '{"model":"good","messages":"hi"}', param: 'messages' },
  { name: 'stream a string', body: chat('"stream":"true"'), param: 'stream' },
  { name: 'stream a number', body: chat('"stream":1'), param: 'stream' },
  { name: 'stream null', body: chat('"stream":null'), ok: true },
  { name: 'stream_options a list', body: chat('"stream":true,"stream_options":[]'), param: 'stream_options' },
  { name: 'include_usage a string', body: chat('"stream":true,"stream_options":{"include_usage":"yes"}'), param: 'stream_options.include_usage' },
  { name: 'stream_options null', body: chat('"stream":true,"stream_options":null'), ok: true },
  { name: 'n of 0', body: chat('"n":0'), param: 'n' },
  { name: 'n below 0', body: chat('"n":-1'), param: 'n' },
  { name: 'n of a million', body: chat('"n":1000000'), param: 'n' },
  { name: 'n a fraction', body: chat('"n":1.5'), param: 'n' },
  { name: 'n null', body: chat('"n":null'), ok: true },
  { name: 'max_tokens null', body: chat('"max_tokens":null'), ok: true },
  { name: 'max_tokens below 0', body: chat('"max_tokens":-5'), param: 'max_tokens' },
  { name: 'max_tokens beyond 64 bits', body: chat('"max_tokens":99999999999999999999'), param: 'max_tokens' },
  { name: 'max_tokens a string', body: chat('"max_tokens":"5"'), param: 'max_tokens' },
  { name: 'max_completion_tokens a list', body: chat('"max_completion_tokens":[]'), param: 'max_completion_tokens' },
  { name: 'metadata a list', body: chat('"metadata":[]'), param: 'metadata' },
  { name: 'tags a string', body: chat('"tags":"a"'), param: 'tags' },
  { name: 'a tag that is a number', body: chat('"metadata":{"tags":[1]}'), param: 'metadata.tags' },
  { name: 'user a list', body: chat('"user":[]'), param: 'user' },
  { name: 'timeout a string', body: chat('"timeout":"5"'), param: 'timeout' },
  { name: 'timeout below 0', body: chat('"timeout":-1'), param: 'timeout' },
  { name: 'num_retries a fraction', body: chat('"num_retries":0.5'), param: 'num_retries' },
  { name: 'fallbacks a string', body: chat('"fallbacks":"other"'), param: 'fallbacks' },
  { name: 'an unknown fallback', body: chat('"fallbacks":["nobody"]'), param: 'fallbacks' },
  { name: 'a fallback without model', body: chat('"fallbacks":[{"temperature":0}]'), param: 'fallbacks' },
  { name: 'api_base', body: chat('"api_base":"http://127.0.0.1:1"'), param: 'api_base' },
  { name: 'api_base in extra_body', body: chat('"extra_body":{"a":[{"api_base":"http://127.0.0.1:1"}]}'), param: 'api_base' },
  { name: 'api_key in metadata', body: chat('"metadata":{"api_key":"sk-x"}'), param: 'api_key' },
  { name: 'api_base in a fallback', body: chat('"fallbacks":[{"model":"other","api_base":"http://127.0.0.1:1"}]'), param: 'api_base' },
  { name: 'deep nesting', body: chat(`"x":${deep(2000)}`), says: /deep|nest|JSON/ },
  { name: 'endless nesting', body: '['.repeat(1_000_000), says: /JSON|deep|nest/ },
  { name: 'nesting a provider may want', body: chat(`"x":${deep(100)}`), ok: true },
];

test('requests that are wrong are refused with a 400 that names the field; nobody is asked', async () => {
  const key = await gateway.newKey({ max_budget: 5 });
  for (const one of refused) {
    const asked = provider.all.length;
    const reply = await gateway.call('POST', '/v1/chat/completions', { key, body: one.body, headers: { 'content-type': 'application/json' } });
    const where = `${one.name}: ${reply.status} ${reply.text.slice(0, 300)}`;
    if (one.ok) {
      assert.equal(reply.status, 200, where);
      continue;
    }
    assert.equal(reply.status, 400, where);
    assert.deepEqual(Object.keys(reply.json.error), ['message', 'type', 'param', 'code'], where);
    assert.equal(reply.json.error.type, 'invalid_request_error', where);
    if (one.param) assert.equal(reply.json.error.param, one.param, where);
    if (one.says) assert.match(reply.json.error.message, one.says, where);
    if (one.param && !one.says) assert.ok(reply.json.error.message.includes(one.param.split('.')[0]), where);
    assert.equal(provider.all.length, asked, where);
  }
  for (const bytes of [[0xff], [0xc3, 0x28], [0xed, 0xa0, 0x80], [0xf8, 0x88, 0x80, 0x80, 0x80]]) {
    const body = Buffer.concat([Buffer.from('{"model":"good","messages":[{"role":"user","content":"'), Buffer.from(bytes), Buffer.from('"}]}')]);
    const reply = await fetch(`${gateway.url}/v1/chat/completions`, { method: 'POST', headers: { authorization: `Bearer ${key}` }, body });
    assert.equal(reply.status, 400, `${bytes}`);
    assert.match((await reply.json()).error.message, /UTF-8/i);
  }
});

test('wrong headers are refused with their name', async () => {
  const key = await gateway.newKey({ max_budget: 5 });
  for (const [name, value] of [['x-litellm-timeout', 'soon'], ['x-litellm-timeout', '-1'], ['x-litellm-timeout', 'nan'], ['x-litellm-stream-timeout', '0'], ['x-litellm-num-retries', '1.5'], ['x-litellm-num-retries', 'many']]) {
    const reply = await gateway.chat({ model: 'good' }, { key, headers: { [name]: value } });
    assert.equal(reply.status, 400, `${name}: ${value}: ${reply.text}`);
    assert.equal(reply.json.error.param, name);
  }
});

test('text completions and embeddings name their own fields', async () => {
  const key = await gateway.newKey({ max_budget: 5 });
  for (const [path, param] of [['/v1/completions', 'prompt'], ['/v1/embeddings', 'input']]) {
    const reply = await gateway.call('POST', path, { key, body: { model: 'good' } });
    assert.equal(reply.status, 400, reply.text);
    assert.equal(reply.json.error.param, param);
  }
});

test('tags, end user and call id come from body and headers into the row; nothing of it reaches the provider', async () => {
  const books = await Books.open(gateway);
  const reply = await books.chat(
    { model: 'good', tags: ['t1'], metadata: { tags: ['t2', 't1'], user_id: 'm-user', note: 'x'.repeat(600) }, user: 'b-user', litellm_session_id: 's', num_retries: 1, timeout: 30, fallbacks: ['other'], max_fallbacks: 1, caching: true, guardrails: [], seed: 7, logit_bias: { 50256: -100 } },
    { headers: { 'x-litellm-tags': 't3, t4', 'x-litellm-customer-id': 'h-user', 'openai-organization': 'org-caller', 'x-mine': '1' } },
  );
  assert.equal(reply.status, 200, reply.text);
  assert.equal(reply.headers.get('x-litellm-call-id'), books.lastId);
  const row = await books.row();
  assert.deepEqual([...row.request_tags].sort(), ['t1', 't2', 't3', 't4']);
  assert.equal(row.end_user, 'h-user');
  const { request } = provider.calls('good').at(-1);
  const sent = JSON.parse(request.body);
  assert.deepEqual(Object.keys(sent).sort(), ['logit_bias', 'messages', 'model', 'seed', 'user']);
  for (const name of ['x-litellm-tags', 'x-litellm-customer-id', 'openai-organization', 'x-mine', 'x-litellm-call-id']) assert.ok(!(name in request.headers), name);
  assert.equal(request.headers.authorization, 'Bearer sk-provider-key-0123456789');
  await books.chat({ model: 'good', user: 'b-user' });
  assert.equal((await books.row()).end_user, 'b-user');
  await books.chat({ model: 'good', metadata: { user_id: 'm-user' } });
  assert.equal((await books.row()).end_user, 'm-user');
  await books.close(3 * good);
});

test('a request brings its own fallbacks, with parameters of their own', async () => {
  const books = await Books.open(gateway);
  const reply = await books.chat({ model: 'failing', temperature: 1, fallbacks: [{ model: 'good', temperature: 0, messages: [{ role: 'user', content: 'other words' }] }] });
  assert.equal(reply.status, 200, reply.text);
  assert.equal(reply.json.model, 'good');
  const sent = JSON.parse(provider.calls('good').at(-1).request.body);
  assert.equal(sent.temperature, 0);
  assert.equal(sent.messages[0].content, 'other words');
  const off = await books.chat({ model: 'failing', disable_fallbacks: true });
  assert.equal(off.status, 500);
  assert.equal((await books.chat({ model: 'failing', max_fallbacks: 0 })).status, 500);
  const retried = await books.chat({ model: 'failing', disable_fallbacks: true }, { headers: { 'x-litellm-num-retries': '1' } });
  assert.equal(retried.headers.get('x-litellm-attempted-retries'), '1');
  assert.equal(retried.headers.get('x-litellm-max-retries'), '1');
  await books.close(good);
});

test('AC-FALL-3: no fallback leaves the key\'s models; a key may do without fallbacks', async () => {
  const narrow = await Books.open(gateway, { models: ['failing', 'good'] });
  for (const one of [await narrow.chat({ model: 'failing' }), await narrow.stream({ model: 'failing' })]) {
    assert.equal(one.status, 200, one.text);
    assert.equal(one.headers.get('x-litellm-model-group'), 'good', 'the one it may not use is skipped');
  }
  const asked = await gateway.chat({ model: 'failing', fallbacks: ['other'] }, { key: narrow.key });
  assert.equal(asked.status, 403, asked.text);
  assert.equal(asked.json.error.type, 'key_model_access_denied');
  await narrow.close(2 * good);
  const without = await Books.open(gateway, { metadata: { disable_fallbacks: true } });
  for (const stream of [false, true]) assert.equal((await without.chat({ model: 'failing', stream })).status, 500);
  await without.close(0);
});

test('mocks: replies, streams, errors; the failure tests take the first group down', async () => {
  const books = await Books.open(gateway);
  const asked = provider.all.length;
  const plain = await books.chat({ model: 'good', mock_response: 'hello' });
  assert.match(plain.headers.get('content-type'), /^application\/json/);
  assert.equal(plain.json.choices[0].message.content, 'hello');
  assert.equal(plain.json.model, 'good');
  const streamed = await books.stream({ model: 'good', mock_response: 'hello there', stream_options: { include_usage: true } });
  assert.match(streamed.headers.get('content-type'), /^text\/event-stream/);
  assert.equal(streamed.events.at(-1), '[DONE]');
  assert.ok(streamed.events.at(-2).usage);
  for (const [text, status] of [['litellm.RateLimitError', 429], ['litellm.ContextWindowExceededError', 400], ['litellm.InternalServerError', 500], ['Exception: content_filter_policy', 400]]) {
    const reply = await books.chat({ model: 'good', mock_response: text });
    assert.equal(reply.status, status, `${text}: ${reply.text}`);
  }
  assert.equal(provider.all.length, asked, 'no provider is asked');
  for (const flag of ['mock_testing_fallbacks', 'mock_testing_context_fallbacks', 'mock_testing_content_policy_fallbacks', 'mock_testing_rate_limit_error']) {
    const reply = await books.chat({ model: 'good', [flag]: true, fallbacks: ['other'] });
    assert.equal(reply.status, 200, `${flag}: ${reply.text}`);
    assert.equal(reply.json.model, 'other');
    assert.equal(reply.headers.get('x-litellm-attempted-fallbacks'), '1');
  }
  const rows = await books.close(4 * good);
  assert.ok(rows.filter((row) => row.turnpike.marks.includes('mocked')).length >= 2);
});

test('AC-SPEND-5, AC-PRICE-5: answers without an id are rows all the same, one per call', async () => {
  const books = await Books.open(gateway);
  await Promise.all(Array.from({ length: 50 }, async (_, i) => {
    const reply = i % 2 ? await books.stream({ model: 'nameless' }) : await books.chat({ model: 'nameless' });
    assert.equal(reply.status, 200, reply.text);
    const id = i % 2 ? reply.events[0].id : reply.json.id;
    assert.match(id, /^chatcmpl-.{20}/);
  }));
  const rows = await books.close(50 * good);
  assert.equal(new Set(rows.map((row) => row.turnpike.record_id)).size, 50);
});

test('AC-PRICE-3: a machine of our own without a price costs 0 and says that nobody knows; a price of 0 is free', async () => {
  const books = await Books.open(gateway);
  const unknown = await books.chat({ model: 'unpriced' });
  assert.equal(unknown.status, 200, unknown.text);
  const row = await books.row();
  assert.match(row.turnpike.marks, /cost_unknown/);
  assert.equal(row.completion_tokens, 7);
  const free = await books.chat({ model: 'free' });
  assert.equal(free.headers.get('x-litellm-response-cost'), '0');
  assert.doesNotMatch((await books.row()).turnpike.marks, /cost_unknown/);
  await books.close(0);
});

test('the headers of an answer say who served it, what it cost and how long it took', async () => {
  const books = await Books.open(gateway, { max_budget: 3 });
  await books.chat({ model: 'good' });
  const reply = await books.chat({ model: 'good' });
  const value = (name) => reply.headers.get(`x-litellm-${name}`);
  assert.equal(value('call-id'), books.lastId);
  assert.match(value('version'), /^\d+\.\d+\.\d+/);
  assert.ok(value('model-id'));
  assert.equal(value('model-api-base'), provider.base('good'));
  assert.equal(value('model-group'), 'good');
  assert.equal(nano(value('response-cost')), good);
  assert.match(value('response-cost'), /^0\.\d+$/, 'decimal text');
  assert.equal(nano(value('key-spend')), 2 * good, 'including this call');
  assert.equal(Number(value('key-max-budget')), 3);
  assert.deepEqual(['attempted-retries', 'attempted-fallbacks', 'max-retries'].map(value), ['0', '0', '0']);
  assert.ok(Number(value('response-duration-ms')) >= Number(value('overhead-duration-ms')));
  assert.ok(Number(value('overhead-duration-ms')) >= 0);
  for (const name of ['timeout', 'cache-key', 'model-region']) assert.equal(value(name), null, `${name} is not sent when it says nothing`);
  assert.equal((await books.chat({ model: 'other' })).headers.get('x-litellm-model-region'), 'eu');
  const streamed = await books.stream({ model: 'good' });
  assert.equal(streamed.headers.get('x-litellm-response-cost'), null, 'not known when a stream begins');
  const late = await books.chat({ model: 'good', mock_timeout: true, timeout: 0.25 });
  assert.equal(late.status, 408);
  assert.equal(Number(late.headers.get('x-litellm-timeout')), 0.25);
  await books.close(4 * good);
});

test('a failed text completion has the same face', async () => {
  const books = await Books.open(gateway);
  const reply = await gateway.call('POST', '/v1/completions', { key: books.key, headers: books.sign(), body: { model: 'failing', prompt: 'x', disable_fallbacks: true } });
  assert.equal(reply.status, 500);
  assert.match(reply.json.error.message, /^litellm\.InternalServerError: /);
  await books.close(0);
});
