// What translated streams cost in memory: many that wait, and one whose caller does not read.
import assert from 'node:assert/strict';
import net from 'node:net';
import { once } from 'node:events';
import { test } from 'node:test';
import { bytesOf, dialects } from '../harness/raw_dialects.mjs';
import { RawProvider } from '../harness/raw_provider.mjs';
import { Gateway, binary, deployment, masterKey, scene, sleep, until } from '../harness/turnpike.mjs';

const skip = binary.includes('/dev/') ? 'the sanitizers need memory of their own' : false;
const mib = 1024;
const { anthropic } = dialects;

/** A streamed call over a socket of its own, once its answer has begun. */
async function begin(gateway, model) {
  const socket = net.connect({ port: gateway.port, host: '127.0.0.1' });
  socket.on('error', () => {});
  await once(socket, 'connect');
  const body = JSON.stringify({ model, stream: true, messages: [{ role: 'user', content: 'x'.repeat(700) }] });
  socket.write(`POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${masterKey}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  await once(socket, 'data');
  return socket;
}

test('1,000 slow translated streams; a caller who does not read stops the provider', { skip }, async () => {
  let sent = 0;
  await scene(
    async (own) => {
      const provider = await RawProvider.start();
      own({ ended: false, kill: () => provider.stop() });
      provider.on('slow', async (turn) => (await turn.sseHead(), await turn.chunk(bytesOf([...anthropic.begin, anthropic.word('x')])), turn.gone()));
      provider.on('flood', async (turn) => {
        await turn.sseHead();
        await turn.chunk(bytesOf(anthropic.begin));
        const many = bytesOf(Array.from({ length: 100 }, () => anthropic.word('y'.repeat(1000))));
        while (turn.open && sent < 200e6 && (await turn.chunk(many))) sent += many.length;
      });
      const model_list = ['slow', 'flood'].map((name) => deployment(name, undefined, { params: anthropic.params(`http://127.0.0.1:${provider.port}/${name}`) }));
      return own(await Gateway.start({ config: { model_list } }));
    },
    async (gateway) => {
      const idle = gateway.rssKib();
      const streams = [];
      for (let i = 0; i < 10; ++i) streams.push(...(await Promise.all(Array.from({ length: 100 }, () => begin(gateway, 'slow')))));
      const open = gateway.rssKib();
      assert.ok(open <= idle + 48 * mib, `1,000 streams: ${idle} KiB, then ${open} KiB`);
      for (const socket of streams) socket.destroy();
      await until(async () => /^litellm_in_flight_requests 0(\.0)?$/m.test(await gateway.metrics()), 'the streams to end');

      const before = gateway.rssKib();
      const deaf = await begin(gateway, 'flood');
      deaf.pause();
      let last = -1;
      await until(async () => {
        const still = sent === last;
        last = sent;
        await sleep(300);
        return still && sent > 0;
      }, 'the provider to be held up');
      // What was sent lies in the sockets' own buffers.
      assert.ok(sent < 64e6, `${sent} bytes were taken`);
      const grown = gateway.rssKib() - before;
      assert.ok(grown <= 8 * mib, `${grown} KiB for one stream that nobody reads`);
      console.log(`KiB: idle ${idle}, 1,000 translated streams ${open}; unread: ${sent} bytes sent, ${grown} KiB more`);
      deaf.destroy();
    },
  );
});
