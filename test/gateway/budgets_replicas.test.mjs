// AC-BUDGET-1 to -9 on two replicas that share a PostgreSQL, and with Redis added: what one replica spends or changes the other
// refuses. (When windows end: resets_replicas.test.mjs; faults: leases.test.mjs, leases_time.test.mjs, budgets_rates.test.mjs.)
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { nano } from '../harness/books.mjs';
import { RawProvider } from '../harness/raw_provider.mjs';
import { Shared, ask, priceNano } from '../harness/replicas.mjs';
import { deployment, masterKey, until } from '../harness/turnpike.mjs';

const price = priceNano / 1e9; // Dollars of a call.
const editMs = 1_000; // AC-BUDGET-6
let number = 0;
const fresh = (word) => `${word}-${++number}`;

/** 500 KB that are 100,000 tokens or so. */
const longPrompt = 'function example(argument) { return argument; }\n'.repeat(11_100);
const wav = Buffer.concat([Buffer.from('524946462c0100005741564520666d74201000000001000100401f0000401f000001000800646174610800000080808080', 'hex'), Buffer.alloc(292, 128)]);
function form(fields, field, name, type) {
  const data = new FormData();
  for (const [key, value] of Object.entries(fields)) data.append(key, value);
  data.append(field, new Blob([wav], { type }), name);
  return data;
}

// What is sent to the routes whose paths end so; the longest end counts. `free`: nothing is paid there, so nothing is refused.
const bodies = {
  '/chat/completions': { model: 'm', messages: [{ role: 'user', content: 'hi' }] },
  '/completions': { model: 'm', prompt: 'hi' },
  '/embeddings': { model: 'embed', input: 'hi' },
  '/rerank': { model: 'ranked', query: 'q', documents: ['a', 'b'] },
  '/moderations': { free: true, model: 'moderated', input: 'hi' },
  '/images/generations': { model: 'image', prompt: 'a cat' },
  '/images/edits': () => form({ model: 'edited', prompt: 'a hat' }, 'image', 'a.png', 'image/png'),
  '/audio/speech': { model: 'speech', input: 'hello', voice: 'alloy' },
  '/audio/transcriptions': () => form({ model: 'whisper' }, 'file', 'a.wav', 'audio/wav'),
  '/audio/translations': () => form({ model: 'whisper' }, 'file', 'a.wav', 'audio/wav'),
};
function requestTo(path) {
  const end = Object.keys(bodies).filter((one) => path.endsWith(one)).sort((a, b) => b.length - a.length)[0];
  assert.ok(end, `${path}: a new route of calls; say here what is sent to it`);
  const body = typeof bodies[end] === 'function' ? bodies[end]() : bodies[end];
  const model = body instanceof FormData ? body.get('model') : body.model;
  return { target: path.replace('{model}', model), body, free: body.free };
}

