// Two replicas on one PostgreSQL whose calls all cost the same: what budgets over replicas are tested with.
import assert from 'node:assert/strict';
import { Postgres } from './postgres.mjs';
import { FakeProvider, Gateway, deployment } from './turnpike.mjs';

export const priceNano = 10_000_000; // Of one call, whatever it says.
export const ask = (gateway, key, model = 'm') => gateway.chat({ model }, { key });

/** A server and a provider of a test file. Call `stop` at its end. */
export class Shared {
  static async start() {
    const shared = new Shared();
    [shared.server, shared.fake] = await Promise.all([Postgres.start({ durable: true }), FakeProvider.start()]);
    return shared;
  }
  async stop() {
    await this.server.stop();
    await this.fake.stop();
  }
  config(name, turnpike = {}) {
    const params = { input_cost_per_token: 0, output_cost_per_token: 0, input_cost_per_request: priceNano / 1e9 };
    return {
      model_list: [deployment('m', this.fake.base(), { params }), deployment('slow', this.fake.base('latency_ms=300'), { params })],
      general_settings: { database_url: this.server.url(name) },
      turnpike: { shutdown_grace: 0, ...turnpike },
    };
  }
  gateway(name, turnpike, more = {}) {
    return Gateway.start({ config: this.config(name, turnpike), flags: ['--num_workers', '1'], ...more });
  }
  /** Two replicas on a database of their own. */
  async pair(own, turnpike) {
    const name = this.server.fresh();
    const first = own(await this.gateway(name, turnpike));
    return { name, gateways: [first, own(await this.gateway(name, turnpike))] };
  }
  number(name, sql) {
    return Number(this.server.query(name, sql)[0][0]);
  }
  /** What is booked on keys, in nanodollars. */
  spentNano(name) {
    return this.number(name, 'SELECT coalesce(sum(spent_nano), 0) FROM account_window w JOIN account a USING (account_id) WHERE a.kind = 6');
  }
}

/** All of them know the key. */
export async function warm(gateways, key) {
  for (const gateway of gateways) assert.notEqual((await gateway.call('GET', '/v1/models', { key })).status, 401);
}
