// How often a call is tried again (AC-RETRY-1, -2, -3), on four shapes, whole and as a stream.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Books, nano, priceOf } from '../harness/books.mjs';
import { asksStream, bytesOf, dialects, honest } from '../harness/raw_dialects.mjs';
import { ShapeGroups, answer, checkHeaders, contentOf, everyWay, failing } from '../harness/shape_groups.mjs';

const good = priceOf(11, 7);
const lateMs = 250; // What a busy machine may add to a limit of time.
const unavailable = failing('unavailable');
let groups;

/** Bytes of an answer that are no content yet, or half of a whole one; then the connection ends. */
async function begunAndCut(turn, shape) {
  const dialect = dialects[shape];
  if (asksStream(turn.request)) {
    await turn.sseHead({ 'content-type': dialect.head });
    await turn.chunk(bytesOf(honest(dialect)).subarray(0, 40));
  } else {
    const bytes = Buffer.from(JSON.stringify(dialect.whole));
    await turn.head(200, { 'content-type': 'application/json', 'content-length': bytes.length });
    await turn.write(bytes.subarray(0, -30));
  }
  await turn.sleep(20);
  turn.end();
}

async function slowlyUnavailable(turn, shape) {
  await turn.sleep(300);
  return unavailable(turn, shape);
}

before(async () => {
  groups = await ShapeGroups.open();
  for (const [shape, mode] of everyWay) {
    const serve = (what, script, members = 1) => {
      const group = `${shape}-${mode}-${what}`;
      for (let number = 1; number <= members; ++number) groups.serve(shape, group, script, { path: `${group}-${number}` });
    };
    const fallBack = (what, ...to) => groups.fallBack(`${shape}-${mode}-${what}`, ...to.map((one) => `${shape}-${mode}-${one}`));
    serve('backup', answer);
    for (const number of [1, 2, 3]) serve(`dark-${number}`, unavailable, 3);
    fallBack('dark-1', 'dark-2', 'dark-3');
    serve('lone', unavailable);
    serve('slow', slowlyUnavailable, 2);
    serve('silent', (turn) => turn.gone(), 2);
    fallBack('silent', 'also-silent');
    serve('also-silent', (turn) => turn.gone());
    serve('rescued', (turn) => turn.gone(), 2);
    fallBack('rescued', 'backup');
    serve('cut', begunAndCut, 3);
    serve('cut-rescued', begunAndCut, 3);
    fallBack('cut-rescued', 'backup');
    serve('busy', failing('rate_limit', { 'retry-after': '11' }), 2);
    serve('away', failing('unavailable', { 'retry-after': '12' }), 2);
    serve('busy-in-vain', failing('rate_limit', { 'retry-after': '13' }), 2);
    fallBack('busy-in-vain', 'in-vain');
    serve('in-vain', failing('unavailable', { 'retry-after': '90' }));
  }
  await groups.start({ num_retries: 2 });
});

after(() => groups?.stop());

