// The configuration from outside: what loads, what is refused with place and remedy, and what a reload does to calls
// that are under way.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { FakeProvider, Gateway, deployment, masterKey, root, runBinary, scene, sleep, temporaryDirectory, until } from '../harness/turnpike.mjs';

let fake;
before(async () => {
  fake = await FakeProvider.start();
});
after(async () => {
  await fake?.stop();
});

async function inDirectory(body) {
  const directory = temporaryDirectory();
  try {
    return await body(directory);
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

const model = (params) => `model_list:\n  - model_name: a\n    litellm_params: ${JSON.stringify(params)}\n`;

test('check-config: 0 clean, 1 starts with warnings, 2 does not start', async () => {
  const good = { model: 'openai/a', api_key: 'k' };
  const cases = [
    ['clean', model(good), 0, /would start: 1 deployment/],
    ['unknown key', `${model(good)}ruter_settings: {}\n`, 1, /config\.yaml:4: ruter_settings: unknown key.*did you mean router_settings/],
    ['unknown provider', model({ model: 'opnai/gpt-4o' }), 1, /config\.yaml:3: .*no provider is known for model "opnai\/gpt-4o"; did you mean openai\?.*left out/],
    ['unknown custom_llm_provider', model({ model: 'x', custom_llm_provider: 'grok' }), 1, /no provider is called "grok" \(custom_llm_provider\); did you mean groq\?/],
    ['no address', model({ model: 'hosted_vllm/llama' }), 1, /config\.yaml:3: .*set api_base or the variable HOSTED_VLLM_API_BASE; this deployment is left out/],
    ['address from environment_variables', `${model({ model: 'hosted_vllm/llama' })}environment_variables: {HOSTED_VLLM_API_BASE: "http://127.0.0.1:1/v1"}\n`, 0, /1 deployment/],
    ['not an address', model({ model: 'openai/a', api_base: 'not a url' }), 1, /this deployment is left out/],
    ['a dialect that waits', model({ model: 'sagemaker/my-endpoint' }), 1, /does not serve yet; this deployment is left out/],
    ['wrong type', `${model(good)}router_settings: {num_retries: two}\n`, 2, /config\.yaml:4: router_settings\.num_retries: expected a whole number/],
    ['unknown strategy', `${model(good)}router_settings: {routing_strategy: best}\n`, 2, /unknown routing strategy/],
    ['missing include', `include: [nowhere.yaml]\n${model(good)}`, 2, /config\.yaml:1: include\[0\]: cannot include "nowhere\.yaml"/],
    ['broken YAML', 'model_list: [\n', 2, /config\.yaml:\d+: /],
    ['empty', '', 2, /the file is empty/],
    ['a list', '- a\n', 2, /config\.yaml:1: the top level must be a map/],
    ['protecting', `${model(good)}general_settings: {admin_only_routes: ["/key/list"]}\n`, 2, /config\.yaml:4: general_settings\.admin_only_routes.*--allow_unenforced general_settings\.admin_only_routes/],
  ];
  await inDirectory(async (directory) => {
    const file = path.join(directory, 'config.yaml');
    for (const [name, text, code, line] of cases) {
      fs.writeFileSync(file, text);
      const ended = await runBinary(['check-config', file], { env: { HOME: directory } });
      assert.equal(ended.code, code, `${name}: ${ended.stdout}${ended.stderr}`);
      assert.equal(ended.signal, null, name);
      assert.match(ended.stdout, line, name);
    }
    const missing = await runBinary(['check-config', path.join(directory, 'none.yaml')]);
    assert.equal(missing.code, 2);
    assert.match(missing.stdout, /no such file/);
  });
});

test('every example is clean when its variables are set', async () => {
  const folder = path.join(root, 'examples');
  for (const name of fs.readdirSync(folder).filter((file) => file.endsWith('.yaml'))) {
    const text = fs.readFileSync(path.join(folder, name), 'utf8');
    const env = Object.fromEntries([...text.matchAll(/os\.environ\/(\w+)/g)].map(([, variable]) => [variable, 'sk-example-0123456789']));
    const ended = await runBinary(['check-config', path.join(folder, name)], { env });
    assert.equal(ended.code, 0, `${name}: ${ended.stdout}`);
    assert.match(ended.stdout, /would start: \d+ deployment\(s\), 0 warning\(s\)/, name);
  }
});

test('include: paths from the file, lists extend, other values replace, findings name the included file; it is watched', async () => {
  await inDirectory(async (directory) => {
    fs.mkdirSync(path.join(directory, 'parts'));
    const part = path.join(directory, 'parts', 'models.yaml');
    const written = (retries) => `model_list:\n  - model_name: second\n    litellm_params: ${JSON.stringify(deployment('second', fake.base()).litellm_params)}\nrouter_settings:\n  num_retries: ${retries}\n`;
    fs.writeFileSync(part, written(4));
    const first = JSON.stringify(deployment('first', fake.base()).litellm_params);
    const config = `include: [parts/models.yaml]\nmodel_list:\n  - model_name: first\n    litellm_params: ${first}\nrouter_settings: {allowed_fails: 9}\ngeneral_settings: {master_key: ${masterKey}}\n`;
    await scene(
      (own) => Gateway.start({ config, directory }).then(own),
      async (gateway) => {
        for (const name of ['first', 'second']) assert.equal((await gateway.chat({ model: name })).status, 200, name);
        const effective = await runBinary(['check-config', gateway.file, '--print-effective']);
        assert.match(effective.stdout, /num_retries: 4/);
        assert.match(effective.stdout, /allowed_fails: 3/, 'the included map replaced the whole one');

        fs.writeFileSync(part, written('many'));
        await until(() => /parts\/models\.yaml:5: router_settings\.num_retries: expected a whole number/.test(gateway.stderr), 'the refusal');
        fs.writeFileSync(part, written(5));
        await until(() => /router_settings\.num_retries: 4 -> 5/.test(gateway.stderr), 'the reload');
        await gateway.stop();
      },
    );
  });
});

test('the smallest files serve: no key for anybody, one key, everything by its provider, one provider', async () => {
  const env = { OPENAI_API_KEY: 'sk-provider-key-0123456789', OPENAI_BASE_URL: fake.base('require_key=sk-provider-key-0123456789') };
  const files = [
    ['models only', `model_list:\n  - model_name: gpt\n    litellm_params: {model: openai/gpt-4o-mini}\n`, 'gpt', null],
    ['master key', `model_list:\n  - model_name: gpt\n    litellm_params: {model: gpt-4o-mini}\ngeneral_settings: {master_key: ${masterKey}}\n`, 'gpt', masterKey],
    ['any model', 'model_list:\n  - model_name: "*"\n    litellm_params: {model: "*"}\n', 'openai/gpt-4o-mini', null],
    ['one provider', 'model_list:\n  - model_name: openai/*\n    litellm_params: {model: openai/*, api_key: os.environ/OPENAI_API_KEY}\n', 'openai/gpt-4o-mini', null],
    ['environment_variables', `environment_variables: {OPENAI_API_KEY: sk-provider-key-0123456789, OPENAI_BASE_URL: ${env.OPENAI_BASE_URL}}\nmodel_list:\n  - model_name: gpt\n    litellm_params: {model: openai/gpt-4o-mini}\n`, 'gpt', null, {}],
  ];
  for (const [name, config, wanted, key, own = env] of files) {
    await scene(
      (keep) => Gateway.start({ config: `${config}turnpike: {shutdown_grace: 0}\n`, env: own }).then(keep),
      async (gateway) => {
        const reply = await gateway.chat({ model: wanted }, { key });
        assert.equal(reply.status, 200, `${name}: ${reply.text}`);
        assert.equal(reply.json.model, wanted, name);
        assert.equal((await gateway.chat({ model: 'nobody/has-this' }, { key })).status, 400, name);
        if (key) assert.equal((await gateway.chat({ model: wanted }, { key: 'sk-other' })).status, 401, name);
        await gateway.stop();
      },
    );
  }
});

test('a protecting key that was let through is repeated by readiness', async () => {
  const config = { turnpike: { shutdown_grace: 0 }, model_list: [deployment('gpt', fake.base())], general_settings: { admin_only_routes: ['/key/list'] }, guardrails: [{ guardrail_name: 'pii', litellm_params: { guardrail: 'presidio', mode: 'pre_call' } }] };
  await scene(
    (own) => Gateway.start({ config, flags: ['--allow_unenforced', 'general_settings.admin_only_routes,pii'] }).then(own),
    async (gateway) => {
      const readiness = await gateway.call('GET', '/health/readiness', { key: null });
      assert.equal(readiness.json.unenforced.length, 2, readiness.text);
      assert.match(readiness.json.unenforced.join('\n'), /general_settings\.admin_only_routes.*is not enforced/);
      assert.match(readiness.json.unenforced.join('\n'), /guardrails\/pii is not enforced/);
      for (const name of ['admin_only_routes', 'pii']) {
        const lines = gateway.stderr.split('\n').filter((line) => line.includes(name) && line.includes('not enforced'));
        assert.equal(lines.length, 1, `one line at start for ${name}: ${gateway.stderr}`);
      }
      await gateway.stop();
    },
  );
});

test('a deployment that cannot be built is left out at start and named by readiness, refused on a reload', async () => {
  const config = { turnpike: { shutdown_grace: 0 }, model_list: [deployment('gpt', fake.base()), { model_name: 'lost', litellm_params: { model: 'hosted_vllm/x' } }] };
  await scene(
    (own) => Gateway.start({ config }).then(own),
    async (gateway) => {
      const readiness = await gateway.call('GET', '/health/readiness', { key: null });
      assert.match(readiness.json.problems.join('\n'), /config\.yaml:\d+: lost: .*HOSTED_VLLM_API_BASE/);
      assert.equal(gateway.stderr.split('\n').filter((line) => line.includes('HOSTED_VLLM_API_BASE')).length, 1, gateway.stderr);
      const refused = await gateway.call('POST', '/config/reload');
      assert.equal(refused.status, 400, refused.text);
      assert.match(refused.json.error.message, /HOSTED_VLLM_API_BASE/);
      // A dialect that this version does not serve is no mistake of the file.
      config.model_list[1].litellm_params.model = 'anthropic/claude-x';
      fs.writeFileSync(gateway.file, JSON.stringify(Gateway.withMasterKey(config), null, 1));
      await until(() => /Configuration reloaded/.test(gateway.stderr), 'the reload');
      await gateway.stop();
    },
  );
});

const rewrite = (gateway, config) => {
  const next = `${gateway.file}.next`;
  fs.writeFileSync(next, typeof config === 'string' ? config : JSON.stringify(Gateway.withMasterKey(config), null, 1));
  fs.renameSync(next, gateway.file);
};
const generation = async (gateway) => (await gateway.call('GET', '/health/readiness')).json.config_generation;

test('reload by request, signal and file change: whole, with a diff; a broken file is refused and the old one stays', async () => {
  const config = { turnpike: { shutdown_grace: 0 }, model_list: [deployment('one', fake.base())], router_settings: { num_retries: 0 } };
  await scene(
    (own) => Gateway.start({ config }).then(own),
    async (gateway) => {
      const key = await gateway.newKey({ models: ['one', 'two'] });
      config.model_list.push(deployment('two', fake.base(), { params: { api_key: 'sk-marker-of-the-new-key' } }));
      config.router_settings.num_retries = 3;
      rewrite(gateway, config);
      await until(async () => (await generation(gateway)) >= 2, 'the file watch');
      // Each I/O thread takes the new one over for itself.
      await until(async () => (await gateway.chat({ model: 'two' }, { key })).status === 200, 'every thread to serve it');
      assert.match(gateway.stderr, /router_settings\.num_retries: 0 -> 3/);
      assert.match(gateway.stderr, /deployment two .*added/);
      assert.ok(!gateway.stderr.includes('marker'));

      const unchanged = await gateway.call('POST', '/config/reload');
      assert.equal(unchanged.status, 200, unchanged.text);
      assert.deepEqual(unchanged.json.changes, ['nothing changed']);
      assert.equal((await gateway.call('POST', '/config/reload', { key })).status, 401, 'administrators only');

      const before = await generation(gateway);
      gateway.signal('SIGHUP');
      await until(async () => (await generation(gateway)) > before, 'SIGHUP');

      const held = await generation(gateway);
      for (const broken of ['model_list: [', 'model_list: 3\n', `${JSON.stringify(config)}\nx: 1`, '']) {
        rewrite(gateway, broken);
        const refused = await gateway.call('POST', '/config/reload');
        assert.equal(refused.status, 400, refused.text);
        assert.match(refused.json.error.message, /config\.yaml/);
        assert.equal((await gateway.chat({ model: 'two' }, { key })).status, 200);
      }
      fs.rmSync(gateway.file);
      assert.equal((await gateway.call('POST', '/config/reload')).status, 400);
      assert.equal(await generation(gateway), held, 'nothing of a refused file is in force');

      config.model_list.pop();
      rewrite(gateway, config);
      const reply = await gateway.call('POST', '/config/reload');
      assert.equal(reply.status, 200, reply.text);
      // Whether the file watch was first or this request: the deployment is gone now.
      assert.equal((await gateway.chat({ model: 'two' }, { key })).status, 400);
      await gateway.stop();
    },
  );
});

test('a running stream keeps its configuration, and what is reloaded serves the next call', async () => {
  const config = { turnpike: { shutdown_grace: 0 }, model_list: [deployment('slow', fake.base('tokens=20,token_ms=30'))] };
  await scene(
    (own) => Gateway.start({ config }).then(own),
    async (gateway) => {
      const reply = await fetch(`${gateway.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${masterKey}` },
        body: JSON.stringify({ model: 'slow', stream: true, stream_options: { include_usage: true }, messages: [{ role: 'user', content: 'hi' }] }),
      });
      const reader = reply.body.getReader();
      let text = new TextDecoder().decode((await reader.read()).value);
      rewrite(gateway, { model_list: [deployment('other', fake.base())] });
      const reloaded = await gateway.call('POST', '/config/reload');
      assert.equal(reloaded.status, 200, reloaded.text);
      assert.equal((await gateway.chat({ model: 'slow' })).status, 400);
      assert.equal((await gateway.chat({ model: 'other' })).status, 200);
      assert.ok(!text.includes('[DONE]'), 'the stream was under way');
      for (let part = await reader.read(); !part.done; part = await reader.read()) text += new TextDecoder().decode(part.value);
      assert.ok(text.endsWith('data: [DONE]\n\n'), text);
      assert.match(text, /"completion_tokens":20/);
      const [row] = await gateway.rows(`request_id=${reply.headers.get('x-litellm-call-id')}`, 1);
      assert.equal(row.status, 'success');
      assert.equal(row.model_group, 'slow');
      assert.equal(Math.round(Number(row.spend) * 1e9), row.prompt_tokens * 1000 + 20 * 2000, 'at the price it began with');
      await gateway.stop();
    },
  );
});

