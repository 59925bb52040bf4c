// A new version goes out: two processes behind a plain TCP balancer are restarted one after the other while callers of every
// kind keep calling. No stream is cut, no call is refused, and the books of both are the provider's account (AC-STOP-1).
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import { test } from 'node:test';
import { Balancer } from '../harness/balancer.mjs';
import { rowsOnDisk } from '../harness/books.mjs';
import { FakeProvider, Gateway, deployment, freePort, runBinary, scene, sleep, temporaryDirectory, until } from '../harness/turnpike.mjs';

const key = 'sk-rolling-restart-0123456789';
const streamsOpen = 200;
const keptCallers = 8;
const freshCallers = 4;

/** One call through the balancer; what was wrong with it, or nothing. */
function call(port, agent, body, first = () => {}) {
  const stream = body.stream === true;
  const payload = JSON.stringify({ model: 'gpt', messages: [{ role: 'user', content: 'hi' }], ...body });
  return new Promise((resolve) => {
    const request = http.request(
      { port, host: '127.0.0.1', method: 'POST', path: '/v1/chat/completions', agent, headers: { authorization: `Bearer ${key}`, 'content-length': Buffer.byteLength(payload) } },
      (reply) => {
        let text = '';
        reply.setEncoding('utf8');
        reply.on('data', (piece) => {
          if (text === '') first();
          text += piece;
        });
        reply.on('error', () => {});
        reply.on('close', () => {
          const good = reply.complete && reply.statusCode === 200 && !text.includes('"error"') && (!stream || text.endsWith('data: [DONE]\n\n'));
          resolve(good ? undefined : `${stream ? 'stream' : 'call'}: ${reply.statusCode}, ${reply.complete ? 'whole' : 'cut'}: ${text.slice(-300)}`);
        });
      },
    );
    request.on('error', (error) => resolve(`${stream ? 'stream' : 'call'}: ${error.code ?? error.message}, ${request.reusedSocket ? 'kept' : 'fresh'} connection`));
    request.end(payload);
  });
}

/** Callers who call until they are told to stop. */
class Load {
  constructor(port) {
    Object.assign(this, { port, faults: [], answered: 0, streamed: 0, streaming: 0, running: true });
    const kept = new http.Agent({ keepAlive: true });
    const small = { fake: { tokens: 3, prompt_tokens: 5, latency_ms: 5 } };
    const slow = (i) => ({ stream: true, fake: { tokens: 14 + (i % 5), prompt_tokens: 7, token_ms: 250 } });
    this.callers = [
      ...Array.from({ length: keptCallers }, () => this.#repeat(() => call(port, kept, small), 20)),
      ...Array.from({ length: freshCallers }, () => this.#repeat(() => call(port, false, small), 20)),
      ...Array.from({ length: streamsOpen }, (_, i) => this.#stream(i % 2 ? kept : false, slow(i), i * 5)),
    ];
    this.kept = kept;
  }
  async #repeat(one, pauseMs) {
    while (this.running) {
      const fault = await one();
      this.answered += 1;
      if (fault) this.faults.push(fault);
      await sleep(pauseMs);
    }
  }
  async #stream(agent, body, delayMs) {
    await sleep(delayMs);
    while (this.running) {
      let open = false;
      const fault = await call(this.port, agent, body, () => {
        open = true;
        this.streaming += 1;
      });
      if (open) this.streaming -= 1;
      this.streamed += 1;
      if (fault) this.faults.push(fault);
    }
  }
  async end() {
    this.running = false;
    await Promise.all(this.callers);
    this.kept.destroy();
  }
}

test('AC-STOP-1: a rolling restart of two processes under load with 200 open streams: no stream cut, no call refused', async () => {
  await scene(
    async (own) => {
      const fake = own(await FakeProvider.start());
      const homes = [];
      for (let i = 0; i < 2; ++i) {
        const directory = temporaryDirectory();
        own({ ended: true, clean: () => fs.rmSync(directory, { recursive: true, force: true }) });
        homes.push({ directory, port: await freePort() });
      }
      const start = async (home) => (home.gateway = own(await Gateway.start({ ...home, config: { model_list: [deployment('gpt', fake.base())] } })));
      for (const home of homes) {
        await start(home);
        await home.gateway.newKey({ key, max_budget: 100 });
      }
      const balancer = await Balancer.start(homes.map((home) => home.port));
      own({ kill: () => balancer.stop() });
      return { fake, homes, start, balancer };
    },
    async ({ fake, homes, start, balancer }) => {
      const load = new Load(balancer.port);
      try {
        await until(() => load.streaming >= streamsOpen - 10, 'the streams to be open', 20_000);
        for (const home of homes) {
          const open = load.streaming;
          assert.ok(open >= streamsOpen / 2, `${open} streams are open`);
          home.gateway.signal('SIGTERM');
          assert.deepEqual(await home.gateway.wait(30_000), { code: 0, signal: null }, home.gateway.stderr);
          await start(home);
          await until(() => balancer.sends(home.port), 'the balancer to send to it again');
          await until(() => load.streaming >= streamsOpen - 10, 'the streams to be open again', 20_000);
        }
      } finally {
        await load.end();
      }
      assert.deepEqual(load.faults, [], `${load.faults.length} of ${load.answered} calls and ${load.streamed} streams`);
      assert.deepEqual(balancer.troubles, []);
      assert.ok(load.streamed >= 2 * streamsOpen && load.answered > 500, `${load.streamed} streams, ${load.answered} calls`);

      for (const home of homes) {
        await home.gateway.stop();
        const verified = await runBinary(['ledger', 'verify', '--data_dir', `${home.directory}/data`]);
        assert.equal(verified.code, 0, verified.stdout + verified.stderr);
      }
      const rows = homes.flatMap((home) => rowsOnDisk(home.directory));
      const sum = (name) => rows.reduce((all, row) => all + row[name], 0);
      const { served, calls } = await fake.account();
      assert.deepEqual(
        { calls: rows.length, prompt_tokens: sum('prompt_tokens'), completion_tokens: sum('completion_tokens') },
        { calls, prompt_tokens: served.prompt_tokens, completion_tokens: served.completion_tokens },
      );
      assert.equal(rows.length, load.answered + load.streamed);
      assert.ok(rows.every((row) => row.status === 0 && row.http_status === 200));
    },
  );
});
