// Comments on a silent stream (AC-TIME-3): `: ping` flows from second N on while the provider is silent, also before its
// headers, and never inside of an event; behind it retries, fallbacks and limits go on as they would without it.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, describe, test } from 'node:test';
import { Books, nano, priceOf } from '../harness/books.mjs';
import { bytesOf, dialects, honest } from '../harness/raw_dialects.mjs';
import { RawProvider, goodReply, goodStream } from '../harness/raw_provider.mjs';
import { Gateway, deployment, sleep, until } from '../harness/turnpike.mjs';

const seconds = 0.3;
const silence = 1000;
const shapes = ['openai', 'anthropic', 'gemini', 'bedrock'];
const good = priceOf(11, 7);

const head = (turn, dialect) => turn.sseHead({ 'content-type': dialect.head });
const rest = async (turn, bytes) => (await turn.chunk(bytes), turn.last());

/** Where a provider is silent for a second. */
const silences = {
  before_head: async (turn, dialect) => (await sleep(silence), await head(turn, dialect), rest(turn, bytesOf(honest(dialect)))),
  after_head: async (turn, dialect) => (await head(turn, dialect), await sleep(silence), rest(turn, bytesOf(honest(dialect)))),
  before_content: async (turn, dialect) => {
    await head(turn, dialect);
    if (dialect.begin.length > 0) await turn.chunk(bytesOf(dialect.begin));
    await sleep(silence);
    await rest(turn, bytesOf(honest(dialect).slice(dialect.begin.length)));
  },
  between_events: async (turn, dialect) => {
    await head(turn, dialect);
    await turn.chunk(bytesOf([...dialect.begin, dialect.word('one ')]));
    await sleep(silence);
    await rest(turn, bytesOf([dialect.word('two'), ...dialect.end]));
  },
  inside_an_event: async (turn, dialect) => {
    await head(turn, dialect);
    const bytes = bytesOf(honest(dialect));
    const middle = bytesOf([...dialect.begin, dialect.word('one ')]).length + 30;
    await turn.chunk(bytes.subarray(0, middle));
    await sleep(silence);
    await rest(turn, bytes.subarray(middle));
  },
  before_the_end: async (turn, dialect) => {
    await head(turn, dialect);
    await turn.chunk(bytesOf([...dialect.begin, dialect.word('one '), dialect.word('two')]));
    await sleep(silence);
    await rest(turn, bytesOf(dialect.end));
  },
};

/** A provider of this dialect with each of these manners, a gateway that comments on silence, and one without the setting. */
async function start(shape) {
  const dialect = dialects[shape];
  const provider = await RawProvider.start();
  const backup = provider.on('backup', (turn) => (JSON.parse(turn.request.body).stream ? turn.sse(goodStream) : turn.json(200, goodReply)));
  const model_list = [deployment('backup', backup)];
  const serve = (name, script) => {
    provider.on(name, (turn, count) => script(turn, dialect, count));
    model_list.push(deployment(name, undefined, { params: dialect.params(`http://127.0.0.1:${provider.port}/${name}`) }));
  };
  for (const [what, script] of Object.entries(silences)) serve(what, script);
  serve('flowing', async (turn) => {
    await head(turn, dialect);
    for (const event of [...dialect.begin, ...Array.from({ length: 10 }, () => dialect.word('one ')), ...dialect.end]) {
      await turn.chunk(event);
      await sleep(100);
    }
    await turn.last();
  });
  serve('slow-plain', async (turn) => (await sleep(silence), turn.json(200, dialect.whole)));
  serve('late-error', async (turn) => (await sleep(silence), turn.json(500, dialect.said(500, 'it broke'))));
  serve('at-once-error', (turn) => turn.json(500, dialect.said(500, 'it broke')));
  serve('rescued', async (turn) => (await sleep(silence), turn.json(500, dialect.said(500, 'it broke'))));
  serve('again', async (turn, _, count) => (await sleep(silence), count % 2 === 1 ? turn.json(500, dialect.said(500, 'it broke')) : (await head(turn, dialect), await rest(turn, bytesOf(honest(dialect))))));
  serve('cut', async (turn) => (await head(turn, dialect), await turn.chunk(bytesOf([...dialect.begin, dialect.word('one ')])), await sleep(silence), turn.reset()));
  serve('silent', (turn) => turn.gone());
  const router_settings = { num_retries: 0, fallbacks: [{ rescued: ['backup'] }], disable_cooldowns: true };
  const gateway = await Gateway.start({ config: { model_list, router_settings, turnpike: { stream_keepalive: seconds } } });
  const plainGateway = await Gateway.start({ config: { model_list, router_settings } });
  return { provider, gateway, plainGateway };
}

