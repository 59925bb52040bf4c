// Routing that is not the configuration's: what a key says for its calls (router_settings, disable_fallbacks), and fallbacks
// that are set while the gateway runs (POST /fallback). Streamed and not; after each test the books must be right.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, test } from 'node:test';
import { Books, priceOf } from '../harness/books.mjs';
import { RawProvider, goodReply, goodStream } from '../harness/raw_provider.mjs';
import { Gateway, deployment, scene, until } from '../harness/turnpike.mjs';

const good = priceOf(11, 7);
const bodies = [{}, { stream: true }];
const said = (message, more = {}) => ({ error: { message, type: null, param: null, code: null, ...more } });
const answer = async (turn) => (JSON.parse(turn.request.body).stream ? turn.sse(goodStream) : turn.json(200, goodReply));
const flags = ['--num_workers', '2'];

let provider;
let gateway;
let config;

before(async () => {
  provider = await RawProvider.start();
  const scripts = {
    one: answer,
    two: answer,
    three: answer,
    oops: (turn) => turn.json(500, said('oops')),
    long: (turn) => turn.json(400, said('This model\'s maximum context length is 5 tokens', { code: 'context_length_exceeded' })),
    silent: (turn) => turn.gone(),
  };
  for (const [name, script] of Object.entries(scripts)) provider.on(name, script);
  config = {
    model_list: [
      ...Object.keys(scripts).map((name) => deployment(name, provider.base(name))),
      ...['dear', 'cheap'].map((id) => deployment('pair', provider.base('one'), { params: { tags: [id], ...(id === 'dear' ? { output_cost_per_token: 0.001 } : {}) }, info: { id } })),
      ...[1, 2, 3, 4, 5].map((number) => deployment('many', provider.base('oops'), { info: { id: `many-${number}` } })),
    ],
    router_settings: {
      num_retries: 0,
      disable_cooldowns: true,
      fallbacks: [{ oops: ['one'] }, { silent: ['one'] }],
      context_window_fallbacks: [{ long: ['one'] }],
    },
  };
  gateway = await Gateway.start({ config, flags });
});

after(async () => {
  await gateway?.stop();
  await provider?.stop();
});

const ask = (books, body) => (body.stream ? books.stream(body) : books.chat(body));
/** The group that answered, or the status. */
const outcome = (reply) => (reply.status === 200 ? reply.headers.get('x-litellm-model-group') : reply.status);
/** Asks streamed and not; both must end alike. */
async function outcomes(books, body) {
  const [whole, streamed] = [await ask(books, body), await ask(books, { ...body, stream: true })];
  assert.equal(outcome(streamed), outcome(whole), `${JSON.stringify(body)}\n${whole.text}\n${streamed.text}`);
  if (whole.status === 200) assert.equal(streamed.events.at(-1), '[DONE]');
  return outcome(whole);
}

test('AC-FALL-2: a key\'s fallbacks come behind the request\'s and before the configured, streamed too', async () => {
  const rows = [
    [{}, { model: 'oops' }, 'one'],
    [{ fallbacks: [{ oops: ['two'] }] }, { model: 'oops' }, 'two'],
    [{ fallbacks: ['two'] }, { model: 'oops' }, 'two'],
    [{ fallbacks: [{ '*': ['two'] }] }, { model: 'oops' }, 'two'],
    [{ fallbacks: [{ oops: ['many'] }, { many: ['two'] }] }, { model: 'oops' }, 'two'],
    [{ fallbacks: [{ oops: ['long'] }, { long: ['two'] }] }, { model: 'oops' }, 'one'],
    [{ fallbacks: [{ oops: ['two'] }] }, { model: 'oops', fallbacks: ['three'] }, 'three'],
    [{ fallbacks: [{ oops: ['two'] }] }, { model: 'oops', disable_fallbacks: true }, 500],
    [{ fallbacks: [{ long: ['two'] }] }, { model: 'oops' }, 500],
    [{ fallbacks: [] }, { model: 'oops' }, 500],
    [{ fallbacks: [{ oops: ['nobody', 'two'] }] }, { model: 'oops' }, 'two'],
    [{ max_fallbacks: 0 }, { model: 'oops' }, 500],
    [{ max_fallbacks: 0 }, { model: 'oops', max_fallbacks: 1 }, 'one'],
    [{ context_window_fallbacks: [{ long: ['two'] }] }, { model: 'long' }, 'two'],
    [{ context_window_fallbacks: [{ oops: ['two'] }] }, { model: 'long' }, 400],
    [{ content_policy_fallbacks: [{ long: ['two'] }] }, { model: 'long' }, 'one'],
  ];
  for (const [router_settings, body, expected] of rows) {
    const books = await Books.open(gateway, { router_settings });
    assert.equal(await outcomes(books, body), expected, JSON.stringify([router_settings, body]));
    await books.close(typeof expected === 'string' ? 2 * good : 0);
  }
});

