// The official OpenAI client for Node on everything beside chat: embeddings in both encodings, images, edits, speech,
// transcriptions with a file, moderations; against providers of other dialects where the client cannot know it. Rerank by
// Cohere's own client.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { CohereClientV2 } from 'cohere-ai';
import OpenAI, { toFile } from 'openai';
import { RawProvider } from '../harness/raw_provider.mjs';
import { Gateway } from '../harness/turnpike.mjs';

let provider;
let gateway;
let client;
const vectors = [[0.25, -1.5, 0.1], [3, 0, -2]];
const sound = Buffer.from(Array.from({ length: 5000 }, (_, i) => i % 251));
const png = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==', 'base64');

const scripts = {
  floats: (turn) => turn.json(200, { object: 'list', data: vectors.map((embedding, index) => ({ object: 'embedding', index, embedding })), model: 'up', usage: { prompt_tokens: 4, total_tokens: 4 } }),
  google: (turn) => turn.json(200, { embeddings: vectors.map((values) => ({ values })) }),
  bedrock: (turn) => {
    const { inputText } = JSON.parse(turn.request.body);
    return turn.json(200, { embedding: vectors[inputText === 'a' ? 0 : 1], inputTextTokenCount: 1 });
  },
  imagen: (turn) => turn.json(200, { predictions: [{ mimeType: 'image/png', bytesBase64Encoded: png.toString('base64') }] }),
  edits: (turn) => turn.json(200, { created: 1, data: [{ b64_json: png.toString('base64') }], usage: { input_tokens: 3, output_tokens: 272, total_tokens: 275, input_tokens_details: { text_tokens: 3, image_tokens: 0 } } }),
  tts: async (turn) => {
    await turn.head(200, { 'content-type': 'audio/mpeg', 'transfer-encoding': 'chunked' });
    for (let at = 0; at < sound.length; at += 700) await turn.chunk(sound.subarray(at, at + 700));
    await turn.last();
  },
  stt: (turn) => turn.json(200, { text: `heard ${turn.request.bytes.length > 5000}`, usage: { type: 'duration', seconds: 3 } }),
  moderation: (turn) => turn.json(200, { id: 'modr-1', model: 'up', results: [{ flagged: true, categories: { violence: true }, category_scores: { violence: 0.9 } }] }),
  rank: (turn) => turn.json(200, { id: 'r', results: [{ index: 1, relevance_score: 0.9 }, { index: 0, relevance_score: 0.2 }], meta: { api_version: { version: '2' }, billed_units: { search_units: 1 } } }),
};

before(async () => {
  provider = await RawProvider.start();
  for (const [name, script] of Object.entries(scripts)) provider.on(name, script);
  const row = (name, model, below) => ({ model_name: name, litellm_params: { model, api_key: 'sk-provider-key-0123456789', api_base: below ? provider.base(name).slice(0, -3) : provider.base(name) } });
  gateway = await Gateway.start({
    config: {
      model_list: [
        row('floats', 'openai/text-embedding-3-small'),
        row('google', 'gemini/gemini-embedding-001', true),
        row('bedrock', 'bedrock/amazon.titan-embed-text-v2:0', true),
        row('imagen', 'gemini/imagen-4.0-generate-001', true),
        row('edits', 'openai/gpt-image-1'),
        row('tts', 'openai/tts-1'),
        row('stt', 'openai/whisper-1'),
        row('moderation', 'openai/omni-moderation-latest'),
        row('rank', 'cohere/rerank-v3.5', true),
      ],
    },
  });
  client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: await gateway.newKey({ max_budget: 5 }), maxRetries: 0 });
});
after(async () => {
  await gateway?.stop();
  await provider?.stop();
});

const rounded = (list) => list.map((number) => Math.fround(number));

for (const model of ['floats', 'google', 'bedrock']) {
  test(`embeddings of ${model}: the client's own base64 and plain numbers mean the same`, async () => {
    const encoded = await client.embeddings.create({ model, input: ['a', 'b'] });
    const plain = await client.embeddings.create({ model, input: ['a', 'b'], encoding_format: 'float' });
    assert.deepEqual(encoded.data.map((item) => Array.from(item.embedding)), vectors.map(rounded));
    assert.deepEqual(plain.data.map((item) => item.embedding), vectors);
    assert.deepEqual(plain.data.map((item) => item.index), [0, 1]);
    assert.equal(plain.model, model);
    assert.ok(plain.usage.prompt_tokens > 0);
  });
}

test('images.generate against Imagen', async () => {
  const made = await client.images.generate({ model: 'imagen', prompt: 'a cat', size: '1024x1024', response_format: 'b64_json' });
  assert.deepEqual(Buffer.from(made.data[0].b64_json, 'base64'), png);
  assert.match(provider.calls('imagen')[0].request.line, /\/models\/imagen-4\.0-generate-001:predict /);
});

test('images.edit with two files', async () => {
  const made = await client.images.edit({ model: 'edits', prompt: 'a hat', image: [await toFile(png, 'a.png', { type: 'image/png' }), await toFile(png, 'b.png', { type: 'image/png' })] });
  assert.equal(made.usage.output_tokens, 272);
  const sent = provider.calls('edits')[0].request.bytes.toString('latin1');
  assert.equal(sent.split(png.toString('latin1')).length - 1, 2, 'both images arrived whole');
  assert.match(sent, /name="model"\r\n\r\ngpt-image-1\r\n/);
});

test('audio.speech.create: the bytes of the provider', async () => {
  const reply = await client.audio.speech.create({ model: 'tts', voice: 'alloy', input: 'hello' });
  assert.equal(reply.headers.get('content-type'), 'audio/mpeg');
  assert.deepEqual(Buffer.from(await reply.arrayBuffer()), sound);
});

test('audio.transcriptions.create with a file', async () => {
  const text = await client.audio.transcriptions.create({ model: 'stt', file: await toFile(sound, 'speech.mp3', { type: 'audio/mpeg' }) });
  assert.equal(text.text, 'heard true');
  const sent = provider.calls('stt')[0].request.bytes;
  assert.ok(sent.includes(sound), 'the recording arrived whole');
});

test('moderations.create', async () => {
  const judged = await client.moderations.create({ model: 'moderation', input: 'x' });
  assert.equal(judged.results[0].flagged, true);
});

test('Cohere\'s own client reranks', async () => {
  const cohere = new CohereClientV2({ token: client.apiKey, environment: gateway.url });
  const ranked = await cohere.rerank({ model: 'rank', query: 'q', documents: ['a', 'b'], topN: 2 });
  assert.deepEqual(ranked.results.map((result) => [result.index, result.relevanceScore]), [[1, 0.9], [0, 0.2]]);
  assert.equal(ranked.meta.billedUnits.searchUnits, 1);
});