/** A stream as it arrives: its text, and when each comment and the first byte of anything else came, in ms. */
function listen(books, model, body = {}, onText = () => {}) {
  const payload = JSON.stringify({ model, stream: true, messages: [{ role: 'user', content: 'hi' }], ...body });
  const started = performance.now();
  const heard = { text: '', pings: [], headers: undefined };
  const headers = { authorization: `Bearer ${books.key}`, 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload), ...books.sign() };
  heard.done = new Promise((resolve, reject) => {
    heard.request = http.request(`${books.gateway.url}/v1/chat/completions`, { method: 'POST', agent: false, headers }, (reply) => {
      Object.assign(heard, { status: reply.statusCode, headers: reply.headers });
      reply.setEncoding('utf8');
      reply.on('data', (piece) => {
        for (let i = 0; i < piece.split(': ping\n\n').length - 1; ++i) heard.pings.push(performance.now() - started);
        heard.text += piece;
        onText(heard);
      });
      reply.on('error', () => {});
      reply.on('close', () => resolve(Object.assign(heard, { whole: reply.complete, ms: performance.now() - started })));
    });
    heard.request.on('error', reject);
    heard.request.end(payload);
  });
  heard.done.catch(() => {});
  return heard;
}

const spoken = (text) => text.replaceAll(': ping\n\n', '');
/** Events by their data; every block must be a comment of ours or one whole event. */
function eventsOf(text) {
  const blocks = text.split('\n\n');
  assert.equal(blocks.pop(), '', 'the last block is ended');
  return blocks.filter((block) => block !== ': ping').map((block) => {
    assert.ok(block.startsWith('data: ') && !block.includes('\n'), `no event: ${JSON.stringify(block)}`);
    return block === 'data: [DONE]' ? '[DONE]' : JSON.parse(block.slice(6));
  });
}
const contentOf = (events) => events.map((event) => event.choices?.[0]?.delta?.content ?? '').join('');
/** What differs between two calls anyway. */
const nameless = (text) => spoken(text).replace(/"id":"[^"]*"/g, '"id":""').replace(/"created":\d+/g, '"created":0');

function assertPings({ pings, text }, where, least = 3) {
  assert.ok(pings.length >= least && pings.length <= least + 1, `${where}: ${pings.length} comments: ${text}`);
}