test('a deployment whose parameters change keeps its cooldown', async () => {
  const failing = (timeout) => ({
    model_list: [deployment('gpt', fake.base('status=500'), { params: { timeout, order: 1 } }), deployment('gpt', fake.base(), { params: { order: 2 } })],
    router_settings: { allowed_fails: 0, cooldown_time: 600, num_retries: 1 },
  });
  await scene(
    (own) => Gateway.start({ config: failing(30) }).then(own),
    async (gateway) => {
      assert.equal((await gateway.chat({ model: 'gpt' })).status, 200);
      const before = await gateway.call('GET', '/health');
      assert.equal(before.json.unhealthy_count, 1, before.text);
      rewrite(gateway, failing(40));
      const reply = await gateway.call('POST', '/config/reload');
      assert.equal(reply.status, 200, reply.text);
      await until(() => /timeout: 30 -> 40/.test(gateway.stderr), 'the diff');
      const afterwards = await gateway.call('GET', '/health');
      assert.equal(afterwards.json.unhealthy_count, 1, afterwards.text);
      assert.ok(afterwards.json.unhealthy_endpoints[0].cooldown_seconds_left > 500);
      await gateway.stop();
    },
  );
});

test('environment_variables of a reloaded file reach the keys of providers', async () => {
  const config = (key) => `environment_variables: {OPENAI_API_KEY: ${key}, OPENAI_BASE_URL: ${fake.base('require_key=sk-right')}}\nmodel_list:\n  - model_name: gpt\n    litellm_params: {model: openai/gpt-4o-mini}\ngeneral_settings: {master_key: ${masterKey}}\nrouter_settings: {num_retries: 0, disable_cooldowns: true}\n`;
  await scene(
    (own) => Gateway.start({ config: config('sk-wrong') }).then(own),
    async (gateway) => {
      assert.equal((await gateway.chat({ model: 'gpt' })).status, 401);
      rewrite(gateway, config('sk-right'));
      assert.equal((await gateway.call('POST', '/config/reload')).status, 200);
      const reply = await gateway.chat({ model: 'gpt' });
      assert.equal(reply.status, 200, reply.text);
      await gateway.stop();
    },
  );
});

