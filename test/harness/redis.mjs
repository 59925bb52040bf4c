// A throw-away Redis: a direct child of the test on a free loopback port and in a temporary directory, and ways to break it.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Child, freePort, until } from './turnpike.mjs';

export class Redis {
  /** `options`: more words for the server's command line. */
  static async start({ password, options = [] } = {}) {
    const server = new Redis();
    server.directory = fs.mkdtempSync(path.join(os.tmpdir(), 'turnpike-redis-'));
    server.port = await freePort();
    server.password = password;
    server.options = options;
    await server.resume();
    return server;
  }
  /** Starts it (again), empty, on the same port. */
  async resume() {
    const words = ['redis-server', '--port', String(this.port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', this.directory];
    if (this.password) words.push('--requirepass', this.password);
    this.child = new Child([...words, ...this.options], { env: { PATH: process.env.PATH }, cwd: this.directory });
    await until(() => {
      if (this.child.ended) throw new Error(`Redis ended: ${this.child.stderr}`);
      return this.ask('PING') === 'PONG';
    }, 'Redis');
  }
  get url() {
    return `redis://${this.password ? `:${encodeURIComponent(this.password)}@` : ''}127.0.0.1:${this.port}`;
  }
  /** What the server answers to one command, as text. */
  ask(...words) {
    const secret = this.password ? ['-a', this.password, '--no-auth-warning'] : [];
    return execFileSync('redis-cli', ['-h', '127.0.0.1', '-p', String(this.port), ...secret, ...words], { encoding: 'utf8', timeout: 5_000, stdio: ['ignore', 'pipe', 'pipe'] }).trim();
  }
  /** Accepts connections and bytes from now on and does nothing with them. */
  freeze() {
    this.child.signal('SIGSTOP');
  }
  thaw() {
    this.child.signal('SIGCONT');
  }
  /** Ends it as a crash would; everything in it is lost. */
  async pause() {
    this.child.signal('SIGCONT');
    this.child.signal('SIGKILL');
    await this.child.wait();
  }
  async stop() {
    if (!this.child.ended) await this.pause();
    fs.rmSync(this.directory, { recursive: true, force: true });
  }
  // For scene().
  get ended() {
    return this.child.ended;
  }
  async kill() {
    await this.pause();
  }
  clean() {
    fs.rmSync(this.directory, { recursive: true, force: true });
  }
}
