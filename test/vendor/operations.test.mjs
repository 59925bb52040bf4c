// The fixtures of test/wire/operations against the types of the vendors' own packages, as far as a package declares the wire:
// OpenAI's and Cohere's requests and answers, and what OpenAI's and Cohere's clients read of everybody's.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { validatorsOf } from './schemas.mjs';

const root = path.join(import.meta.dirname, '..', 'wire', 'operations');
const types = validatorsOf('operations', [
  'OpenAiEmbeddingRequest', 'OpenAiEmbeddingReply', 'OpenAiImageRequest', 'OpenAiImageReply', 'OpenAiModerationRequest',
  'OpenAiTranscriptionReply', 'CohereEmbeddingRequest', 'CohereEmbeddingReply', 'CohereRerankRequest', 'CohereRerankReply',
]);

// By directory: what the vendor is sent and says, and what every caller reads.
const cases = {
  embedding: { openai: ['OpenAiEmbeddingRequest', 'OpenAiEmbeddingReply'], azure: ['OpenAiEmbeddingRequest', 'OpenAiEmbeddingReply'], cohere: ['CohereEmbeddingRequest', 'CohereEmbeddingReply'], caller: 'OpenAiEmbeddingReply' },
  embedding_base64: { openai: ['OpenAiEmbeddingRequest'], cohere: ['CohereEmbeddingRequest', 'CohereEmbeddingReply'] },
  rerank: { cohere: ['CohereRerankRequest', 'CohereRerankReply'], azure_ai: ['CohereRerankRequest', 'CohereRerankReply'], caller: 'CohereRerankReply' },
  image_generation: { openai: ['OpenAiImageRequest', 'OpenAiImageReply'], azure: ['OpenAiImageRequest', 'OpenAiImageReply'], caller: 'OpenAiImageReply' },
  image_edit: { openai: [undefined, 'OpenAiImageReply'], azure: [undefined, 'OpenAiImageReply'], caller: 'OpenAiImageReply' },
  moderation: { openai: ['OpenAiModerationRequest'] },
  transcription: { openai: [undefined, 'OpenAiTranscriptionReply'] },
};

/** Bodies of the requests in one golden file. */
const bodies = (text) => text.split('\r\n\r\n').slice(1).map((part) => JSON.parse(part.split('\n\n')[0]));

// Members of ours or of one vendor beyond the type that all are held to.
function asTypedCaller(directory, name, text) {
  const answer = JSON.parse(text.trimEnd().endsWith('}') ? text : `${text},"usage":{"prompt_tokens":1,"total_tokens":1}}`);
  if (directory === 'embedding' && name === 'mistral') {
    delete answer.id;
    delete answer.usage.completion_tokens;
  }
  if (directory === 'rerank') {
    for (const result of answer.results) delete result.document;
    delete answer.meta?.billed_units?.total_tokens;
  }
  return answer;
}

let checked = 0;
for (const [directory, { caller, ...vendors }] of Object.entries(cases)) {
  test(`${directory} keeps the vendors' types`, () => {
    const faults = [];
    const check = (file, type, value) => {
      checked += 1;
      for (const fault of types[type](value)) faults.push(`${file}: ${fault}`);
    };
    const read = (file) => fs.readFileSync(path.join(root, directory, file), 'utf8');
    for (const [vendor, [request, reply]] of Object.entries(vendors)) {
      if (request) for (const body of bodies(read(`${vendor}.request.http`))) check(`${vendor}.request.http`, request, body);
      if (reply) check(`${vendor}.reply.json`, reply, JSON.parse(read(`${vendor}.reply.json`)));
    }
    for (const file of fs.readdirSync(path.join(root, directory)).filter((name) => caller && name.endsWith('.caller.json'))) {
      check(file, caller, asTypedCaller(directory, file.split('.')[0], read(file)));
    }
    assert.deepEqual(faults, []);
  });
}

test('something was checked', () => assert.ok(checked > 50, `only ${checked} values`));