test('reloads under load: no call fails, none sees half of one', async () => {
  const two = (price) => ({
    model_list: ['a', 'b'].map((name) => deployment(name, fake.base(), { params: { input_cost_per_token: price, output_cost_per_token: price } })),
  });
  await scene(
    (own) => Gateway.start({ config: two(0.000001) }).then(own),
    async (gateway) => {
      const key = await gateway.newKey();
      let running = true;
      const replies = [];
      const caller = async (name) => {
        while (running) replies.push(await gateway.chat({ model: name, fake: { prompt_tokens: 10, tokens: 10 } }, { key }));
      };
      const callers = ['a', 'b', 'a', 'b'].map(caller);
      for (let i = 0; i < 20; ++i) {
        rewrite(gateway, two(i % 2 === 0 ? 0.000003 : 0.000001));
        const reply = await gateway.call('POST', '/config/reload');
        assert.equal(reply.status, 200, reply.text);
        await sleep(10);
      }
      running = false;
      await Promise.all(callers);
      assert.ok(replies.length > 20, `${replies.length} calls`);
      for (const reply of replies) {
        assert.equal(reply.status, 200, reply.text);
        assert.ok([0.00002, 0.00006].includes(Number(reply.headers.get('x-litellm-response-cost'))), reply.headers.get('x-litellm-response-cost'));
      }
      await gateway.stop();
    },
  );
});

