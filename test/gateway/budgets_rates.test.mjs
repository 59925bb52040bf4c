// How often budgets over replicas refuse who should have passed, and how far they are overrun: load that spends one budget after
// the other, beside it an account that knows everything (test/harness/spending.mjs). RATES_SECONDS and RATES_REPLICAS ("2,4")
// make it longer and larger, as ./check --full does; with faults only then.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Pipe } from '../harness/pipe.mjs';
import { Shared } from '../harness/replicas.mjs';
import { Spending } from '../harness/spending.mjs';
import { sleep } from '../harness/turnpike.mjs';

const seconds = Number(process.env.RATES_SECONDS ?? 2.5);
const sizes = (process.env.RATES_REPLICAS ?? '2').split(',').map(Number);
// Shares of all calls. Healthy: wrong refusals below 90 % of every budget. With faults also those by cause: the money was out of
// reach (a replica was down or cut off, or the database away, until two seconds ago), or nobody could be asked (503).
const healthy = { default: { wrongEarly: 0 }, strict: { wrongEarly: 0.0005 } };
const faulty = { default: { wrongEarly: 20 / 371_222, outOfReach: 0.037, unavailable: 0.08 }, strict: { wrongEarly: 0.0006, outOfReach: 0.035, unavailable: 0.08 } };

let shared;
before(async () => {
  shared = await Shared.start();
});
after(() => shared?.stop());

async function crashDatabase(awayMs) {
  await shared.server.pause('SIGQUIT');
  await sleep(awayMs);
  await shared.server.resume();
}
async function cutOff(pipe, ms) {
  pipe.blackHole(true);
  await sleep(ms);
  pipe.blackHole(false);
}

const percent = (share) => `${(100 * share).toFixed(2)} %`;
function said({ report, wrongs }) {
  const { overshoot: over, ...rest } = report;
  return [
    JSON.stringify(rest),
    `${over.above} of ${over.accounts} accounts above their limit, the worst by ${percent(over.worst)} of it (bound ${percent(over.bound)})`,
    ...wrongs.filter(({ early, trouble }) => early && !trouble).map((wrong) => `refused wrongly: ${JSON.stringify(wrong)}`),
  ];
}

/** Of few calls a share says little: three deviations are let pass. */
function keeps(report, shares) {
  for (const [what, share] of Object.entries(shares)) {
    const expected = share * report.calls;
    assert.ok(report[what] <= expected + 3 * Math.sqrt(expected), `${what}: ${report[what]} of ${report.calls} calls, ${percent(share)} may be`);
  }
}

function judge(t, played, shares) {
  for (const line of said(played)) t.diagnostic(line);
  const { report } = played;
  assert.ok(report.calls > 100 * seconds && report.answered > report.calls / 4 && report.spent + report.held > 0, 'budgets were spent');
  assert.deepEqual(report.others, {});
  assert.deepEqual(report.overshoot.beyond, [], report.mode === 'strict' ? 'no hard budget is exceeded' : 'overshoot beyond its bound');
  keeps(report, shares);
}

for (const replicas of sizes) {
  for (const mode of ['default', 'strict']) {
    test(`AC-BUDGET-2: ${replicas} healthy replicas, ${mode}: false refusals and overshoot`, async (t) => {
      const played = await Spending.play(shared, { mode, replicas, seconds });
      judge(t, played, healthy[mode]);
      assert.equal(played.report.unavailable, 0);
      assert.equal(played.report.cut, 0);
    });
    if (!process.env.RATES_SECONDS) continue;
    test(`AC-BUDGET-2: ${replicas} replicas, ${mode}, a kill, a crash of the database, a black hole: refusals by cause`, async (t) => {
      const pipe = await Pipe.to(shared.server.port);
      const faults = (run) => [
        { name: 'a replica killed', at: seconds * 150, play: () => run.crash(0, run.chance.int(0, 400)) },
        { name: 'the database crashed', at: seconds * 400, play: () => crashDatabase(run.chance.int(200, 1_500)) },
        { name: 'a replica cut off', at: seconds * 650, play: () => cutOff(pipe, run.chance.int(500, 4_000)) },
      ];
      try {
        judge(t, await Spending.play(shared, { mode, replicas, seconds, faults, port: pipe.port }), faulty[mode]);
      } finally {
        await pipe.stop();
      }
    });
  }
}
