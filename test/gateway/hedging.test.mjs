// A second attempt beside a slow first one (turnpike.hedging): who answers first has won, the other is ended and what it
// has cost is booked; what attempts that lost may cost is a share of what the group costs. And calls that are repeated on
// another group for comparison (turnpike.mirroring, silent_model), which no caller ever notices.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Books, nano, priceOf } from '../harness/books.mjs';
import { RawProvider, events, goodReply, goodStream, role } from '../harness/raw_provider.mjs';
import { Gateway, deployment, until } from '../harness/turnpike.mjs';

let provider;
let gateway;
const good = priceOf(11, 7);
/** How the deployments named "slow-*" answer: quick while the group learns, then as the test says. */
const behaviour = {};

const quick = async (turn) => (JSON.parse(turn.request.body).stream ? turn.sse(goodStream) : turn.json(200, goodReply));

before(async () => {
  provider = await RawProvider.start();
  const models = [];
  const group = (name, more = {}) => {
    const slow = provider.on(`slow-${name}`, async (turn) => (behaviour[name] ?? quick)(turn));
    const other = provider.on(`other-${name}`, async (turn) => (behaviour[`other-${name}`] ?? quick)(turn));
    models.push(deployment(name, slow, { params: { weight: 1, ...more }, info: { id: `slow-${name}` } }));
    models.push(deployment(name, other, { params: { weight: 0, ...more }, info: { id: `other-${name}` } }));
  };
  for (const name of ['stalls', 'begins', 'both', 'fails', 'gone', 'costly', 'unhedged', 'single-try', 'free']) group(name, name === 'free' ? { input_cost_per_token: 0, output_cost_per_token: 0 } : {});
  models.push(deployment('plain', provider.on('plain', quick)));
  models.push(deployment('shadow', provider.on('shadow', async (turn) => (behaviour.shadow ?? quick)(turn))));
  models.push(deployment('silent', provider.on('silent', quick), { params: { silent_model: ['shadow'] } }));
  models.push(deployment('sampled', provider.on('sampled', quick)));
  gateway = await Gateway.start({
    config: {
      model_list: models,
      router_settings: {
        num_retries: 1, retry_after: 0, allowed_fails: 1000,
        model_group_retry_policy: { 'single-try': { TimeoutErrorRetries: 0 } },
      },
      turnpike: {
        hedging: [
          ...['stalls', 'begins', 'both', 'fails', 'gone', 'single-try', 'free'].map((model_group) => ({ model_group, extra_spend_percent: 100 })),
          { model_group: 'costly', extra_spend_percent: 0.1 },
        ],
        mirroring: [{ model_group: 'plain', to: 'shadow', percent: 100 }, { model_group: 'sampled', to: 'shadow', percent: 25 }],
        mirror_calls_max: 2,
      },
    },
  });
});

after(async () => {
  await gateway?.stop();
  await provider?.stop();
});

const ask = (books, body) => (body.stream ? books.stream(body) : books.chat(body));

/** Twenty-five quick calls: enough for the group to know what slow is. */
async function learn(books, model, body) {
  for (let i = 0; i < 25; ++i) assert.equal((await ask(books, { model, ...body })).status, 200);
}

/** Answers nothing until the other side goes. */
const silent = async (turn) => turn.gone();

