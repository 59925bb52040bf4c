// Every fixture of test/wire/chat against the types of the vendors' own packages: what we send, what we say they answer,
// and what an OpenAI client reads of it.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { validatorsOf } from './schemas.mjs';

const root = path.join(import.meta.dirname, '..', 'wire', 'chat');
const vendorOf = {
  openai: 'openai', azure: 'openai', anthropic: 'anthropic', gemini: 'gemini', vertex: 'gemini', bedrock: 'bedrock',
  cohere: 'cohere',
};
const shapes = Object.keys(vendorOf);
const validators = Object.fromEntries([...new Set(Object.values(vendorOf))].map((name) => [name, validatorsOf(name)]));

// What LiteLLM's callers know beyond OpenAI's types (docs/dialects.md), and members OpenAI declares as required that
// it leaves out itself.
const ours = {
  message: ['reasoning_content', 'thinking_blocks', 'provider_specific_fields', 'images'],
  delta: ['reasoning_content', 'thinking_blocks', 'provider_specific_fields', 'images', 'annotations', 'audio'],
  choice: ['provider_specific_fields'],
  usage: ['cache_read_input_tokens', 'cache_creation_input_tokens'],
  promptDetails: [
    'cache_creation_tokens', 'cache_creation_token_details', 'text_tokens', 'image_tokens', 'web_search_requests',
  ],
  completionDetails: ['text_tokens', 'image_tokens'],
  top: ['citations', 'search_results', 'provider_specific_fields', 'trace'],
};

function strip(object, names) {
  for (const name of names) delete object?.[name];
}

function asOpenAiSaysIt(answer) {
  strip(answer, ours.top);
  for (const choice of answer.choices ?? []) {
    strip(choice, ours.choice);
    strip(choice.message, ours.message);
    strip(choice.delta, ours.delta);
    if (choice.logprobs === undefined) choice.logprobs = null;
    if (choice.message && choice.message.refusal === undefined) choice.message.refusal = null;
  }
  strip(answer.usage, ours.usage);
  strip(answer.usage?.prompt_tokens_details, ours.promptDetails);
  strip(answer.usage?.completion_tokens_details, ours.completionDetails);
  return answer;
}

// Azure adds its filters' findings to OpenAI's shapes; its first chunk holds nothing else and is not read (spec 4.3).
function withoutAzureFilters(answer) {
  strip(answer, ['prompt_filter_results']);
  for (const choice of answer.choices ?? []) strip(choice, ['content_filter_results', 'content_filter_offsets']);
  return answer;
}

// Cohere's service begins with an empty message of every member; its package declares the role of it.
function withoutEmptyMembers(event) {
  if (event.type === 'message-start') strip(event.delta.message, ['content', 'tool_plan', 'tool_calls', 'citations']);
  return event;
}

function eventsOf(sse) {
  const found = [];
  for (const block of sse.split(/\r\n\r\n|\n\n|\r\r/)) {
    const data = block.split(/\r\n|\n|\r/).filter((line) => line.startsWith('data:')).map((line) => line.slice(5).trim());
    if (data.length > 0 && data[0] !== '[DONE]') found.push(JSON.parse(data.join('\n')));
  }
  return found;
}

function framesOf(lines) {
  return lines.split('\n').filter((line) => line.trim() && !line.startsWith('!')).map((line) => {
    const space = line.indexOf(' ');
    const payload = JSON.parse(line.slice(space + 1));
    delete payload.p; // Padding of random length, which the service model does not know.
    return { [line.slice(0, space)]: payload };
  });
}

// A file whose name says what it is checked as; nothing for files that are no dialect's.
function claimsOf(shape, name, text) {
  const vendor = validators[vendorOf[shape]];
  const what = name.slice(shape.length + 1);
  const plain = { azure: withoutAzureFilters, cohere: withoutEmptyMembers }[shape] ?? ((answer) => answer);
  if (what === 'request.http' || what === 'stream.http') {
    return [[vendor.Request, [JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4))]]];
  }
  if (what === 'reply.json') return [[vendor.Reply, [plain(JSON.parse(text))]]];
  if (what === 'reply.sse') {
    const events = eventsOf(text).filter((event) => event.type !== 'ping' && event.object !== '');
    return [[vendor.Event, events.map(plain)]];
  }
  if (what === 'reply.frames') return [[vendor.Event, framesOf(text)]];
  if (what === 'caller.json' && text.startsWith('{')) {
    return [[validators.openai.Reply, [asOpenAiSaysIt(plain(JSON.parse(text)))]]];
  }
  if (what === 'caller.sse') {
    const events = eventsOf(text).filter((event) => !event.error);
    return [[validators.openai.Event, events.map((event) => asOpenAiSaysIt(plain(event)))]];
  }
  return [];
}

// Fixtures about answers that keep no vendor's types: they are broken on purpose, and their directory says so.
function brokenOnPurpose(directory) {
  return fs.existsSync(path.join(root, directory, 'broken_on_purpose'));
}

let checked = 0;
for (const directory of fs.readdirSync(root).sort()) {
  if (!fs.statSync(path.join(root, directory)).isDirectory() || brokenOnPurpose(directory)) continue;
  test(`${directory} keeps the vendors' types`, () => {
    const faults = [];
    for (const name of fs.readdirSync(path.join(root, directory)).sort()) {
      const shape = name.split('.')[0];
      if (!shapes.includes(shape) || name === 'caller.json') continue;
      const text = fs.readFileSync(path.join(root, directory, name), 'utf8');
      for (const [validate, values] of claimsOf(shape, name, text)) {
        for (const value of values) {
          checked += 1;
          for (const fault of validate(value)) faults.push(`${name}: ${fault}`);
        }
      }
    }
    assert.deepEqual(faults, []);
  });
}

test('something was checked', () => assert.ok(checked > 300, `only ${checked} values`));
