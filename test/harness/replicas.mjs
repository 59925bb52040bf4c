// Two replicas on one PostgreSQL whose calls all cost the same: what budgets over replicas are tested with.
import assert from 'node:assert/strict';
import { Postgres } from './postgres.mjs';
import { Redis } from './redis.mjs';
import { FakeProvider, Gateway, deployment, until } from './turnpike.mjs';

export const priceNano = 10_000_000; // Of one call, whatever it says.
export const ask = (gateway, key, model = 'm') => gateway.chat({ model }, { key });

/** A server and a provider of a test file, and a Redis where one is wanted. Call `stop` at its end. */
export class Shared {
  /** `clock`: of the server and the replicas, instead of the machine's. */
  static async start({ redis = false, clock } = {}) {
    const shared = new Shared();
    shared.env = clock?.env ?? {};
    [shared.server, shared.fake, shared.redis] = await Promise.all([Postgres.start({ durable: true, env: shared.env }), FakeProvider.start(), redis ? Redis.start() : undefined]);
    return shared;
  }
  async stop() {
    for (const child of [this.redis, this.server, this.fake]) await child?.stop();
  }
  /** `more`: other sections of the configuration; models are added to those that all have. */
  config(name, turnpike = {}, { models = [], ...more } = {}) {
    const params = { input_cost_per_token: 0, output_cost_per_token: 0, input_cost_per_request: priceNano / 1e9 };
    return {
      model_list: [deployment('m', this.fake.base(), { params }), deployment('slow', this.fake.base('latency_ms=300'), { params }), deployment('long', this.fake.base(`label=${name},latency_ms=20000`), { params }), ...models],
      ...more,
      general_settings: { database_url: this.server.url(name), ...more.general_settings },
      ...(this.redis ? { router_settings: { redis_url: this.redis.url } } : {}),
      turnpike: { shutdown_grace: 0, ...turnpike },
    };
  }
  /** `more`: what Gateway.start takes; its `config` is what `config` above takes. */
  gateway(name, turnpike, { config, env, ...more } = {}) {
    return Gateway.start({ config: this.config(name, turnpike, config), flags: ['--num_workers', '1'], env: { ...this.env, ...env }, ...more });
  }
  /** Two replicas on a database of their own. */
  async pair(own, turnpike, more) {
    return this.replicas(own, 2, turnpike, more);
  }
  async replicas(own, count, turnpike, more) {
    const name = this.server.fresh();
    const first = own(await this.gateway(name, turnpike, more)); // It makes the tables.
    const others = await Promise.all(Array.from({ length: count - 1 }, async () => own(await this.gateway(name, turnpike, more))));
    return { name, gateways: [first, ...others] };
  }
  /** Until the provider has `count` calls of model `long` that it has not answered yet. */
  reached(name, count) {
    return until(async () => (await this.fake.account()).by_label[name]?.open === count, `${count} calls to be at the provider`);
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
