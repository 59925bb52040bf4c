// Who rests, for how long, and who looks whether a provider is back (AC-COOL-1, -2, -3), on four shapes, whole and as a
// stream. What each single error leads to is in error_table.test.mjs.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Books, priceOf } from '../harness/books.mjs';
import { dialects } from '../harness/raw_dialects.mjs';
import { ShapeGroups, answer, contentOf, everyWay, failing } from '../harness/shape_groups.mjs';
import { until } from '../harness/turnpike.mjs';

const good = priceOf(11, 7);
const cooldownTime = 30;
const allowedFails = 2;
const mistakes = ['bad_request', 'context', 'policy', 'no_file', 'too_large', 'unprocessable'];
const atOnce = ['wrong_key', 'account', 'forbidden', 'no_model'];
const byCount = ['internal', 'bad_gateway', 'unavailable', 'overloaded', 'timeout', 'gateway_timeout', 'reset'];

/** Text in the caller's words that tells the script what to do. */
const wanted = (turn, word) => new RegExp(`${word}:([a-z0-9_]+)`).exec(turn.request.body)?.[1];
const saying = (text) => ({ messages: [{ role: 'user', content: text }] });

/** A door that scripts wait at; it stays open once opened. */
function door() {
  const made = {};
  made.opened = new Promise((resolve) => (made.open = resolve));
  return made;
}

let groups;
const doors = new Map();
const states = new Map(); // By group: what its deployments do now.

function makeMistakes(turn, shape) {
  const failure = wanted(turn, 'mistake');
  return failure ? failing(failure)(turn, shape) : answer(turn, shape);
}

/** 429 with the rest that the caller names, when that call's door opens. */
async function restAsTold(turn, shape) {
  const seconds = wanted(turn, 'rest');
  await doors.get(wanted(turn, 'door')).opened;
  return failing('rate_limit', { 'retry-after': seconds })(turn, shape);
}

const asStateSays = (group, retryAfter) => async (turn, shape) => {
  const state = states.get(group);
  if (state === 'busy') return failing('rate_limit', { 'retry-after': String(retryAfter) })(turn, shape);
  await state.opened;
  return answer(turn, shape);
};

before(async () => {
  groups = await ShapeGroups.open();
  for (const [shape, mode] of everyWay) {
    const name = (what) => `${shape}-${mode}-${what}`;
    for (const number of [1, 2]) groups.serve(shape, name('mistakes'), makeMistakes, { path: `${name('mistakes')}-${number}` });
    for (const failure of atOnce) groups.serve(shape, name(failure), failing(failure));
    for (const failure of byCount) groups.serve(shape, name(failure), failure === 'reset' ? (turn) => turn.reset() : failing(failure));
    const { busy } = dialects[shape];
    groups.serve(shape, name('busy'), (turn) => turn.json(429, busy.body, busy.headers));
    for (const order of ['longer-first', 'shorter-first']) groups.serve(shape, name(order), restAsTold);
    states.set(name('probed'), 'busy');
    groups.serve(shape, name('probed'), asStateSays(name('probed'), 45), { path: `${name('probed')}-later` });
    groups.serve(shape, name('probed'), asStateSays(name('probed'), 20), { path: `${name('probed')}-sooner` });
    states.set(name('still-down'), 'busy');
    groups.serve(shape, name('still-down'), asStateSays(name('still-down'), 20));
  }
  await groups.start({ num_retries: 0, allowed_fails: allowedFails, cooldown_time: cooldownTime });
});

after(() => groups?.stop());

