// What a provider says in header fields of another try: x-should-retry, and the limits that a 429 without Retry-After
// shows as used up. Whole and as a stream.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { RawProvider, goodReply, goodStream } from '../harness/raw_provider.mjs';
import { Gateway, deployment } from '../harness/turnpike.mjs';

const error = (message) => ({ error: { message, type: 'server_error', param: null, code: null } });
const answer = (turn) => (/"stream":\s*true/.test(turn.request.body) ? turn.sse(goodStream) : turn.json(200, goodReply));
/** Refuses the first call of each pair and answers the second. */
const onceRefused = (status, headers) => (turn, number) => (number % 2 === 1 ? turn.json(status, error('not now'), headers) : answer(turn));
const refused = (status, headers) => (turn) => turn.json(status, error('no'), headers);

let provider;
let gateway;

before(async () => {
  provider = await RawProvider.start();
  const one = (name, script) => deployment(name, provider.on(name, script));
  const two = (name, script) => [one(name, script), deployment(name, provider.on(`${name}-second`, script))];
  gateway = await Gateway.start({
    config: {
      model_list: [
        one('repeat', onceRefused(400, { 'x-should-retry': 'true' })),
        ...two('leave', refused(503, { 'x-should-retry': 'false' })),
        one('soon', onceRefused(429, { 'x-ratelimit-remaining-requests': '0', 'x-ratelimit-reset-requests': '1s', 'x-ratelimit-remaining-tokens': '99', 'x-ratelimit-reset-tokens': '6m0s' })),
        one('late', refused(429, { 'x-ratelimit-remaining-tokens': '0', 'x-ratelimit-reset-tokens': '6m0s' })),
      ],
      router_settings: { num_retries: 2 },
    },
  });
});

after(async () => {
  await gateway?.stop();
  await provider?.stop();
});

for (const stream of [false, true]) {
  const way = stream ? 'streamed' : 'whole';
  const asked = (name) => provider.calls(name).length;

  test(`x-should-retry: true has a refused request repeated, ${way}`, async () => {
    const before = asked('repeat');
    const reply = await gateway.chat({ model: 'repeat', stream });
    assert.equal(reply.status, 200, reply.text);
    assert.equal(asked('repeat') - before, 2);
    assert.equal(reply.headers.get('x-litellm-attempted-retries'), '1');
  });

  test(`x-should-retry: false ends the tries in the group, ${way}`, async () => {
    const before = asked('leave') + asked('leave-second');
    const reply = await gateway.chat({ model: 'leave', stream });
    assert.equal(reply.status, 503, reply.text);
    assert.equal(asked('leave') + asked('leave-second') - before, 1);
  });

  test(`a 429 without Retry-After waits for the limit that is used up, ${way}`, async () => {
    const began = Date.now();
    const reply = await gateway.chat({ model: 'soon', stream });
    assert.equal(reply.status, 200, reply.text);
    const took = Date.now() - began;
    assert.ok(took >= 1000 && took < 4000, `one second and up to 0.75 of jitter: ${took}`);
  });
}

test('AC-RETRY-3: the wait that the limits show is passed on, and kept', async () => {
  const first = await gateway.chat({ model: 'late' });
  assert.equal(first.status, 429, first.text);
  assert.equal(first.headers.get('retry-after'), '360');
  const probe = await gateway.chat({ model: 'late' }); // One call may look whether the provider is back.
  assert.equal(probe.status, 429);
  assert.equal(provider.calls('late').length, 2);
});
