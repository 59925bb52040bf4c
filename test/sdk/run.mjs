// A program run to its end.
import { Child } from '../harness/turnpike.mjs';

/** What `args` printed and how it ended; it is killed after `ms`. */
export async function run(args, { env = {}, ms = 30_000 } = {}) {
  const child = new Child(args, { env: { PATH: process.env.PATH, ...env } });
  try {
    const { code } = await child.wait(ms);
    return { code, stdout: child.stdout, stderr: child.stderr, printed: child.printed };
  } finally {
    if (!child.ended) await child.kill();
  }
}
