// `turnpike ledger reconcile` beside a running gateway: the export is made from the account of the provider that served
// the calls, with what goes wrong in life: another price than ours, a call that did not pass here, one that was broken
// off and billed all the same.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Gateway, deployment, masterKey, runBinary, scene, until } from '../harness/turnpike.mjs';

const projects = { 'sk-of-project-a-0123456789': 'proj_a', 'sk-of-project-b-0123456789': 'proj_b' };
const day = () => new Date().toISOString().slice(0, 10);

/** Answers chats and books each for itself: what its invoice will say. Nanodollars a token, by model. */
class Provider {
  static async start(prices) {
    const provider = new Provider();
    Object.assign(provider, { prices, lines: new Map(), waiting: 0 });
    provider.server = http.createServer((request, response) => {
      let body = '';
      request.on('data', (data) => (body += data));
      request.on('end', () => provider.answer(request, JSON.parse(body), response));
    });
    provider.server.listen(0, '127.0.0.1');
    await once(provider.server, 'listening');
    provider.base = `http://127.0.0.1:${provider.server.address().port}/v1`;
    return provider;
  }
  answer(request, { model }, response) {
    const cached = model === 'cached' ? 800 : 0;
    this.book({ model, project: projects[request.headers.authorization.slice('Bearer '.length)], input: 1000, cached, output: 10 });
    if (model === 'silent') {
      this.waiting += 1;
      return;
    }
    const usage = { prompt_tokens: 1000, completion_tokens: 10, total_tokens: 1010, prompt_tokens_details: { cached_tokens: cached } };
    const choices = [{ index: 0, message: { role: 'assistant', content: 'ok' }, finish_reason: 'stop' }];
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion', created: 1, model, choices, usage }));
  }
  book({ model, project, input, cached, output, batch = false }) {
    const key = [day(), project, model, batch].join(' ');
    const line = this.lines.get(key) ?? { day: day(), project, model, batch, requests: 0, input: 0, cached: 0, output: 0 };
    line.requests += 1;
    line.input += input;
    line.cached += cached;
    line.output += output;
    this.lines.set(key, line);
  }
  costs({ model, input, cached, output }) {
    const [of_input, of_cached, of_output] = this.prices[model];
    return [
      ['input', (input - cached) * of_input],
      ['cached input', cached * of_cached],
      ['output', output * of_output],
    ];
  }
  /** Pages as the usage and the costs endpoint give them, each with buckets of a day. */
  pages(result) {
    const data = [...this.lines.values()].map((line) => {
      const start = Date.parse(line.day) / 1000;
      return { object: 'bucket', start_time: start, end_time: start + 86400, results: result(line) };
    });
    return JSON.stringify({ object: 'page', data, has_more: false, next_page: null });
  }
  usageExport() {
    return this.pages((line) => [
      {
        object: 'organization.usage.completions.result',
        input_tokens: line.input,
        input_cached_tokens: line.cached,
        output_tokens: line.output,
        num_model_requests: line.requests,
        project_id: line.project,
        api_key_id: null,
        model: line.model,
        batch: line.batch,
      },
    ]);
  }
  costsExport() {
    return this.pages((line) =>
      this.costs(line).map(([kind, nano]) => ({
        object: 'organization.costs.result',
        amount: { value: `${nano}e-9`, currency: 'usd' },
        line_item: `${line.model}, ${kind}${line.batch ? ', batch' : ''}`,
        project_id: line.project,
      })),
    );
  }
  csvExport(models) {
    const rows = [...this.lines.values()].filter((line) => models.includes(line.model));
    const cost = (line) => this.costs(line).reduce((sum, [, nano]) => sum + nano, 0);
    return ['Day;Model;Project;Batch;Requests;Input tokens;Cache read tokens;Output tokens;Cost']
      .concat(rows.map((line) => [line.day, `"${line.model}"`, line.project, line.batch, line.requests, line.input, line.cached, line.output, `${cost(line)}e-9`].join(';')))
      .join('\r\n');
  }
  async kill() {
    this.server.closeAllConnections();
    this.server.close();
  }
}

