// What a provider of another dialect may do wrong, over real sockets: a table of breaks for each of six dialects, and what a
// caller of OpenAI's shape then gets (AC-ERR, AC-FALL, AC-COOL, AC-DISC, AC-TIME). After each test the books must be right.
import assert from 'node:assert/strict';
import http from 'node:http';
import zlib from 'node:zlib';
import { after, before, describe, test } from 'node:test';
import { Books, nano, priceOf } from '../harness/books.mjs';
import { asksStream, bytesOf, dialects, honest } from '../harness/raw_dialects.mjs';
import { RawProvider, goodReply, goodStream } from '../harness/raw_provider.mjs';
import { Gateway, deployment, sleep, until } from '../harness/turnpike.mjs';

const good = priceOf(11, 7);
const sentence = ['The quick brown fox', ' jumps over the lazy dog.']; // 10 tokens.
const streamed = { stream: true };

const head = (turn, dialect, headers = {}) => turn.sseHead({ 'content-type': dialect.head, ...headers });
const begun = async (turn, dialect, texts = sentence) => {
  await head(turn, dialect);
  const bytes = bytesOf([...dialect.begin, ...texts.map(dialect.word)]);
  if (bytes.length > 0) await turn.chunk(bytes); // An empty chunk would be the last.
};
const whole = async (turn, dialect, events) => (await head(turn, dialect), await turn.chunk(bytesOf(events)), turn.last());
const damaged = (bytes) => Buffer.concat([bytes.subarray(0, -6), Buffer.from([bytes.at(-6) ^ 1]), bytes.subarray(-5)]);

/** Streams that break before any content. `kind`: what the row says; absent: the dialect decides. */
const early = {
  after_head: { kind: 'upstream_truncated', script: async (turn, dialect) => (await head(turn, dialect), await turn.sleep(20), turn.reset()) },
  ended_at_once: { kind: 'upstream_truncated', script: async (turn, dialect) => (await head(turn, dialect), turn.last()) },
  inside_first: { kind: 'upstream_truncated', billed: true, script: async (turn, dialect) => (await head(turn, dialect), await turn.chunk(bytesOf(honest(dialect)).subarray(0, 40)), await turn.sleep(20), turn.reset()) },
  before_content: { kind: 'upstream_truncated', script: async (turn, dialect) => (await begun(turn, dialect, []), await turn.sleep(20), turn.last()) },
  error_first: { script: (turn, dialect) => whole(turn, dialect, [dialect.failure]) },
  error_after_begin: { script: (turn, dialect) => whole(turn, dialect, [...dialect.begin, dialect.failure]) },
  error_body: { script: (turn, dialect) => turn.json(200, dialect.said(500, 'it broke')) },
  page: { kind: 'upstream_malformed', billed: true, script: async (turn) => (await turn.sseHead({ 'content-type': 'text/html' }), await turn.chunk('<html><body>502 Bad Gateway</body></html>'), turn.last()) },
  gzip: { kind: 'upstream_malformed', script: async (turn, dialect) => (await head(turn, dialect, { 'content-encoding': 'gzip' }), await turn.chunk(zlib.gzipSync(bytesOf(honest(dialect)))), turn.last()) },
};

/** Streams that break after content has left. */
const late = {
  no_marker: { end: (turn) => turn.last() },
  cut: { end: (turn) => turn.reset() },
  inside_event: { end: async (turn, dialect) => (await turn.chunk(dialect.word('lost').subarray(0, -9)), turn.last()) },
  error_event: { named: true, used: true, end: async (turn, dialect) => (await turn.chunk(dialect.failure), turn.last()) },
  no_sense: { named: true, end: async (turn, dialect) => (await turn.chunk(dialect === dialects.bedrock ? damaged(dialect.word('lost')) : Buffer.from(dialect === dialects.ollama ? '{oops}\n' : 'data: {oops}\n\n')), turn.last()) },
};

/** Plain answers that are none. */
const plain = {
  half: { kind: 'upstream_truncated', billed: true, script: async (turn, dialect) => { const text = JSON.stringify(dialect.whole); await turn.head(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }); await turn.write(text.slice(0, -30)); await turn.sleep(20); turn.end(); } },
  error_body: { script: (turn, dialect) => turn.json(200, dialect.said(500, 'it broke')) },
  page: { kind: 'upstream_malformed', billed: true, script: (turn) => turn.json(200, '<html>502</html>', { 'content-type': 'text/html' }) },
  nothing: { kind: 'upstream_malformed', script: (turn) => turn.json(200, '') },
  gzip: { kind: 'upstream_malformed', script: async (turn, dialect) => { const bytes = zlib.gzipSync(JSON.stringify(dialect.whole)); await turn.head(200, { 'content-encoding': 'gzip', 'content-length': bytes.length }); await turn.write(bytes); } },
};

