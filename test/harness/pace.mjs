// How fast this machine is just now, for limits in milliseconds that were set on a quiet one.
import { Child } from './turnpike.mjs';

/** What starting and ending the runtime of these tests took where the limits were set. */
const quietStartMs = 30;

/** How many times as long as on that machine a program needs to start now, at least 1. Ask beside each measurement. */
export async function pace() {
  const begun = performance.now();
  await new Child([process.execPath, '-e', '0'], { env: { PATH: process.env.PATH } }).wait();
  return Math.max(1, (performance.now() - begun) / quietStartMs);
}