for (const body of [{}, { stream: true }]) {
  const kind = body.stream ? 'streamed' : 'whole';
  test(`${kind}: a first attempt that stalls is overtaken by a second on another deployment, and ended`, async () => {
    delete behaviour.stalls;
    const books = await Books.open(gateway);
    await learn(books, 'stalls', body);
    behaviour.stalls = silent;
    const reply = await ask(books, { model: 'stalls', ...body });
    assert.equal(reply.status, 200, reply.text);
    assert.equal(reply.headers.get('x-litellm-model-id'), 'other-stalls');
    assert.equal(reply.headers.get('x-litellm-attempted-retries'), '1', 'the second attempt counts as a retry');
    const lost = provider.calls('slow-stalls').at(-1);
    await until(() => lost.goneAt, 'the connection of the attempt that lost to be closed', 1000);
    const row = await books.row();
    assert.match(row.turnpike.marks, /hedged/);
    assert.deepEqual(row.turnpike.attempts.map((entry) => entry.deployment_id), ['slow-stalls', 'other-stalls']);
    assert.equal(nano(row.spend), good, 'one that has answered nothing costs nothing');
    await books.close(26 * good);
    delete behaviour.stalls;
    assert.equal((await gateway.call('GET', '/health?model=stalls')).json.unhealthy_count, 0, 'to lose is no failure');
  });

  test(`${kind}: when both attempts fail the call fails with what was said first, after two attempts`, async () => {
    delete behaviour.both;
    const books = await Books.open(gateway);
    await learn(books, 'both', body);
    behaviour.both = async (turn) => {
      await until(() => provider.calls('other-both').length > 0, 'the second attempt');
      await turn.sleep(200);  // The refusal of the second is read first.
      await turn.json(500, { error: { message: 'first', type: null, param: null, code: null } });
    };
    behaviour['other-both'] = async (turn) => turn.json(503, { error: { message: 'second', type: null, param: null, code: null } });
    provider.all = provider.all.filter((call) => call.name !== 'other-both');
    const reply = await ask(books, { model: 'both', ...body });
    assert.equal(reply.status, 503, reply.text);
    assert.match(reply.json.error.message, /second/);
    const row = await books.row();
    assert.equal(row.turnpike.attempts.length, 2);
    assert.equal(nano(row.spend), 0);
    delete behaviour.both;
    delete behaviour['other-both'];
    await books.close(25 * good);
  });

  test(`${kind}: a second attempt that fails leaves the first its time`, async () => {
    delete behaviour.fails;
    const books = await Books.open(gateway);
    await learn(books, 'fails', body);
    provider.all = provider.all.filter((call) => call.name !== 'other-fails');
    let answered = false;
    behaviour['other-fails'] = async (turn) => turn.json(500, { error: { message: 'no', type: null, param: null, code: null } });
    behaviour.fails = async (turn) => {
      await until(() => provider.calls('other-fails').length > 0, 'the second attempt');
      await turn.sleep(30);  // The refusal of the second is read first.
      answered = true;
      return quick(turn);
    };
    const reply = await ask(books, { model: 'fails', ...body });
    assert.equal(reply.status, 200, reply.text);
    assert.ok(answered);
    assert.equal(reply.headers.get('x-litellm-model-id'), 'slow-fails');
    const row = await books.row();
    assert.equal(row.turnpike.attempts.at(-1).deployment_id, 'slow-fails', 'the attempt that answered stands last');
    delete behaviour.fails;
    delete behaviour['other-fails'];
    await books.close(26 * good);
  });

  test(`${kind}: a caller who hangs up ends both`, async () => {
    delete behaviour.gone;
    const books = await Books.open(gateway);
    await learn(books, 'gone', body);
    provider.all = provider.all.filter((call) => !call.name.endsWith('-gone'));
    behaviour.gone = silent;
    behaviour['other-gone'] = silent;
    const caller = new AbortController();
    const asked = books.chat({ model: 'gone', ...body }, { signal: caller.signal }).catch(() => 'gone');
    await until(() => provider.calls('other-gone').length === 1, 'a second attempt');
    caller.abort();
    assert.equal(await asked, 'gone');
    for (const name of ['slow-gone', 'other-gone']) await until(() => provider.calls(name).at(-1).goneAt, `${name} to be left`, 1000);
    const row = await books.row();
    assert.equal(row.turnpike.status, 'aborted');
    assert.equal(nano(row.spend), 0);
    delete behaviour.gone;
    delete behaviour['other-gone'];
    await books.close(25 * good);
  });
}

test('streams: what a lost attempt had begun to answer is booked, by our count where the provider has not said', async () => {
  const books = await Books.open(gateway);
  await learn(books, 'begins', { stream: true });
  behaviour.begins = async (turn) => {
    await turn.sseHead();
    await turn.chunk(events(role));  // No content yet: the race is open.
    await turn.gone();
  };
  const reply = await books.stream({ model: 'begins', messages: [{ role: 'user', content: 'a prompt of some words' }] });
  assert.equal(reply.headers.get('x-litellm-model-id'), 'other-begins', reply.text);
  const row = await books.row();
  assert.match(row.turnpike.marks, /hedged/);
  assert.match(row.turnpike.marks, /estimated/);
  const [lost, won] = row.turnpike.attempts;
  assert.equal(won.cost_nano, good);
  assert.equal(lost.error_text, 'Another attempt answered first.');
  assert.ok(lost.cost_nano > 0 && lost.cost_nano < good, JSON.stringify(lost));
  assert.equal(nano(row.spend), lost.cost_nano + good, 'both are in the entry');
  delete behaviour.begins;
  await books.close();
});

test('the extra cost stays within its share: beyond it slow calls are waited for', async () => {
  const books = await Books.open(gateway);
  await learn(books, 'costly', {});
  const before = provider.calls('other-costly').length;
  behaviour.costly = async (turn) => {
    await turn.sleep(300);
    return quick(turn);
  };
  const reply = await books.chat({ model: 'costly' });
  assert.equal(reply.headers.get('x-litellm-model-id'), 'slow-costly');
  assert.equal(provider.calls('other-costly').length, before, 'no second attempt was made');
  assert.match(await gateway.metrics(), /turnpike_hedges_refused_total\{model_group="costly"\} 1/);
  delete behaviour.costly;
  await books.close(26 * good);
});

