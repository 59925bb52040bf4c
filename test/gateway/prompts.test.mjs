// Prompts and answers beside the entries: shown to whoever may see the entry, without secrets, and only where they are
// to be kept.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { FakeProvider, Gateway, deployment, until } from '../harness/turnpike.mjs';

let fake;
let gateway;
const start = (general_settings = {}, litellm_settings = {}) =>
  Gateway.start({
    config: {
      model_list: [deployment('gpt', fake.base('prompt_tokens=5,tokens=2')), deployment('broken', fake.base('status=500'))],
      router_settings: { num_retries: 0, disable_cooldowns: true },
      general_settings: { store_prompts_in_spend_logs: true, ...general_settings },
      litellm_settings,
      turnpike: { shutdown_grace: 0 },
    },
  });

before(async () => {
  fake = await FakeProvider.start();
  gateway = await start();
});
after(async () => {
  await gateway?.stop();
  await fake?.stop();
});

const metric = async (name, of = gateway) => Number(new RegExp(`^${name} (\\d+)`, 'm').exec((await of.call('GET', '/metrics')).text)[1]);
const log = async (call, of = gateway) => {
  const reply = await of.call('GET', `/spend/logs?request_id=${call.headers.get('x-litellm-call-id')}`);
  assert.equal(reply.status, 200, reply.text);
  return reply.json[0];
};
/** The log of a call whose texts are stored a moment after it has ended. */
const kept = (call) =>
  until(async () => {
    const row = await log(call);
    return row.proxy_server_request.model ? row : undefined;
  }, 'texts to be stored');

test('a call shows what was asked and answered', async () => {
  const messages = [{ role: 'user', content: 'who goes there?' }];
  const call = await gateway.chat({ model: 'gpt', messages, metadata: { tags: ['x'] }, num_retries: 0 });
  assert.equal(call.status, 200, call.text);
  const row = await kept(call);
  assert.deepEqual(row.messages, messages);
  assert.deepEqual(row.response, call.json);
  assert.deepEqual(row.proxy_server_request, { model: 'gpt', messages, metadata: { tags: ['x'] } });
  const shown = await gateway.call('GET', `/spend/logs/ui/${call.headers.get('x-litellm-call-id')}`);
  assert.deepEqual(shown.json, { messages, response: call.json, proxy_server_request: row.proxy_server_request });
  const listed = (await gateway.call('GET', '/spend/logs?limit=50')).json.find((entry) => entry.request_id === row.request_id);
  assert.deepEqual(listed.messages, messages);
  const long = (await gateway.call('GET', '/spend/logs?limit=500')).json.find((entry) => entry.request_id === row.request_id);
  assert.deepEqual(long.messages, {}, 'long lists go without');
});

test('a stream shows the whole answer, a failure what was asked', async () => {
  const streamed = await gateway.stream({ model: 'gpt' });
  assert.equal(streamed.status, 200, streamed.text);
  const text = streamed.events.map((event) => event.choices?.[0]?.delta?.content ?? '').join('');
  assert.notEqual(text, '');
  const row = await kept(streamed);
  assert.equal(row.response.object, 'chat.completion');
  assert.equal(row.response.choices[0].message.content, text);
  assert.equal(row.response.choices[0].finish_reason, 'stop');
  const failed = await gateway.chat({ model: 'broken', messages: [{ role: 'user', content: 'hi' }] });
  assert.equal(failed.status, 500);
  const why = await kept(failed);
  assert.deepEqual(why.response, {});
  assert.equal(why.messages[0].content, 'hi');
});

test('long texts are cut, those of others are not shown', async () => {
  const key = await gateway.newKey();
  const call = await gateway.chat({ model: 'gpt', messages: [{ role: 'user', content: 'x'.repeat(3000) }] }, { key });
  const row = await kept(call);
  assert.equal(row.messages[0].content, `${'x'.repeat(2048)}... (952 bytes left out)`);
  const target = `/spend/logs/ui/${call.headers.get('x-litellm-call-id')}`;
  assert.equal((await gateway.call('GET', target, { key: await gateway.newKey() })).status, 404);
  assert.deepEqual((await gateway.call('GET', target, { key })).json.messages, row.messages);
});

test('nothing is kept of who wants none of it', async () => {
  const stored = await metric('turnpike_prompts_stored_total');
  const redacted = await gateway.chat({ model: 'gpt' }, { headers: { 'x-litellm-enable-message-redaction': 'true' } });
  const last = await gateway.chat({ model: 'gpt' });
  await kept(last); // Calls of before are stored before it.
  assert.deepEqual((await log(redacted)).proxy_server_request, {});
  assert.equal((await metric('turnpike_prompts_stored_total')) - stored, 1);
  for (const of of [await start({ store_prompts_in_spend_logs: false }), await start({}, { turn_off_message_logging: true })]) {
    try {
      const call = await of.chat({ model: 'gpt' });
      assert.equal(call.status, 200, call.text);
      assert.deepEqual((await log(call, of)).messages, {});
      assert.equal(await metric('turnpike_prompts_stored_total', of), 0);
      assert.equal(await metric('turnpike_prompts_dropped_total', of), 0);
    } finally {
      await of.stop();
    }
  }
});