class Place {
  async start(redis) {
    [this.shared, this.raw] = await Promise.all([Shared.start({ redis }), RawProvider.start()]);
    const tokens = (data) => ({ data, usage: { input_tokens: 10, output_tokens: 100, total_tokens: 110 } });
    this.raw.on('edited', (turn) => turn.json(200, { created: 1, ...tokens([{ b64_json: 'AAAA' }]) }));
    this.raw.on('moderated', (turn) => turn.json(200, { id: 'm1', model: 'up', results: [{ flagged: false, categories: {}, category_scores: {} }] }));
    this.raw.on('whisper', (turn) => turn.json(200, { text: 'hello', usage: { type: 'duration', seconds: 7 } }));
    const { fake } = this.shared;
    const listed = (name, model, base = fake.base()) => ({ model_name: name, litellm_params: { model, api_base: base, api_key: 'sk-provider-key-0123456789' } });
    const assistant = (name, ms, input, output) => ({ ...listed(name, `openai/${name}`, fake.base(`prompt_tokens=100000,tokens=400,latency_ms=${ms}`)), model_info: { input_cost_per_token: input, output_cost_per_token: output, cache_creation_input_token_cost: input * 1.25, max_output_tokens: 64000 } });
    const perCall = { input_cost_per_token: 0, output_cost_per_token: 0, input_cost_per_request: price };
    this.config = {
      models: [
        deployment('free', fake.base(), { params: { input_cost_per_token: 0, output_cost_per_token: 0 } }),
        deployment('counted', fake.base('label=counted'), { params: perCall }),
        assistant('assistant', 300, 3e-6, 1.5e-5),
        assistant('dear', 1000, 1.5e-5, 7.5e-5),
        listed('embed', 'openai/text-embedding-3-small'),
        listed('ranked', 'cohere/rerank-english-v3.0', fake.url),
        listed('image', 'openai/dall-e-3'),
        listed('speech', 'openai/tts-1'),
        listed('edited', 'openai/gpt-image-1', this.raw.base('edited')),
        listed('moderated', 'openai/omni-moderation-latest', this.raw.base('moderated')),
        listed('whisper', 'openai/whisper-1', this.raw.base('whisper')),
      ],
      litellm_settings: { max_end_user_budget_id: 'strangers' },
    };
    this.gateways = [];
    const own = (gateway) => (this.gateways.push(gateway), gateway);
    ({ name: this.name } = await this.shared.pair(own, {}, { config: this.config }));
  }
  async stop() {
    for (const gateway of this.gateways ?? []) {
      if (!gateway.ended) await gateway.kill();
      gateway.clean();
    }
    await this.shared?.stop();
    await this.raw?.stop();
  }
  async post(target, body, at = 0) {
    const reply = await this.gateways[at].call('POST', target, { body });
    assert.equal(reply.status, 200, `${target}: ${reply.text}`);
    return reply.json;
  }
  /** With a limit that is never reached: where there is a Redis, each call asks it. */
  key(fields = {}) {
    return this.gateways[0].newKey({ rpm_limit: 100_000, ...fields });
  }
  call(at, key, body = {}) {
    return this.gateways[at].chat({ model: 'm', ...body }, { key });
  }
  async passes(...args) {
    const reply = await this.call(...args);
    assert.equal(reply.status, 200, reply.text);
  }
  /** Refused from the first call on, and, once what others have spent is known here, as spent. */
  async refuses(at, key, body = {}) {
    let reply;
    await until(async () => {
      reply = await this.call(at, key, body);
      assert.equal(reply.status, 429, reply.text);
      assert.equal(reply.json.error.type, 'budget_exceeded');
      return reply.json.error.code === 'budget_spent';
    }, 'a refusal as spent', 2_000);
    return reply;
  }
}

const counted = (replies) => replies.reduce((counts, { status }) => ({ ...counts, [status]: (counts[status] ?? 0) + 1 }), {});

// Whose budget is small while all others of the same call have room: what each is made with, and how a refusal names it.
const owners = {
  key: (who) => new RegExp(`^Budget has been exceeded! Current cost: ${price}, Max budget: ${price} Key=${who.alias}\\. Reset: never`),
  team: (who) => new RegExp(`^Budget has been exceeded! Team=${who.team} Current cost: ${price}, Max budget: ${price} Reset: 20\\d\\d-`),
  user: (who) => new RegExp(`^ExceededBudget: User=${who.user} over budget\\. Spend=${price}, Budget=${price} Reset: never`),
  customer: (who) => new RegExp(`^ExceededBudget: End User=${who.customer} over budget\\. Spend=${price}, Budget=${price} Reset: 20\\d\\d-`),
  tag: (who) => new RegExp(`^Budget has been exceeded! Tag=${who.tag} Current cost: ${price}, Max budget: ${price} Reset: never`),
  'member of the team': (who) => new RegExp(`^Budget has been exceeded! User=${who.user} in Team=${who.team} Current cost: ${price}, Max budget: ${price} Reset: never`),
  organisation: (who) => new RegExp(`^Budget has been exceeded! Organization=${who.organization} Current cost: ${price}, Max budget: ${price} Reset: never`),
};

