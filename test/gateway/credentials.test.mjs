// How providers are proven who asks: tokens of Google, roles of AWS, applications of Entra, each from a server on the
// loopback that plays the token server, and a provider that takes nothing else.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { TokenServer } from '../harness/token_server.mjs';
import { Gateway, scene, sleep, temporaryDirectory, until } from '../harness/turnpike.mjs';

const gemini = { candidates: [{ content: { role: 'model', parts: [{ text: 'Hello' }] }, finishReason: 'STOP' }], usageMetadata: { promptTokenCount: 3, candidatesTokenCount: 1, totalTokenCount: 4 }, modelVersion: 'gemini-2.5-flash' };
const openai = { id: 'c', object: 'chat.completion', created: 1, model: 'm', choices: [{ index: 0, message: { role: 'assistant', content: 'Hello' }, finish_reason: 'stop' }], usage: { prompt_tokens: 3, completion_tokens: 1, total_tokens: 4 } };
const converse = { output: { message: { role: 'assistant', content: [{ text: 'Hello' }] } }, stopReason: 'end_turn', usage: { inputTokens: 3, outputTokens: 1, totalTokens: 4 }, metrics: { latencyMs: 1 } };

const { privateKey, publicKey } = crypto.generateKeyPairSync('rsa', { modulusLength: 2048, privateKeyEncoding: { type: 'pkcs8', format: 'pem' }, publicKeyEncoding: { type: 'spki', format: 'pem' } });
const serviceAccount = (server) => ({ type: 'service_account', project_id: 'test-project', private_key_id: 'key-1', private_key: privateKey, client_email: 'robot@test-project.iam.gserviceaccount.com', token_uri: `${server.url}/token` });

/** Gives out token-1, token-2, ...; the provider takes those in `valid`. */
function google({ expiresIn = 3600, delay = 0 } = {}) {
  const state = { given: 0, valid: new Set(), expiresIn, delay };
  const routes = [
    [/^POST \/token/, () => {
      const token = `token-${++state.given}-of-google`;
      state.valid.add(token);
      return { json: { access_token: token, expires_in: state.expiresIn, token_type: 'Bearer' }, delay: state.delay, after: state.after };
    }],
    [/generateContent/, ({ headers }) => {
      const token = headers.authorization?.replace('Bearer ', '');
      return state.valid.has(token) ? { json: gemini } : { status: 401, json: { error: { code: 401, message: `Request had invalid authentication credentials: ${token}`, status: 'UNAUTHENTICATED' } } };
    }],
  ];
  return { state, routes };
}

const vertex = (server, name = 'vertex', more = {}) => ({ model_name: name, litellm_params: { model: 'vertex_ai/gemini-2.5-flash', api_base: server.url, vertex_project: 'test-project', vertex_location: 'us-central1', vertex_credentials: serviceAccount(server), ...more } });

/** A gateway with `models(server)` beside a server with these routes. */
async function withServer(routes, models, body, options = {}) {
  const server = await TokenServer.start(routes);
  try {
    await scene(
      async (own) => own(await Gateway.start({ ...options, config: { model_list: models(server), router_settings: { num_retries: 0, disable_cooldowns: true }, ...options.config }, env: { ...options.env?.(server) } })),
      (gateway) => body(gateway, server),
    );
  } finally {
    await server.stop();
  }
}