/** Where the provider is when the caller hangs up. */
const stages = {
  before_head: { script: async () => {} },
  after_head: { script: (turn, dialect) => head(turn, dialect) },
  after_begin: { script: async (turn, dialect) => (await head(turn, dialect), dialect.begin.length > 0 && turn.chunk(bytesOf(dialect.begin))), billed: (dialect) => dialect.begin.length > 0, tokens: 0 },
  after_content: { script: (turn, dialect) => begun(turn, dialect), seen: 'lazy dog', billed: () => true, tokens: 10 },
  while_flowing: {
    script: async (turn, dialect) => {
      await begun(turn, dialect, []);
      while (turn.open) {
        await turn.chunk(dialect.word('more '));
        await sleep(5);
      }
    },
    seen: 'more ',
    billed: () => true,
  },
  plain_before_head: { plain: true, script: async () => {} },
  plain_half: {
    plain: true,
    script: async (turn, dialect) => {
      const text = JSON.stringify(dialect.whole);
      await turn.head(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
      await turn.write(text.slice(0, -20));
    },
    billed: () => true,
  },
};

/** A rate limit said in a 200, as a body and as the first event of a stream: who means it is asked for by its status. */
const throttles = {
  body: (turn, dialect) => turn.json(200, dialect.busy.body),
  event: (turn, dialect) => (dialect.throttled && asksStream(turn.request) ? whole(turn, dialect, [dialect.throttled]) : turn.json(200, dialect.busy.body)),
};
const throttling = ['openai', 'anthropic', 'gemini', 'bedrock'];

/** A provider that breaks in all these ways in this dialect, one that rescues, and the gateway before them. */
async function start(name, dialect) {
  const provider = await RawProvider.start();
  const url = (group) => `http://127.0.0.1:${provider.port}/${group}`;
  const backup = provider.on('backup', (turn) => (JSON.parse(turn.request.body).stream ? turn.sse(goodStream) : turn.json(200, goodReply)));
  const models = [deployment('backup', backup)];
  const fallbacks = [];
  // `back`: also a group with a fallback; `twice`: that group has a second such deployment; `rescue`: also a group whose second
  // deployment answers. An id that is a group's name would pin calls to that one deployment.
  const serve = (what, script, { back = false, twice = false, rescue = false } = {}) => {
    const group = `${name}-${what}`;
    provider.on(group, (turn, count) => script(turn, dialect, count));
    models.push(deployment(group, undefined, { params: dialect.params(url(group)), info: { id: group } }));
    const join = (name, id, more) => models.push(deployment(name, undefined, { params: { ...dialect.params(url(group)), ...more }, info: { id } }));
    if (rescue) join(`${group}-rescue`, `${group}-rescue-1`, { order: 1 });
    if (rescue) models.push(deployment(`${group}-rescue`, backup, { params: { order: 2 }, info: { id: `${group}-rescue-2` } }));
    if (!back) return;
    join(`${group}-back`, `${group}-back-1`);
    if (twice) join(`${group}-back`, `${group}-back-2`);
    fallbacks.push({ [`${group}-back`]: ['backup'] });
  };
  const answer = (turn) => (asksStream(turn.request) ? whole(turn, dialect, honest(dialect)) : turn.json(200, dialect.whole));
  serve('good', answer);
  serve('trickle', async (turn) => {
    await head(turn, dialect);
    for (const byte of bytesOf(honest(dialect))) await turn.chunk([byte]);
    await turn.last();
  });
  for (const [what, one] of Object.entries(early)) serve(`early-${what}`, one.script, { back: true });
  for (const [what, one] of Object.entries(late)) serve(`late-${what}`, async (turn) => (await begun(turn, dialect), await turn.sleep(30), one.end(turn, dialect)), { back: true });
  for (const [what, one] of Object.entries(plain)) serve(`plain-${what}`, one.script, { back: true });
  for (const [what, stage] of Object.entries(stages)) serve(`gone-${what}`, async (turn) => (await stage.script(turn, dialect), turn.gone()), { back: true, twice: true });
  for (const [what, script] of Object.entries(throttles)) {
    for (const how of ['plain', 'stream']) serve(`throttled-${what}-${how}`, script, { back: true, rescue: true });
  }
  serve('busy', (turn) => turn.json(429, dialect.busy.body, dialect.busy.headers));
  serve('refused', (turn) => turn.json(dialect.refused.status, dialect.refused.body, dialect.refused.headers));
  serve('silent', (turn) => turn.gone(), { back: true });
  serve('silent-after-head', async (turn) => (await head(turn, dialect), turn.gone()), { back: true });
  serve('halting', async (turn) => (await begun(turn, dialect), turn.gone()));
  const gateway = await Gateway.start({ config: { model_list: models, router_settings: { fallbacks, num_retries: 0 }, turnpike: { stream_idle_timeout: 1 } } });
  return { provider, gateway };
}

const textOf = (events) => events.filter((event) => event.choices).map((event) => event.choices[0]?.delta?.content ?? '').join('');

describe('what providers do wrong', { concurrency: 3 }, () => {
  for (const [name, dialect] of Object.entries(dialects)) {
    describe(name, { concurrency: 1 }, () => {
      let provider;
      let gateway;
      before(async () => {
        ({ provider, gateway } = await start(name, dialect));
      });
      after(() => Promise.all([gateway, provider].map((started) => started?.stop())));

      test('an honest answer, at once and byte by byte, over connections that are used again', async () => {
        const books = await Books.open(gateway);
        const reply = await books.chat({ model: `${name}-good` });
        assert.equal(reply.status, 200, reply.text);
        assert.equal(reply.json.choices[0].message.content, 'one two');
        const before = provider.sockets.size;
        for (let i = 0; i < 20; ++i) {
          const stream = await books.stream({ model: `${name}-good`, stream_options: { include_usage: true } });
          assert.equal(stream.status, 200, stream.text);
          assert.equal(textOf(stream.events), 'one two');
          assert.equal(stream.events.at(-1), '[DONE]');
          assert.equal(stream.events.at(-2).usage.total_tokens, 18);
        }
        // Each I/O thread keeps its own.
        assert.ok(provider.sockets.size <= before + 2, `${provider.sockets.size} connections after ${before} for 20 streams one after the other`);
        const slow = await books.stream({ model: `${name}-trickle` });
        assert.equal(textOf(slow.events), 'one two');
        await books.close(22 * good);
      });

      test('AC-FALL-1, AC-ERR-2: a stream that breaks before its first content is replaced in silence', async () => {
        const books = await Books.open(gateway);
        let booked = 0;
        for (const [what, one] of Object.entries(early)) {
          const alone = await books.chat({ model: `${name}-early-${what}`, ...streamed });
          const where = `${what}: ${alone.status} ${alone.text}`;
          assert.ok(alone.status >= 400, where);
          assert.ok(alone.json.error.message.startsWith('litellm.'), where);
          const row = await books.row();
          if (one.kind) assert.equal(row.turnpike.error_kind, one.kind, where);
          else assert.match(row.turnpike.error_kind, /^upstream_(?!truncated|malformed)/, where);
          if (one.billed !== undefined) assert.equal(nano(row.spend) > 0, one.billed, `${where} costs ${row.spend}`);
          const back = await books.stream({ model: `${name}-early-${what}-back` });
          assert.equal(back.status, 200, `${where} then ${back.text}`);
          assert.equal(textOf(back.events), 'one two', back.text);
          assert.ok(!back.text.includes('"error"'), back.text);
          assert.equal(back.events[0].model, 'backup');
          const fell = await books.row();
          assert.equal(nano(fell.spend), good + nano(row.spend), `${where}: one row, both attempts`);
          booked += nano(row.spend) + nano(fell.spend);
        }
        await books.close(booked);
      });

      test('AC-ERR-1, -3: a stream that breaks later ends with one error event and [DONE], and cost something', async () => {
        const books = await Books.open(gateway);
        let booked = 0;
        const before = provider.calls('backup').length;
        for (const [what, one] of Object.entries(late)) {
          const reply = await books.stream({ model: `${name}-late-${what}-back` });
          const where = `${what}: ${reply.text}`;
          assert.equal(reply.status, 200, where);
          assert.equal(reply.events.at(-1), '[DONE]', where);
          const { error } = reply.events.at(-2);
          assert.ok(error?.message.startsWith('litellm.'), where);
          if (!one.named) assert.deepEqual([error.type, error.code], ['upstream_stream_error', '502'], where);
          assert.equal(textOf(reply.events), sentence.join(''), where);
          assert.ok(reply.events.slice(0, -2).every((each) => !each.choices?.[0]?.finish_reason), 'no invented success');
          const row = await books.row();
          assert.equal(row.status, 'failure', where);
          assert.match(row.turnpike.marks, /truncated/, where);
          assert.equal(row.metadata.error_information.error_message, error.message, 'the reason is in the row');
          if (!(one.used && dialect.failureUsed)) {
            assert.equal(row.completion_tokens, 10, where);
            assert.match(row.turnpike.marks, /estimated/, where);
            if (dialect.inputKnown) assert.equal(row.prompt_tokens, dialect.inputKnown, 'what message_start said');
          }
          assert.equal(nano(row.spend), priceOf(row.prompt_tokens, row.completion_tokens));
          booked += nano(row.spend);
        }
        assert.equal(provider.calls('backup').length, before, 'no silent restart');
        await books.close(booked);
      });

      test('AC-RETRY-2, AC-ERR-2: a plain answer that is none is an error of its own, falls back, and is booked once', async () => {
        const books = await Books.open(gateway);
        let booked = 0;
        for (const [what, one] of Object.entries(plain)) {
          const alone = await books.chat({ model: `${name}-plain-${what}` });
          const where = `${what}: ${alone.status} ${alone.text}`;
          assert.ok(alone.status >= 400, where);
          const row = await books.row();
          if (one.kind) assert.equal(row.turnpike.error_kind, one.kind, where);
          assert.equal(nano(row.spend) > 0, Boolean(one.billed), `${where} costs ${row.spend}`);
          const back = await books.chat({ model: `${name}-plain-${what}-back` });
          assert.equal(back.json?.choices?.[0].message.content, 'one two', `${where} then ${back.text}`);
          const fell = await books.row();
          assert.equal(nano(fell.spend), good + nano(row.spend), where);
          booked += nano(row.spend) + nano(fell.spend);
        }
        await books.close(booked);
      });

      if (throttling.includes(name)) {
        test('AC-ERR-2: an error in a 200 has the status it speaks of, is tried again and falls back, streamed and not', async () => {
          const books = await Books.open(gateway);
          let answered = 0;
          for (const what of Object.keys(throttles)) {
            for (const [how, ask] of Object.entries({ plain: (model, more) => books.chat({ model, ...more }), stream: (model, more) => books.stream({ model, ...more }) })) {
              const group = `${name}-throttled-${what}-${how}`;
              const alone = await ask(group, {});
              const where = `${what} ${how}: ${alone.status} ${alone.text}`;
              assert.equal(alone.status, 429, where);
              assert.ok(alone.json.error.message.startsWith('litellm.RateLimitError: '), where);
              const row = await books.row();
              assert.deepEqual([row.status, row.turnpike.error_kind, nano(row.spend)], ['failure', 'upstream_rate_limited', 0], where);
              for (const [group_, more, marks] of [[`${group}-rescue`, { num_retries: 1 }, 'retried'], [`${group}-back`, {}, 'fell_back']]) {
                const reply = await ask(group_, more);
                assert.equal(reply.status, 200, `${where} then ${reply.text}`);
                assert.ok(!reply.text.includes('"error"'), reply.text);
                assert.equal(how === 'plain' ? reply.json.choices[0].message.content : textOf(reply.events), 'one two');
                assert.equal((await books.row()).turnpike.marks, marks, where);
                answered += 1;
              }
            }
          }
          await books.close(answered * good);
        });
      }

      test('AC-COOL: a 429 rests the deployment as long as the vendor says, and the caller is told', async () => {
        const books = await Books.open(gateway);
        const reply = await books.chat({ model: `${name}-busy` });
        assert.equal(reply.status, 429, reply.text);
        assert.ok(reply.json.error.message.startsWith('litellm.RateLimitError: '), reply.text);
        assert.equal(reply.headers.get('retry-after'), dialect.busy.after, reply.text);
        assert.equal(provider.calls(`${name}-busy`).length, 1, 'not asked again at once');
        assert.equal((await gateway.call('GET', `/health?model=${name}-busy`)).json.unhealthy_count, 1, 'it rests');
        await books.close(0);
      });

      test('a refused credential is an authentication error and rests the deployment', async () => {
        const books = await Books.open(gateway);
        const reply = await books.chat({ model: `${name}-refused` });
        assert.equal(reply.status, dialect.refused.face ?? 401, reply.text);
        assert.ok(reply.json.error.message.startsWith('litellm.AuthenticationError: '), reply.text);
        assert.equal(provider.calls(`${name}-refused`).length, 1);
        assert.equal((await gateway.call('GET', `/health?model=${name}-refused`)).json.unhealthy_count, 1);
        await books.close(0);
      });

      test('AC-TIME: silence before the head, after it and after content', async () => {
        const books = await Books.open(gateway);
        let booked = 0;
        for (const what of ['silent', 'silent-after-head']) {
          const started = Date.now();
          const alone = await books.chat({ model: `${name}-${what}`, ...streamed, stream_timeout: 0.3 });
          assert.equal(alone.status, 408, alone.text);
          assert.ok(Date.now() - started < 2500, `${what}: ${Date.now() - started} ms`);
          const back = await books.stream({ model: `${name}-${what}-back`, stream_timeout: 0.3 });
          assert.equal(textOf(back.events), 'one two', `${what}: ${back.text}`);
          booked += good;
          await until(() => provider.calls(`${name}-${what}`).every((call) => call.goneAt), 'the provider to be let go');
        }
        const short = await books.chat({ model: `${name}-silent`, timeout: 0.3 });
        assert.equal(short.status, 408, short.text);
        const halted = await books.stream({ model: `${name}-halting` });
        assert.equal(halted.events.at(-1), '[DONE]', halted.text);
        assert.ok(halted.events.at(-2).error, halted.text);
        const row = await books.row();
        assert.equal(row.completion_tokens, 10);
        assert.match(row.turnpike.marks, /timeout/);
        await books.close(booked + nano(row.spend));
      });

      for (const [what, stage] of Object.entries(stages)) {
        test(`AC-DISC-1, -2, -4: the caller hangs up ${what}`, async () => {
          const books = await Books.open(gateway);
          const group = `${name}-gone-${what}`;
          const before = provider.calls('backup').length;
          const goneAt = await hangUp(books, `${group}-back`, { num_retries: 3, ...(stage.plain ? {} : streamed) }, { ...stage, ready: () => until(() => provider.calls(group).length === 1, 'the call') });
          const [call] = provider.calls(group);
          await until(() => call.goneAt, 'the provider to be let go', 5000);
          assert.ok(call.goneAt - goneAt < 1000, `let go after ${call.goneAt - goneAt} ms`);
          const row = await books.row();
          assert.equal(row.turnpike.status, 'aborted');
          assert.equal(row.turnpike.http_status, 499);
          assert.match(row.turnpike.marks, /client_disconnected/);
          if (stage.billed?.(dialect)) {
            assert.match(row.turnpike.marks, /estimated/);
            if (stage.tokens !== undefined) assert.equal(row.completion_tokens, stage.tokens);
            if (dialect.inputKnown && !stage.plain) assert.equal(row.prompt_tokens, dialect.inputKnown, 'what message_start said');
            assert.equal(nano(row.spend), priceOf(row.prompt_tokens, row.completion_tokens));
          } else {
            assert.equal(nano(row.spend), 0, 'no byte of an answer, no cost');
          }
          assert.equal(provider.calls(group).length, 1, 'no retry');
          assert.equal(provider.calls('backup').length, before, 'no fallback');
          assert.equal((await gateway.call('GET', `/health?model=${group}-back`)).json.unhealthy_count, 0, 'no cooldown');
          await books.close(nano(row.spend));
        });
      }

      test('a spent budget asks no provider', async () => {
        const books = await Books.open(gateway, { max_budget: 0 });
        const calls = provider.calls(`${name}-good`).length;
        const reply = await books.chat({ model: `${name}-good`, ...streamed });
        assert.ok([400, 402, 429].includes(reply.status), `${reply.status} ${reply.text}`);
        assert.match(reply.json.error.message, /^Budget has been exceeded!/);
        assert.equal(provider.calls(`${name}-good`).length, calls);
        assert.equal((await books.line()).http_status, reply.status);
        assert.equal((await gateway.keyInfo(books.key)).spend, 0);
      });
    });
  }
});

/** Calls and hangs up when `seen` has come (or, without it, when `ready` says so); resolves when it has hung up. */
async function hangUp(books, model, body, { seen, ready }) {
  const request = http.request({
    port: books.gateway.port, method: 'POST', path: '/v1/chat/completions', agent: false,
    headers: { authorization: `Bearer ${books.key}`, 'content-type': 'application/json', ...books.sign() },
  });
  request.on('error', () => {});
  const text = new Promise((resolve) => {
    let received = '';
    request.on('response', (response) => {
      response.on('error', () => {});
      response.on('data', (data) => {
        received += data;
        if (seen && received.includes(seen)) resolve();
      });
    });
  });
  request.end(JSON.stringify({ model, messages: [{ role: 'user', content: 'hi' }], ...body }));
  await ready();
  if (seen) await text;
  else await sleep(60); // What the provider has sent by now has been read.
  request.destroy();
  return Date.now();
}