async function family(place, small) {
  const who = { alias: fresh('app'), team: fresh('team'), user: fresh('user'), customer: fresh('customer'), tag: fresh('tag'), organization: fresh('org') };
  const budget = (owner) => ({ max_budget: owner === small ? price : 100 });
  await place.post('/organization/new', { organization_id: who.organization, organization_alias: who.organization, ...budget('organisation') });
  await place.post('/user/new', { user_id: who.user, auto_create_key: false, ...budget('user') });
  await place.post('/team/new', { team_id: who.team, organization_id: who.organization, budget_duration: '1d', ...budget('team') });
  await place.post('/team/member_add', { team_id: who.team, member: { role: 'user', user_id: who.user }, max_budget_in_team: budget('member of the team').max_budget });
  await place.post('/customer/new', { user_id: who.customer, budget_duration: '1d', ...budget('customer') });
  await place.post('/tag/new', { name: who.tag, ...budget('tag') });
  const key = await place.key({ key_alias: who.alias, team_id: who.team, user_id: who.user, ...budget('key') });
  return { who, key, body: { user: who.customer, metadata: { tags: [who.tag] } } };
}

const cases = {
  'AC-BUDGET-1: one call on the budgets of seven: the one that is spent refuses on the other replica, by its name': async (place) => {
    const one = async ([owner, words]) => {
      const { who, key, body } = await family(place, owner);
      await place.passes(0, key, body);
      const refused = await place.refuses(1, key, body);
      assert.match(refused.json.error.message, words(who));
      await place.refuses(0, key, body);
    };
    await Promise.all(Object.entries(owners).map(one));
  },

  'AC-BUDGET-2: 60 calls at once: strict floor(B/c), default one more reach the provider; spent is c times the answers': async (place) => {
    for (const [metadata, passing] of [[{ budget_mode: 'strict' }, 10], [{}, 11]]) {
      const key = await place.key({ max_budget: 10.5 * price, metadata });
      const reached = async () => (await place.shared.fake.account()).by_label.counted?.calls ?? 0;
      const before = await reached();
      const replies = await Promise.all(Array.from({ length: 60 }, (_, i) => place.call(i % 2, key, { model: 'counted' })));
      assert.deepEqual(counted(replies), { 200: passing, 429: 60 - passing }, replies.find(({ status }) => ![200, 429].includes(status))?.text);
      assert.equal((await reached()) - before, passing);
      for (const gateway of place.gateways) await until(async () => nano((await gateway.keyInfo(key)).spend) === passing * priceNano, 'what was served to be booked');
      // A moment later both know all that is spent; strictly a piece is left that no call fits into.
      for (const at of [0, 1]) {
        let refused;
        await until(async () => (refused = await place.call(at, key)).json.error?.message.includes(`Current cost: ${(passing * priceNano) / 1e9},`), 'its refusals to know all that is spent', 2_000);
        assert.equal(refused.json.error.code, metadata.budget_mode ? 'budget_held' : 'budget_spent');
      }
    }
  },

  'AC-BUDGET-3: coding assistants, four on each replica, $25: none is refused; strictly some are, as held, and pass later': async (place) => {
    const eight = (key, model) =>
      Promise.all(Array.from({ length: 8 }, (_, i) => place.call(i % 2, key, { model, max_tokens: 32_000, messages: [{ role: 'user', content: longPrompt }] })));
    for (const model of ['assistant', 'dear']) assert.deepEqual(counted(await eight(await place.key({ max_budget: 25 }), model)), { 200: 8 });
    const strict = await place.key({ max_budget: 25, metadata: { budget_mode: 'strict' } });
    assert.deepEqual(counted(await eight(strict, 'assistant')), { 200: 8 });
    const replies = await eight(await place.key({ max_budget: 25, metadata: { budget_mode: 'strict' } }), 'dear');
    assert.deepEqual(counted(replies), { 200: 5, 429: 3 }, 'each holds 4.37 dollars or so');
    for (const refused of replies.filter(({ status }) => status === 429)) {
      assert.equal(refused.json.error.code, 'budget_held');
      assert.match(refused.json.error.message, /Held by calls in flight: \d+\.?\d*\. This call needs: 4\.\d+/);
    }
    // 8 calls of 0.306 dollars: what they held is free again, wherever it is asked for.
    for (const at of [0, 1]) await place.passes(at, strict, { model: 'dear', max_tokens: 32_000, messages: [{ role: 'user', content: longPrompt }] });
  },

  'AC-BUDGET-4: every route of calls refuses on both when the budget is spent; each answer has one row': async (place) => {
    const { routes } = (await place.gateways[0].call('GET', '/routes')).json;
    const paths = routes.filter(({ who }) => who === "any key but a viewer's").map(({ path }) => path);
    assert.ok(paths.length >= 34, `${paths.length} routes of calls`);
    const send = async (at, path, key) => {
      const { target, body, free } = requestTo(path);
      const isForm = body instanceof FormData;
      const { free: _, ...said } = isForm ? {} : body;
      const reply = await fetch(place.gateways[at].url + target, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, ...(isForm ? {} : { 'content-type': 'application/json' }) },
        body: isForm ? body : JSON.stringify(said),
      });
      return { path, free, status: reply.status, id: reply.headers.get('x-litellm-call-id'), again: reply.headers.get('x-should-retry'), text: await reply.text() };
    };
    const key = await place.key({ max_budget: 100 });
    const answers = await Promise.all(paths.map((path, i) => send(i % 2, path, key)));
    for (const { path, status, text } of answers) assert.equal(status, 200, `${path}: ${text}`);
    const rows = await place.gateways[1].rows(`api_key=${key}`, answers.length);
    assert.deepEqual(rows.map((row) => row.turnpike.call_id).sort(), answers.map(({ id }) => id).sort());
    await place.post('/key/update', { key, spend: 100 });
    for (const at of [0, 1]) await until(async () => (await place.call(at, key)).status === 429, 'the edit', editMs);
    for (const at of [0, 1]) {
      for (const { path, free, status, again, text } of await Promise.all(paths.map((one) => send(at, one, key)))) {
        assert.equal(status, free ? 200 : 429, `${path}: ${text}`);
        if (!free) assert.ok(again === 'false' && text.includes('"budget_spent"'), `${path}: ${text}`);
      }
    }
  },

  'AC-BUDGET-5: eight first calls of an unseen customer, four on each replica: the default budget is there before the first': async (place) => {
    await place.post('/budget/new', { budget_id: 'strangers', max_budget: price, budget_duration: '1d' });
    const key = await place.key();
    for (let i = 0; i < 3; i += 1) {
      const user = fresh('stranger');
      const replies = await Promise.all(Array.from({ length: 8 }, (_, at) => place.call(at % 2, key, { user })));
      assert.deepEqual(counted(replies), { 200: 1, 429: 7 });
      for (const at of [0, 1]) assert.match((await place.refuses(at, key, { user })).json.error.message, /^ExceededBudget: End User=stranger-\d+ over budget.* Reset: 20/);
    }
  },

  'AC-BUDGET-6: what is edited on one replica is in force on the other within a second': async (place, t) => {
    const worst = {};
    const edit = async (what, target, body, key, status) => {
      await place.post(target, body);
      const begun = performance.now();
      let last;
      await until(async () => (last = await place.call(1, key)).status === status, `${what} to count`, editMs).catch((error) => assert.fail(`${error.message}: ${last.text}`));
      worst[what] = Math.max(worst[what] ?? 0, Math.round(performance.now() - begun));
      assert.equal((await place.call(0, key)).status, status, `${what}, where it was edited`);
    };
    const team_id = fresh('team');
    await place.post('/team/new', { team_id, max_budget: 100 });
    const key = await place.key({ max_budget: 100 });
    const ofTeam = await place.key({ team_id });
    for (const one of [key, ofTeam]) for (const at of [0, 1]) await place.passes(at, one);
    await edit('a lower budget', '/key/update', { key, max_budget: price }, key, 429);
    await edit('a higher budget', '/key/update', { key, max_budget: 100 }, key, 200);
    await edit('more spend', '/key/update', { key, spend: 100 }, key, 429);
    await edit('less spend', '/key/update', { key, spend: 1 }, key, 200);
    await edit('a lower budget', '/team/update', { team_id, max_budget: price }, ofTeam, 429);
    await edit('a higher budget', '/team/update', { team_id, max_budget: 100 }, ofTeam, 200);
    await edit('an increase', '/key/update', { key, max_budget: price, temp_budget_increase: 100, temp_budget_expiry: new Date(Date.now() + 3_600_000).toISOString() }, key, 200);
    t.diagnostic(`in force on the other replica after at most ${JSON.stringify(worst)} ms`);
  },

  'AC-BUDGET-7: the master key for calls: a warning and a metric where it is used; forbidden where a replica says so': async (place) => {
    for (const gateway of place.gateways) {
      assert.match(await gateway.metrics(), /^turnpike_master_key_calls_total 0$/m);
      assert.equal((await ask(gateway, masterKey)).status, 200);
      assert.match(await gateway.metrics(), /^turnpike_master_key_calls_total 1$/m);
      await until(() => /"level":"warn[^\n]*The master key is used for calls|WARN[^\n]*The master key is used for calls/i.test(gateway.printed), 'the warning');
    }
    const refused = await ask(place.other, masterKey);
    assert.equal(refused.status, 403, refused.text);
    assert.equal(refused.json.error.code, 'master_key_inference');
  },

  'AC-BUDGET-8: a budget that is spent elsewhere lets a free model pass, but where a replica is told not to': async (place) => {
    const key = await place.key({ max_budget: price });
    await place.passes(0, key);
    for (const at of [1, 0]) await place.refuses(at, key);
    for (const at of [1, 0]) await place.passes(at, key, { model: 'free' });
    const refused = await ask(place.other, key, 'free');
    assert.equal(refused.status, 429, refused.text);
    assert.equal(refused.json.error.type, 'budget_exceeded');
  },

  'AC-BUDGET-9: 429 whatever was spent or held elsewhere; spent: do not retry; held: again in a second': async (place) => {
    const spent = await place.key({ max_budget: price });
    await place.passes(0, spent);
    for (const at of [1, 0]) {
      const { headers } = await place.refuses(at, spent);
      assert.equal(headers.get('x-should-retry'), 'false');
      assert.equal(headers.get('retry-after'), null, 'it is never reset');
    }
    const daily = await place.key({ max_budget: price, budget_duration: '1d' });
    await place.passes(0, daily);
    assert.ok(Number((await place.refuses(1, daily)).headers.get('retry-after')) >= 1, 'until its reset');
    const held = await place.key({ max_budget: 1.5 * price, metadata: { budget_mode: 'strict' } });
    const before = (await place.shared.fake.account()).calls;
    const running = place.call(0, held, { model: 'slow' });
    await until(async () => (await place.shared.fake.account()).calls > before, 'the call that holds it to be under way');
    const refused = await place.call(1, held);
    assert.equal(refused.status, 429, refused.text);
    assert.equal(refused.json.error.code, 'budget_held');
    assert.equal(refused.headers.get('x-should-retry'), 'true');
    assert.equal(refused.headers.get('retry-after'), '1');
    assert.equal((await running).status, 200);
  },
};

