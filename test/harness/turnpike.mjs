// Starts the real binary for whole-gateway tests: gateway and scripted provider as direct children on free ports, with
// temporary directories, an empty environment and everything they print kept. Nothing outside of loopback is touched.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
export const binary = process.env.TURNPIKE_BINARY ?? path.join(root, 'build/release/turnpike');
export const masterKey = 'sk-master-0123456789';
const printedMax = 32 << 20;

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Polls `probe` until it returns something truthy; the last failure is in the error. */
export async function until(probe, what, ms = 10_000) {
  const end = Date.now() + ms;
  let last;
  for (;;) {
    try {
      const value = await probe();
      if (value) return value;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) throw new Error(`waited ${ms} ms for ${what}`, { cause: last });
    await sleep(10);
  }
}

/**
 * A port that was free a moment ago. It lies below those that the kernel gives to outgoing connections: with several test
 * files at a time one of these would take it before it is listened on.
 */
export async function freePort() {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 20_000);
    const server = net.createServer().listen(port, '127.0.0.1');
    try {
      await once(server, 'listening');
    } catch (error) {
      if (error.code === 'EADDRINUSE') continue;
      throw error;
    }
    server.close();
    await once(server, 'close');
    return port;
  }
}

export function temporaryDirectory() {
  return fs.mkdtempSync(path.join(os.tmpdir(), 'turnpike-test-'));
}

/** A child process whose output is kept and whose end is awaited, never assumed. */
export class Child {
  constructor(args, { env = {}, cwd, stdin = 'ignore' } = {}) {
    this.stdout = '';
    this.stderr = '';
    this.process = spawn(args[0], args.slice(1), { env, cwd, stdio: [stdin, 'pipe', 'pipe'] });
    this.exit = new Promise((resolve) => {
      this.process.once('error', (error) => resolve({ code: null, signal: null, error }));
      this.process.once('close', (code, signal) => resolve({ code, signal }));
    });
    this.exit.then((ended) => (this.ended = ended));
    for (const name of ['stdout', 'stderr']) {
      this.process[name].setEncoding('utf8');
      this.process[name].on('data', (text) => {
        if (this[name].length < printedMax) this[name] += text;
      });
    }
  }
  get pid() {
    return this.process.pid;
  }
  signal(name) {
    this.process.kill(name);
  }
  /** Waits for the end; fails when it takes longer than `ms`. */
  async wait(ms = 15_000) {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`process ${this.pid} did not end within ${ms} ms\n${this.stderr}`)), ms);
    });
    try {
      return await Promise.race([this.exit, late]);
    } finally {
      clearTimeout(timer);
    }
  }
  async kill() {
    if (!this.ended) this.signal('SIGKILL');
    return this.wait();
  }
  get printed() {
    return this.stdout + this.stderr;
  }
}

/** Runs the binary to its end. */
export async function runBinary(args, options = {}) {
  // What looks at a gateway's data looks at its database too.
  const at = args.indexOf('--data_dir');
  const database = at < 0 ? {} : await testDatabase(path.dirname(args[at + 1]));
  const child = new Child([binary, ...args], { env: baseEnvironment({ ...database, ...options.env }), cwd: options.cwd });
  const ended = await child.wait(options.ms ?? 15_000);
  return { ...ended, stdout: child.stdout, stderr: child.stderr };
}

/** The variable that gives a gateway in `directory` the database of TURNPIKE_TEST_DATABASE (postgres.mjs). */
async function testDatabase(directory) {
  if (!process.env.TURNPIKE_TEST_DATABASE) return {};
  const { databaseUrl } = await import('./postgres.mjs');
  return { DATABASE_URL: await databaseUrl(directory) };
}

function baseEnvironment(env = {}) {
  const home = env.HOME ?? os.tmpdir();
  return { PATH: process.env.PATH, HOME: home, ASAN_OPTIONS: 'detect_leaks=0', ...env };
}

