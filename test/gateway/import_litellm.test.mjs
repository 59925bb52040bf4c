// turnpike import-litellm: a database in LiteLLM's schema, filled as LiteLLM fills it, becomes ours. Counts, hashes and
// sums agree, a key of it makes a call to a model of it, and a second run changes nothing.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import test, { after, before } from 'node:test';
import { Postgres } from '../harness/postgres.mjs';
import { FakeProvider, Gateway, masterKey, root, runBinary, scene, temporaryDirectory } from '../harness/turnpike.mjs';

// NaCl SecretBox of SHA-256 of this, made with libsodium: what LiteLLM writes, and what older releases wrote.
const saltKey = 'salt-0123456789';
const sealedProviderKey = 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXllEbO97oPu1RodXgZcITeR9DD0H9AVLenV4p0NctAZATLHZliO9SWp__'; // sk-provider-key-0123456789
const sealedCredential = 'ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp786eTMm8knzu2aKLMcB5IwluS1a1bBsmWrQSQgpVhxhX6OdKNhQQS1LAUXA=='; // sk-credential-key-987654321

const hash = (key) => crypto.createHash('sha256').update(key).digest('hex');
const json = (value) => `'${JSON.stringify(value).replaceAll("'", "''")}'`;

let server;
before(async () => {
  server = await Postgres.start();
});
after(() => server.stop());

function sql(database, text) {
  execFileSync('psql', ['-qX', '-v', 'ON_ERROR_STOP=1', server.url(database)], { input: text, cwd: '/', env: { ...process.env, PGOPTIONS: '--client-min-messages=warning' } });
}

