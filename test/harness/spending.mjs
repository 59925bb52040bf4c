// Replicas on one PostgreSQL whose callers spend budgets until they are dry, and an account beside that knows everything: what
// each call cost and held, and when. From it follows which refusals a single ledger would not have made.
import assert from 'node:assert/strict';
import path from 'node:path';
import { Chance } from './random.mjs';
import { Gateway, deployment, runBinary, sleep, until } from './turnpike.mjs';

const tokenNano = 10_000; // What a completion token costs; prompts are free.
const meanTokens = 64;
const mostTokens = 8 * meanTokens;
const callsASecond = 200;
const familiesAtOnce = 1;
const dryAfter = 15; // Refusals after which a family is replaced.
// "On several replicas add what settled within one operation of the keeper before t" (the bound of overshoot): a busy machine's.
const operationUs = 100_000;

// What a budget is, in mean holds (30 and more), and how much of it a call may take: strict calls say it, of others it is learned.
const modes = {
  strict: { keyTokens: 45 * 1.75 * meanTokens, capOf: (tokens, chance) => Math.ceil(tokens * (1 + 1.5 * chance.next())) },
  default: { keyTokens: 30 * 3 * meanTokens, capOf: () => mostTokens },
};

/** A team and its keys. The team has less than its keys together, so either may be the first to be dry. */
class Family {
  static async make(run) {
    const family = new Family();
    Object.assign(family, { refusals: 0, team: `team-${(run.families += 1)}`, keys: [] });
    const { keyTokens } = modes[run.mode];
    const limit = (tokens) => ({ max_budget: Math.round(tokens * tokenNano) / 1e9, metadata: { budget_mode: run.mode } });
    await run.post('/team/new', { team_id: family.team, ...limit(2.4 * keyTokens) });
    for (let i = 0; i < 3; i += 1) family.keys.push((await run.post('/key/generate', { team_id: family.team, ...limit(keyTokens) })).key);
    return family;
  }
}

export class Spending {
  /**
   * `faults`: makes a list of { name, at, play }: `play` begins so many milliseconds after the start, and is over when it
   * resolves. `port`: of the database as the last replica sees it.
   */
  static async play(shared, { mode, replicas, seconds, seed = 1, faults = () => [], port }) {
    const run = new Spending();
    Object.assign(run, { shared, mode, seconds, families: 0, made: new Map(), chance: new Chance(seed), troubles: [] });
    run.name = shared.server.fresh();
    run.gateways = [];
    try {
      await run.#start(replicas, port);
      await run.#learn();
      await run.#spend(faults(run));
      await run.#settle();
      return run.#judge();
    } finally {
      for (const gateway of run.gateways) {
        if (!gateway.ended) await gateway.kill();
        gateway.ownsDirectory = true;
        gateway.clean();
      }
    }
  }

