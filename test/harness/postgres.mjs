// A throw-away PostgreSQL and, before it, pgbouncer in transaction mode: direct children of the test, on free loopback
// ports and a temporary directory. PostgreSQL refuses to run as root; root becomes `postgres` for it.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Child, freePort, until } from './turnpike.mjs';

const bin = '/usr/lib/postgresql/15/bin';
const user = 'turnpike';

/** Words before a command that give up root. */
function unprivileged() {
  return process.getuid() === 0 ? ['setpriv', '--reuid=postgres', '--regid=postgres', '--clear-groups', '--pdeathsig=INT'] : [];
}

function run(words, options = {}) {
  return execFileSync(words[0], words.slice(1), { cwd: '/', encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], ...options });
}

export class Postgres {
  /** `durable`: what is committed survives the server's crash. `settings`: of the server, beside ours. `env`: for a clock. */
  static async start({ durable = false, settings = {}, env = {} } = {}) {
    const server = new Postgres();
    Object.assign(server, { durable, settings, env });
    server.databases = 0;
    server.directory = fs.mkdtempSync(path.join(os.tmpdir(), 'turnpike-postgres-'));
    server.port = await freePort();
    if (process.getuid() === 0) run(['chown', 'postgres:', server.directory]);
    run([...unprivileged(), `${bin}/initdb`, '-D', server.data, '-A', 'trust', '-U', user, '--no-sync', '-E', 'UTF8', '--locale=C']);
    await server.resume();
    return server;
  }
  get data() {
    return path.join(this.directory, 'data');
  }
  /** Starts it (again) on the same data and port. */
  async resume() {
    const settings = { listen_addresses: '127.0.0.1', port: this.port, unix_socket_directories: this.directory, max_connections: 100, shared_buffers: '32MB', logging_collector: 'off' };
    if (!this.durable) Object.assign(settings, { fsync: 'off', full_page_writes: 'off', synchronous_commit: 'off' });
    Object.assign(settings, this.settings);
    const words = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    this.child = new Child([...unprivileged(), `${bin}/postgres`, '-D', this.data, ...words], { env: { PATH: process.env.PATH, ...this.env }, cwd: '/' });
    await until(() => {
      if (this.child.ended) throw new Error(`PostgreSQL ended: ${this.child.stderr}`);
      run([`${bin}/pg_isready`, '-q', '-h', '127.0.0.1', '-p', String(this.port)]);
      return true;
    }, 'PostgreSQL', 30_000);
  }
  url(database, port = this.port) {
    return `postgresql://${user}@127.0.0.1:${port}/${database}`;
  }
  /** The name of a database that nobody else uses. */
  fresh() {
    const name = `d${process.pid}_${++this.databases}`;
    this.query('postgres', `CREATE DATABASE ${name} TEMPLATE template0 STRATEGY file_copy`);
    return name;
  }
  /** The rows of one statement, as arrays of texts. */
  query(database, sql) {
    const text = run(['psql', '-qXAt', '-F', '\t', '-v', 'ON_ERROR_STOP=1', '-c', sql, this.url(database)]);
    return text.split('\n').filter(Boolean).map((line) => line.split('\t'));
  }
  /** A backup of a database, as an operator makes it beside running clients. */
  dump(database) {
    return run([`${bin}/pg_dump`, this.url(database)], { maxBuffer: 256 << 20 });
  }
  /** Puts what `dump` gave in the database's place; whoever is connected is cut off. */
  restore(database, dump) {
    const fresh = this.fresh();
    const text = dump.replace(/^SET transaction_timeout.*$/m, '');
    run(['psql', '-qX1', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null', this.url(fresh)], { input: text, stdio: ['pipe', 'pipe', 'pipe'] });
    this.query('postgres', `ALTER DATABASE ${database} ALLOW_CONNECTIONS false`);
    this.query('postgres', `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '${database}'`);
    this.query('postgres', `ALTER DATABASE ${database} RENAME TO ${database}_lost`);
    this.query('postgres', `ALTER DATABASE ${fresh} RENAME TO ${database}`);
  }
  /** Ends it as a crash or an operator would: SIGQUIT at once, SIGINT in order. */
  async pause(signal = 'SIGINT') {
    this.child.signal(signal);
    await this.child.wait();
  }
  async stop() {
    if (!this.child.ended) await this.pause('SIGINT');
    this.clean();
  }
  // For scene().
  get ended() {
    return this.child.ended;
  }
  async kill() {
    await this.pause('SIGQUIT');
  }
  clean() {
    fs.rmSync(this.directory, { recursive: true, force: true });
  }
}

export class PgBouncer {
  /** Gives each transaction a connection of its own to `server`, of at most `poolSize`. */
  static async start(server, { poolSize = 10 } = {}) {
    const bouncer = new PgBouncer();
    bouncer.directory = fs.mkdtempSync(path.join(os.tmpdir(), 'turnpike-pgbouncer-'));
    bouncer.port = await freePort();
    const file = path.join(bouncer.directory, 'pgbouncer.ini');
    fs.writeFileSync(path.join(bouncer.directory, 'users'), `"${user}" ""\n`);
    fs.writeFileSync(
      file,
      [
        '[databases]',
        `* = host=127.0.0.1 port=${server.port}`,
        '[pgbouncer]',
        'listen_addr = 127.0.0.1',
        `listen_port = ${bouncer.port}`,
        'unix_socket_dir =',
        'auth_type = trust',
        `auth_file = ${path.join(bouncer.directory, 'users')}`,
        'pool_mode = transaction',
        `default_pool_size = ${poolSize}`,
        'max_client_conn = 500',
        'server_reset_query =',
        'log_connections = 0',
        'log_disconnections = 0',
        '',
      ].join('\n'),
    );
    if (process.getuid() === 0) run(['chown', '-R', 'postgres:', bouncer.directory]);
    bouncer.child = new Child([...unprivileged(), 'pgbouncer', file], { env: { PATH: `${process.env.PATH}:/usr/sbin` }, cwd: '/' });
    await until(() => {
      if (bouncer.child.ended) throw new Error(`pgbouncer ended: ${bouncer.child.stderr}`);
      run([`${bin}/pg_isready`, '-q', '-h', '127.0.0.1', '-p', String(bouncer.port), '-d', 'postgres', '-U', user]);
      return true;
    }, 'pgbouncer');
    return bouncer;
  }
  async stop() {
    if (!this.child.ended) this.child.signal('SIGINT');
    await this.child.wait();
    fs.rmSync(this.directory, { recursive: true, force: true });
  }
}

/**
 * The database that TURNPIKE_TEST_DATABASE asks for ("postgres", "pgbouncer"), one server for all tests of this
 * process; undefined: the gateways' own SQLite. Ends with the process.
 */
const wanted = process.env.TURNPIKE_TEST_DATABASE ?? '';
let shared;
async function startShared() {
  const server = await Postgres.start();
  const bouncer = wanted === 'pgbouncer' ? await PgBouncer.start(server) : undefined;
  for (const child of [bouncer?.child, server.child]) {
    // The runner waits for nobody: neither process nor pipes may keep it.
    if (!child) continue;
    child.process.unref();
    for (const name of ['stdout', 'stderr']) child.process[name].unref?.();
  }
  process.once('exit', () => {
    bouncer?.child.signal('SIGINT');
    server.child.signal('SIGQUIT');
    run(['sleep', '0.3']); // Nothing can be awaited here, and they write to the last.
    for (const directory of [bouncer?.directory, server.directory]) {
      if (directory) fs.rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
    }
  });
  return { server, bouncer };
}

/** A URL of a database of its own for the gateway in `directory`, the same for the same directory. */
const urls = new Map();
export async function databaseUrl(directory) {
  if (!wanted) return undefined;
  if (!['postgres', 'pgbouncer'].includes(wanted)) throw new Error(`TURNPIKE_TEST_DATABASE=${wanted}: write postgres or pgbouncer`);
  shared ??= startShared();
  const { server, bouncer } = await shared;
  if (!urls.has(directory)) urls.set(directory, server.url(server.fresh(), bouncer?.port));
  return urls.get(directory);
}