/** What a company's LiteLLM holds after some months; oddities of every release among it. */
function litellm(base) {
  const database = server.fresh();
  sql(database, fs.readFileSync(path.join(root, 'test/data/litellm/schema.sql'), 'utf8'));
  const models = { model: 'openai/imported', api_base: base, api_key: sealedProviderKey, input_cost_per_token: 0.000001, output_cost_per_token: 0.000002 };
  sql(
    database,
    `
    INSERT INTO "LiteLLM_BudgetTable" (budget_id, max_budget, budget_duration, created_by, updated_by) VALUES ('b-small', 50, '30d', 'root', 'root'), ('b-member', 0.5, NULL, 'root', 'root');
    INSERT INTO "LiteLLM_OrganizationTable" (organization_id, organization_alias, budget_id, models, spend, created_by, updated_by) VALUES ('org', 'Acme', 'b-small', '{}', 12.3456789012, 'root', 'root');
    INSERT INTO "LiteLLM_ModelTable" (id, aliases, created_by, updated_by) VALUES (7, ${json({ fast: 'imported' })}, 'root', 'root');
    INSERT INTO "LiteLLM_ObjectPermissionTable" (object_permission_id, vector_stores) VALUES ('perm', '{docs}');
    INSERT INTO "LiteLLM_UserTable" (user_id, user_email, user_role, models, teams, spend, max_budget) VALUES
      ('ann', 'ann@acme.test', 'proxy_admin', '{}', '{red}', 0.1, NULL), ('bob', 'bob@acme.test', 'internal_user', '{}', '{red,blue}', 0.2, 10),
      ('litellm-proxy-budget', NULL, NULL, '{}', '{}', 99, NULL);
    -- members_with_roles as JSON, as a string of JSON, and not at all.
    INSERT INTO "LiteLLM_TeamTable" (team_id, team_alias, organization_id, members_with_roles, metadata, models, spend, max_budget, blocked, model_id, object_permission_id) VALUES
      ('red', 'Red', 'org', ${json([{ role: 'admin', user_id: 'ann' }, { role: 'user', user_id: 'bob' }, { role: 'user', user_email: 'bob@acme.test' }])}, ${json({ tags: ['r'] })}, '{imported}', 3.30000000000000005, 100, false, 7, 'perm'),
      ('blue', 'Blue', NULL, to_jsonb(${json([{ role: 'user', user_id: 'bob' }])}::text), to_jsonb('{"cost_center": 5}'::text), '{}', 1e-7, NULL, true, NULL, NULL);
    INSERT INTO "LiteLLM_TeamTable" (team_id, admins, members, models) VALUES ('old', '{ann}', '{ann,bob}', '{}'), ('litellm-dashboard', '{}', '{}', '{}');
    INSERT INTO "LiteLLM_TeamMembership" (user_id, team_id, spend, budget_id) VALUES ('bob', 'red', 0.25, 'b-member'), ('gone', 'red', 0.125, NULL);
    INSERT INTO "LiteLLM_OrganizationMembership" (user_id, organization_id, user_role, spend) VALUES ('ann', 'org', 'org_admin', 0);
    INSERT INTO "LiteLLM_EndUserTable" (user_id, alias, spend, budget_id, blocked) VALUES ('customer', 'C', 0.75, 'b-gone', false), ('bad', NULL, 0, NULL, true);
    INSERT INTO "LiteLLM_TagTable" (tag_name, models, spend) VALUES ('r', '{}', 0.5);
    INSERT INTO "LiteLLM_AccessGroupTable" (access_group_id, access_group_name, access_model_names) VALUES ('g1', 'everything', '{imported}');
    INSERT INTO "LiteLLM_ProxyModelTable" (model_id, model_name, litellm_params, model_info, created_by, updated_by) VALUES ('m1', 'imported', ${json(models)}, ${json({ id: 'm1', db_model: true })}, 'root', 'root');
    INSERT INTO "LiteLLM_CredentialsTable" (credential_name, credential_values, credential_info, created_by, updated_by) VALUES ('vault', ${json({ api_key: sealedCredential, region: 'plain' })}, '{}', 'root', 'root');
    INSERT INTO "LiteLLM_Config" (param_name, param_value) VALUES ('router_settings', '{"num_retries": 3}');
    INSERT INTO "LiteLLM_VerificationToken" (token, key_name, key_alias, spend, models, aliases, user_id, team_id, metadata, max_budget, budget_id, tpm_limit, created_at, created_by) VALUES
      ('${hash('sk-red-service')}', 'sk-...vice', 'service', 0.30000000000000004, '{all-team-models}', '{}', NULL, 'red', ${json({ tags: ['service'], service_account_id: 's' })}, 20, NULL, 1000, '2025-05-06T07:08:09.123', 'ann'),
      ('${hash('sk-bob')}', 'sk-...bob', 'bobs', 1.5, '{}', ${json({ nick: 'imported' })}, 'bob', NULL, '{}', NULL, 'b-small', NULL, '2025-01-01', 'bob'),
      ('${hash('sk-twin')}', 'sk-...twin', 'bobs', 0, '{}', '{}', 'bob', NULL, '{}', NULL, 'b-gone', NULL, '2025-01-02', 'bob'),
      ('${hash('sk-session')}', 'sk-...sion', NULL, 0.01, '{}', '{}', 'ann', 'litellm-dashboard', '{}', NULL, NULL, NULL, '2025-01-02', NULL);
    INSERT INTO "LiteLLM_VerificationToken" (token, key_name, models, spend, blocked, expires) VALUES ('${hash('sk-blocked')}', 'sk-...cked', '{}', 0.002, true, NULL), ('${hash('sk-expired')}', 'sk-...ired', '{}', 4, NULL, '2024-01-01');
    INSERT INTO "LiteLLM_DeprecatedVerificationToken" (token, active_token_id, revoke_at) VALUES ('${hash('sk-bob-old')}', '${hash('sk-bob')}', now() AT TIME ZONE 'UTC' + interval '1 day'), ('${hash('sk-bob-older')}', '${hash('sk-bob')}', '2024-01-01');
    INSERT INTO "LiteLLM_SpendLogs" (request_id, call_type, api_key, spend, total_tokens, prompt_tokens, completion_tokens, "startTime", "endTime", model, model_group, custom_llm_provider, "user", team_id, request_tags, status)
      SELECT 'req-' || n, 'acompletion', '${hash('sk-bob')}', n * 0.0001, 3 * n, n, 2 * n, '2025-03-01'::timestamp + n * interval '1 minute', '2025-03-01'::timestamp + n * interval '61 seconds', 'gpt-4o', 'imported', 'openai', 'bob', NULL, '["r"]', CASE WHEN n % 100 = 0 THEN 'failure' ELSE 'success' END FROM generate_series(1, 1200) n;
    -- A column of a later release.
    ALTER TABLE "LiteLLM_VerificationToken" ADD COLUMN project_id text;
    UPDATE "LiteLLM_VerificationToken" SET project_id = 'p' WHERE key_alias = 'service';
    `,
  );
  return database;
}

