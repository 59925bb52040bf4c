// `./dev` as a newcomer meets it, on the build that is there: what it prints, how fast it is when nothing is to be built,
// and that it never shows a provider's key. The printed lines themselves are run by the SDK tests.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Child, FakeProvider, binary, deployment, freePort, masterKey, root, temporaryDirectory } from '../harness/turnpike.mjs';

const built = path.join(root, 'build/release/turnpike');
const skip = path.resolve(binary) !== built && 'another binary than the release build is tested';
const warmMs = 3_000;

let fake;
let state;
let environment;

before(async () => {
  fake = await FakeProvider.start();
  state = temporaryDirectory();
  environment = { PATH: process.env.PATH, HOME: state, PORT: String(await freePort()), TURNPIKE_DEV_STATE: state, TURNPIKE_DEV_BUILD: 'no' };
});
after(async () => {
  await dev(['stop']);
  await fake?.stop();
  fs.rmSync(state, { recursive: true, force: true });
});

async function dev(args, more = {}) {
  const begun = performance.now();
  const child = new Child([path.join(root, 'dev'), ...args], { env: { ...environment, ...more } });
  const { code } = await child.wait(60_000);
  return { code, stdout: child.stdout, printed: child.printed, ms: performance.now() - begun };
}

/** Runs the line of `printed` that holds `part`, as a shell would. */
async function runPrinted(printed, part) {
  const line = printed.split('\n').find((candidate) => candidate.includes('curl ') && candidate.includes(part));
  assert.ok(line, `no line with ${part}:\n${printed}`);
  const child = new Child(['bash', '-c', line.slice(line.indexOf('curl ')).replace('curl ', 'curl -sS ')], { env: environment });
  assert.equal((await child.wait()).code, 0, child.stderr);
  return JSON.parse(child.stdout);
}

test('starts in seconds, its lines work, keys are named and never shown, it stops', { skip }, async () => {
  const keys = { OPENAI_API_KEY: 'sk-marker-openai', GROQ_API_KEY: 'gsk-marker-groq' };
  const first = await dev([], keys);
  assert.equal(first.code, 0, first.printed);
  assert.ok(first.ms < warmMs, `${first.ms} ms`);
  for (const name of Object.keys(keys)) assert.ok(first.printed.includes(name), `names ${name}\n${first.printed}`);
  assert.match(first.printed, /groq\/\*.*openai\/\*/s);
  const kept = fs.readdirSync(state).filter((name) => fs.statSync(path.join(state, name)).isFile()).map((name) => fs.readFileSync(path.join(state, name), 'utf8'));
  assert.ok(![first.printed, ...kept].some((text) => text.includes('marker')), 'no key is shown or written');

  assert.match((await runPrinted(first.stdout, '/v1/chat/completions')).choices[0].message.content, /\S/);
  const { info } = await runPrinted(first.stdout, '/key/info');
  assert.equal(info.max_budget, 5);
  const rows = await runPrinted(first.stdout, '/spend/logs');
  assert.equal(rows.length, 1);
  assert.equal(rows[0].spend, (await runPrinted(first.stdout, '/key/info')).info.spend);
  assert.ok(rows[0].spend > 0);

  const again = await dev([]);
  assert.equal(again.code, 0, again.printed);
  assert.ok(again.ms < warmMs, `a restart over a running one: ${again.ms} ms`);
  assert.ok(!again.printed.includes('OPENAI_API_KEY'), again.printed);
  assert.equal((await runPrinted(again.stdout, '/spend/logs')).length, 1, 'the ledger is still there');

  assert.match((await dev(['stop'])).printed, /Stopped: gateway provider/);
  await assert.rejects(fetch(`http://127.0.0.1:${environment.PORT}/`));
  assert.match((await dev(['stop'])).printed, /Nothing was running/);
});

test('./dev --config FILE runs that file, whoever wrote its master key', { skip }, async () => {
  const file = path.join(state, 'own.yaml');
  fs.writeFileSync(file, JSON.stringify({ model_list: [deployment('mine', fake.base())] }));
  const own = await dev(['--config', file]);
  assert.equal(own.code, 0, own.printed);
  assert.match(own.stdout, /model "mine"/);
  assert.match((await runPrinted(own.stdout, '/v1/chat/completions')).choices[0].message.content, /\S/);

  fs.writeFileSync(file, JSON.stringify({ model_list: [deployment('mine', fake.base())], general_settings: { master_key: masterKey } }));
  const foreign = await dev(['--config', file]);
  assert.equal(foreign.code, 1);
  assert.match(foreign.printed, /LITELLM_MASTER_KEY=sk-/, 'says how to name it');
  const named = await dev(['--config', file], { LITELLM_MASTER_KEY: masterKey });
  assert.equal(named.code, 0, named.printed);
  assert.ok(!named.printed.includes(masterKey), 'a master key of the environment is not shown');
  await dev(['stop']);
});

test('a taken port, a missing file and a wrong word are told with the way out', { skip }, async () => {
  const taken = await dev([], { PORT: new URL(fake.url).port });
  assert.equal(taken.code, 1);
  assert.match(taken.printed, /PORT=4001 \.\/dev/);
  const missing = await dev(['--config', path.join(state, 'not-there.yaml')]);
  assert.equal(missing.code, 2);
  assert.match(missing.printed, /not-there\.yaml/);
  const wrong = await dev(['start']);
  assert.equal(wrong.code, 2);
  assert.match(wrong.printed, /\.\/dev stop/);
});