test('models without a price are hedged within a share of their calls', async () => {
  const books = await Books.open(gateway);
  await learn(books, 'free', {});
  behaviour.free = silent;
  const reply = await books.chat({ model: 'free' });
  assert.equal(reply.headers.get('x-litellm-model-id'), 'other-free', reply.text);
  delete behaviour.free;
  await books.close(0);
});

test('a group without a rule is never hedged, nor a call that may not be repeated', async () => {
  const books = await Books.open(gateway);
  for (const [model, body] of [['unhedged', {}], ['single-try', { num_retries: 0 }]]) {
    await learn(books, model, body);
    behaviour[model] = async (turn) => {
      await turn.sleep(200);
      return quick(turn);
    };
    const reply = await books.chat({ model, ...body });
    assert.equal(reply.headers.get('x-litellm-model-id'), `slow-${model}`);
    assert.equal(reply.headers.get('x-litellm-attempted-retries'), '0');
    delete behaviour[model];
  }
  await books.close(52 * good);
});

test('a mirrored call: same id and trace, its own tag, the same key; the shadow is asked whole, whatever the caller asked', async () => {
  for (const body of [{}, { stream: true }]) {
    for (const model of ['plain', 'silent']) {
      const books = await Books.open(gateway);
      const before = provider.calls('shadow').length;
      const reply = await ask(books, { model, temperature: 0.5, fallbacks: ['plain'], ...body });
      assert.equal(reply.status, 200, reply.text);
      assert.equal(reply.headers.get('x-litellm-model-group'), model);
      const rows = await gateway.rows(`request_id=${books.lastId}`, 2);
      const copy = rows.find((row) => row.turnpike.model_group === 'shadow' || row.model_group === 'shadow');
      const first = rows.find((row) => row !== copy);
      assert.ok(copy, JSON.stringify(rows));
      assert.deepEqual(JSON.parse(typeof copy.request_tags === 'string' ? copy.request_tags : JSON.stringify(copy.request_tags)), ['mirror']);
      assert.equal(copy.turnpike.trace_id, first.turnpike.trace_id);
      assert.equal(nano(copy.spend), good);
      assert.equal(nano((await gateway.keyInfo(books.key)).spend), 2 * good, 'the key pays for both');
      assert.equal(provider.calls('shadow').length, before + 1);
      const sent = JSON.parse(provider.calls('shadow').at(-1).request.body);
      assert.equal(sent.stream ?? false, false);
      assert.equal(sent.stream_options, undefined);
      assert.equal(sent.fallbacks, undefined);
      assert.equal(sent.temperature, 0.5);
    }
  }
});

test('a mirror never fails or delays its call, and only so many run at a time', async () => {
  const books = await Books.open(gateway);
  behaviour.shadow = async (turn) => turn.json(500, { error: { message: 'shadow', type: null, param: null, code: null } });
  assert.equal((await books.chat({ model: 'silent' })).status, 200);
  const rows = await gateway.rows(`request_id=${books.lastId}`, 2);
  assert.deepEqual(rows.map((row) => `${row.model_group} ${row.status}`).sort(), ['shadow failure', 'silent success']);
  behaviour.shadow = silent;
  const begun = Date.now();
  for (let i = 0; i < 5; ++i) assert.equal((await books.chat({ model: 'plain' })).status, 200);
  assert.ok(Date.now() - begun < 5000, 'nobody waited for the shadow');
  await until(async () => /turnpike_mirrors_left_out_total 3/.test(await gateway.metrics()), 'three to be left out');
  delete behaviour.shadow;
});

test('a share of the calls is mirrored', async () => {
  const books = await Books.open(gateway);
  // Those of the test before that are still waiting take the places.
  for (const socket of provider.sockets) socket.destroy();
  await until(async () => /turnpike_mirrors_open 0/.test(await gateway.metrics()), 'no mirror to be open');
  const before = provider.calls('shadow').length;
  const calls = 200;
  for (let i = 0; i < calls; ++i) {
    assert.equal((await books.chat({ model: 'sampled' })).status, 200);
    await until(async () => !/turnpike_mirrors_open [2-9]/.test(await gateway.metrics()), 'a free place');
  }
  const copies = provider.calls('shadow').length - before;
  assert.ok(copies > calls * 0.12 && copies < calls * 0.38, `${copies} of ${calls}`);
});
