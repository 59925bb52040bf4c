// What a fallback shows of itself, and where it may not lead (AC-FALL-1, -2, -3), on four shapes, whole and as a stream:
// each shape falls back on the next.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Books, nano, priceOf } from '../harness/books.mjs';
import { asksStream, bytesOf, dialects } from '../harness/raw_dialects.mjs';
import { ShapeGroups, answer, checkHeaders, contentOf, everyWay, failing, firstWord, shapes } from '../harness/shape_groups.mjs';
import { Gateway, deployment } from '../harness/turnpike.mjs';

const good = priceOf(11, 7);
let groups;
const nextOf = (shape) => shapes[(shapes.indexOf(shape) + 1) % shapes.length];

/** A 200 that turns out to be an error: in its first event, behind events without content, or as the whole answer. */
const disguised = (events) => async (turn, shape) => {
  const dialect = dialects[shape];
  if (!asksStream(turn.request)) return turn.json(200, dialect.said(500, 'it broke'));
  await turn.sseHead({ 'content-type': dialect.head });
  await turn.chunk(bytesOf(events(dialect)));
  return turn.last();
};

async function breaksLate(turn, shape) {
  await firstWord(turn, shape);
  await turn.sleep(30);
  turn.reset();
}

before(async () => {
  groups = await ShapeGroups.open();
  for (const shape of shapes) {
    const serve = (what, script, params) => groups.serve(shape, `${shape}-${what}`, script, params);
    const fallBack = (what, ...to) => groups.fallBack(`${shape}-${what}`, ...to);
    const down = failing('unavailable');
    serve('good', answer);
    serve('other', answer);
    serve('down', down);
    fallBack('down', `${nextOf(shape)}-good`);
    serve('down-twice', down);
    fallBack('down-twice', `${nextOf(shape)}-also-down`, `${shape}-other`);
    serve('also-down', down);
    fallBack('also-down', `${nextOf(shape)}-good`);
    serve('lonely', down);
    serve('disguised', disguised((dialect) => [dialect.failure]));
    serve('disguised-later', disguised((dialect) => [...dialect.begin, dialect.failure]));
    serve('late', breaksLate);
    for (const what of ['disguised', 'disguised-later', 'late']) fallBack(what, `${nextOf(shape)}-good`);
    // One provider in two places, one of which is down; its fallback stands in only one.
    serve('placed', down, { region_name: 'eu' });
    serve('placed', answer, { region_name: 'us', path: `${shape}-placed-2` });
    fallBack('placed', `${shape}-overseas`, `${nextOf(shape)}-both`);
    serve('overseas', answer, { region_name: 'us' });
    serve('both', answer, { region_name: 'us' });
    serve('both', answer, { region_name: 'eu', path: `${shape}-both-eu` });
    serve('confined', down, { region_name: 'eu' });
    fallBack('confined', `${shape}-overseas`);
  }
  await groups.start({ num_retries: 0 });
});

after(() => groups?.stop());