test('the Vertex token flow works against a local token server', async () => {
  const { routes } = google();
  await withServer(routes, (server) => [vertex(server)], async (gateway, server) => {
    const reply = await gateway.chat({ model: 'vertex' });
    assert.equal(reply.status, 200, reply.text);
    assert.equal(reply.json.choices[0].message.content, 'Hello');
    const [asked] = server.asked(/^POST \/token/);
    assert.equal(asked.headers['content-type'], 'application/x-www-form-urlencoded');
    assert.equal(asked.form.get('grant_type'), 'urn:ietf:params:oauth:grant-type:jwt-bearer');
    const [header, claims, signature] = asked.form.get('assertion').split('.');
    assert.ok(crypto.verify('sha256', Buffer.from(`${header}.${claims}`), publicKey, Buffer.from(signature, 'base64url')), 'the signature');
    assert.deepEqual(JSON.parse(Buffer.from(header, 'base64url')), { alg: 'RS256', typ: 'JWT', kid: 'key-1' });
    const said = JSON.parse(Buffer.from(claims, 'base64url'));
    assert.equal(said.iss, 'robot@test-project.iam.gserviceaccount.com');
    assert.equal(said.aud, `${server.url}/token`);
    assert.equal(said.scope, 'https://www.googleapis.com/auth/cloud-platform');
    assert.equal(said.exp - said.iat, 3600);
    assert.ok(Math.abs(said.iat - Date.now() / 1000) < 60);

    // Kept: further calls, streamed ones and a reload ask for no other.
    for (let i = 0; i < 5; ++i) assert.equal((await gateway.chat({ model: 'vertex' })).status, 200);
    assert.equal((await gateway.call('POST', '/config/reload')).status, 200);
    assert.equal((await gateway.chat({ model: 'vertex' })).status, 200);
    assert.equal(server.asked(/^POST \/token/).length, 1);
  });
});

test('a hundred calls that find no token cause one request for it, for two deployments that mean the same', async () => {
  const { routes } = google({ delay: 300 });
  await withServer(routes, (server) => [vertex(server, 'one'), vertex(server, 'two', { vertex_location: 'europe-west1' })], async (gateway, server) => {
    const replies = await Promise.all(Array.from({ length: 100 }, (_, i) => gateway.chat({ model: i % 2 ? 'one' : 'two' })));
    assert.deepEqual([...new Set(replies.map((reply) => reply.status))], [200]);
    assert.equal(server.asked(/^POST \/token/).length, 1);
    assert.equal(server.asked(/generateContent/).length, 100);
  }, { flags: ['--num_workers', '4'] });
});

test('a token is renewed before it ends, and no call waits for that', async () => {
  const { state, routes } = google({ expiresIn: 6 });
  await withServer(routes, (server) => [vertex(server)], async (gateway, server) => {
    assert.equal((await gateway.chat({ model: 'vertex' })).status, 200);
    let answer;
    state.after = new Promise((resolve) => (answer = resolve));
    // From half of its life on, a call asks for the next one and goes on with this one.
    const deadline = Date.now() + 5000;
    while (server.asked(/^POST \/token/).length < 2 && Date.now() < deadline) {
      assert.equal((await gateway.chat({ model: 'vertex' })).status, 200);
      await sleep(50);
    }
    assert.equal(server.asked(/^POST \/token/).length, 2);
    for (let i = 0; i < 3; ++i) {
      assert.equal((await gateway.chat({ model: 'vertex' })).status, 200);
      assert.match(server.asked(/generateContent/).at(-1).headers.authorization, /token-1-/);
    }
    answer();
    await until(async () => {
      assert.equal((await gateway.chat({ model: 'vertex' })).status, 200);
      return server.asked(/generateContent/).at(-1).headers.authorization.includes('token-2-');
    }, 'the new token');
    assert.equal(server.asked(/^POST \/token/).length, 2);
  });
});

test('a token taken back before its end is replaced once, and the call succeeds', async () => {
  const { state, routes } = google();
  await withServer(routes, (server) => [vertex(server)], async (gateway, server) => {
    assert.equal((await gateway.chat({ model: 'vertex' })).status, 200);
    state.valid.clear();
    const reply = await gateway.chat({ model: 'vertex' });
    assert.equal(reply.status, 200, reply.text);
    assert.equal(server.asked(/^POST \/token/).length, 2);
    // A provider that refuses every token is not the token's fault: one more request at most, and a clear 401.
    routes[1][1] = ({ headers }) => ({ status: 401, json: { error: { code: 401, message: `no: ${headers.authorization}`, status: 'UNAUTHENTICATED' } } });
    for (let i = 0; i < 5; ++i) {
      const refused = await gateway.chat({ model: 'vertex' });
      assert.equal(refused.status, 401, refused.text);
      assert.match(refused.json.error.message, /VertexAI/);
      assert.doesNotMatch(refused.text, /of-google/);
    }
    assert.ok(server.asked(/^POST \/token/).length <= 3);
  });
});

