// Embeddings, rerank, moderations, images, speech and transcriptions from end to end: what the provider is asked, what the
// caller gets, what the ledger says to the nanodollar, and what happens when the budget, the provider or the caller does
// not play along. Providers are scripts on bare sockets.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Books, nano } from '../harness/books.mjs';
import { RawProvider } from '../harness/raw_provider.mjs';
import { Gateway, runBinary } from '../harness/turnpike.mjs';

let provider;
let gateway;

const providerKey = 'sk-provider-key-0123456789';
/** A deployment of `model` on the script `name`; its prices are the list's. */
const served = (name, model, params = {}) => ({ model_name: name, litellm_params: { model, api_base: provider.base(name), api_key: providerKey, ...params } });
/** The same on the bare host of the script, for dialects that are not below /v1. */
const below = (name, model, params = {}) => served(name, model, { api_base: provider.base(name).replace(/\/v1$/, ''), ...params });

const json = (reply, status = 200) => (turn) => turn.json(status, reply);

/** A WAV file of `ms` milliseconds of silence: 8 kHz, 8 bit, one channel. */
function wav(ms) {
  const data = Buffer.alloc(8 * ms, 128);
  const head = Buffer.alloc(44);
  head.write('RIFF', 0);
  head.writeUInt32LE(36 + data.length, 4);
  head.write('WAVEfmt ', 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(1, 22);
  head.writeUInt32LE(8000, 24);
  head.writeUInt32LE(8000, 28);
  head.writeUInt16LE(1, 32);
  head.writeUInt16LE(8, 34);
  head.write('data', 36);
  head.writeUInt32LE(data.length, 40);
  return Buffer.concat([head, data]);
}

const sound = Buffer.from(Array.from({ length: 3000 }, (_, i) => (i * 7) % 256));

const scripts = {
  embed: json({ object: 'list', data: [{ object: 'embedding', index: 0, embedding: [0.25, -1.5] }], model: 'up', usage: { prompt_tokens: 5, total_tokens: 5 } }),
  cohere: (turn, call) => turn.json(200, { id: `c${call}`, embeddings: { float: JSON.parse(turn.request.body).texts.map((_, i) => [i, call]) }, texts: [], meta: { billed_units: { input_tokens: 100 } } }),
  half: (turn, call) => (call === 1 ? turn.json(200, { id: 'h', embeddings: { float: JSON.parse(turn.request.body).texts.map(() => [1]) }, meta: { billed_units: { input_tokens: 96 } } }) : turn.json(500, { message: 'internal error' })),
  gemini: json({ embeddings: [{ values: [1, 2] }, { values: [3, 4] }] }),
  ranked: json({ id: 'r1', results: [{ index: 1, relevance_score: 0.9 }, { index: 0, relevance_score: 0.1 }], meta: { billed_units: { search_units: 1 } } }),
  moderated: json({ id: 'm1', model: 'up', results: [{ flagged: false, categories: {}, category_scores: {} }] }),
  dalle: json({ created: 1, data: [{ url: 'https://images.example/1' }, { url: 'https://images.example/2' }] }),
  gptimage: json({ created: 1, data: [{ b64_json: 'AAAA' }], usage: { input_tokens: 10, output_tokens: 1056, total_tokens: 1066, input_tokens_details: { text_tokens: 10, image_tokens: 0 } } }),
  edited: json({ created: 1, data: [{ b64_json: 'AAAA' }], usage: { input_tokens: 310, output_tokens: 1056, total_tokens: 1366, input_tokens_details: { text_tokens: 10, image_tokens: 300 } } }),
  drawn: async (turn) => {
    await turn.sseHead();
    await turn.chunk('event: image_generation.partial_image\ndata: {"type":"image_generation.partial_image","b64_json":"AA","partial_image_index":0}\n\n');
    await turn.chunk('event: image_generation.completed\ndata: {"type":"image_generation.completed","b64_json":"AAAA","usage":{"input_tokens":10,"output_tokens":272,"total_tokens":282,"input_tokens_details":{"text_tokens":10,"image_tokens":0}}}\n\n');
    await turn.last();
  },
  spoken: async (turn) => {
    await turn.head(200, { 'content-type': 'audio/mpeg', 'transfer-encoding': 'chunked' });
    for (let at = 0; at < sound.length; at += 1000) await turn.chunk(sound.subarray(at, at + 1000));
    await turn.last();
  },
  cut: async (turn) => {
    await turn.head(200, { 'content-type': 'audio/mpeg', 'transfer-encoding': 'chunked' });
    await turn.chunk(sound.subarray(0, 1000));
    turn.reset();
  },
  endless: async (turn) => {
    await turn.head(200, { 'content-type': 'audio/mpeg', 'transfer-encoding': 'chunked' });
    await turn.chunk(sound.subarray(0, 1000));
    await turn.gone();
  },
  disguised: json({ error: { message: 'no such voice', type: 'invalid_request_error' } }),
  whisper: json({ text: 'hello', usage: { type: 'duration', seconds: 7 } }),
  subtitles: async (turn) => {
    const text = '1\n00:00:00,000 --> 00:00:02,000\nhello\n';
    await turn.head(200, { 'content-type': 'text/plain; charset=utf-8', 'content-length': text.length });
    await turn.write(text);
  },
  transcribed: json({ text: 'hello', usage: { type: 'tokens', input_tokens: 50, output_tokens: 12, total_tokens: 62, input_token_details: { text_tokens: 10, audio_tokens: 40 } } }),
  deepgram: json({ metadata: { request_id: 'd1', duration: 2.5 }, results: { channels: [{ alternatives: [{ transcript: 'hello', words: [] }] }] } }),
  refusing: json({ error: { message: 'You exceeded your quota', type: 'requests', code: 'rate_limit_exceeded' } }, 429),
};

before(async () => {
  provider = await RawProvider.start();
  for (const [name, script] of Object.entries(scripts)) provider.on(name, script);
  gateway = await Gateway.start({
    config: {
      model_list: [
        served('embed', 'openai/text-embedding-3-small'),
        below('cohere', 'cohere/embed-english-v3.0'),
        below('half', 'cohere/embed-english-v3.0'),
        below('gemini', 'gemini/gemini-embedding-001'),
        below('ranked', 'cohere/rerank-english-v3.0'),
        served('moderated', 'openai/omni-moderation-latest'),
        served('dalle', 'openai/dall-e-3'),
        served('gptimage', 'openai/gpt-image-1'),
        served('edited', 'openai/gpt-image-1'),
        served('drawn', 'openai/gpt-image-1'),
        served('spoken', 'openai/tts-1'),
        served('cut', 'openai/tts-1'),
        served('endless', 'openai/tts-1'),
        served('disguised', 'openai/tts-1'),
        served('whisper', 'openai/whisper-1'),
        served('subtitles', 'openai/whisper-1'),
        served('transcribed', 'openai/gpt-4o-transcribe', { input_cost_per_audio_token: 0.000006 }),
        served('deepgram', 'deepgram/nova-2'),
        served('refusing', 'openai/dall-e-3'),
        served('unpriced', 'openai/some-image-model', { api_base: 'https://api.openai.com/v1' }),
      ],
      router_settings: { num_retries: 0 },
    },
  });
});

after(async () => {
  await gateway?.stop();
  await provider?.stop();
});

/** One call of a key of its own, as the ledger has it afterwards. */
async function told(path, body, { budget, headers } = {}) {
  const books = await Books.open(gateway, budget === undefined ? {} : { max_budget: budget });
  const isForm = body instanceof FormData;
  const reply = await fetch(gateway.url + path, {
    method: 'POST',
    headers: books.sign({ authorization: `Bearer ${books.key}`, ...(isForm ? {} : { 'content-type': 'application/json' }), ...headers }),
    body: isForm ? body : JSON.stringify(body),
  });
  const bytes = Buffer.from(await reply.arrayBuffer());
  let value;
  try {
    value = JSON.parse(bytes.toString());
  } catch {
    value = undefined;
  }
  return { status: reply.status, headers: reply.headers, bytes, json: value, books };
}

function form(fields, file = wav(2000), name = 'a.wav', field = 'file', type = 'audio/wav') {
  const data = new FormData();
  for (const [key, value] of Object.entries(fields)) data.append(key, value);
  if (file) data.append(field, new Blob([file], { type }), name);
  return data;
}

/** The row must say this call type and cost, and the books must balance. */
async function costs(call, type, nanodollars, marks) {
  assert.equal(call.status, 200, call.bytes.toString());
  const row = await call.books.row();
  assert.equal(row.call_type, type);
  assert.equal(nano(row.spend), nanodollars);
  if (marks !== undefined) assert.equal(row.turnpike.marks, marks);
  await call.books.close(nanodollars);
  return row;
}

test('embeddings: numbers as they came, base64 where the provider has numbers only', async () => {
  const call = await told('/v1/embeddings', { model: 'embed', input: 'hi' });
  await costs(call, 'aembedding', 5 * 20); // $0.02 per million
  assert.deepEqual(call.json.data[0].embedding, [0.25, -1.5]);
  assert.equal(call.json.model, 'embed');
  const encoded = await told('/v1/embeddings', { model: 'embed', input: 'hi', encoding_format: 'base64' });
  assert.equal(encoded.json.data[0].embedding, Buffer.from(new Float32Array([0.25, -1.5]).buffer).toString('base64'));
});

test('embeddings: a hundred texts are two requests to Cohere, one row, one sum', async () => {
  const call = await told('/v1/embeddings', { model: 'cohere', input: Array.from({ length: 100 }, (_, i) => `text ${i}`), dimensions: 256 });
  await costs(call, 'aembedding', 200 * 100); // $0.10 per million
  assert.equal(call.json.data.length, 100);
  assert.deepEqual(call.json.data.map((item) => item.index), Array.from({ length: 100 }, (_, i) => i));
  assert.equal(call.json.usage.prompt_tokens, 200);
  const asked = provider.calls('cohere').map((one) => JSON.parse(one.request.body));
  assert.deepEqual(asked.map((body) => body.texts.length), [96, 4]);
  assert.equal(asked[0].output_dimension, 256);
  assert.equal(asked[0].input_type, 'search_document');
});

test('embeddings: when a later request of a call fails, the earlier one is booked and the call has failed', async () => {
  const call = await told('/v1/embeddings', { model: 'half', input: Array.from({ length: 97 }, () => 'x') });
  assert.equal(call.status, 500, call.bytes.toString());
  const row = await call.books.row();
  assert.equal(row.status, 'failure');
  assert.equal(row.prompt_tokens, 96);
  await call.books.close(96 * 100);
  assert.equal(provider.calls('half').length, 2);
});

test('embeddings: more texts than a call may be split for are refused', async () => {
  const call = await told('/v1/embeddings', { model: 'cohere', input: Array.from({ length: 96 * 256 + 1 }, () => 'x') });
  assert.equal(call.status, 400);
  assert.match(call.json.error.message, /at most 96 .* 256 requests/);
});

test('embeddings: Gemini says no usage; the caller reads what was counted and booked', async () => {
  const call = await told('/v1/embeddings', { model: 'gemini', input: ['hello world', 'again'] });
  const row = await costs(call, 'aembedding', 3 * 150, 'estimated'); // $0.15 per million, 3 tokens
  assert.equal(row.prompt_tokens, 3);
  assert.deepEqual(call.json.usage, { prompt_tokens: 3, total_tokens: 3 });
  const { request } = provider.calls('gemini')[0];
  assert.match(request.line, /:batchEmbedContents /);
  assert.equal(request.headers['x-goog-api-key'], providerKey);
});

test('rerank: by the search unit, in any of its three paths; documents come back when asked for', async () => {
  for (const path of ['/rerank', '/v1/rerank', '/v2/rerank']) {
    const call = await told(path, { model: 'ranked', query: 'q', documents: ['a', { text: 'b' }], top_n: 2, return_documents: true });
    await costs(call, 'arerank', 2_000_000); // $0.002
    assert.deepEqual(call.json.results, [
      { index: 1, relevance_score: 0.9, document: { text: 'b' } },
      { index: 0, relevance_score: 0.1, document: { text: 'a' } },
    ]);
    assert.equal(call.json.meta.billed_units.search_units, 1);
  }
  assert.match(provider.calls('ranked')[0].request.line, /\/v2\/rerank /);
});

test('moderations are free and need no model when the operator has named one', async () => {
  const call = await told('/v1/moderations', { model: 'moderated', input: 'hi' });
  await costs(call, 'amoderation', 0, 'free');
  assert.equal(call.json.results[0].flagged, false);
  const unnamed = await told('/moderations', { input: 'hi' });
  assert.equal(unnamed.status, 400);
  assert.match(unnamed.json.error.message, /omni-moderation-latest/);
});

test('images: size and quality decide the price, n multiplies it', async () => {
  const call = await told('/v1/images/generations', { model: 'dalle', prompt: 'a cat', n: 2, size: '1024x1792', quality: 'hd' });
  const row = await costs(call, 'aimage_generation', Math.round(2 * 1024 * 1792 * 65.39), ''); // 6.539e-08 a pixel
  const { images, image_quality, image_width, image_height } = row.metadata.usage_object;
  assert.deepEqual([images, image_quality, image_width, image_height], [2, 'hd', 1024, 1792], 'what the bill can be made of again');
  assert.equal(JSON.parse(provider.calls('dalle')[0].request.body).model, 'dall-e-3');
  const plain = await told('/images/generations', { model: 'dalle', prompt: 'a cat' });
  await costs(plain, 'aimage_generation', Math.round(2 * 1024 * 1024 * 38.1469)); // the script answers two
  const verified = await runBinary(['ledger', 'verify', '--config', gateway.file, '--data_dir', path.join(gateway.directory, 'data')], { ms: 60_000 });
  assert.equal(verified.code, 0, verified.stdout + verified.stderr);
  const [, again, all] = /^ok +V8 +each attempt .*\((\d+) of (\d+) billed again/m.exec(verified.stdout) ?? assert.fail(verified.stdout);
  assert.ok(Number(again) >= 2 && again === all, `${again} of ${all}`);
});

test('images: tokens where the provider says them', async () => {
  const call = await told('/v1/images/generations', { model: 'gptimage', prompt: 'a cat', quality: 'medium' });
  await costs(call, 'aimage_generation', 10 * 5_000 + 1056 * 40_000);
});

test('images: a stream of partial images is passed on, its usage booked', async () => {
  const call = await told('/v1/images/generations', { model: 'drawn', prompt: 'a cat', stream: true, partial_images: 1 });
  assert.match(call.headers.get('content-type'), /^text\/event-stream/);
  assert.match(call.bytes.toString(), /partial_image_index[^]*image_generation\.completed/);
  await costs(call, 'aimage_generation', 10 * 5_000 + 272 * 40_000);
});

test('image edits: the form arrives with another model and every other byte', async () => {
  const image = Buffer.from([137, 80, 78, 71, 0, 255, 13, 10, 45, 45]);
  const call = await told('/v1/images/edits', form({ model: 'edited', prompt: 'a hat', tags: '["mine"]' }, image, 'a.png', 'image', 'image/png'));
  await costs(call, 'aimage_edit', 10 * 5_000 + 300 * 10_000 + 1056 * 40_000);
  const { request } = provider.calls('edited')[0];
  assert.match(request.headers['content-type'], /^multipart\/form-data; boundary=/);
  const sent = request.bytes.toString('latin1');
  assert.match(sent, /name="model"\r\n\r\ngpt-image-1\r\n/);
  assert.ok(sent.includes(image.toString('latin1')), 'the image is whole');
  assert.ok(!sent.includes('name="tags"'), 'what speaks to the gateway stays here');
});

test('speech: sound as it came, by the character, settled before the last byte', async () => {
  const call = await told('/v1/audio/speech', { model: 'spoken', input: 'héllo', voice: 'alloy' });
  await costs(call, 'aspeech', 5 * 15_000, ''); // $15 per million characters
  assert.equal(call.headers.get('content-type'), 'audio/mpeg');
  assert.deepEqual(call.bytes, sound);
});

test('speech: an error in a 200 is an error, a broken one is cut and booked', async () => {
  const refused = await told('/v1/audio/speech', { model: 'disguised', input: 'hello', voice: 'none' });
  assert.equal(refused.status, 400, refused.bytes.toString());
  assert.match(refused.json.error.message, /no such voice/);
  await refused.books.close(0);
  const books = await Books.open(gateway);
  await assert.rejects(async () => {
    const reply = await fetch(`${gateway.url}/v1/audio/speech`, { method: 'POST', headers: books.sign({ authorization: `Bearer ${books.key}` }), body: JSON.stringify({ model: 'cut', input: 'hello', voice: 'alloy' }) });
    await reply.arrayBuffer();
  });
  const row = await books.row();
  assert.equal(row.status, 'failure');
  await books.close(5 * 15_000);
});

test('speech: a caller who goes ends the provider\'s work within a second and pays what was begun', async () => {
  const books = await Books.open(gateway);
  const gone = new AbortController();
  const reply = await fetch(`${gateway.url}/v1/audio/speech`, { method: 'POST', headers: books.sign({ authorization: `Bearer ${books.key}` }), body: JSON.stringify({ model: 'endless', input: 'hello', voice: 'alloy' }), signal: gone.signal });
  const reader = reply.body.getReader();
  await reader.read();
  const [call] = provider.calls('endless');
  const left = Date.now();
  gone.abort();
  await call.gone;
  assert.ok(call.goneAt - left < 1000, `${call.goneAt - left} ms`);
  const row = await books.row();
  assert.match(row.turnpike.marks, /client_disconnected/);
  await books.close(5 * 15_000);
});

test('transcriptions: by the second that the provider says', async () => {
  const call = await told('/v1/audio/transcriptions', form({ model: 'whisper', language: 'en' }));
  await costs(call, 'atranscription', 7 * 100_000, 'hold_exceeded'); // $0.0001 a second; the two of the recording were held
  assert.equal(call.json.text, 'hello');
  const sent = provider.calls('whisper')[0].request.bytes;
  assert.ok(sent.includes(wav(2000)), 'the recording is whole');
  assert.match(sent.toString('latin1'), /name="model"\r\n\r\nwhisper-1\r\n/);
  assert.match(sent.toString('latin1'), /name="language"\r\n\r\nen\r\n/);
});

test('transcriptions: subtitles say no length; the recording does', async () => {
  const call = await told('/v1/audio/translations', form({ model: 'subtitles', response_format: 'srt' }));
  await costs(call, 'atranslation', 2 * 100_000, 'estimated');
  assert.match(call.headers.get('content-type'), /^text\/plain/);
  assert.match(call.bytes.toString(), /-->/);
  assert.match(provider.calls('subtitles')[0].request.line, /\/audio\/translations /);
});

test('transcriptions: by tokens heard and written', async () => {
  const call = await told('/v1/audio/transcriptions', form({ model: 'transcribed' }));
  await costs(call, 'atranscription', 10 * 2_500 + 40 * 6_000 + 12 * 10_000);
});

test('transcriptions: Deepgram gets the recording and nothing else', async () => {
  const call = await told('/v1/audio/transcriptions', form({ model: 'deepgram', language: 'de', punctuate: 'true' }));
  assert.deepEqual(call.json, { text: 'hello', usage: { type: 'duration', seconds: 2.5 } });
  const row = await call.books.row();
  assert.equal(row.call_type, 'atranscription');
  const { request } = provider.calls('deepgram')[0];
  assert.match(request.line, /^POST \/deepgram\/v1\/listen\?model=nova-2&language=de&punctuate=true /);
  assert.equal(request.headers.authorization, `Token ${providerKey}`);
  assert.equal(request.headers['content-type'], 'audio/wav');
  assert.deepEqual(request.bytes, wav(2000));
  await call.books.close(2.5 * 71_670); // $0.00007167 a second
});

const calls = {
  '/v1/embeddings': () => ({ model: 'embed', input: 'hi '.repeat(50) }),
  '/v1/rerank': () => ({ model: 'ranked', query: 'q', documents: ['a'] }),
  '/v1/images/generations': () => ({ model: 'dalle', prompt: 'a cat' }),
  '/v1/images/edits': () => form({ model: 'edited', prompt: 'a hat' }, Buffer.from('x'), 'a.png', 'image', 'image/png'),
  '/v1/audio/speech': () => ({ model: 'spoken', input: 'hello there', voice: 'alloy' }),
  '/v1/audio/transcriptions': () => form({ model: 'whisper' }),
};

test('every operation refuses a spent budget and a wrong key before the provider is asked', async () => {
  for (const [path, body] of Object.entries(calls)) {
    const asked = provider.all.length;
    const spent = await told(path, body(), { budget: 0 });
    assert.equal(spent.status, 429, `${path} ${spent.bytes}`);
    assert.equal(spent.json.error.type, 'budget_exceeded', path);
    const sent = body();
    const wrong = await fetch(gateway.url + path, { method: 'POST', headers: { authorization: 'Bearer sk-nobody' }, body: sent instanceof FormData ? sent : JSON.stringify(sent) });
    assert.equal(wrong.status, 401, path);
    await wrong.arrayBuffer();
    assert.equal(provider.all.length, asked, `${path}: nobody was asked`);
  }
});

test('a budget holds what an image will cost: the second of two dear ones does not fit', async () => {
  const call = await told('/v1/images/generations', { model: 'dalle', prompt: 'a cat', n: 2, size: '1024x1792', quality: 'hd' }, { budget: 0.3 });
  assert.equal(call.status, 200, call.bytes.toString());
  const reply = await gateway.call('POST', '/v1/images/generations', { key: call.books.key, headers: call.books.sign(), body: { model: 'dalle', prompt: 'a cat', n: 2, size: '1024x1792', quality: 'hd' } });
  assert.ok([200, 429].includes(reply.status));
  const third = await gateway.call('POST', '/v1/images/generations', { key: call.books.key, body: { model: 'dalle', prompt: 'a cat', n: 2, size: '1024x1792', quality: 'hd' } });
  assert.equal(third.status, 429, third.text);
  assert.equal(third.json.error.type, 'budget_exceeded');
});

test('a model whose images have no price is refused on a budget', async () => {
  const call = await told('/v1/images/generations', { model: 'unpriced', prompt: 'a cat' });
  assert.equal(call.status, 400);
  assert.match(call.json.error.message, /price/);
});

test('a provider\'s refusal keeps its meaning', async () => {
  const call = await told('/v1/images/generations', { model: 'refusing', prompt: 'a cat' });
  assert.equal(call.status, 429);
  assert.match(call.json.error.message, /^litellm\.RateLimitError: RateLimitError: OpenAIException|You exceeded your quota/);
  await call.books.close(0);
});

test('forms beyond their limits and forms that redirect are refused', async () => {
  const many = new FormData();
  for (let i = 0; i < 101; ++i) many.append(`f${i}`, 'x');
  const tooMany = await told('/v1/audio/transcriptions', many);
  assert.equal(tooMany.status, 400);
  assert.match(tooMany.json.error.message, /100 parts/);
  const redirecting = await told('/v1/audio/transcriptions', form({ model: 'whisper', api_base: 'http://elsewhere.example' }));
  assert.equal(redirecting.status, 400);
  assert.match(redirecting.json.error.message, /api_base/);
  const boundary = 'b'.repeat(71);
  const long = await gateway.call('POST', '/v1/audio/transcriptions', { headers: { 'content-type': `multipart/form-data; boundary=${boundary}` }, body: `--${boundary}--\r\n` });
  assert.equal(long.status, 400);
  assert.match(long.json.error.message, /70 characters/);
  const fileless = await told('/v1/audio/transcriptions', form({ model: 'whisper' }, null));
  assert.equal(fileless.status, 400);
  assert.match(fileless.json.error.message, /'file' is required/);
});