export class FakeProvider extends Child {
  static async start(flags = []) {
    const fake = new FakeProvider([binary, 'fake-provider', '--port', '0', ...flags], { env: baseEnvironment() });
    const line = await until(() => {
      if (fake.ended) throw new Error(`fake-provider ended: ${fake.stderr}`);
      return /listening on (http:\S+)/.exec(fake.stdout);
    }, 'the scripted provider');
    fake.url = line[1];
    return fake;
  }
  /** The base URL under which every call follows `directives`, for example 'status=429,retry_after=2'. */
  base(directives = '') {
    return directives ? `${this.url}/fake/${directives}/v1` : `${this.url}/v1`;
  }
  async account() {
    return (await fetch(`${this.url}/account`)).json();
  }
  async reset() {
    await fetch(`${this.url}/account/reset`, { method: 'POST', body: '{}' });
  }
  async script(directives) {
    const reply = await fetch(`${this.url}/script`, { method: 'POST', body: JSON.stringify(directives) });
    if (reply.status !== 200) throw new Error(await reply.text());
  }
  async requests() {
    return (await fetch(`${this.url}/requests`)).json();
  }
  async stop() {
    this.signal('SIGTERM');
    const ended = await this.wait();
    if (ended.code !== 0) throw new Error(`fake-provider exit ${ended.code} ${ended.signal}\n${this.stderr}`);
  }
}

/** One model_list entry on a scripted provider, priced so that costs are easy to foresee. */
export function deployment(name, base, more = {}) {
  const { params = {}, info, ...rest } = more;
  return {
    model_name: name,
    litellm_params: {
      model: `openai/${name}`,
      api_base: base,
      api_key: 'sk-provider-key-0123456789',
      input_cost_per_token: 0.000001,
      output_cost_per_token: 0.000002,
      ...params,
    },
    ...(info ? { model_info: info } : {}),
    ...rest,
  };
}

