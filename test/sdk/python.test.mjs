// The OpenAI client for Python, in a virtual environment under build/ made from test/sdk/requirements.txt. Without a
// Python index it is skipped, and says so; TURNPIKE_REQUIRE=python makes that a failure.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { root } from '../harness/turnpike.mjs';
import { devMissing, withDev } from './dev.mjs';
import { run } from './run.mjs';
import { Scene, nano } from './scene.mjs';

const skipped = 'SKIPPED (no Python index)';
const here = path.join(root, 'test/sdk');
const requirements = path.join(here, 'requirements.txt');
const required = (process.env.TURNPIKE_REQUIRE ?? '').split(/[ ,]+/).includes('python');

/** pip's words when no index answered at all, as opposed to an index that lacks a version. */
const noIndex = /from versions: none|Failed to establish a new connection|Temporary failure in name resolution|ConnectTimeoutError|ReadTimeoutError|ProxyError|SSLError/;

/** The interpreter of the virtual environment, made on first use; undefined when no index answers. */
async function makePython() {
  const version = await run(['python3', '--version'], { env: process.env });
  assert.equal(version.code, 0, `python3: ${version.printed}`);
  const content = createHash('sha256').update(fs.readFileSync(requirements)).update(version.printed).digest('hex').slice(0, 16);
  const home = path.join(root, 'build/sdk-python', content);
  const python = path.join(home, 'bin/python');
  const complete = path.join(home, 'complete');
  if (fs.existsSync(complete)) return python;
  fs.rmSync(home, { recursive: true, force: true });
  const made = await run(['python3', '-m', 'venv', home], { env: process.env, ms: 120_000 });
  assert.equal(made.code, 0, `python3 -m venv (Debian: python3-venv) failed:\n${made.printed}`);
  const install = [python, '-m', 'pip', 'install', '--quiet', '--no-input', '--disable-pip-version-check', '--retries', '1', '--timeout', '20'];
  const installed = await run([...install, '--requirement', requirements], { env: process.env, ms: 300_000 });
  if (installed.code !== 0) {
    fs.rmSync(home, { recursive: true, force: true });
    if (!required && noIndex.test(installed.printed)) return undefined;
    assert.fail(`pip install failed:\n${installed.printed}`);
  }
  fs.writeFileSync(complete, version.printed);
  return python;
}

let python;
let scene;

before(async () => {
  python = await makePython();
  if (!python) return;
  scene = await Scene.start();
});
after(() => scene?.close());

test('openai for Python: every test of openai_client.py', async (t) => {
  if (!python) return t.skip(skipped);
  const env = {
    HOME: scene.gateway.directory,
    PYTHONDONTWRITEBYTECODE: '1',
    TURNPIKE_URL: scene.url,
    TURNPIKE_KEY: scene.key,
    TURNPIKE_NARROW_KEY: scene.narrowKey,
    TURNPIKE_SPENT_KEY: await scene.spentKey(),
    PROVIDER_URL: scene.fake.url,
  };
  const { code, printed } = await run([python, path.join(here, 'openai_client.py'), '-v'], { env, ms: 180_000 });
  assert.equal(code, 0, printed);
  const ran = Number(/^Ran (\d+) tests? in/m.exec(printed)?.[1]);
  const written = fs.readFileSync(path.join(here, 'openai_client.py'), 'utf8').match(/^ +(async )?def test_/gm).length;
  assert.equal(ran, written, printed);
  assert.ok(!/skipped/.test(printed), printed);
});

test('the ledger, the keys and the provider agree', async (t) => {
  if (!python) return t.skip(skipped);
  const { rows } = await scene.assertBooked();
  const left = rows.filter((row) => row.turnpike.marks.includes('client_disconnected') && row.turnpike.stream);
  assert.ok(left.length >= 2 && left.every((row) => nano(row.spend) > 0), 'what hung-up streams had delivered is charged');
});

test('the program that ./dev prints works as printed', { skip: devMissing }, async (t) => {
  if (!python) return t.skip(skipped);
  await withDev(async (printed) => {
    const program = /^from openai import OpenAI\n(?:.+\n)+/m.exec(printed)[0];
    const { code, stdout, printed: all } = await run([python, '-c', program]);
    assert.equal(code, 0, all);
    assert.match(stdout, /^\S.*\n\d+ tokens\n$/);
  });
});