test('a token server that is away is a clear error, and calls succeed once it is back', async () => {
  const { routes } = google();
  await withServer(routes, (server) => [vertex(server)], async (gateway, server) => {
    await server.stop();
    const away = await gateway.chat({ model: 'vertex' });
    assert.equal(away.status, 503, away.text);
    assert.match(away.json.error.message, /the token server cannot be reached/);
    assert.doesNotMatch(away.text, /127\.0\.0\.1/);
    await server.restart();
    await until(async () => (await gateway.chat({ model: 'vertex' })).status === 200, 'the first call that succeeds');

    assert.match(gateway.stderr, /No access token: .*\/token/);
  });
  const refusing = [[/^POST \/token/, () => ({ status: 400, json: { error: 'invalid_grant', error_description: 'Invalid JWT Signature.' } })]];
  await withServer(refusing, (server) => [vertex(server)], async (gateway, server) => {
    const replies = await Promise.all(Array.from({ length: 50 }, () => gateway.chat({ model: 'vertex' })));
    for (const reply of replies) {
      assert.equal(reply.status, 401, reply.text);
      assert.match(reply.json.error.message, /VertexAIException - the token server refused the gateway's credential \(400\): invalid_grant: Invalid JWT Signature\./);
    }
    assert.equal(server.asked(/generateContent/).length, 0);
    assert.ok(server.asked(/^POST \/token/).length <= 3, `${server.asked(/^POST \/token/).length} requests`);
  });
});

test('a slow token server costs a call no more than its own time', async () => {
  const { routes, state } = google({ delay: 2000 });
  await withServer(routes, (server) => [vertex(server, 'vertex', { timeout: 0.5 })], async (gateway, server) => {
    const began = Date.now();
    const late = await gateway.chat({ model: 'vertex' });
    assert.equal(late.status, 408, late.text);
    assert.ok(Date.now() - began < 1500);
    state.delay = 0;
    await until(async () => (await gateway.chat({ model: 'vertex' })).status === 200, 'the token that was on its way');
    assert.equal(server.asked(/^POST \/token/).length, 1, 'the fetch went on without its caller');
  });
});

test('the metadata server and the well-known file are found as Google\'s libraries find them', async () => {
  const { routes } = google();
  routes.push([/^GET \/computeMetadata\/v1\/instance\/service-accounts\/default\/token/, ({ headers }) => (headers['metadata-flavor'] === 'Google' ? { json: { access_token: 'of-the-machine', expires_in: 3599, token_type: 'Bearer' } } : { status: 403 })]);
  const plain = (server) => [vertex(server, 'vertex', { vertex_credentials: null })];
  await withServer(routes, plain, async (gateway, server) => {
    const reply = await gateway.chat({ model: 'vertex' });
    assert.equal(server.asked(/generateContent/)[0].headers.authorization, 'Bearer of-the-machine', reply.text);
  }, { env: (server) => ({ GCE_METADATA_HOST: `127.0.0.1:${server.port}` }) });

  const home = temporaryDirectory();
  try {
    await withServer(routes, plain, async (gateway, server) => {
      fs.mkdirSync(path.join(home, '.config/gcloud'), { recursive: true });
      fs.writeFileSync(path.join(home, '.config/gcloud/application_default_credentials.json'), JSON.stringify({ type: 'authorized_user', client_id: 'id', client_secret: 'secret', refresh_token: 'refresh', token_uri: `${server.url}/token` }));
      const reply = await gateway.chat({ model: 'vertex' });
      assert.equal(reply.status, 200, reply.text);
      assert.equal(server.asked(/^POST \/token/)[0].form.get('grant_type'), 'refresh_token');
    }, { env: () => ({ HOME: home, GCE_METADATA_HOST: '127.0.0.1:1' }) });
  } finally {
    fs.rmSync(home, { recursive: true, force: true });
  }
});

/** What AWS checks, recomputed: the header's signature over the request as it arrived. */
function awsSignature(request, server, secret) {
  const [, scope, names] = /Credential=[^/]+\/(\S+), SignedHeaders=(\S+), /.exec(request.headers.authorization);
  const [method, target] = request.line.split(' ');
  const hash = (text) => crypto.createHash('sha256').update(text).digest('hex');
  const hmac = (key, text) => crypto.createHmac('sha256', key).update(text).digest();
  const headers = names.split(';').map((name) => `${name}:${name === 'host' ? `127.0.0.1:${server.port}` : request.headers[name].trim()}\n`).join('');
  const canonicalPath = target.split('/').map((part) => encodeURIComponent(part)).join('/');
  const canonical = [method, canonicalPath, '', headers, names, hash(request.body)].join('\n');
  const [day, region, service] = scope.split('/');
  const key = ['aws4_request'].reduce(hmac, hmac(hmac(hmac(`AWS4${secret}`, day), region), service));
  return hmac(key, ['AWS4-HMAC-SHA256', request.headers['x-amz-date'], scope, hash(canonical)].join('\n')).toString('hex');
}

test('a role of AWS is taken on at STS, and its keys sign the calls until they end', async () => {
  let given = 0;
  const routes = [
    [/^POST \/sts\/$/, ({ form }) => {
      ++given;
      const action = form.get('Action');
      return { headers: { 'content-type': 'text/xml' }, text: `<${action}Response><${action}Result><Credentials><AccessKeyId>ASIATEMP${given}</AccessKeyId><SecretAccessKey>temporary-secret-${given}</SecretAccessKey><SessionToken>temporary-session-${given}</SessionToken><Expiration>${new Date(Date.now() + 3600_000).toISOString()}</Expiration></Credentials></${action}Result></${action}Response>` };
    }],
    [/\/converse$/, ({ headers }) => (headers.authorization.includes(`ASIATEMP${given}/`) ? { json: converse } : { status: 403, json: { message: 'The security token included in the request is expired' }, headers: { 'x-amzn-errortype': 'ExpiredTokenException' } })],
  ];
  const models = (server) => [{ model_name: 'claude', litellm_params: { model: 'bedrock/converse/anthropic.claude-3-haiku-20240307-v1:0', api_base: server.url, aws_region_name: 'eu-west-1', aws_access_key_id: 'AKIAOWN', aws_secret_access_key: 'own-secret', aws_role_name: 'arn:aws:iam::123456789012:role/caller', aws_session_name: 'test', aws_external_id: 'outside', aws_sts_endpoint: `${server.url}/sts` } }];
  await withServer(routes, models, async (gateway, server) => {
    for (let i = 0; i < 3; ++i) {
      const reply = await gateway.chat({ model: 'claude' });
      assert.equal(reply.status, 200, reply.text);
    }
    const [asked] = server.asked(/^POST \/sts/);
    assert.equal(server.asked(/^POST \/sts/).length, 1);
    assert.equal(asked.form.get('Action'), 'AssumeRole');
    assert.equal(asked.form.get('RoleArn'), 'arn:aws:iam::123456789012:role/caller');
    assert.equal(asked.form.get('ExternalId'), 'outside');
    assert.match(asked.headers.authorization, /^AWS4-HMAC-SHA256 Credential=AKIAOWN\/\d{8}\/eu-west-1\/sts\/aws4_request/);
    assert.ok(asked.headers.authorization.endsWith(`Signature=${awsSignature(asked, server, 'own-secret')}`), 'the signature for STS');
    const [call] = server.asked(/converse/);
    assert.equal(call.headers['x-amz-security-token'], 'temporary-session-1');
    assert.ok(call.headers.authorization.endsWith(`Signature=${awsSignature(call, server, 'temporary-secret-1')}`), 'the signature for Bedrock');

    // The session is ended early: a new one, once, and the call succeeds.
    ++given;
    assert.equal((await gateway.chat({ model: 'claude' })).status, 200);
    assert.equal(server.asked(/^POST \/sts/).length, 2);
  });
});

test('an application of Entra is given its token by the authority', async () => {
  const routes = [
    [/^POST \/tenant-1\/oauth2\/v2\.0\/token/, ({ form }) => (form.get('client_secret') === 'application-secret' ? { json: { token_type: 'Bearer', expires_in: 3599, access_token: 'entra-token' } } : { status: 401, json: { error: 'invalid_client', error_description: `AADSTS7000215: Invalid client secret provided: ${form.get('client_secret')}` } })],
    [/chat\/completions/, ({ headers }) => (headers.authorization === 'Bearer entra-token' && !headers['api-key'] ? { json: openai } : { status: 401, json: { error: { code: '401', message: 'no' } } })],
  ];
  const model = (server, name, secret) => ({ model_name: name, litellm_params: { model: 'azure/my-deployment', api_base: server.url, api_version: '2024-10-21', tenant_id: 'tenant-1', client_id: 'app-1', client_secret: secret } });
  await withServer(routes, (server) => [model(server, 'good', 'application-secret'), model(server, 'bad', 'a-wrong-secret')], async (gateway, server) => {
    const reply = await gateway.chat({ model: 'good' });
    assert.equal(reply.status, 200, reply.text);
    const [asked] = server.asked(/oauth2/);
    assert.equal(asked.form.get('grant_type'), 'client_credentials');
    assert.equal(asked.form.get('scope'), 'https://cognitiveservices.azure.com/.default');
    const refused = await gateway.chat({ model: 'bad' });
    assert.equal(refused.status, 401, refused.text);
    assert.match(refused.json.error.message, /AADSTS7000215: Invalid client secret provided: \*\*\*/);
  }, { env: (server) => ({ AZURE_AUTHORITY_HOST: server.url }) });
});

test('keys of IBM and service principals of Databricks are exchanged; a Zen key is sent as one', async () => {
  const routes = [
    [/^POST \/identity\/token/, ({ form }) => (form.get('apikey') === 'ibm-api-key' ? { json: { access_token: 'iam-token', expires_in: 3600, token_type: 'Bearer' } } : { status: 400, json: { errorCode: 'BXNIM0415E', errorMessage: 'Provided API key could not be found.' } })],
    [/^POST \/oidc\/v1\/token/, ({ headers }) => (headers.authorization === `Basic ${Buffer.from('principal:principal-secret').toString('base64')}` ? { json: { access_token: 'workspace-token', expires_in: 3600, token_type: 'Bearer' } } : { status: 401 })],
    [/./, ({ headers }) => (['Bearer iam-token', 'Bearer workspace-token', 'ZenApiKey the-zen-key'].includes(headers.authorization) ? { json: openai } : { status: 401 })],
  ];
  const watsonx = (server, name, params) => ({ model_name: name, litellm_params: { model: 'watsonx/ibm/granite', api_base: server.url, watsonx_project_id: 'p', ...params } });
  const models = (server) => [watsonx(server, 'ibm', { api_key: 'ibm-api-key' }), watsonx(server, 'lost', { api_key: 'another-api-key' }), watsonx(server, 'zen', { zen_api_key: 'the-zen-key' }), { model_name: 'databricks', litellm_params: { model: 'databricks/m', api_base: `${server.url}/serving-endpoints`, client_id: 'principal', client_secret: 'principal-secret' } }];
  await withServer(routes, models, async (gateway, server) => {
    for (const model of ['ibm', 'zen', 'databricks']) {
      const reply = await gateway.chat({ model });
      assert.equal(reply.status, 200, `${model}: ${reply.text}`);
    }
    assert.equal(server.asked(/identity/)[0].form.get('grant_type'), 'urn:ibm:params:oauth:grant-type:apikey');
    assert.equal(server.asked(/oidc/)[0].form.get('scope'), 'all-apis');
    const lost = await gateway.chat({ model: 'lost' });
    assert.equal(lost.status, 401, lost.text);
    assert.match(lost.json.error.message, /Provided API key could not be found\./);
  }, { env: (server) => ({ WATSONX_IAM_URL: server.url }) });
});