test('--print-effective shows what is in force and no secret', async () => {
  const marker = 'marker-nobody-may-see';
  const config = {
    model_list: [
      { model_name: 'a', litellm_params: { model: 'openai/a', api_key: `sk-${marker}`, api_base: 'https://host.example/v1', extra_headers: { 'X-Key': marker }, extra_body: { api_key: marker, top_k: 4 }, metadata: { auth_token: marker } }, model_info: { note: 'os.environ/HIDDEN', secret_note: marker } },
      { model_name: 'refused', litellm_params: { model: 'openai/a', api_base: `https://user:${marker}@host.example/v1?key=${marker}` } },
      { model_name: 'refused', litellm_params: { model: 'openai/a', api_base: `user:${marker}@host.example/v1` } },
      { model_name: 'b', litellm_params: { model: 'azure/b', azure_ad_token: marker, client_secret: marker, aws_secret_access_key: marker, vertex_credentials: { private_key: marker }, litellm_credential_name: 'c' } },
    ],
    credential_list: [{ credential_name: 'c', credential_values: { api_base: 'https://eu.example', api_key: marker } }],
    environment_variables: { HIDDEN: marker, OTHER: 'os.environ/FROM_OUTSIDE' },
    general_settings: { master_key: `sk-${marker}`, database_url: `postgresql://user:${marker}@db.example/x` },
    router_settings: { redis_url: `redis://:${marker}@r`, redis_password: marker },
    litellm_settings: { langfuse_secret_key: marker, cache_params: { password: marker } },
  };
  await inDirectory(async (directory) => {
    const file = path.join(directory, 'config.yaml');
    fs.writeFileSync(file, JSON.stringify(config, null, 1));
    for (const args of [['check-config', file, '--print-effective'], ['--config', file, '--print-effective'], ['check-config', file]]) {
      const ended = await runBinary(args, { env: { FROM_OUTSIDE: marker } });
      assert.ok(ended.code === 0 || ended.code === 1, ended.stderr);
      const shown = ended.stdout + ended.stderr;
      assert.ok(!shown.includes(marker), shown.split('\n').filter((line) => line.includes(marker)).join('\n'));
    }
    const shown = (await runBinary(['check-config', file, '--print-effective'])).stdout;
    assert.match(shown, /api_base: "https:\/\/host\.example\/v1"/);
    assert.match(shown, /"top_k":4/);
  });
});
