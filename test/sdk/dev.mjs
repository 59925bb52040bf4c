// `./dev` as somebody runs it who has just cloned the repository, but on the build that is there, a free port and a
// directory of its own; and what it prints.
import fs from 'node:fs';
import path from 'node:path';
import { binary, freePort, root, temporaryDirectory } from '../harness/turnpike.mjs';
import { run } from './run.mjs';

const built = path.join(root, 'build/release/turnpike');

/** `./dev` runs the release build and no other: it is not tried when another binary is under test. */
export const devMissing = path.resolve(binary) !== built && 'another binary than the release build is tested';

async function dev(args, env) {
  const { code, stdout, printed } = await run([path.join(root, 'dev'), ...args], { env, ms: 60_000 });
  if (code !== 0) throw new Error(`./dev ${args.join(' ')}: exit ${code}\n${printed}`);
  return stdout;
}

/** Calls `body` with what `./dev` printed, and stops it again whatever happens. */
export async function withDev(body) {
  const state = temporaryDirectory();
  const environment = { HOME: state, PORT: String(await freePort()), TURNPIKE_DEV_STATE: state, TURNPIKE_DEV_BUILD: 'no' };
  try {
    await body(await dev([], environment));
  } finally {
    await dev(['stop'], environment);
    fs.rmSync(state, { recursive: true, force: true });
  }
}