  config(port) {
    return {
      model_list: [deployment('m', this.shared.fake.base(), { params: { input_cost_per_token: 0, output_cost_per_token: tokenNano / 1e9 } })],
      general_settings: { database_url: this.shared.server.url(this.name, port) },
      turnpike: { shutdown_grace: 0, budget_mode: this.mode },
    };
  }
  async #start(replicas, port) {
    for (let i = 0; i < replicas; i += 1) this.gateways.push(await this.#gateway(i === replicas - 1 ? port : undefined));
    // Debts are what a call took beyond what was leased; everything else that grows a lease is a grant.
    this.query(`CREATE TABLE granted (account_id bigint, at_us bigint);
      CREATE FUNCTION note_grant() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN
        IF NEW.granted_nano - OLD.granted_nano > greatest(0, NEW.committed_nano - OLD.granted_nano) THEN
          INSERT INTO granted VALUES (NEW.account_id, extract(epoch FROM clock_timestamp()) * 1000000);
        END IF; RETURN NULL; END';
      CREATE TRIGGER note_grant AFTER UPDATE ON lease FOR EACH ROW EXECUTE FUNCTION note_grant()`);
  }
  /** Before they have learned what calls need, holds are so large that a budget is a few of them. */
  async #learn() {
    const { key } = await this.post('/key/generate', {});
    const some = Array.from({ length: 40 }, () => this.#tokens());
    await Promise.all(this.gateways.flatMap((gateway) => some.map((tokens) => gateway.chat({ model: 'm', max_tokens: mostTokens, fake: { tokens } }, { key }))));
  }
  #tokens() {
    return Math.min(mostTokens, Math.ceil(-Math.log(1 - this.chance.next()) * meanTokens));
  }
  async #gateway(port, more = {}) {
    return Object.assign(await Gateway.start({ config: this.config(port), flags: ['--num_workers', '1'], ...more }), { databasePort: port, earlier: [] });
  }
  /** Ends a replica as a crash would; it comes back on its disk. */
  async crash(at, awayMs) {
    const victim = this.gateways[at];
    victim.ownsDirectory = false;
    await victim.kill();
    await sleep(awayMs);
    const back = await this.#gateway(victim.databasePort, { directory: victim.directory, port: victim.port });
    victim.stdout = victim.stdout.slice(0, victim.stdout.lastIndexOf('\n') + 1);
    back.earlier = [...victim.earlier, ...victim.accessLog()];
    this.gateways[at] = back;
  }
  query(sql) {
    return this.shared.server.query(this.name, sql);
  }
  async post(target, body) {
    for (const gateway of this.gateways) {
      const reply = await gateway.call('POST', target, { body }).catch(() => undefined);
      if (reply?.status === 200) return reply.json;
      if (reply && reply.status < 500) assert.fail(`${target}: ${reply.text}`);
    }
    await sleep(50);
    return this.post(target, body);
  }

  async #spend(faults) {
    const families = await Promise.all(Array.from({ length: familiesAtOnce }, () => Family.make(this)));
    let spare = Family.make(this);
    const replace = async (at) => {
      families[at] = await spare;
      spare = Family.make(this);
    };
    const begun = Date.now();
    const running = new Set();
    const playing = faults.map(async ({ name, at, play }) => {
      await sleep(at);
      const trouble = { name, from: Date.now() * 1000, to: Infinity };
      this.troubles.push(trouble);
      await play();
      trouble.to = Date.now() * 1000;
    });
    let due = 0;
    while (Date.now() < begun + this.seconds * 1000) {
      for (; due < ((Date.now() - begun) / 1000) * callsASecond; due += 1) {
        const at = this.chance.int(0, families.length - 1);
        if (families[at].refusals >= dryAfter) {
          families[at].refusals = -Infinity; // Until the next one is there.
          replace(at);
        }
        const call = this.#call(families[at]);
        running.add(call);
        call.finally(() => running.delete(call));
      }
      await sleep(5);
    }
    await Promise.all([...running, ...playing, spare]);
  }

  async #call(family) {
    const tokens = this.#tokens();
    const cap = modes[this.mode].capOf(tokens, this.chance);
    const key = this.chance.pick(family.keys);
    const id = `s-${this.made.size}`;
    const latency_ms = this.chance.int(10, 120);
    const one = { cap, team: family.team, status: 0 };
    this.made.set(id, one);
    const gateway = this.chance.pick(this.gateways);
    try {
      const reply = await gateway.chat({ model: 'm', max_tokens: cap, fake: { tokens, latency_ms } }, { key, headers: { 'x-litellm-call-id': id } });
      Object.assign(one, { status: reply.status, code: reply.json?.error?.code });
    } catch {
      one.code = 'cut';
    }
    if (one.status === 429) family.refusals += 1;
  }

  async #settle() {
    for (const gateway of this.gateways) {
      await gateway.ready();
      await until(async () => {
        const text = await gateway.metrics();
        return /^turnpike_ledger_unshipped_entries 0$/m.test(text) && /^litellm_in_flight_requests 0(\.0)?$/m.test(text);
      }, 'everything to be booked');
    }
    this.waits = await this.#readWaits();
    for (const { directory } of this.gateways) {
      const verified = await runBinary(['ledger', 'verify', '--data_dir', path.join(directory, 'data'), '--database_url', this.shared.server.url(this.name)], { ms: 60_000 });
      assert.equal(verified.code, 0, verified.stdout + verified.stderr);
    }
  }
  /** How long calls waited for money: those of all calls, by the buckets of the metric. */
  async #readWaits() {
    const buckets = new Map();
    for (const gateway of this.gateways) {
      for (const [, edge, count] of (await gateway.metrics()).matchAll(/^turnpike_budget_wait_seconds_bucket\{le="([^"]+)"\} (\d+)$/gm)) buckets.set(edge, (buckets.get(edge) ?? 0) + Number(count));
    }
    return buckets;
  }
  #waitOf(share) {
    const waited = this.waits.get('+Inf') ?? 0;
    const calls = this.made.size;
    if (calls - waited >= share * calls) return 0;
    const [edge] = [...this.waits].find(([, count]) => calls - waited + count >= share * calls) ?? ['+Inf'];
    return edge === '+Inf' ? 'above all buckets' : `at most ${Number(edge) * 1000}`;
  }

  #judge() {
    const books = this.#readBooks();
    const report = { mode: this.mode, replicas: this.gateways.length, calls: this.made.size, answered: 0, spent: 0, held: 0, unavailable: 0, unknownKey: 0, cut: 0, wrong: 0, wrongEarly: 0, outOfReach: 0, others: {} };
    for (const { status, code } of this.made.values()) {
      if (status === 200) report.answered += 1;
      else if (code === 'budget_spent') report.spent += 1;
      else if (code === 'budget_held') report.held += 1;
      else if (code === 'budget_unavailable') report.unavailable += 1;
      else if (status === 503) report.unknownKey += 1; // Nobody could say whose it is.
      else if (code === 'cut') report.cut += 1;
      else report.others[code ?? status] = (report.others[code ?? status] ?? 0) + 1;
    }
    this.wrongs = [];
    for (const line of this.gateways.flatMap((gateway) => [...gateway.earlier, ...gateway.accessLog()])) {
      const one = this.made.get(line.call_id);
      if (!one || one.status !== 429) continue;
      this.#judgeRefusal(line, one, books, report);
    }
    report.overshoot = this.#overshoots(books);
    report.waitMs = { p50: this.#waitOf(0.5), p99: this.#waitOf(0.99) };
    return { report, wrongs: this.wrongs };
  }
  /** Would a ledger that knows everything have admitted this call at its arrival? */
  #judgeRefusal(line, one, books, report) {
    const at = Date.parse(line.time) * 1000 + Number(/\.\d{3}(\d{3})Z$/.exec(line.time)[1]);
    const end = at + line.duration_ms * 1000;
    const need = this.mode === 'strict' ? one.cap * tokenNano : 1; // By default whoever finds something left may cross.
    const accounts = [books.get(line.key_hash), books.get(one.team)];
    const committed = accounts.map((account) => account.committed(at));
    if (committed.some((nano, i) => accounts[i].limit - nano < need)) return;
    const early = committed.every((nano, i) => nano < 0.9 * accounts[i].limit);
    const trouble = this.troubles.find(({ from, to }) => at < to + 2_000_000 && end > from);
    this.wrongs.push({ time: line.time, ms: line.duration_ms, need, code: one.code, room: committed.map((nano, i) => accounts[i].limit - nano), early, trouble: trouble?.name, text: line.error_text });
    if (trouble) report.outOfReach += 1;
    else report[early ? 'wrongEarly' : 'wrong'] += 1;
  }

  /** By key hash or team: the limit, and the calls that were booked on it. */
  #readBooks() {
    const books = new Map();
    const byId = new Map();
    for (const [entity, id, limit, spent, last] of this.query(
      `SELECT a.entity, a.account_id, a.limit_nano, w.spent_nano, (SELECT max(at_us) FROM granted g WHERE g.account_id = a.account_id)
         FROM account a JOIN account_window w USING (account_id) WHERE a.kind IN (3, 6) AND a.limit_nano IS NOT NULL`,
    )) {
      const account = new Account(id, Number(limit), Number(spent), Number(last));
      books.set(entity, account);
      byId.set(Number(id), account);
    }
    for (const [accounts, ...numbers] of this.query('SELECT accounts, started_us, ended_us, cost_nano, held_nano FROM entry WHERE kind = 0')) {
      const [started, ended, cost, held] = numbers.map(Number);
      JSON.parse(accounts).forEach((id, i) => i % 2 === 0 && byId.get(id)?.calls.push({ started, ended, cost, held })); // The other half are windows.
    }
    return books;
  }
  /** What was spent above limits, and beside each how much could be. */
  #overshoots(books) {
    const over = { accounts: books.size, above: 0, worst: 0, bound: 0, beyond: [] };
    for (const account of books.values()) {
      assert.equal(account.calls.reduce((sum, { cost }) => sum + cost, 0), account.spent, 'an account has spent what its calls cost');
      const excess = account.spent - account.limit;
      if (excess <= 0) continue;
      over.above += 1;
      const bound = this.mode === 'strict' ? 0 : account.bound();
      if (excess > bound) over.beyond.push({ account: account.id, excess, bound });
      if (excess / account.limit >= over.worst) Object.assign(over, { worst: excess / account.limit, bound: bound / account.limit });
    }
    return over;
  }
}

class Account {
  constructor(id, limit, spent, lastGrant) {
    Object.assign(this, { id, limit, spent, lastGrant, calls: [] });
  }
  committed(at) {
    return this.calls.reduce((sum, { started, ended, cost, held }) => sum + (ended <= at ? cost : started <= at ? held : 0), 0);
  }
  /** How far above its limit it may end: a crossing call's hold, and what calls cost beyond their holds after the last grant. */
  bound() {
    const crossing = Math.max(0, ...this.calls.map(({ held }) => held));
    const late = this.calls.filter(({ ended }) => ended > this.lastGrant - operationUs);
    return crossing + late.reduce((sum, { cost, held }) => sum + Math.max(0, cost - held), 0);
  }
}
