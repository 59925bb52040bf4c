// A wall clock that a test moves while programs run: they are started with `env`. They all see the same time, and it goes on
// from wherever it was set.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { temporaryDirectory } from './turnpike.mjs';

const source = path.join(path.dirname(fileURLToPath(import.meta.url)), 'shifted_clock.c');

export class Clock {
  /** `at`: milliseconds since 1970, or a time as text. */
  constructor(at) {
    this.directory = temporaryDirectory();
    fs.chmodSync(this.directory, 0o755); // Servers that have given up root read it as well.
    this.file = path.join(this.directory, 'shift');
    const library = path.join(this.directory, 'shifted_clock.so');
    execFileSync('clang-19', ['-shared', '-fPIC', '-O1', '-Wall', '-Werror', '-o', library, source]);
    this.set(at);
    this.env = { LD_PRELOAD: library, SHIFTED_CLOCK: this.file };
  }
  set(at) {
    this.shiftMs = new Date(at).getTime() - Date.now();
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(this.shiftMs) * 1_000_000n);
    // Written over, not anew: running programs have this file in memory.
    fs.writeFileSync(this.file, bytes, { flag: fs.existsSync(this.file) ? 'r+' : 'w' });
  }
  /** Milliseconds since 1970, as the programs see it. */
  now() {
    return Date.now() + this.shiftMs;
  }
  clean() {
    fs.rmSync(this.directory, { recursive: true, force: true });
  }
}
