// The bursts of a real code-completion service against one limit, over two replicas with Redis: as many calls pass as the exact
// sliding window admits. A minute of the trace is two seconds here.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Postgres } from '../harness/postgres.mjs';
import { Redis } from '../harness/redis.mjs';
import { FakeProvider, Gateway, deployment, root, scene, sleep } from '../harness/turnpike.mjs';

const limit = 100;
const windowMs = 2000;
const faster = 60_000 / windowMs;
// The trace begins with a few calls and three minutes of silence.
const [skipped, calls] = [63, Number(process.env.TRACE_CALLS ?? 700)];

function trace() {
  const lines = fs.readFileSync(path.join(root, 'test/data/traces/azure2023_code.csv'), 'utf8').trim().split('\n').slice(1 + skipped, 1 + skipped + calls);
  const offsets = lines.map((line) => Number(line.split(',')[0]));
  return offsets.map((at) => (at - offsets[0]) / faster);
}

/** How many calls a window that slides without steps admits. */
function exact(times) {
  const inside = [];
  let admitted = 0;
  for (const at of times) {
    while (inside.length > 0 && inside[0] <= at - windowMs) inside.shift();
    if (inside.length >= limit) continue;
    inside.push(at);
    admitted += 1;
  }
  return admitted;
}

test('bursts are admitted as the exact window would, within two per cent', async () => {
  await scene(
    async (own) => {
      const [fake, postgres, redis] = await Promise.all([FakeProvider.start(), Postgres.start(), Redis.start()]);
      [fake, postgres, redis].forEach(own);
      const config = {
        model_list: [deployment('gpt', fake.base())],
        general_settings: { database_url: postgres.url(postgres.fresh()) },
        router_settings: { redis_url: redis.url },
        turnpike: { shutdown_grace: 0, redis_timeout: 1 }, // A second: here nothing is late but the machine.
      };
      const env = { LITELLM_RATE_LIMIT_WINDOW_SIZE: String(windowMs / 1000), TURNPIKE_TEST_DATABASE: '' };
      const first = own(await Gateway.start({ config, env, flags: ['--num_workers', '1'] }));
      return [first, own(await Gateway.start({ config, env, flags: ['--num_workers', '1'] }))];
    },
    async (gateways) => {
      const key = await gateways[0].newKey({ rpm_limit: limit });
      for (const gateway of gateways) await gateway.chat({ model: 'gpt' }, { key });
      await sleep(windowMs + 100);
      const times = trace();
      const sent = [];
      let admitted = 0;
      const one = async (at, gateway) => {
        sent.push(at);
        const reply = await gateway.chat({ model: 'gpt' }, { key });
        assert.ok(reply.status === 200 || reply.status === 429, reply.text);
        admitted += reply.status === 200 ? 1 : 0;
      };
      const begun = performance.now();
      const open = [];
      for (const [i, at] of times.entries()) {
        const early = begun + at - performance.now();
        if (early > 1) await sleep(early);
        // Bursts go to one replica, then to the other: a share of the limit would not do.
        open.push(one(performance.now() - begun, gateways[Math.floor(i / 200) % 2]));
      }
      await Promise.all(open);
      const wanted = exact(sent);
      console.log(`# ${calls} calls in ${(times.at(-1) / 1000).toFixed(1)} s, limit ${limit} in ${windowMs} ms: ${admitted} admitted, exactly ${wanted} (${exact(times)} at the trace's own times)`);
      assert.ok(admitted <= wanted * 1.02 && admitted >= wanted * 0.98, `${admitted} for ${wanted}`);
    },
  );
});
