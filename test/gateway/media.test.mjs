// AC-SEC-6: files that callers name by URL are fetched for providers that take bytes only, and nothing but the public
// internet, and what the operator allows, is ever asked.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { test } from 'node:test';
import { TokenServer } from '../harness/token_server.mjs';
import { Gateway, scene, until } from '../harness/turnpike.mjs';

const png = Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), crypto.randomBytes(500)]);
const large = Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), crypto.randomBytes(3 << 20)]);
const message = { id: 'msg_1', type: 'message', role: 'assistant', model: 'claude', content: [{ type: 'text', text: 'A picture' }], stop_reason: 'end_turn', stop_sequence: null, usage: { input_tokens: 10, output_tokens: 2 } };

const files = [
  [/^GET \/picture/, () => ({ bytes: png, headers: { 'content-type': 'application/octet-stream' } })],
  [/^GET \/large/, () => ({ bytes: large, headers: { 'content-type': 'image/png' } })],
  [/^GET \/endless/, () => ({ bytes: large, chunked: true, headers: { 'content-type': 'image/png' } })],
  [/^GET \/slow/, () => ({ bytes: png, delay: 3000 })],
  [/^GET \/unknown/, () => ({ text: 'hello', headers: { 'content-type': 'application/octet-stream' } })],
  [/^GET \/hops\/([1-9])/, ({ line }) => ({ status: 302, headers: { location: Number(line.at(-1)) > 1 ? `/hops/${Number(line.at(-1)) - 1}` : '/picture' } })],
];

/** A gateway whose one model is Claude, played by a server of its own; `host` serves the files. */
async function withHost(settings, body, { routes = [], router = {} } = {}) {
  const host = await TokenServer.start([...routes, ...files]);
  const provider = await TokenServer.start([[/^POST \/v1\/messages/, () => provider.answers.shift() ?? { json: message }]]);
  provider.answers = [];
  const model = { model_name: 'claude', litellm_params: { model: 'anthropic/claude-sonnet-4-5', api_base: provider.url, api_key: 'sk-ant-key-0123456789' } };
  try {
    await scene(
      async (own) => own(await Gateway.start({ config: { model_list: [model], router_settings: { num_retries: 0, disable_cooldowns: true, ...router }, turnpike: settings(host) } })),
      (gateway) => body(gateway, host, provider),
    );
  } finally {
    await host.stop();
    await provider.stop();
  }
}

const show = (gateway, urls, more = {}, options = {}) => gateway.chat({ model: 'claude', messages: [{ role: 'user', content: [{ type: 'text', text: 'What is it?' }, ...[urls].flat().map((url) => ({ type: 'image_url', image_url: { url } }))] }], ...more }, options);

function assertRefused(reply, why, at = 1) {
  assert.equal(reply.status, 400, reply.text);
  assert.equal(reply.json.error.param, `messages[0].content[${at}].image_url.url`);
  assert.match(reply.json.error.message, why);
}

test('no address but a public one is asked, however it is written', async () => {
  await withHost(() => ({}), async (gateway, host, provider) => {
    const { port } = host;
    for (const url of [
      `http://127.0.0.1:${port}/picture`, `http://localhost:${port}/picture`, `http://2130706433:${port}/picture`, `http://0x7f.1:${port}/picture`, `http://0177.0.0.1:${port}/picture`, `http://127.1:${port}/picture`,
      `http://0.0.0.0:${port}/picture`, `http://[::1]:${port}/picture`, `http://[::]:${port}/picture`, `http://[::ffff:127.0.0.1]:${port}/picture`, `http://[64:ff9b::127.0.0.1]:${port}/picture`,
      'http://169.254.169.254/latest/meta-data/', 'http://[fd00:ec2::254]/latest/meta-data/', 'http://100.100.100.200/', 'http://168.63.129.16/', 'http://10.0.0.1/a.png', 'http://192.168.1.1/a.png', 'http://172.16.0.1/a.png', 'http://[fe80::1]/a.png', 'http://[fc00::1]/a.png',
      'http://8.8.8.8:22/a.png', 'http://224.0.0.1/a.png',
    ]) assertRefused(await show(gateway, url), /cannot be fetched: only hosts on the public internet are asked, at ports 80 and 443/);
    assertRefused(await show(gateway, `http://user:password@127.0.0.1:${port}/picture`), /holds credentials/);
    assert.equal(host.requests.length, 0);
    assert.equal(provider.requests.length, 0);
    assert.match(await gateway.metrics(), /^turnpike_media_refused_total 23$/m);
  });
});

test('what the operator allows is fetched, with nothing of the caller\'s', async () => {
  await withHost(() => ({ media_fetch_allow: ['127.0.0.1'] }), async (gateway, host, provider) => {
    const reply = await show(gateway, `${host.url}/picture?size=1`, {});
    assert.equal(reply.status, 200, reply.text);
    const sent = JSON.parse(provider.requests[0].body).messages[0].content[1];
    assert.deepEqual(sent, { type: 'image', source: { type: 'base64', media_type: 'image/png', data: png.toString('base64') } });
    assert.equal(host.requests[0].line, 'GET /picture?size=1');
    assert.deepEqual(Object.keys(host.requests[0].headers).sort(), ['accept', 'accept-encoding', 'host', 'user-agent']);
    // Long ones too, and several.
    const more = await show(gateway, [`${host.url}/large`, `${host.url}/picture`]);
    assert.equal(more.status, 200, more.text);
    assert.equal(JSON.parse(provider.requests[1].body).messages[0].content[1].source.data, large.toString('base64'));
    assert.match(await gateway.metrics(), /^turnpike_media_fetched_total 3$/m);
    for (const [name, why] of [['nothing', /its host answers 404/], ['unknown', /neither its host nor its bytes say what it is/]]) {
      assertRefused(await show(gateway, [`${host.url}/picture`, `${host.url}/${name}`]), why, 2);
    }
  });
});