for (const [shape, mode] of everyWay) {
  const next = nextOf(shape);
  const name = (what) => `${shape}-${what}`;
  const title = (text) => `${text} (${shape}, ${mode})`;

  test(title('AC-FALL-1: an error in a 200 is replaced in silence up to the first content, and not after'), async () => {
    const books = await Books.open(groups.gateway);
    let booked = 0;
    for (const model of ['disguised', 'disguised-later']) {
      const seen = await groups.ask(books, name(model), mode);
      assert.equal(contentOf(seen.reply, mode, `${next}-good`), 'one two');
      assert.ok(!seen.reply.text.includes('"error"'), seen.reply.text);
      assert.deepEqual(seen.asked, [`${name(model)}-1`, `${next}-good-1`]);
      if (model === 'disguised') assert.equal(nano(seen.row.spend), good, 'an error in place of an answer is not billed');
      booked += nano(seen.row.spend);
    }
    if (mode === 'stream') {
      const { reply, row, asked } = await groups.ask(books, name('late'), mode);
      assert.equal(contentOf(reply, mode, name('late')), 'one ');
      assert.equal(reply.events.at(-1), '[DONE]');
      assert.equal(reply.events.at(-2).error.code, '502');
      assert.deepEqual([asked, row.status], [[`${name('late')}-1`], 'failure']);
      booked += nano(row.spend);
    }
    await books.close(booked);
  });

  test(title('AC-FALL-2: header fields, the body\'s model and the ledger name what was asked for and who served'), async () => {
    const books = await Books.open(groups.gateway);
    const rows = [
      { model: 'good', group: name('good'), asked: ['good-1'], fallbacks: 0 },
      { model: 'down', group: `${next}-good`, asked: ['down-1'], fallbacks: 1 },
      // A fallback's own fallbacks come before its neighbour.
      { model: 'down-twice', group: `${nextOf(next)}-good`, asked: ['down-twice-1'], between: [`${next}-also-down-1`], fallbacks: 2 },
    ];
    for (const { model, group, asked, between = [], fallbacks } of rows) {
      const seen = await groups.ask(books, name(model), mode);
      assert.equal(contentOf(seen.reply, mode, group), 'one two');
      checkHeaders(seen, {
        'x-litellm-requested-model': name(model), 'x-litellm-model-group': group, 'x-litellm-model-id': `${group}-1`,
        'x-litellm-attempted-fallbacks': String(fallbacks), 'x-litellm-attempted-retries': '0',
      });
      const { model_group: served, turnpike } = seen.row;
      assert.deepEqual([turnpike.requested_model, served, turnpike.fallbacks, turnpike.retries], [name(model), group, fallbacks, 0]);
      assert.deepEqual(seen.asked, [...asked.map(name), ...between, ...(fallbacks > 0 ? [`${group}-1`] : [])]);
    }
    await books.close(rows.length * good);
  });

  test(title('AC-FALL-2: disable_fallbacks, of the request or of the key, and a request\'s own list'), async () => {
    const books = await Books.open(groups.gateway);
    const without = await Books.open(groups.gateway, { metadata: { disable_fallbacks: true } });
    for (const [whose, fields] of [[books, { disable_fallbacks: true }], [without, {}], [without, { fallbacks: [name('good')] }]]) {
      const seen = await groups.ask(whose, name('down'), mode, fields);
      assert.equal(seen.reply.status, 503, seen.reply.text);
      assert.match(seen.reply.json.error.message, /Available Model Group Fallbacks=None/);
      assert.deepEqual(seen.asked, [`${name('down')}-1`]);
      checkHeaders(seen, { 'x-litellm-attempted-fallbacks': '0', 'x-litellm-model-group': name('down') });
    }
    const own = await groups.ask(books, name('down'), mode, { fallbacks: [name('also-down'), { model: name('other'), temperature: 0.25 }], max_fallbacks: 1 });
    assert.equal(contentOf(own.reply, mode, name('other')), 'one two');
    assert.deepEqual(own.asked, [`${name('down')}-1`, `${name('also-down')}-1`, `${name('other')}-1`]);
    assert.match(groups.provider.calls(`${name('other')}-1`).at(-1).request.body, /"temperature":\s*0\.25/);
    await books.close(good);
    await without.close(0);
  });

  test(title('AC-FALL-3: no fallback leaves the models of the key'), async () => {
    const narrow = await Books.open(groups.gateway, { models: [name('down'), name('down-twice'), name('other')] });
    const refused = await groups.ask(narrow, name('down'), mode);
    assert.equal(refused.reply.status, 503, refused.reply.text);
    assert.deepEqual(refused.asked, [`${name('down')}-1`], 'the configured one is not for this key');
    const second = await groups.ask(narrow, name('down-twice'), mode);
    assert.equal(contentOf(second.reply, mode, name('other')), 'one two');
    assert.deepEqual(second.asked, [`${name('down-twice')}-1`, `${name('other')}-1`], 'the one between is passed over');
    const asked = groups.provider.all.length;
    const named = await groups.gateway.chat({ model: name('down'), stream: mode === 'stream', fallbacks: [name('good')] }, { key: narrow.key });
    assert.deepEqual([named.status, named.json.error.type], [403, 'key_model_access_denied'], named.text);
    assert.equal(groups.provider.all.length, asked, 'nobody is asked');
    await narrow.close(good);
  });

  test(title('AC-FALL-3: a region that the request names binds fallbacks too'), async () => {
    const books = await Books.open(groups.gateway);
    const region = { allowed_model_region: 'eu' };
    const placed = await groups.ask(books, name('placed'), mode, { ...region, num_retries: 1 });
    assert.equal(contentOf(placed.reply, mode, `${next}-both`), 'one two');
    const asked = [...new Set(placed.asked)];
    assert.deepEqual(asked, [`${name('placed')}-1`, `${next}-both-eu`], 'neither in the group nor in a fallback is anybody else asked');
    const confined = await groups.ask(books, name('confined'), mode, region);
    assert.equal(confined.reply.status, 503, confined.reply.text);
    assert.deepEqual(confined.asked, [`${name('confined')}-1`]);
    assert.equal(groups.asked(`${name('overseas')}-1`), 0);
    await books.close(good);
  });
}

test('AC-FALL-3: default_fallbacks serve names that nobody knows, and groups without a list, within the models of the key', async () => {
  const base = (path) => groups.provider.base(path);
  groups.provider.on('default-down', (turn) => turn.json(500, { error: { message: 'oops' } }));
  groups.provider.on('default-good', (turn) => answer(turn, 'openai'));
  const gateway = await Gateway.start({
    config: {
      model_list: [deployment('down', base('default-down')), deployment('one', base('default-good')), deployment('two', base('default-good'))],
      router_settings: { default_fallbacks: ['one', 'two'], num_retries: 0 },
    },
  });
  try {
    const all = await Books.open(gateway);
    const narrow = await Books.open(gateway, { models: ['down', 'unheard-of', 'two'] });
    for (const [books, group] of [[all, 'one'], [narrow, 'two']]) {
      for (const model of ['unheard-of', 'down']) {
        for (const stream of [false, true]) {
          const reply = await books.chat({ model, stream });
          assert.equal(reply.status, 200, reply.text);
          assert.equal(reply.headers.get('x-litellm-model-group'), group, `${model}: ${reply.text}`);
          assert.equal((await books.row()).turnpike.requested_model, model);
        }
      }
      await books.close(4 * good);
    }
  } finally {
    await gateway.stop();
  }
});
