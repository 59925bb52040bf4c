// Callers who hang up, at every stage of a call (AC-DISC): the provider is let go within a second, nothing is tried again,
// the row says what was used, and the deployment is none the worse.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Books, nano, priceOf } from '../harness/books.mjs';
import { hangUp } from '../harness/hang_up.mjs';
import { RawProvider, events, goodReply, role, usageChunk, word } from '../harness/raw_provider.mjs';
import { Gateway, deployment, sleep, until } from '../harness/turnpike.mjs';

let provider;
let gateway;
const sentence = 'The quick brown fox jumps over the lazy dog.'; // 10 tokens.
const question = [{ role: 'user', content: 'Which sentence has all the letters?' }];

/**
 * Where the provider is when the caller hangs up. `seen`: the caller waits for this text first. `billed`: bytes of a 2xx body
 * had come; `tokens`: completion tokens in the row.
 */
const stages = {
  before_head: { script: async () => {} },
  inside_head: { script: (turn) => turn.write('HTTP/1.1 200 OK\r\ncontent-ty') },
  after_head: { script: (turn) => turn.sseHead() },
  after_comment: { script: async (turn) => (await turn.sseHead(), await turn.chunk(': wait\n\n')), billed: true, tokens: 0 },
  after_role: { script: async (turn) => (await turn.sseHead(), await turn.chunk(events(role))), billed: true, tokens: 0 },
  after_content: { script: async (turn) => (await turn.sseHead(), await turn.chunk(events(role, word(sentence)))), seen: 'lazy dog', billed: true, tokens: 10 },
  after_usage: { script: async (turn) => (await turn.sseHead(), await turn.chunk(events(role, word(sentence), usageChunk))), seen: 'lazy dog', billed: true, tokens: 7, exact: true },
  while_flowing: {
    script: async (turn) => {
      await turn.sseHead();
      await turn.chunk(events(role));
      while (turn.open) {
        await turn.chunk(events(word('more ')));
        await sleep(5);
      }
    },
    seen: 'more ',
    billed: true,
  },
  plain_before_head: { plain: true, script: async () => {} },
  plain_after_head: { plain: true, script: (turn) => turn.head(200, { 'content-length': goodReply.length }) },
  plain_half: {
    plain: true,
    script: async (turn) => (await turn.head(200, { 'content-length': goodReply.length }), await turn.write(goodReply.slice(0, goodReply.indexOf('"},"finish')))),
    billed: true,
    tokens: 2,
  },
};

before(async () => {
  provider = await RawProvider.start();
  const models = [];
  const fallbacks = [];
  for (const [name, stage] of Object.entries(stages)) {
    models.push(deployment(name, provider.on(name, async (turn) => (await stage.script(turn), turn.gone()))));
    models.push(deployment(name, provider.base(name), { info: { id: `${name}-other` } }));
    fallbacks.push({ [name]: ['backup'] });
  }
  models.push(deployment('backup', provider.on('backup', (turn) => turn.json(200, goodReply))));
  models.push(deployment('failing', provider.on('failing', (turn) => turn.json(429, '{"error":{"message":"busy"}}', { 'retry-after': '20' }))));
  gateway = await Gateway.start({ config: { model_list: models, router_settings: { fallbacks, allowed_fails: 0 } } });
});

after(async () => {
  await gateway?.stop();
  await provider?.stop();
});

for (const [name, stage] of Object.entries(stages)) {
  test(`AC-DISC-1, -2, -4: ${name}`, async () => {
    const books = await Books.open(gateway);
    const goneAt = await hangUp(books, { model: name, messages: question, ...(stage.plain ? {} : { stream: true }) }, { ...stage, ready: () => until(() => provider.calls(name).length === 1, 'the call') });
    const [call] = provider.calls(name);
    await until(() => call.goneAt, 'the provider to be let go', 5000);
    assert.ok(call.goneAt - goneAt < 1000, `let go after ${call.goneAt - goneAt} ms`);

    const row = await books.row();
    assert.equal(row.status, 'failure');
    assert.equal(row.turnpike.status, 'aborted');
    assert.equal(row.turnpike.http_status, 499);
    assert.match(row.turnpike.marks, /client_disconnected/);
    const line = await books.line();
    assert.equal(line.http_status ?? line.status_code ?? line.status, 499, JSON.stringify(line));
    if (stage.billed) {
      assert.equal(/\bestimated\b/.test(row.turnpike.marks), !stage.exact, row.turnpike.marks);
      assert.ok(row.prompt_tokens >= 8 && row.prompt_tokens <= 30, `${row.prompt_tokens} prompt tokens`);
      if (stage.tokens !== undefined) assert.equal(row.completion_tokens, stage.tokens);
      assert.equal(nano(row.spend), priceOf(row.prompt_tokens, row.completion_tokens));
    } else {
      assert.equal(nano(row.spend), 0, 'no byte of an answer, no cost');
      assert.doesNotMatch(row.turnpike.marks, /estimated/);
    }

    assert.equal(provider.calls(name).length, 1, 'no retry');
    assert.equal(provider.calls('backup').length, 0, 'no fallback');
    assert.equal((await gateway.call('GET', `/health?model=${name}`)).json.unhealthy_count, 0, 'no cooldown, though no failure is allowed');
    await books.close(nano(row.spend));
  });
}

test('AC-DISC-1: who hangs up while a retry waits ends the call at once', async () => {
  const books = await Books.open(gateway);
  const goneAt = await hangUp(books, { model: 'failing', messages: question }, { ready: () => until(() => provider.calls('failing').length === 1, 'the call') });
  const row = await books.row();
  assert.ok(Date.now() - goneAt < 2000, `the row is there after ${Date.now() - goneAt} ms`);
  assert.equal(row.turnpike.http_status, 499);
  assert.equal(provider.calls('failing').length, 1);
  await books.close(0);
});

test('a hundred callers who hang up at random leave no money held', async () => {
  const books = await Books.open(gateway);
  await Promise.all(
    Array.from({ length: 100 }, async (_, i) => {
      await hangUp(books, { model: 'while_flowing', messages: question, stream: true }, { ready: () => sleep((i * 37) % 300) });
    }),
  );
  await books.close();
  await until(() => provider.calls('while_flowing').every((call) => call.goneAt), 'all providers to be let go', 3000);
});