describe('two replicas', { concurrency: 2 }, () => {
  for (const redis of [false, true]) {
    describe(redis ? 'on PostgreSQL and Redis' : 'on PostgreSQL alone', { concurrency: 1 }, () => {
      const place = new Place();
      before(async () => {
        await place.start(redis);
        // A third one that is stricter: it forbids the master key, and free models to whoever has spent all.
        const config = { ...place.config, general_settings: { forbid_master_key_inference: true } };
        place.other = await place.shared.gateway(place.name, { free_models_over_budget: 'refuse' }, { config });
      });
      after(async () => {
        if (place.other) place.gateways.push(place.other);
        await place.stop();
      });
      for (const [name, play] of Object.entries(cases)) test(name, (t) => play(place, t));
      if (redis) {
        test('AC-SPEND-6: a Redis that has lost everything lowers no spend, and was asked until then', async () => {
          const key = await place.key({ max_budget: price });
          await place.passes(0, key);
          for (const gateway of place.gateways) assert.match(await gateway.metrics(), /^turnpike_redis_breaker_state 0$/m);
          assert.notEqual(place.shared.redis.ask('DBSIZE'), '0');
          place.shared.redis.ask('FLUSHALL');
          for (const at of [1, 0]) await place.refuses(at, key);
        });
      }
    });
  }
});
