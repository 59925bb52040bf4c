// What must hold after every call, however it ended: one record per call, no money left held, and a ledger whose total is
// what the providers served.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { until } from './turnpike.mjs';

/** What the database of a gateway that has ended holds of its calls, in their order. */
export function rowsOnDisk(directory) {
  const database = new DatabaseSync(`${directory}/data/turnpike.db`, { readOnly: true });
  try {
    return database.prepare('SELECT * FROM entry ORDER BY entry_no').all();
  } finally {
    database.close();
  }
}

export const nano = (dollars) => Math.round(Number(dollars) * 1e9);
/** Prices of `deployment()`: 1,000 nanodollars per prompt token, 2,000 per completion token. */
export const priceOf = (prompt, completion) => prompt * 1000 + completion * 2000;

/** A key of its own, and every call made with it. */
export class Books {
  static async open(gateway, fields = {}) {
    const books = new Books();
    books.gateway = gateway;
    books.alias = `books-${crypto.randomUUID()}`;
    books.budget = fields.max_budget ?? 50;
    books.key = await gateway.newKey({ key_alias: books.alias, max_budget: books.budget, ...fields });
    books.ids = [];
    return books;
  }
  /** Headers that name the next call. */
  sign(headers = {}) {
    const id = `call-${crypto.randomUUID()}`;
    this.ids.push(id);
    return { ...headers, 'x-litellm-call-id': id };
  }
  get lastId() {
    return this.ids.at(-1);
  }
  chat(body, options = {}) {
    return this.gateway.chat(body, { key: this.key, ...options, headers: this.sign(options.headers) });
  }
  stream(body, options = {}) {
    return this.gateway.stream(body, { key: this.key, ...options, headers: this.sign(options.headers) });
  }
  /** The ledger row of a call, and the line of the access log. */
  async row(id = this.lastId) {
    const [row] = await this.gateway.rows(`request_id=${id}`, 1);
    return row;
  }
  async line(id = this.lastId) {
    return until(() => this.gateway.accessLog().find((line) => line.call_id === id), `the log line of ${id}`);
  }
  /** The three questions. `served`: nanodollars of what the providers say they served; absent: not known. */
  async close(served) {
    const rows = await this.gateway.rows(`api_key=${this.key}&limit=10000`, this.ids.length);
    const ids = new Set(this.ids);
    for (const row of rows) assert.ok(ids.delete(row.turnpike.call_id), `one row per call, not two of ${row.turnpike.call_id}`);
    assert.equal(ids.size, 0, 'a row for every call');
    for (const id of this.ids) await this.line(id);
    for (const id of this.ids) assert.equal(this.gateway.accessLog().filter((line) => line.call_id === id).length, 1, `log lines of ${id}`);
    const booked = rows.reduce((sum, row) => sum + nano(row.spend), 0);
    assert.equal(nano((await this.gateway.keyInfo(this.key)).spend), booked, 'the key has spent what its rows say');
    // A hold lives as long as its call; one that ends without a settlement is counted as dropped.
    const left = new RegExp(`^litellm_remaining_api_key_budget_metric\\{api_key_alias="${this.alias}"[^}]*\\} (\\S+)`, 'm');
    const metrics = await until(async () => {
      const text = await this.gateway.metrics();
      return nano(left.exec(text)?.[1]) === this.budget * 1e9 - booked && text;
    }, `nothing to be held of what ${this.alias} has`);
    assert.match(metrics, /^turnpike_hold_dropped_total(\{[^}]*\})? 0$/m, 'no hold was dropped');
    if (served !== undefined) assert.equal(booked, served, 'the ledger says what was served');
    return rows;
  }
}