for (const [shape, mode] of everyWay) {
  const name = (what) => `${shape}-${mode}-${what}`;
  const title = (text) => `${text} (${shape}, ${mode})`;

  test(title('AC-COOL-1: a caller\'s mistakes are not tried again, rest nobody and do no harm to others'), async () => {
    const group = name('mistakes');
    const [careless, careful] = [await Books.open(groups.gateway), await Books.open(groups.gateway)];
    const wrong = mistakes.flatMap((failure) => Array.from({ length: 3 }, () => groups.send(careless, group, mode, { num_retries: 3, ...saying(`mistake:${failure}`) })));
    const right = Array.from({ length: 6 }, () => groups.send(careful, group, mode));
    for (const { reply } of await Promise.all(wrong)) {
      assert.ok(reply.status >= 400 && reply.status < 500 && reply.status !== 429, reply.text);
      assert.equal(reply.headers.get('x-litellm-attempted-retries'), '0');
    }
    for (const { reply } of await Promise.all(right)) {
      assert.equal(contentOf(reply, mode, group), 'one two');
      assert.equal(reply.headers.get('x-litellm-attempted-retries'), '0');
    }
    assert.equal(groups.asked(`${group}-1`) + groups.asked(`${group}-2`), wrong.length + right.length, 'each was asked for once');
    const { resting, failures } = await groups.health(group);
    assert.deepEqual([resting, failures], [[], { [`${group}-1`]: 0, [`${group}-2`]: 0 }]);
    await careless.close(0);
    await careful.close(right.length * good);
  });

  test(title('AC-COOL-2: a wrong key, a missing right, an absent model and an account in trouble rest at once, and that is told'), async () => {
    const books = await Books.open(groups.gateway);
    for (const failure of atOnce) {
      const group = name(failure);
      await groups.send(books, group, mode);
      const { resting, left } = await groups.health(group);
      assert.deepEqual(resting, [`${group}-1`], failure);
      assert.ok(left[`${group}-1`] > cooldownTime - 5 && left[`${group}-1`] <= cooldownTime, `${failure} rests ${left[`${group}-1`]} s`);
      await until(() => groups.gateway.stderr.includes(`event cooldown_deployment: deployment ${group}-1 of group ${group} `), 'the operator to be told');
      const metrics = await groups.gateway.metrics();
      assert.match(metrics, new RegExp(`^litellm_deployment_cooled_down_total\\{[^}]*"${group}-1"[^}]*\\} 1(\\.0)?$`, 'm'));
    }
    await books.close(0);
  });

  test(title('AC-COOL-2: a 429 rests as long as the vendor says, else cooldown_time'), async () => {
    const books = await Books.open(groups.gateway);
    const group = name('busy');
    const { reply } = await groups.send(books, group, mode);
    assert.equal(reply.status, 429, reply.text);
    const { left } = await groups.health(group);
    const rest = Number(dialects[shape].busy.after ?? cooldownTime);
    assert.ok(left[`${group}-1`] > rest - 3 && left[`${group}-1`] <= rest, `${left[`${group}-1`]} s of ${rest}`);
    await books.close(0);
  });

  test(title('AC-COOL-2: 5xx, time-outs and lost connections rest when more failed in the minute than is allowed'), async () => {
    const books = await Books.open(groups.gateway);
    await Promise.all(byCount.map(async (failure) => {
      const group = name(failure);
      let failed = 0;
      let resting = [];
      // A minute that ends in between begins the count anew.
      for (; resting.length === 0 && failed < 2 * (allowedFails + 1); ++failed) {
        await groups.send(books, group, mode);
        ({ resting } = await groups.health(group));
        if (failed < allowedFails) assert.deepEqual(resting, [], `${failure}: ${failed + 1} of ${allowedFails} allowed`);
      }
      assert.deepEqual(resting, [`${group}-1`], failure);
    }));
    await books.close(0);
  });

  test(title('AC-COOL-2: a further failure never shortens a rest'), async () => {
    const books = await Books.open(groups.gateway);
    for (const [order, first, second] of [['longer-first', 60, 6], ['shorter-first', 6, 60]]) {
      const group = name(order);
      const calls = [first, second].map((seconds) => {
        const key = `${shape}${mode}${seconds}${order[0]}`;
        doors.set(key, door());
        return { key, sent: groups.send(books, group, mode, saying(`rest:${seconds} door:${key}`)) };
      });
      await until(() => groups.asked(`${group}-1`) === 2, 'both to be under way');
      for (const { key, sent } of calls) {
        doors.get(key).open();
        assert.equal((await sent).reply.status, 429);
      }
      const { left } = await groups.health(group);
      assert.ok(left[`${group}-1`] > 54 && left[`${group}-1`] <= 60, `${order}: ${left[`${group}-1`]} s`);
    }
    await books.close(0);
  });

  test(title('AC-COOL-3: when all rest one call looks whether the first is back; the others are told why and how long'), async () => {
    const books = await Books.open(groups.gateway);
    const group = name('probed');
    const [later, sooner] = [`${group}-later`, `${group}-sooner`];
    const began = Date.now();
    assert.equal((await groups.send(books, group, mode, { num_retries: 1 })).reply.status, 429);
    assert.deepEqual((await groups.health(group)).resting, [later, sooner]);
    const held = door();
    states.set(group, held);
    const probe = groups.send(books, group, mode);
    await until(() => groups.asked(sooner) === 2, 'the probe');
    for (const { reply } of await Promise.all(Array.from({ length: 5 }, () => groups.send(books, group, mode, { num_retries: 2 })))) {
      const gone = (Date.now() - began) / 1000;
      assert.equal(reply.status, 429, reply.text);
      assert.match(reply.headers.get('content-type'), /^application\/json/);
      const { error } = reply.json;
      const seconds = Number(/^No deployments available for selected model, Try again in (\d+) seconds\. /.exec(error.message)?.[1]);
      assert.match(error.message, /The provider last answered with status 429/);
      assert.deepEqual([error.type, error.code], ['rate_limit_error', '429']);
      assert.equal(reply.headers.get('retry-after'), String(seconds));
      assert.ok(seconds <= 20 && seconds >= Math.floor(20 - gone), `${seconds} s are left after ${gone} of 20`);
    }
    assert.deepEqual([groups.asked(later), groups.asked(sooner)], [1, 2], 'one looks, at the one that is back first');
    held.open();
    assert.equal(contentOf((await probe).reply, mode, group), 'one two');
    assert.deepEqual((await groups.health(group)).resting, [later], 'a probe that went well ends the rest');
    assert.equal(contentOf((await groups.send(books, group, mode)).reply, mode, group), 'one two');
    await books.close(2 * good);
  });

  test(title('AC-COOL-3: a probe that fails lets the deployment rest on'), async () => {
    const books = await Books.open(groups.gateway);
    const group = name('still-down');
    for (let i = 1; i <= 3; ++i) {
      assert.equal((await groups.send(books, group, mode)).reply.status, 429);
      const { left } = await groups.health(group);
      assert.ok(left[`${group}-1`] > 15 && left[`${group}-1`] <= 20, `${left[`${group}-1`]} s`);
    }
    await books.close(0);
  });
}