/** The verdict of each model, by "model" or "model@account". */
function verdicts(text) {
  const found = [...text.matchAll(/^([^\s:,][^:,]*)(?:, billed to (\S+))?: (.*)$/gm)].filter(([, model]) => !model.startsWith('Lines'));
  return Object.fromEntries(found.map(([, model, account, verdict]) => [account ? `${model}@${account}` : model, verdict]));
}

test("a provider's own account beside the ledger", async () => {
  // What the provider asks; ours is 1,000, 100 and 2,000 nanodollars for all.
  const ours = [1000, 100, 2000];
  const prices = { plain: ours, cached: ours, dearer: [1250, 100, 2500], elsewhere: ours, silent: ours, 'gpt-4o-2024-08-06': ours };
  const of = (name, project, base) => {
    const [key] = Object.entries(projects).find(([, id]) => id === project);
    return deployment(name, base, {
      params: { api_key: key, model: `openai/${name}`, cache_read_input_token_cost: 1e-7 },
      info: { id: `${name}-${project}`, billed_to: project },
    });
  };
  await scene(
    async (own) => {
      const provider = own(await Provider.start(prices));
      const gateway = own(
        await Gateway.start({
          config: {
            model_list: [
              of('plain', 'proj_a', provider.base),
              of('cached', 'proj_a', provider.base),
              of('dearer', 'proj_b', provider.base),
              of('elsewhere', 'proj_b', provider.base),
              of('silent', 'proj_a', provider.base),
              of('gpt-4o', 'proj_b', provider.base),
            ],
          },
        }),
      );
      return { provider, gateway };
    },
    async ({ provider, gateway }) => {
      const key = await gateway.newKey();
      for (const model of ['plain', 'plain', 'cached', 'dearer', 'dearer', 'elsewhere', 'gpt-4o']) {
        // The provider knows that model by its whole name.
        if (model === 'gpt-4o') prices[model] = ours;
        assert.equal((await gateway.chat({ model }, { key })).status, 200);
      }
      const dated = [...provider.lines.values()].find((line) => line.model === 'gpt-4o');
      dated.model = 'gpt-4o-2024-08-06';
      // One call past the gateway, a job of the night, and a caller who goes before the first byte.
      provider.book({ model: 'elsewhere', project: 'proj_b', input: 1000, cached: 0, output: 10 });
      provider.book({ model: 'plain', project: 'proj_a', input: 7000, cached: 0, output: 70, batch: true });
      const caller = new AbortController();
      const broken = gateway.chat({ model: 'silent' }, { key, signal: caller.signal }).catch(() => {});
      await until(() => provider.waiting === 1, 'the silent call');
      caller.abort();
      await broken;
      await gateway.rows('', 8);

      const file = (name, text) => {
        fs.writeFileSync(path.join(gateway.directory, name), text);
        return path.join(gateway.directory, name);
      };
      const reconcile = async (flags, code) => {
        const at = ['--data_dir', path.join(gateway.directory, 'data'), '--from', day(), '--to', day()];
        const ended = await runBinary(['ledger', 'reconcile', ...at, ...flags], { env: { HOME: gateway.directory } });
        assert.equal(ended.code, code, ended.stdout + ended.stderr);
        return ended.stdout + ended.stderr;
      };
      const both = ['--provider', 'openai', '--file', file('usage.json', provider.usageExport()), '--file', file('costs.json', provider.costsExport())];
      const text = await reconcile([...both, '--config', gateway.file], 1);
      assert.deepEqual(verdicts(text), {
        'plain@proj_a': 'agrees',
        'cached@proj_a': 'agrees',
        'dearer@proj_b': 'likely wrong price',
        'elsewhere@proj_b': 'the provider has more',
        'silent@proj_a': 'the provider has more',
        'gpt-4o / gpt-4o-2024-08-06@proj_b': 'agrees',
      });
      assert.match(text, /provider x1\.25/);
      assert.match(text, /implied: input +1\.25$/m);
      assert.match(text, /implied: output +2\.5$/m);
      assert.match(text, /read from a cache +800 +800 +0$/m);
      assert.match(text, /batch jobs, apart: 7070 tokens, \$0\.00714/);
      assert.match(text, /calls broken off and booked as 0: 1; the provider may bill up to \$0\.\d+ for them: that may be all of the difference/);
      assert.match(text, /^3 of 6 models differ\.$/m);

      // Without the mapping all projects are one; a file of any origin; only what agrees.
      const csv = file('own.csv', provider.csvExport(['plain', 'cached']));
      assert.match(await reconcile(['--provider', 'csv', '--file', csv, '--booked_as', 'openai'], 1), /^dearer: the ledger has more$/m);
      const agreed = await reconcile(['--provider', 'csv', '--file', csv], 0);
      assert.deepEqual(verdicts(agreed), { plain: 'agrees', cached: 'agrees' });
      assert.match(agreed, /The ledger agrees with the provider\.\n$/);

      // What cannot be read is named with its line.
      const damaged = file('damaged.csv', 'day,model,cost\n2026-11-27,m,one dollar\n');
      assert.match(await reconcile(['--provider', 'csv', '--file', damaged], 2), /damaged\.csv: line 2: not an amount of money: one dollar/);
      assert.match(await reconcile(['--provider', 'csv', '--file', path.join(gateway.directory, 'none')], 2), /none: the file cannot be opened/);
    },
  );
});

