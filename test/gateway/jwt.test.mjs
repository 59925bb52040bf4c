// Signing in by token: a real OIDC server gives out access tokens, the unmodified OpenAI SDK calls with them; then what
// such a server does not do by itself: keys that turn, keys nobody knows, forged heads, a server that is away.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import test from 'node:test';
import OpenAI from 'openai';
import { Provider } from 'oidc-provider';
import { KeyServer, audience } from '../harness/key_server.mjs';
import { FakeProvider, Gateway, deployment, freePort, scene, until } from '../harness/turnpike.mjs';

/** An OIDC server whose clients are applications of one team each. */
class IdentityProvider {
  static async start(teams) {
    const idp = new IdentityProvider();
    const port = await freePort();
    idp.issuer = `http://127.0.0.1:${port}`;
    const { privateKey } = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 });
    const provider = new Provider(idp.issuer, {
      jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), kid: 'first', use: 'sig', alg: 'RS256' }] },
      clients: Object.keys(teams).map((client) => ({
        client_id: client,
        client_secret: `secret of ${client}`,
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: [],
      })),
      extraTokenClaims: (_, token) => ({ ...teams[token.clientId] }),
      features: {
        devInteractions: { enabled: false },
        clientCredentials: { enabled: true },
        resourceIndicators: {
          enabled: true,
          defaultResource: () => 'urn:gw',
          useGrantedResource: () => true,
          getResourceServerInfo: (_, resource) => ({ scope: 'api', accessTokenFormat: 'jwt', audience: resource === 'urn:other' ? 'other-api' : audience }),
        },
      },
    });
    idp.server = http.createServer(provider.callback());
    idp.server.listen(port, '127.0.0.1');
    await once(idp.server, 'listening');
    return idp;
  }
  async token(client, resource = 'urn:gw') {
    const reply = await fetch(`${this.issuer}/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa(`${encodeURIComponent(client)}:${encodeURIComponent(`secret of ${client}`)}`)}`, 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ grant_type: 'client_credentials', resource, scope: 'api' }),
    });
    assert.equal(reply.status, 200, await reply.clone().text());
    return (await reply.json()).access_token;
  }
  async kill() {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

const claims = { team_id_jwt_field: 'team', team_ids_jwt_field: 'groups', user_id_jwt_field: 'person', user_id_upsert: true };

async function gatewayFor(own, keyUrl, { jwt = claims, general = {}, models = ['alpha', 'beta'] } = {}) {
  const fake = own(await FakeProvider.start());
  return own(
    await Gateway.start({
      config: {
        model_list: models.map((name) => deployment(name, fake.base())),
        general_settings: { enable_jwt_auth: true, litellm_jwtauth: jwt, ...general },
      },
      env: { JWT_PUBLIC_KEY_URL: keyUrl, JWT_AUDIENCE: audience },
    }),
  );
}

async function newTeam(gateway, fields) {
  const reply = await gateway.call('POST', '/team/new', { body: fields });
  assert.equal(reply.status, 200, reply.text);
}

async function spendOf(gateway, team) {
  const reply = await gateway.call('GET', `/team/info?team_id=${team}`);
  assert.equal(reply.status, 200, reply.text);
  return reply.json.team_info.spend;
}

const refused = (reply) => `${reply.status} ${reply.json?.error?.message ?? reply.text}`;

test('an unmodified OpenAI SDK with a token of a real OIDC server makes a call that is billed to its team', async () => {
  await scene(
    async (own) => {
      const idp = own(await IdentityProvider.start({ search: { team: 'search', person: 'ann' }, shop: { team: 'shop' }, stranger: { team: 'nobody' } }));
      const gateway = await gatewayFor(own, `${idp.issuer}/.well-known/openid-configuration`);
      return { idp, gateway };
    },
    async ({ idp, gateway }) => {
      await newTeam(gateway, { team_id: 'search' });
      await newTeam(gateway, { team_id: 'shop', models: ['beta'] });
      const token = await idp.token('search');
      const client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: token, maxRetries: 0 });
      const answer = await client.chat.completions.create({ model: 'alpha', messages: [{ role: 'user', content: 'hi' }] });
      const cost = (answer.usage.prompt_tokens + 2 * answer.usage.completion_tokens) / 1e6;
      await until(async () => Math.abs((await spendOf(gateway, 'search')) - cost) < 1e-9, 'the bill of the team');
      assert.equal(await spendOf(gateway, 'shop'), 0);
      const [row] = await gateway.rows(`user_id=ann`, 1);
      assert.equal(row.team_id, 'search');
      assert.equal(row.spend, cost);
      assert.equal((await gateway.call('GET', '/user/info?user_id=ann')).json.user_info.sso_user_id, 'ann', 'user_id_upsert has made a row');

      assert.match(refused(await gateway.chat({ model: 'alpha' }, { key: await idp.token('shop') })), /^403 team not allowed to access model/);
      assert.equal((await gateway.chat({ model: 'beta' }, { key: await idp.token('shop') })).status, 200);
      assert.match(refused(await gateway.chat({ model: 'alpha' }, { key: await idp.token('search', 'urn:other') })), /^401 Validation fails: Audience doesn't match/);
      assert.match(refused(await gateway.chat({ model: 'alpha' }, { key: await idp.token('stranger') })), /^403 Team doesn't exist in db. Team=nobody/);
      assert.match(refused(await gateway.call('POST', '/key/generate', { key: token, body: {} })), /^40[13] /, 'a team is no administrator');

      await gateway.call('POST', '/team/block', { body: { team_id: 'search' } });
      await until(async () => (await gateway.chat({ model: 'alpha' }, { key: token })).status === 401, 'the blocked team');
      assert.match(refused(await gateway.chat({ model: 'alpha' }, { key: token })), /Team=search is blocked/);
      assert.ok(!gateway.printed.includes(token), 'no token is printed');
    },
  );
});

test('forged, old and foreign tokens are refused; keys turn; old keys stay while their server is away', async () => {
  await scene(
    async (own) => {
      const keys = own(await KeyServer.start());
      return { keys, gateway: await gatewayFor(own, keys.url) };
    },
    async ({ keys, gateway }) => {
      const call = (token) => gateway.chat({ model: 'alpha' }, { key: token });
      await keys.pause();
      const unknown = await call(keys.token({ team: 't' }));
      assert.equal(unknown.status, 503, 'nobody can say yet whether it is good');
      assert.ok(Number(unknown.headers.get('retry-after')) > 0);
      await keys.listen(keys.port);
      await newTeam(gateway, { team_id: 't' });
      await until(async () => (await call(keys.token({ team: 't' }))).status === 200, 'the keys');

      const second = Math.floor(Date.now() / 1000);
      const publicKey = JSON.stringify(keys.keys[0].publicKey.export({ format: 'jwk' }));
      const head = (fields) => Buffer.from(JSON.stringify(fields)).toString('base64url');
      const body = head({ aud: audience, team: 't', exp: second + 300 });
      const shared = `${head({ alg: 'HS256', kid: 'k1' })}.${body}`;
      const good = keys.token({ team: 't' });
      for (const [token, answer] of [
        [keys.token({ team: 't', exp: second - 60 }), /^401 Token Expired$/],
        [keys.token({ team: 't', nbf: second + 600 }), /^401 Validation fails: The token is not yet valid/],
        [keys.token({ team: 't', aud: 'other' }), /^401 Validation fails: Audience/],
        [keys.token({ team: 't', exp: undefined }), /^401 Validation fails: the token has no exp claim/],
        [`${head({ alg: 'none' })}.${body}.`, /^401 Validation fails: The specified alg value is not allowed/],
        [`${shared}.${crypto.createHmac('sha256', publicKey).update(shared).digest('base64url')}`, /^401 Validation fails: The specified alg value is not allowed/],
        [`${good.slice(0, -6)}AAAAAA`, /^401 Validation fails: Signature verification failed/],
        [good.split('.').with(1, body).join('.'), /^401 Validation fails: Signature verification failed/],
        [`${good}.x`, /^401 Authentication Error, LiteLLM Virtual Key expected/],
      ])
        assert.match(refused(await call(token)), answer, token);

      const fetches = keys.fetches;
      const strange = await Promise.all(Array.from({ length: 30 }, (_, i) => call(keys.token({ team: 't' }, { kid: `strange-${i}` }))));
      assert.ok(strange.every((reply) => reply.status === 401), 'a kid that nobody has');
      assert.ok(keys.fetches <= fetches + 1, `unknown kids cause at most one fetch, not ${keys.fetches - fetches}`);

      keys.addKey('k2');
      await until(async () => (await call(keys.token({ team: 't' }))).status === 200, 'the new key', 20_000);
      await keys.pause();
      assert.equal((await call(keys.token({ team: 't', jti: 'fresh' }))).status, 200, 'known keys outlive their server');
    },
  );
});

test('of several teams the first that may call the model is billed; scopes, roles and administrators', async () => {
  await scene(
    async (own) => {
      const keys = own(await KeyServer.start());
      const jwt = {
        ...claims,
        team_id_jwt_field: undefined,
        enforce_scope_based_access: true,
        scope_mappings: [{ scope: 'all' }, { scope: 'only-alpha', models: ['alpha'] }],
      };
      return { keys, gateway: await gatewayFor(own, keys.url, { jwt }) };
    },
    async ({ keys, gateway }) => {
      await newTeam(gateway, { team_id: 'a', models: ['alpha'] });
      await newTeam(gateway, { team_id: 'b', models: ['beta'] });
      const token = keys.token({ groups: ['missing', 'a', 'b'], scope: 'all' });
      for (const [model, team] of [['alpha', 'a'], ['beta', 'b']]) {
        assert.equal((await gateway.chat({ model }, { key: token })).status, 200);
        await until(async () => (await spendOf(gateway, team)) > 0, `the bill of team ${team}`);
      }
      assert.match(refused(await gateway.chat({ model: 'gamma' }, { key: token })), /^403 No team has access to the requested model: gamma. Checked teams=\['a', 'b'\]/);
      const narrow = keys.token({ groups: ['b'], scope: 'only-alpha' });
      assert.match(refused(await gateway.chat({ model: 'beta' }, { key: narrow })), /^403 model=beta not allowed. Allowed_models=\['alpha'\]/);
      const admin = keys.token({ scope: 'litellm_proxy_admin' });
      assert.match(refused(await gateway.call('POST', '/key/generate', { key: admin, body: { team_id: 'a' } })), /^200 /);
      assert.equal((await gateway.chat({ model: 'alpha' }, { key: admin })).status, 403, 'administrators administrate: admin_allowed_routes');
    },
  );
});
