// AC-SPEND-1, -4, -6 with everything breaking at once (test/harness/chaos.mjs): two replicas, one seed here; CHAOS_SEEDS and
// CHAOS_REPLICAS ("2,4") for more, CHAOS_SEED for one that has failed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { playChaos } from '../harness/chaos.mjs';

const first = Number(process.env.CHAOS_SEED ?? 1);
const seeds = Array.from({ length: Number(process.env.CHAOS_SEEDS ?? 1) }, (_, at) => first + at);
const sizes = (process.env.CHAOS_REPLICAS ?? '2').split(',').map(Number);
const seconds = Number(process.env.CHAOS_SECONDS ?? 5);

for (const replicas of sizes) {
  for (const seed of seeds) {
    test(`AC-SPEND-1, -4, -6: ${replicas} replicas, seed ${seed}: kills, a crash of the database, deadlocks; each answer is booked once`, async (t) => {
      const came = await playChaos({ seed, replicas, seconds });
      t.diagnostic(`seed ${seed}: ${JSON.stringify(came)}`);
      assert.ok(came.answered > 100 * seconds, `${came.answered} answers`);
      assert.ok(came.kills >= 1);
    });
  }
}