test('`ledger verify` asks the running gateway, starts at a day, and makes sums anew when it is told to', async () => {
  await scene(
    async (own) => {
      const provider = own(await Provider.start({}));
      const [key] = Object.keys(projects);
      const config = { model_list: [deployment('gpt', provider.base, { params: { api_key: key } })], litellm_settings: { require_auth_for_metrics_endpoint: true } };
      return own(await Gateway.start({ config }));
    },
    async (gateway) => {
      const verify = async (flags, code) => {
        const at = ['--data_dir', path.join(gateway.directory, 'data')];
        const ended = await runBinary(['ledger', 'verify', ...at, ...flags], { env: { HOME: gateway.directory, LITELLM_MASTER_KEY: masterKey } });
        assert.equal(ended.code, code, ended.stdout + ended.stderr);
        return ended.stdout + ended.stderr;
      };
      const asks = ['--metrics_url', `${gateway.url}/metrics`];
      const key = await gateway.newKey();
      assert.match(await verify(asks, 0), /^ok {3}V9 .*\(0 counted, 0 booked\)$/m);
      // Beside calls that go on; those that are not shipped yet are found in the journal.
      let running = true;
      const calls = (async () => {
        for (let i = 0; i < 10 || running; i += 1) assert.equal((await gateway.chat({ model: 'gpt' }, { key })).status, 200);
      })();
      await verify(asks, 0);
      running = false;
      await calls;
      await until(async () => /^turnpike_ledger_unshipped_entries 0$/m.test((await gateway.call('GET', '/metrics')).text), 'all to be shipped');
      assert.match(await verify([...asks, '--since', day()], 0), /^ok {3}V9 /m);
      assert.doesNotMatch(await verify(['--since', day()], 0), /V4/);

      const database = new DatabaseSync(path.join(gateway.directory, 'data/turnpike.db'));
      database.exec('UPDATE entry SET cost_nano = cost_nano + 1 WHERE entry_no = 2');
      assert.match(await verify(asks, 1), /^FAIL V9 /m);
      database.exec('UPDATE entry SET cost_nano = cost_nano - 1 WHERE entry_no = 2');
      database.exec('UPDATE account_window SET spent_nano = spent_nano + 1');
      database.close();
      assert.match(await verify(['--repair-aggregates'], 2), /another process|locked|in use/i);
      assert.match(await verify([], 1), /^FAIL V4 /m);
      gateway.signal('SIGTERM');
      await gateway.wait();
      assert.match(await verify(['--repair-aggregates'], 0), /Made anew: the sums of 1 days, 1 totals .*The ledger agrees with itself/s);
      assert.match(await verify([], 0), /agrees with itself/);
    },
  );
});