export class Gateway extends Child {
  /** `config` is an object (written as JSON, which is YAML) or the text of a YAML file. */
  static async start({ config = {}, flags = [], env = {}, directory, port, ready = true, readyMs = 20_000, program = binary } = {}) {
    const home = directory ?? temporaryDirectory();
    const file = path.join(home, 'config.yaml');
    if (typeof config === 'string') {
      fs.writeFileSync(file, config);
    } else {
      fs.writeFileSync(file, JSON.stringify(Gateway.withMasterKey(config), null, 1));
    }
    const chosen = port ?? (await freePort());
    const args = [program, '--config', file, '--port', String(chosen), '--host', '127.0.0.1', '--data_dir', path.join(home, 'data'), ...flags];
    const database = await testDatabase(home);
    const gateway = new Gateway(args, { env: baseEnvironment({ HOME: home, ...database, ...env }) });
    Object.assign(gateway, { directory: home, file, port: chosen, url: `http://127.0.0.1:${chosen}`, ownsDirectory: !directory });
    if (ready) await gateway.ready(readyMs);
    return gateway;
  }
  static withMasterKey(config) {
    return { ...config, general_settings: { master_key: masterKey, ...(config.general_settings ?? {}) } };
  }
  /** How long a start may take is measured where it is promised; here a busy machine has time. */
  async ready(ms = 60_000) {
    const answers = async () => {
      const reply = await fetch(`${this.url}/health/readiness`);
      await reply.arrayBuffer();
      return reply.status === 200;
    };
    try {
      await until(() => this.ended ?? answers(), 'the gateway to be ready', ms);
      if (this.ended) throw new Error('it ended');
    } catch (error) {
      const ended = this.ended;
      if (!ended) await this.kill();
      throw new Error(`gateway did not get ready (${JSON.stringify(ended)})\n${this.stdout.slice(-2000)}\n${this.stderr.slice(-4000)}`, { cause: error });
    }
  }
  /** One request; the answer read whole. `json` is undefined when the body is none. */
  async call(method, target, { key = masterKey, body, headers = {}, signal } = {}) {
    const reply = await fetch(this.url + target, {
      method,
      headers: { ...(key ? { authorization: `Bearer ${key}` } : {}), ...(body !== undefined ? { 'content-type': 'application/json' } : {}), ...headers },
      body: body === undefined || typeof body === 'string' ? body : JSON.stringify(body),
      signal,
    });
    const text = await reply.text();
    let json;
    try {
      json = JSON.parse(text);
    } catch {
      json = undefined;
    }
    return { status: reply.status, headers: reply.headers, text, json };
  }
  chat(body, options = {}) {
    return this.call('POST', '/v1/chat/completions', { body: { messages: [{ role: 'user', content: 'hi' }], ...body }, ...options });
  }
  /** A streamed chat; the events' data in order. */
  async stream(body, options = {}) {
    const reply = await this.chat({ stream: true, ...body }, options);
    const events = reply.text
      .split('\n\n')
      .filter((event) => event.startsWith('data: '))
      .map((event) => (event === 'data: [DONE]' ? '[DONE]' : JSON.parse(event.slice(6))));
    return { ...reply, events };
  }
  async newKey(fields = {}) {
    const reply = await this.call('POST', '/key/generate', { body: fields });
    if (reply.status !== 200) throw new Error(`/key/generate: ${reply.status} ${reply.text}`);
    return reply.json.key;
  }
  async keyInfo(key) {
    const reply = await this.call('GET', `/key/info?key=${encodeURIComponent(key)}`);
    if (reply.status !== 200) throw new Error(`/key/info: ${reply.status} ${reply.text}`);
    return reply.json.info;
  }
  /** The ledger rows that `query` selects, once there are `count` of them. */
  async rows(query, count) {
    let rows = [];
    await until(
      async () => {
        const reply = await this.call('GET', `/spend/logs?${query}`);
        if (reply.status !== 200 || !Array.isArray(reply.json)) throw new Error(`/spend/logs: ${reply.status} ${reply.text.slice(0, 500)}`);
        rows = reply.json;
        return rows.length >= count;
      },
      `${count} rows of /spend/logs?${query}`,
    );
    if (rows.length !== count) throw new Error(`${rows.length} rows of /spend/logs?${query}, expected ${count}`);
    return rows;
  }
  async metrics() {
    return (await this.call('GET', '/metrics')).text;
  }
  rssKib() {
    return Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${this.pid}/status`, 'utf8'))[1]);
  }
  /** The JSON lines of the access log so far. */
  accessLog() {
    return this.stdout
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line));
  }
  async stop(ms = 20_000) {
    if (!this.ended) this.signal('SIGTERM');
    const ended = await this.wait(ms);
    this.clean();
    if (ended.code !== 0) throw new Error(`gateway exit ${ended.code} ${ended.signal}\n${this.stderr.slice(-4000)}`);
  }
  clean() {
    if (this.ownsDirectory) fs.rmSync(this.directory, { recursive: true, force: true });
  }
}

/** A body that names its own end: everything started inside is ended, whatever happens. */
export async function scene(setup, body) {
  const started = [];
  const own = (child) => {
    started.push(child);
    return child;
  };
  try {
    await body(await setup(own), own);
  } finally {
    for (const child of started.reverse()) {
      if (!child.ended) await child.kill();
      child.clean?.();
    }
  }
}

/** Raw bytes to the gateway; what came back until it closed or fell silent. */
export async function rawExchange(port, bytes, { quietMs = 300, pieces } = {}) {
  const socket = net.connect(port, '127.0.0.1');
  await once(socket, 'connect');
  let received = Buffer.alloc(0);
  let closed = false;
  socket.on('data', (data) => (received = Buffer.concat([received, data])));
  socket.on('error', () => (closed = true));
  socket.on('close', () => (closed = true));
  for (const piece of pieces ?? [bytes]) {
    if (closed) break;
    socket.write(piece);
    if (pieces) await sleep(1);
  }
  let size = -1;
  let quietSince = Date.now();
  while (!closed && Date.now() - quietSince < quietMs) {
    if (received.length !== size) {
      size = received.length;
      quietSince = Date.now();
    }
    await sleep(5);
  }
  socket.destroy();
  return { text: received.toString('latin1'), closed };
}