test('a key\'s fallback may change parameters; what it says stays here', async () => {
  const books = await Books.open(gateway, { router_settings: { fallbacks: [{ oops: [{ model: 'two', temperature: 0.25 }] }] } });
  assert.equal(await outcomes(books, { model: 'oops', temperature: 1 }), 'two');
  const sent = JSON.parse(provider.calls('two').at(-1).request.body);
  assert.equal(sent.temperature, 0.25);
  assert.ok(!('router_settings' in sent));
  await books.close(2 * good);
});

test('AC-FALL-2: disable_fallbacks of a key holds for every list, streamed too', async () => {
  const books = await Books.open(gateway, { metadata: { disable_fallbacks: true }, router_settings: { fallbacks: [{ oops: ['two'] }] } });
  for (const [model, status] of [['oops', 500], ['long', 400]]) {
    for (const body of bodies) {
      const reply = await ask(books, { model, ...body });
      assert.equal(reply.status, status, reply.text);
      assert.equal(reply.headers.get('x-litellm-attempted-fallbacks'), '0');
      assert.equal((await books.row()).turnpike.attempts.length, 1);
    }
  }
  assert.equal(await outcomes(books, { model: 'oops', fallbacks: ['three'] }), 500, 'the request cannot switch them on');
  await books.close(0);
});

test('AC-FALL-3: fallbacks of a key, and those set at run time, keep to the models of the key', async () => {
  const models = ['oops', 'three'];
  const some = await Books.open(gateway, { models, router_settings: { fallbacks: [{ oops: ['two', 'three'] }] } });
  assert.equal(await outcomes(some, { model: 'oops' }), 'three');
  await some.close(2 * good);
  const none = await Books.open(gateway, { models, router_settings: { fallbacks: [{ oops: ['two'] }] } });
  assert.equal(await outcomes(none, { model: 'oops' }), 500);
  await none.close(0);
  assert.equal((await gateway.call('POST', '/fallback', { body: { model: 'many', fallback_models: ['two', 'three'] } })).status, 200);
  const stored = await Books.open(gateway, { models: ['many', 'three'] });
  assert.equal(await outcomes(stored, { model: 'many' }), 'three');
  await stored.close(2 * good);
  assert.equal((await gateway.call('DELETE', '/fallback/many')).status, 200);
});

test('numbers of retries: the request\'s, the key\'s, the configured; a key\'s policies by class of error', async () => {
  const rows = [
    [{}, {}, 1],
    [{ num_retries: 2 }, {}, 3],
    [{ num_retries: 2 }, { num_retries: 1 }, 2],
    [{ num_retries: 2, retry_policy: { InternalServerErrorRetries: 3 } }, {}, 4],
    [{ retry_policy: { InternalServerErrorRetries: 3 }, model_group_retry_policy: { many: { InternalServerErrorRetries: 1 } } }, {}, 2],
    [{ retry_policy: { RateLimitErrorRetries: 3 } }, {}, 1],
  ];
  for (const [router_settings, body, attempts] of rows) {
    const books = await Books.open(gateway, { router_settings });
    for (const stream of [false, true]) {
      const reply = await ask(books, { model: 'many', ...body, stream });
      assert.equal(reply.status, 500, reply.text);
      assert.equal((await books.row()).turnpike.attempts.length, attempts, JSON.stringify([router_settings, body, stream]));
    }
    await books.close(0);
  }
});

test('time-outs of a key end its calls, unless the request says otherwise', async () => {
  const patience = { timeout: 60, fallbacks: [] };
  for (const [router_settings, body] of [
    [{ timeout: 0.3, fallbacks: [] }, { model: 'silent' }],
    [{ request_timeout: 0.3, fallbacks: [] }, { model: 'silent', stream: true }],
    [{ ...patience, stream_timeout: 0.3 }, { model: 'silent', stream: true }],
    [patience, { model: 'silent', timeout: 0.3 }],
  ]) {
    const books = await Books.open(gateway, { router_settings });
    const reply = await ask(books, body);
    assert.equal(reply.status, 408, `${JSON.stringify(router_settings)}: ${reply.text}`);
    await books.close();
  }
  const books = await Books.open(gateway, { router_settings: { stream_timeout: 0.3 } });
  assert.equal(outcome(await ask(books, { model: 'silent', stream: true })), 'one', 'the configured fallback follows');
  await books.close();
});

test('strategy and tags of a key stand in the place of the group\'s', async () => {
  for (const [router_settings, body, id] of [
    [{ routing_strategy: 'cost-based-routing' }, {}, 'cheap'],
    [{ enable_tag_filtering: true }, { tags: ['dear'] }, 'dear'],
    [{ enable_tag_filtering: true, routing_strategy: 'cost-based-routing' }, { tags: ['dear'] }, 'dear'],
  ]) {
    const books = await Books.open(gateway, { router_settings });
    for (let i = 0; i < 8; ++i) {
      const reply = await ask(books, { model: 'pair', stream: i % 2 === 0, ...body });
      assert.equal(reply.headers.get('x-litellm-model-id'), id, JSON.stringify(router_settings));
    }
    await books.close();
  }
});

