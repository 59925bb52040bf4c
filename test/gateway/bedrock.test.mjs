// Bedrock as its own clients see it: each request that reaches the scripted provider is verified with botocore's signer,
// in a process of its own. What is asked and answered there, test/wire/chat shows.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import path from 'node:path';
import readline from 'node:readline';
import { after, before, test } from 'node:test';
import { Gateway, scene } from '../harness/turnpike.mjs';
import { bedrock, frame } from '../harness/shapes/bedrock.mjs';

const root = path.join(import.meta.dirname, '..', '..');
const keys = { aws_access_key_id: 'AKIDEXAMPLE', aws_secret_access_key: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' };

/** Asks botocore whether a request's signature is what it would have signed. */
class Verifier {
  constructor() {
    this.child = spawn('/usr/bin/python3', [path.join(root, 'test/harness/verify_sigv4.py')], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.lines = readline.createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
  }
  async verify({ method, url, headers, body }, secret = keys.aws_secret_access_key) {
    const { authorization } = headers;
    const access = /Credential=([^/]+)/.exec(authorization ?? '')?.[1] ?? '';
    this.child.stdin.write(`${JSON.stringify({ method, url, headers, body: body.toString('base64'), access_key: access, secret_key: secret })}\n`);
    return JSON.parse((await this.lines.next()).value);
  }
  async close() {
    this.child.stdin.end();
    await once(this.child, 'exit');
  }
}

/** Plays Bedrock's runtime; `answers` are taken in turn, then every call is greeted. */
class Runtime {
  static async start() {
    const runtime = Object.assign(new Runtime(), { seen: [], answers: [] });
    runtime.server = http.createServer(async (request, response) => {
      const pieces = [];
      for await (const piece of request) pieces.push(piece);
      runtime.seen.push({ method: request.method, url: `http://${request.headers.host}${request.url}`, headers: request.headers, body: Buffer.concat(pieces) });
      const answer = runtime.answers.shift();
      if (answer) return answer(response);
      const greeting = { text: 'Hello.', pieces: ['Hel', 'lo.'], input: 12, cached: 0, output: 3 };
      if (request.url.endsWith('/converse-stream')) {
        response.setHeader('content-type', bedrock.streamType);
        for (const piece of bedrock.stream(greeting)) response.write(piece);
        return response.end();
      }
      response.setHeader('content-type', 'application/json');
      if (request.url.endsWith('/invoke')) return response.end(JSON.stringify({ embedding: [0.5, -0.25], inputTextTokenCount: 3 }));
      return response.end(JSON.stringify(bedrock.reply(greeting)));
    });
    runtime.server.listen(0, '127.0.0.1');
    await once(runtime.server, 'listening');
    runtime.url = `http://127.0.0.1:${runtime.server.address().port}`;
    return runtime;
  }
  async close() {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }
}

let verifier;
let runtime;
before(async () => {
  verifier = new Verifier();
  runtime = await Runtime.start();
});
after(async () => {
  await verifier?.close();
  await runtime?.close();
});

const group = (name, model, more = {}) => ({ model_name: name, litellm_params: { model, api_base: runtime.url, ...keys, ...more } });
const prices = { input_cost_per_token: '0.000003', output_cost_per_token: '0.000015' };
const config = () => ({
  turnpike: { shutdown_grace: 0 },
  router_settings: { num_retries: 2, retry_after: 0 },
  model_list: [
    group('claude', 'bedrock/us.anthropic.claude-x-v1:0', { aws_region_name: 'eu-central-1', ...prices }),
    group('temporary', 'bedrock/eu-west-1/meta.llama-x', { aws_session_token: 'FwoGZXIvYXdzE+/=token', ...prices }),
    group('arn', 'bedrock/anthropic.claude-x', { model_id: 'arn:aws:bedrock:ap-southeast-2:123456789012:application-inference-profile/a1b2', ...prices }),
    group('keyed', 'bedrock/meta.llama-x', { aws_access_key_id: undefined, aws_secret_access_key: undefined, api_key: 'bedrock-api-key-0123456789', ...prices }),
    group('titan', 'bedrock/amazon.titan-embed-text-v2:0', { aws_region_name: 'us-east-1' }),
  ],
});
const asked = (more = {}) => ({ messages: [{ role: 'user', content: 'Grüße, 漢字 "x"\n' }], ...more });

test('the table of signatures is what this machine\'s botocore computes', () => {
  execFileSync('/usr/bin/python3', [path.join(root, 'tools/make_sigv4_cases.py'), '--check'], { stdio: 'pipe' });
});

test('every request carries a signature that botocore computes as well', async () => {
  await scene(
    (own) => Gateway.start({ config: config() }).then(own),
    async (gateway) => {
      const cases = [
        ['claude', {}, 'eu-central-1', '/model/us.anthropic.claude-x-v1%3A0/converse'],
        ['claude', { stream: true }, 'eu-central-1', '/model/us.anthropic.claude-x-v1%3A0/converse-stream'],
        ['temporary', {}, 'eu-west-1', '/model/meta.llama-x/converse'],
        ['arn', { stream: true }, 'ap-southeast-2', '/model/arn%3Aaws%3Abedrock%3Aap-southeast-2%3A123456789012%3Aapplication-inference-profile%2Fa1b2/converse-stream'],
      ];
      for (const [model, more, region, target] of cases) {
        runtime.seen = [];
        const reply = await gateway.chat(asked({ model, ...more }));
        assert.equal(reply.status, 200, reply.text);
        assert.equal(reply.headers.get('content-type'), more.stream ? 'text/event-stream; charset=utf-8' : 'application/json');
        assert.match(reply.text, more.stream ? /Hel.*lo\./s : /Hello\./);
        const [request] = runtime.seen;
        assert.equal(new URL(request.url).pathname, target);
        const verdict = await verifier.verify(request);
        assert.ok(verdict.good, JSON.stringify(verdict));
        assert.deepEqual([verdict.service, verdict.region], ['bedrock', region]);
        assert.equal(request.headers['x-amz-security-token'], model === 'temporary' ? 'FwoGZXIvYXdzE+/=token' : undefined);
        // The verifier can tell: a byte more in the body, another path, another secret.
        for (const other of [{ ...request, body: Buffer.concat([request.body, Buffer.from(' ')]) }, { ...request, url: `${request.url}x` }]) {
          assert.equal((await verifier.verify(other)).good, false);
        }
        assert.equal((await verifier.verify(request, 'another secret')).good, false);
      }
      await gateway.stop();
    },
  );
});

test('embeddings through InvokeModel are signed like chat', async () => {
  await scene(
    (own) => Gateway.start({ config: config() }).then(own),
    async (gateway) => {
      runtime.seen = [];
      const reply = await gateway.call('POST', '/v1/embeddings', { body: { model: 'titan', input: 'Grüße' } });
      assert.equal(reply.status, 200, reply.text);
      assert.deepEqual(JSON.parse(reply.text).data[0].embedding, [0.5, -0.25]);
      const verdict = await verifier.verify(runtime.seen[0]);
      assert.ok(verdict.good, JSON.stringify(verdict));
      assert.equal(new URL(runtime.seen[0].url).pathname, '/model/amazon.titan-embed-text-v2%3A0/invoke');
      await gateway.stop();
    },
  );
});

test('a Bedrock key travels as it is, without a signature', async () => {
  await scene(
    (own) => Gateway.start({ config: config() }).then(own),
    async (gateway) => {
      runtime.seen = [];
      const reply = await gateway.chat(asked({ model: 'keyed' }));
      assert.equal(reply.status, 200, reply.text);
      assert.equal(runtime.seen[0].headers.authorization, 'Bearer bedrock-api-key-0123456789');
      assert.equal(runtime.seen[0].headers['x-amz-date'], undefined);
      await gateway.stop();
    },
  );
});

test('exceptions before the first byte are tried again and signed anew; in the middle of a stream they end it', async () => {
  const refuse = (status, type, message) => (response) => {
    response.writeHead(status, { 'content-type': 'application/json', 'x-amzn-errortype': `${type}:http://internal.amazon.com/` });
    response.end(JSON.stringify({ message }));
  };
  await scene(
    (own) => Gateway.start({ config: config() }).then(own),
    async (gateway) => {
      runtime.seen = [];
      runtime.answers = [refuse(424, 'ModelErrorException', 'The model failed.'), refuse(503, 'ServiceUnavailableException', 'Down.')];
      const reply = await gateway.chat(asked({ model: 'claude' }));
      assert.equal(reply.status, 200, reply.text);
      assert.equal(runtime.seen.length, 3);
      for (const request of runtime.seen) assert.ok((await verifier.verify(request)).good);

      runtime.seen = [];
      runtime.answers = [refuse(400, 'ValidationException', 'Input is too long for requested model.')];
      const long = await gateway.chat(asked({ model: 'claude' }));
      assert.equal(long.status, 400);
      assert.match(long.text, /ContextWindowExceededError: .*BedrockException - Input is too long/);
      assert.equal(runtime.seen.length, 1);

      const begun = [frame('messageStart', { role: 'assistant' }), frame('contentBlockDelta', { contentBlockIndex: 0, delta: { text: 'Hel' } })];
      runtime.answers = [(response) => {
        response.setHeader('content-type', bedrock.streamType);
        for (const piece of begun) response.write(piece);
        response.end();
      }];
      const cut = await gateway.chat(asked({ model: 'claude', stream: true }));
      assert.match(cut.text, /"content":"Hel"/);
      assert.match(cut.text, /"type":"upstream_stream_error"/);
      assert.doesNotMatch(cut.text, /"finish_reason":"stop"/);
      await gateway.stop();
    },
  );
});