for (const [shape, mode] of everyWay) {
  const name = (what) => `${shape}-${mode}-${what}`;
  const title = (text) => `${text} (${shape}, ${mode})`;

  test(title('AC-RETRY-1: never more than six attempts, each group has its share, a deployment not yet tried comes first'), async () => {
    const books = await Books.open(groups.gateway);
    // What the call may do in each group; what it does in each of the three.
    for (const [wish, spent] of [[9, [4, 1, 1]], [2, [3, 2, 1]], [1, [2, 2, 2]], [0, [1, 1, 1]]]) {
      const before = groups.provider.all.length;
      const seen = await groups.ask(books, name('dark-1'), mode, { num_retries: wish });
      const where = `num_retries ${wish}: ${seen.reply.text}`;
      assert.equal(seen.reply.status, 503, where);
      const total = spent[0] + spent[1] + spent[2];
      assert.equal(groups.provider.all.length - before, total, where);
      checkHeaders(seen, {
        'x-litellm-attempted-retries': String(total - 3), 'x-litellm-attempted-fallbacks': '2', 'x-litellm-max-retries': String(wish),
        'x-litellm-model-group': name('dark-3'), 'x-litellm-requested-model': name('dark-1'), 'x-litellm-model-id': seen.asked.at(-1),
      });
      const { attempts, retries, fallbacks } = seen.row.turnpike;
      assert.deepEqual([retries, fallbacks], [total - 3, 2], where);
      const inGroup = [1, 2, 3].map((number) => attempts.filter((one) => one.model_group === name(`dark-${number}`)));
      assert.deepEqual(inGroup.map((some) => some.length), spent, where);
      assert.deepEqual(attempts.map((one) => one.model_group), inGroup.flat().map((one) => one.model_group), 'one group after the other');
      for (const some of inGroup) assert.equal(new Set(some.map((one) => one.deployment_id)).size, Math.min(some.length, 3), where);
      for (const one of attempts) assert.deepEqual([one.status, one.error, one.billed], [503, 'upstream_unavailable', false]);
    }
    await books.close(0);
  });

  test(title('AC-RETRY-1: the whole call ends within its time, whatever is still allowed'), async () => {
    const books = await Books.open(groups.gateway);
    const rows = [
      { model: 'slow', timeout: 1, status: 503, attempts: [2, 3, 4] },
      { model: 'lone', timeout: 0.4, status: 503, attempts: [1] }, // Half a second of waiting would lead nowhere.
      { model: 'silent', timeout: 0.6, status: 408, attempts: [2, 3] },
      { model: 'rescued', timeout: 0.6, status: 200, attempts: [2, 3] },
    ];
    await Promise.all(rows.map(async ({ model, timeout, status, attempts }) => {
      const { reply, id } = await groups.send(books, name(model), mode, { timeout, num_retries: 5 });
      const took = Number(reply.headers.get('x-litellm-response-duration-ms'));
      assert.equal(reply.status, status, `${model}: ${reply.text}`);
      assert.ok(took > 0 && took < timeout * 1000 + lateMs, `${model}: ${took} ms of ${timeout} s`);
      const row = await books.row(id);
      assert.ok(attempts.includes(row.turnpike.attempts.length), `${model}: ${row.turnpike.attempts.length} attempts`);
      assert.equal(reply.headers.get('x-litellm-attempted-retries'), String(row.turnpike.retries));
      assert.equal(reply.headers.get('x-litellm-attempted-fallbacks'), String(row.turnpike.fallbacks));
      assert.equal(1 + row.turnpike.retries + row.turnpike.fallbacks, row.turnpike.attempts.length, model);
    }));
    await books.close(good);
  });

  test(title('AC-RETRY-2: what may be billed is not tried again in its group; a fallback may follow, and both are booked'), async () => {
    const books = await Books.open(groups.gateway);
    const alone = await groups.ask(books, name('cut'), mode, { num_retries: 5 });
    assert.equal(alone.reply.status, 502, alone.reply.text);
    assert.equal(alone.asked.length, 1);
    checkHeaders(alone, { 'x-litellm-attempted-retries': '0' });
    assert.deepEqual([alone.row.status, alone.row.turnpike.attempts[0].billed], ['failure', true]);
    assert.match(alone.row.turnpike.marks, /estimated/);
    const cost = nano(alone.row.spend);
    assert.ok(cost > 0, 'the prompt at least');
    const back = await groups.ask(books, name('cut-rescued'), mode, { num_retries: 5 });
    assert.equal(contentOf(back.reply, mode, name('backup')), 'one two');
    assert.deepEqual(back.row.turnpike.attempts.map((one) => [one.model_group, one.billed]), [[name('cut-rescued'), true], [name('backup'), true]]);
    assert.match(back.row.turnpike.marks, /retried_billed/);
    assert.equal(nano(back.row.spend), cost + good);
    await books.close(2 * cost + good);
  });

  test(title('AC-RETRY-3: a 429 or 503 that is the last word keeps the provider\'s Retry-After'), async () => {
    const books = await Books.open(groups.gateway);
    for (const [model, status, after, attempts] of [['busy', 429, '11', 2], ['away', 503, '12', 2], ['busy-in-vain', 429, '13', 3]]) {
      const { reply, asked } = await groups.ask(books, name(model), mode, { num_retries: 1 });
      assert.equal(reply.status, status, reply.text);
      assert.equal(asked.length, attempts, `${model}: ${asked}`);
      assert.deepEqual([reply.headers.get('retry-after'), reply.headers.get('llm_provider-retry-after')], [after, after], model);
    }
    await books.close(0);
  });
}