test('each redirect is checked like the first URL', async () => {
  const inside = await TokenServer.start(files, '127.0.0.2');
  try {
    const routes = [[/^GET \/inside/, () => ({ status: 307, headers: { location: `${inside.url}/picture` } })], [/^GET \/file/, () => ({ status: 301, headers: { location: 'file:///etc/passwd' } })], [/^GET \/nowhere/, () => ({ status: 302 })]];
    await withHost(() => ({ media_fetch_allow: ['127.0.0.1/32'] }), async (gateway, host, provider) => {
      assertRefused(await show(gateway, `${host.url}/inside`), /only hosts on the public internet are asked, at ports 80 and 443/);
      assertRefused(await show(gateway, `${host.url}/file`), /it is no http or https URL/);
      assertRefused(await show(gateway, `${host.url}/nowhere`), /it is no http or https URL/);
      assert.equal(inside.requests.length, 0);
      assertRefused(await show(gateway, `${host.url}/hops/4`), /it is redirected too often/);
      assert.equal(provider.requests.length, 0);
      assert.equal((await show(gateway, `${host.url}/hops/3`)).status, 200);
    }, { routes });
  } finally {
    await inside.stop();
  }
});

test('files are limited in number, size and time', async () => {
  await withHost(() => ({ media_fetch_allow: ['127.0.0.1'], media_fetch_count_max: 2, media_fetch_bytes_max: '2MiB', media_fetch_call_bytes_max: 900, media_fetch_timeout: 0.5 }), async (gateway, host, provider) => {
    const url = (name) => `${host.url}/${name}`;
    assertRefused(await show(gateway, url('large')), /it is longer than 2 MiB \(turnpike\.media_fetch_bytes_max\)/);
    assertRefused(await show(gateway, url('endless')), /media_fetch_call_bytes_max|media_fetch_bytes_max/);
    const both = await show(gateway, [url('picture?1'), url('picture?2')]);
    assertRefused(both, /the files of the call are longer than 900 bytes/, both.json.error.param.includes('[2]') ? 2 : 1);
    assertRefused(await show(gateway, url('slow')), /it takes longer than turnpike\.media_fetch_timeout allows/);
    assertRefused(await show(gateway, [url('picture?1'), url('picture?2'), url('picture?3')]), /a call may name 2 files by URL/, 3);
    assert.equal(provider.requests.length, 0);
    assert.equal((await show(gateway, url('picture'))).status, 200);
  });
  // The call's own time ends the wait as well, as a time-out of the call.
  await withHost(() => ({ media_fetch_allow: ['127.0.0.1'] }), async (gateway, host, provider) => {
    const reply = await show(gateway, `${host.url}/slow`, { timeout: 0.3 });
    assert.equal(reply.status, 408, reply.text);
    assert.equal(provider.requests.length, 0);
  });
});

test('several files are fetched at once, and the first that fails ends the others', async () => {
  let asked;
  const all = new Promise((resolve) => (asked = resolve));
  const routes = [
    [/^GET \/together\/[1-4]/, () => ({ bytes: png, after: all })],
    [/^GET \/never/, () => ({ after: new Promise(() => {}) })],
  ];
  await withHost(() => ({ media_fetch_allow: ['127.0.0.1'] }), async (gateway, host, provider) => {
    const reply = show(gateway, [1, 2, 3, 4, 5].map((i) => `${host.url}/${i < 5 ? 'together' : 'picture'}/${i}`));
    await until(() => host.requests.length === 4, 'four requests that wait for each other');
    asked();
    assert.equal((await reply).status, 200);
    assert.deepEqual(JSON.parse(provider.requests[0].body).messages[0].content.map((part) => part.type), ['text', 'image', 'image', 'image', 'image', 'image']);
    assertRefused(await show(gateway, [`${host.url}/never/1`, `${host.url}/never/2`, `${host.url}/nothing`]), /its host answers 404/, 3);
    await until(() => host.sockets.size === 0, 'the connections of the others to close');
    // So does a caller who goes.
    const gone = new AbortController();
    const left = show(gateway, [`${host.url}/never/3`, `${host.url}/never/4`], {}, { signal: gone.signal }).catch((error) => error);
    await until(() => host.asked(/never\/4/).length === 1, 'the requests');
    gone.abort();
    await left;
    await until(() => host.sockets.size === 0, 'the connections to close');
    assert.equal(provider.requests.length, 1);
  }, { routes });
});

test('a file is fetched once for all attempts of its call', async () => {
  await withHost(() => ({ media_fetch_allow: ['127.0.0.1'] }), async (gateway, host, provider) => {
    provider.answers.push({ status: 500, json: { type: 'error', error: { type: 'api_error', message: 'once more' } } });
    const reply = await show(gateway, `${host.url}/picture`);
    assert.equal(reply.status, 200, reply.text);
    assert.equal(provider.requests.length, 2);
    assert.equal(host.requests.length, 1);
  }, { router: { num_retries: 1 } });
});