async function importInto(directory, file, database, flags = []) {
  const env = { LITELLM_SALT_KEY: saltKey, HOME: directory };
  const ended = await runBinary(['import-litellm', '--from', server.url(database), '--config', file, '--data_dir', path.join(directory, 'data'), ...flags], { env, ms: 60_000 });
  assert.equal(ended.code, 0, ended.stdout + ended.stderr);
  assert.match(ended.stdout, /Everything adds up\./);
  return Object.fromEntries(
    [...ended.stdout.matchAll(/^(LiteLLM_\w+) +(\d+) +(\d+) +(\d+) +(\d+)(?:  ([\d.]+) = .*)?$/gm)].map(([, name, ...figures]) => [name.slice('LiteLLM_'.length), figures.map((one) => (one === undefined ? 0 : Number(one)))]),
  );
}

for (const kind of ['sqlite', 'postgresql']) {
  test(`a LiteLLM database becomes ours (${kind}), and a second run changes nothing`, async () => {
    await scene(
      async (own) => {
        const fake = own(await FakeProvider.start());
        const directory = temporaryDirectory();
        own({ ended: true, clean: () => fs.rmSync(directory, { recursive: true, force: true }) });
        const config = {
          model_list: [],
          general_settings: { master_key: masterKey, store_model_in_db: true, ...(kind === 'sqlite' ? {} : { database_url: server.url(server.fresh()) }) },
        };
        const file = path.join(directory, 'config.yaml');
        fs.writeFileSync(file, JSON.stringify(config));
        return { own, directory, file, config, database: litellm(fake.base('record')), fake };
      },
      async ({ own, directory, file, config, database, fake }) => {
        const expected = {
          // found, made, there, left out, spend found
          BudgetTable: [2, 2, 0, 0, 0],
          OrganizationTable: [1, 1, 0, 0, 12.345678901],
          UserTable: [3, 2, 0, 1, 99.3],
          TeamTable: [4, 3, 0, 1, 3.3000001],
          OrganizationMembership: [1, 1, 0, 0, 0],
          EndUserTable: [2, 2, 0, 0, 0.75],
          TagTable: [1, 1, 0, 0, 0.5],
          AccessGroupTable: [1, 1, 0, 0, 0],
          ProxyModelTable: [1, 1, 0, 0, 0],
          CredentialsTable: [1, 1, 0, 0, 0],
          TeamMembership: [6, 5, 0, 1, 0.375],
          VerificationToken: [6, 4, 0, 2, 5.812],
          DeprecatedVerificationToken: [2, 1, 0, 1, 0],
          Config: [1, 0, 0, 1, 0],
        };
        const logs = [1200, 1200, 0, 0, 72.06];
        assert.deepEqual(await importInto(directory, file, database, ['--dry-run']), expected, 'a dry run');
        assert.deepEqual(await importInto(directory, file, database, ['--dry-run']), expected, 'which wrote nothing');
        assert.deepEqual(await importInto(directory, file, database, ['--spend-logs']), { ...expected, SpendLogs: logs });
        const again = Object.fromEntries(Object.entries({ ...expected, SpendLogs: logs }).map(([name, [found, made, , left, spend]]) => [name, [found, 0, made, left, spend]]));
        assert.deepEqual(await importInto(directory, file, database, ['--spend-logs']), again, 'the second run changes nothing');

        const gateway = own(await Gateway.start({ config, directory, env: { LITELLM_SALT_KEY: saltKey } }));
        const get = async (target) => {
          const reply = await gateway.call('GET', target);
          assert.equal(reply.status, 200, `${target}: ${reply.text}`);
          return reply.json;
        };
        const service = await gateway.keyInfo('sk-red-service');
        assert.equal(service.spend, 0.3);
        assert.deepEqual([service.key_alias, service.team_id, service.max_budget, service.tpm_limit, service.created_by], ['service', 'red', 20, 1000, 'ann']);
        assert.equal(new Date(service.created_at).toISOString(), '2025-05-06T07:08:09.123Z');
        assert.deepEqual(service.metadata, { tags: ['service'], service_account_id: 's' });
        assert.equal((await gateway.keyInfo('sk-twin')).key_alias, null, 'an alias has one key');
        const red = (await get('/team/info?team_id=red')).team_info;
        assert.deepEqual([red.spend, red.max_budget, red.organization_id, red.blocked], [3.3, 100, 'org', false]);
        assert.deepEqual(red.members_with_roles.map(({ user_id, role }) => `${user_id} ${role}`).sort(), ['ann admin', 'bob user']);
        assert.equal((await get('/team/info?team_id=blue')).team_info.metadata.cost_center, 5);
        assert.equal((await get('/user/info?user_id=bob')).user_info.spend, 0.2);
        assert.equal((await get('/organization/info?organization_id=org')).spend, 12.345678901);
        assert.equal((await get('/customer/info?end_user_id=customer')).spend, 0.75);

        // The key and the model work; the alias of the team too.
        const reply = await gateway.chat({ model: 'fast' }, { key: 'sk-red-service' });
        assert.equal(reply.status, 200, reply.text);
        const [, credential] = (await fake.requests()).at(-1).headers.find(([name]) => name.toLowerCase() === 'authorization');
        assert.equal(credential, 'Bearer sk-provider-key-0123456789', 'decrypted with the salt key');
        assert.equal((await gateway.chat({ model: 'imported' }, { key: 'sk-bob-old' })).status, 200, 'a rotated key within its grace period');
        assert.equal((await gateway.chat({ model: 'imported' }, { key: 'sk-blocked' })).status, 401);
        assert.equal((await gateway.chat({ model: 'imported' }, { key: 'sk-expired' })).status, 401);
        const [row] = await gateway.rows('request_id=req-77', 1);
        assert.deepEqual([row.spend, row.prompt_tokens, row.completion_tokens, row.api_key], [0.0077, 77, 154, hash('sk-bob')]);
        await gateway.stop();

        const verify = await runBinary(['ledger', 'verify', '--data_dir', path.join(directory, 'data'), ...(kind === 'sqlite' ? [] : ['--database_url', config.general_settings.database_url])]);
        assert.equal(verify.code, 0, `the books agree\n${verify.stdout}${verify.stderr}`);
      },
    );
  });
}

test('what is no LiteLLM database is refused, and no password is told', async () => {
  const directory = temporaryDirectory();
  const file = path.join(directory, 'config.yaml');
  fs.writeFileSync(file, JSON.stringify({ general_settings: { master_key: masterKey } }));
  try {
    for (const from of [server.url(server.fresh()), server.url('missing').replace('turnpike@', 'turnpike:hunter22@'), 'mysql://root:hunter22@db/litellm']) {
      const ended = await runBinary(['import-litellm', '--from', from, '--config', file, '--data_dir', path.join(directory, 'data')]);
      assert.equal(ended.code, 2, ended.stdout + ended.stderr);
      assert.match(ended.stderr, /^turnpike import-litellm: ./);
      assert.doesNotMatch(ended.stdout + ended.stderr, /hunter22/);
    }
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
});