describe('comments on silent streams', { concurrency: shapes.length }, () => {
  for (const shape of shapes) {
    describe(shape, { concurrency: 1 }, () => {
      let provider;
      let gateway;
      let plainGateway;
      before(async () => {
        ({ provider, gateway, plainGateway } = await start(shape));
      });
      after(() => Promise.all([gateway, plainGateway, provider].map((started) => started?.stop())));

      test('AC-TIME-3: comments from second N on wherever the provider is silent, and the same events as without them', async () => {
        const [books, plainBooks] = [await Books.open(gateway), await Books.open(plainGateway)];
        await Promise.all(
          Object.keys(silences).map(async (what) => {
            const [heard, plain] = await Promise.all([listen(books, what).done, listen(plainBooks, what).done]);
            const where = `${what}: ${heard.text}`;
            assert.equal(heard.status, 200, where);
            assert.ok(heard.whole, where);
            assertPings(heard, what);
            const events = eventsOf(heard.text);
            assert.equal(contentOf(events), 'one two', where);
            assert.equal(events.at(-1), '[DONE]', where);
            assert.equal(nameless(heard.text), nameless(plain.text), 'byte for byte');
            assert.equal(plain.pings.length, 0, 'off by default');
            const gaps = heard.pings.slice(1).map((at, i) => at - heard.pings[i]);
            assert.ok(gaps.every((gap) => gap > seconds * 1000 - 60 && gap < seconds * 1000 + 250), `${what}: ${heard.pings}`);
            if (what === 'before_head') assert.ok(heard.pings[0] >= seconds * 1000 - 5 && heard.pings[0] < seconds * 1000 + 250, `${heard.pings}`);
            assert.match(heard.headers['content-type'], /^text\/event-stream/);
            assert.ok(heard.headers['x-litellm-model-id'], where);
          }),
        );
        // A machine may stand still for longer than the 0.3 s, and then a comment is right: not in each of five streams.
        const pings = [];
        while (pings.length < 5 && !pings.includes(0)) pings.push((await listen(books, 'flowing').done).pings.length);
        assert.ok(pings.includes(0), `who speaks needs no comment: ${pings}`);
        await books.close((6 + pings.length) * good);
        await plainBooks.close(6 * good);
      });

      test('AC-TIME-3: after a comment a failure is an event with the error, before it a status of its own', async () => {
        const books = await Books.open(gateway);
        const heard = await listen(books, 'late-error').done;
        assertPings(heard, 'late-error');
        const events = eventsOf(heard.text);
        assert.equal(events.length, 2, heard.text);
        assert.equal(events[1], '[DONE]');
        assert.match(events[0].error.message, /^litellm\.InternalServerError: .*it broke/s);
        assert.equal(events[0].error.code, '500');
        assert.ok(heard.whole);
        const row = await books.row();
        assert.deepEqual([row.status, row.turnpike.http_status, row.turnpike.error_kind, nano(row.spend)], ['failure', 200, 'upstream_internal', 0]);
        assert.equal((await books.line()).http_status, 200);

        const soon = await books.chat({ model: 'at-once-error', stream: true });
        assert.equal(soon.status, 500, soon.text);
        assert.ok(!soon.text.includes(': ping'));

        const late = await listen(books, 'silent', { stream_timeout: 0.7 }).done;
        assertPings(late, 'silent', 2);
        const told = eventsOf(late.text);
        assert.match(told[0].error.message, /^litellm\.Timeout: stream_timeout of 0\.7 s expired/);
        assert.deepEqual([told[0].error.code, told[1]], ['408', '[DONE]']);
        assert.ok(late.ms < 1000, `${late.ms} ms`);

        const cut = await listen(books, 'cut').done;
        assertPings(cut, 'cut');
        const broken = eventsOf(cut.text);
        assert.equal(broken.at(-2).error.type, 'upstream_stream_error');
        assert.equal(contentOf(broken), 'one ');
        await books.close(nano((await books.row()).spend));
      });

      test('AC-TIME-3: behind the comments calls are tried again and fall back in silence', async () => {
        const books = await Books.open(gateway);
        for (const [what, body, marks, pings] of [['rescued', {}, 'fell_back', 3], ['again', { num_retries: 1 }, 'retried', 6]]) {
          const heard = await listen(books, what, body).done;
          const events = eventsOf(heard.text);
          assert.equal(contentOf(events), 'one two', heard.text);
          assert.equal(events.at(-1), '[DONE]');
          assert.ok(!heard.text.includes('"error"'), heard.text);
          assert.ok(heard.pings.length >= pings, `${heard.pings}`);
          const row = await books.row();
          assert.deepEqual([row.status, row.turnpike.marks, row.turnpike.attempts.length], ['success', marks, 2]);
        }
        await books.close(2 * good);
      });

      test('AC-TIME-3, AC-DISC-1: who hangs up between comments is noticed; a plain answer has none', async () => {
        const books = await Books.open(gateway);
        const heard = listen(books, 'silent', { num_retries: 2, timeout: 5 }, ({ pings, request }) => pings.length === 2 && request.destroy());
        await heard.done.catch(() => {});
        const goneAt = Date.now();
        const [call] = provider.calls('silent').slice(-1);
        await until(() => call.goneAt, 'the provider to be let go', 5000);
        assert.ok(call.goneAt - goneAt < 1000);
        const row = await books.row();
        assert.deepEqual([row.turnpike.status, row.turnpike.http_status, row.turnpike.attempts.length], ['aborted', 499, 1]);

        const plain = await books.chat({ model: 'slow-plain' });
        assert.equal(plain.status, 200, plain.text);
        assert.equal(plain.json.choices[0].message.content, 'one two');
        await books.close(good);
      });
    });
  }
});

test('AC-TIME-3: a mocked stream that waits gets its comments too', async () => {
  const gateway = await Gateway.start({ config: { model_list: [deployment('mocked', 'http://127.0.0.1:9/v1')], turnpike: { stream_keepalive: seconds } } });
  try {
    const books = await Books.open(gateway);
    const heard = await listen(books, 'mocked', { mock_response: 'one two', mock_delay: 0.8 }).done;
    assertPings(heard, 'mocked', 2);
    assert.equal(contentOf(eventsOf(heard.text)), 'one two', heard.text);
    assert.ok(heard.text.endsWith('data: [DONE]\n\n') && heard.whole);
    await books.close();
  } finally {
    await gateway.stop();
  }
});