test('a change of a key\'s routing is in force at once; what cannot be one key\'s is refused', async () => {
  const books = await Books.open(gateway, { router_settings: { fallbacks: ['two'] } });
  assert.equal(await outcomes(books, { model: 'oops' }), 'two');
  const update = (router_settings) => gateway.call('POST', '/key/update', { body: { key: books.key, router_settings } });
  assert.equal((await update({ fallbacks: ['three'] })).status, 200);
  assert.equal(await outcomes(books, { model: 'oops' }), 'three');
  const refused = await update({ cooldown_time: 5 });
  assert.equal(refused.status, 400);
  assert.equal(refused.json.error.param, 'router_settings.cooldown_time');
  assert.deepEqual((await gateway.keyInfo(books.key)).router_settings, { fallbacks: ['three'] });
  assert.equal((await update({})).status, 200);
  assert.equal(await outcomes(books, { model: 'oops' }), 'one');
  await books.close(6 * good);
});

test('POST /fallback is in force at once for new calls on every thread; a call under way keeps what it began with', async () => {
  const books = await Books.open(gateway);
  let release;
  const held = new Promise((resolve) => (release = resolve));
  let reached;
  const arrived = new Promise((resolve) => (reached = resolve));
  provider.on('oops', async (turn) => {
    reached();
    await held;
    await turn.json(500, said('oops'));
  });
  const running = ask(books, { model: 'oops' });
  await arrived;
  provider.on('oops', (turn) => turn.json(500, said('oops')));
  const made = await gateway.call('POST', '/fallback', { body: { model: 'oops', fallback_models: ['two', 'three'], fallback_type: 'general' } });
  assert.deepEqual(made.json, { model: 'oops', fallback_models: ['two', 'three'], fallback_type: 'general', message: 'Fallback configuration updated successfully' });
  const replies = await Promise.all(Array.from({ length: 8 }, (_, i) => ask(books, { model: 'oops', stream: i % 2 === 0 })));
  assert.deepEqual(replies.map(outcome), Array(8).fill('two'));
  release();
  assert.equal(outcome(await running), 'one');
  assert.equal((await gateway.call('POST', '/fallback', { body: { model: 'oops', fallback_models: ['one'] } })).status, 200);
  await books.close(9 * good);
});

test('fallbacks set at run time outlive reload and restart, each kind by itself; a deleted list stays deleted', async () => {
  await scene(
    async (own) => own(await Gateway.start({ config, flags })),
    async (first, own) => {
      const set = (at, body) => at.call('POST', '/fallback', { body });
      assert.equal((await set(first, { model: 'many', fallback_models: ['three'] })).json.message, 'Fallback configuration created successfully');
      assert.equal((await set(first, { model: 'long', fallback_models: ['two'], fallback_type: 'context_window' })).status, 200);
      assert.equal((await first.call('DELETE', '/fallback/oops')).json.message, 'Fallback configuration deleted successfully');
      const holds = async (at) => {
        const books = await Books.open(at);
        assert.equal(await outcomes(books, { model: 'many' }), 'three');
        assert.equal(await outcomes(books, { model: 'long' }), 'two');
        assert.equal(await outcomes(books, { model: 'oops' }), 500, 'deleted, although the file names one');
        assert.equal((await at.call('GET', '/fallback/oops')).status, 404);
        assert.deepEqual((await at.call('GET', '/fallback/long?fallback_type=context_window')).json, { model: 'long', fallback_models: ['two'], fallback_type: 'context_window' });
        await books.close(4 * good);
      };
      await holds(first);
      assert.equal((await first.call('POST', '/config/reload')).status, 200);
      await holds(first);
      const { directory } = first;
      first.ownsDirectory = false;
      await first.stop();
      const second = own(await Gateway.start({ config, flags, directory }));
      second.ownsDirectory = true;
      await holds(second);
      // A model that leaves the configuration is named, and the rest goes on.
      const fewer = { ...config, model_list: config.model_list.filter((entry) => entry.model_name !== 'three') };
      fs.writeFileSync(second.file, JSON.stringify(Gateway.withMasterKey(fewer)));
      assert.equal((await second.call('POST', '/config/reload')).status, 200);
      await until(() => /general fallbacks of many, but nobody serves three now/.test(second.stderr), 'the warning');
      const books = await Books.open(second);
      assert.equal(await outcomes(books, { model: 'many' }), 500);
      await books.close(0);
    },
  );
});

test('a fallback that leads nowhere is refused with the nearest names, and needs the master key', async () => {
  const rows = [
    [{ model: 'oosp', fallback_models: ['two'] }, 404, /not found in router. Did you mean oops/],
    [{ model: 'oops', fallback_models: ['tow'] }, 400, /Invalid fallback models: \['tow'\]. Did you mean two/],
    [{ model: 'oops', fallback_models: ['oops'] }, 400, /cannot be its own fallback/],
    [{ model: 'oops', fallback_models: [] }, 400, /at least one model/],
  ];
  for (const [body, status, says] of rows) {
    const reply = await gateway.call('POST', '/fallback', { body });
    assert.equal(reply.status, status, reply.text);
    assert.match(reply.json.error.message, says);
  }
  const key = await gateway.newKey();
  assert.equal((await gateway.call('POST', '/fallback', { key, body: { model: 'oops', fallback_models: ['two'] } })).status, 401);
});
