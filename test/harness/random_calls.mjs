// Random OpenAI chat requests over the whole surface. Each text that the caller writes carries a marker word of its own, so
// that a test can ask whether it arrived, and how often.
import { oddText } from './random.mjs';

const png = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==';
const blanks = ['', ' ', '\n\t ', '\u0020\u0020'];

class Writer {
  constructor(chance) {
    this.chance = chance;
    this.marks = [];
    this.odd = []; // What OpenAI itself refuses.
    this.made = 0;
  }
  /** A marker word; `must`: exactly (once), once at most (may). */
  mark(where, must = 'once') {
    this.made += 1;
    const word = `mk${this.made}q${this.chance.int(100, 999)}z`;
    this.marks.push({ word, where, must });
    return word;
  }
  text(where, must) {
    return oddText(this.chance, this.mark(where, must));
  }
  blank() {
    return this.chance.pick(blanks);
  }
  cache(value) {
    if (this.caching && this.chance.one(8)) value.cache_control = { type: 'ephemeral', ...(this.chance.one(3) ? { ttl: this.chance.pick(['5m', '1h']) } : {}) };
    return value;
  }
  textPart(where, must) {
    return this.cache({ type: 'text', text: this.chance.one(8) ? this.blank() : this.text(where, must) });
  }
}

function userPart(w) {
  const { chance } = w;
  switch (chance.int(0, 9)) {
    case 0:
    case 1: {
      const url = `data:image/${chance.pick(['png', 'png', 'jpg'])};base64,${png}`;
      return w.cache({ type: 'image_url', image_url: chance.one(6) ? url : { url, ...(chance.one(3) ? { detail: chance.pick(['low', 'high', 'auto']) } : {}) } });
    }
    case 2: {
      if (!w.files) break;
      const data = chance.pick([
        () => `data:application/pdf;base64,${Buffer.from('%PDF-1.4 tiny').toString('base64')}`,
        () => `data:text/plain;base64,${Buffer.from(w.mark('file')).toString('base64')}`,
      ])();
      return w.cache({ type: 'file', file: { file_data: data, filename: chance.pick(['a.pdf', 'Über (1).txt', 'x']) } });
    }
    case 3:
      if (!w.audio) break;
      return { type: 'input_audio', input_audio: { data: Buffer.from('RIFF0000WAVE').toString('base64'), format: 'wav' } };
    default:
  }
  return w.textPart('user');
}

const named = (w, message) => (w.chance.one(10) ? { ...message, name: 'speaker_1' } : message);

function plainMessage(w, role) {
  const { chance } = w;
  const write = role === 'user' ? () => userPart(w) : () => w.textPart(role);
  let content;
  if (chance.one(12)) content = w.blank();
  else if (chance.one(2)) content = w.text(role);
  else content = chance.list(1, 3, write);
  return w.cache(named(w, { role, content }));
}

const idLetters = ['call_', 'a.b:c/', 'é', ' ', 'toolu_01', '-', '"', 'x'.repeat(45), 'functions.get:0', '漢'];
function toolId(w) {
  w.made += 1;
  const id = `${w.chance.list(0, 3, () => w.chance.pick(idLetters)).join('')}${w.made}`;
  return w.chance.one(8) ? `${id}__thought__c2lnbmF0dXJl` : id;
}

function argumentsText(w) {
  const { chance } = w;
  switch (chance.int(0, 9)) {
    case 0: return '';
    case 1: return '{}';
    case 2: return `{"text": ${JSON.stringify(w.text('arguments'))}, "cut`; // As models leave them.
    case 3: return `[${JSON.stringify(w.text('arguments'))}]`;
    default: return JSON.stringify({ city: w.text('arguments'), n: chance.int(0, 9), deep: { list: [null, true, 1.5e3] } }, null, chance.pick([0, 1]));
  }
}

function assistantMessage(w, names) {
  const { chance } = w;
  const message = { role: 'assistant' };
  const calls = names.length > 0 && chance.one(2) ? chance.list(1, 3, () => ({ id: toolId(w), type: 'function', function: { name: chance.pick(names), arguments: argumentsText(w) } })) : [];
  if (calls.length > 0) message.tool_calls = calls;
  switch (chance.int(0, 6)) {
    case 0: message.content = calls.length > 0 ? null : w.text('assistant'); break;
    case 1: message.content = w.blank(); break;
    case 2: message.content = chance.list(1, 2, () => w.textPart('assistant')); break;
    case 3:
      if (calls.length > 0) break;
      if (chance.one(2)) message.content = [{ type: 'refusal', refusal: w.text('refusal') }];
      else Object.assign(message, { content: null, refusal: w.text('refusal') });
      break;
    default: message.content = w.text('assistant');
  }
  if (message.content === undefined && calls.length === 0) message.content = w.text('assistant');
  if (chance.one(5)) {
    message.thinking_blocks = chance.list(1, 2, () => {
      if (chance.one(4)) return { type: 'redacted_thinking', data: Buffer.from('hidden').toString('base64') };
      const signed = chance.one(2);
      return { type: 'thinking', thinking: w.text(signed ? 'signed thinking' : 'thinking', 'may'), ...(signed ? { signature: 'c2lnbmF0dXJl' } : {}) };
    });
    if (chance.one(2)) message.reasoning_content = w.text('reasoning', 'may');
  } else if (chance.one(8)) {
    message.reasoning_content = w.text('reasoning', 'may');
  }
  return w.cache(named(w, message));
}

function results(w, calls) {
  const { chance } = w;
  const asked = chance.shuffled(calls);
  if (chance.one(12)) {
    asked.pop();
    w.odd.push('a call without its result');
  }
  return asked.map((call) => {
    const content = chance.pick([
      () => w.blank(), () => chance.list(1, 2, () => w.textPart('result')), () => JSON.stringify({ answer: w.text('result') }), () => w.text('result'), () => w.text('result'),
    ])();
    return w.cache({ role: 'tool', tool_call_id: call.id, content });
  });
}

function legacyTurn(w, names) {
  const name = w.chance.pick(names);
  return [
    { role: 'assistant', content: w.chance.one(2) ? null : w.text('assistant'), function_call: { name, arguments: argumentsText(w) } },
    { role: 'function', name, content: w.text('result') },
  ];
}

function history(w, names) {
  const { chance } = w;
  const messages = [];
  for (let left = chance.int(1, 7); left > 0; left -= 1) {
    const kind = chance.int(0, 9);
    if (kind < 4) messages.push(plainMessage(w, 'user'));
    else if (kind < 6) messages.push(plainMessage(w, chance.pick(['system', 'developer'])));
    else if (kind === 9 && w.legacy && names.length > 0) messages.push(...legacyTurn(w, names));
    else {
      const message = assistantMessage(w, names);
      messages.push(message);
      if (message.tool_calls) {
        const answers = results(w, message.tool_calls);
        if (answers.length > 0 && chance.one(15)) {
          answers.splice(chance.int(0, answers.length - 1), 0, plainMessage(w, 'user'));
          w.odd.push('a turn between call and result');
        }
        messages.push(...answers);
      }
    }
  }
  if (!chance.one(6)) messages.push({ role: 'user', content: w.text('user') });
  return messages;
}

function schema(w, depth = 0) {
  const { chance } = w;
  const leaf = () => chance.pick([
    () => ({ type: 'string', minLength: 1, pattern: '^[a-z]+$' }),
    () => ({ type: ['string', 'null'] }),
    () => ({ type: 'string', enum: ['a', 'b', 'é'] }),
    () => ({ type: 'integer', minimum: 0, maximum: 9 }),
    () => ({ enum: ['x', 'y'] }),
    () => ({ const: 'fixed' }),
    () => ({ anyOf: [{ type: 'string' }, { type: 'null' }] }),
    () => ({ type: 'string', format: 'date-time' }),
    () => ({ type: 'boolean', default: false }),
    () => ({ type: 'number', nullable: true }),
  ])();
  const node = () => {
    if (depth > 1 || chance.one(2)) return leaf();
    if (chance.one(3)) return { type: 'array', items: chance.one(2) ? { type: 'array', items: leaf() } : schema(w, depth + 1), maxItems: 5 };
    if (chance.one(4)) return { oneOf: [leaf(), schema(w, depth + 1)] };
    if (chance.one(4)) return { allOf: [{ type: 'object', properties: { z: leaf() } }] };
    return schema(w, depth + 1);
  };
  const keys = chance.shuffled(['city', 'wind_speed', 'ü', '$odd', 'n']).slice(0, chance.int(0, 3));
  const value = { type: 'object', properties: Object.fromEntries(keys.map((key) => [key, node()])) };
  if (chance.one(2)) value.required = keys;
  if (chance.one(2)) value.additionalProperties = false;
  if (depth === 0 && chance.one(4)) {
    value.$defs = { Place: { type: 'object', properties: { name: { type: 'string' } }, required: ['name'], additionalProperties: false } };
    value.properties.place = { $ref: '#/$defs/Place' };
    if (chance.one(2)) value.properties.places = { type: 'array', items: { $ref: '#/$defs/Place' } };
    if (value.required) value.required = Object.keys(value.properties);
  }
  if (depth === 0 && chance.one(6)) value.$schema = 'http://json-schema.org/draft-07/schema#';
  return value;
}

const toolNames = ['get_weather', 'a', '_private', 'get-time', '9lives', 'x'.repeat(64), 'Search2', 'json_tool', 'A_b-C'];
const oddNames = ['math.add', 'get weather', 'été', 'ns:tool', 'a/b', 'y'.repeat(90)];

function tools(w, body) {
  const { chance } = w;
  if (chance.one(3)) return [];
  const names = chance.shuffled(chance.one(5) ? [...toolNames, ...oddNames] : toolNames).slice(0, chance.int(1, 4));
  const functions = names.map((name) => ({
    name,
    ...(chance.one(4) ? {} : { description: chance.one(8) ? '' : w.text('description', 'may') }),
    ...(chance.one(8) ? {} : { parameters: schema(w) }),
    ...(chance.one(6) ? { strict: chance.one(2) } : {}),
  }));
  if (w.legacy) {
    body.functions = functions.map(({ strict, ...rest }) => rest);
    if (chance.one(2)) body.function_call = chance.pick(['auto', 'none', { name: names[0] }]);
    return names;
  }
  body.tools = functions.map((own) => w.cache({ type: 'function', function: own }));
  if (chance.one(2)) {
    const one = { type: 'function', function: { name: chance.pick(names) } };
    body.tool_choice = chance.pick([
      'auto', 'none', 'required', one,
      { type: 'allowed_tools', allowed_tools: { mode: chance.pick(['auto', 'required']), tools: [one] } },
    ]);
  }
  if (chance.one(4)) body.parallel_tool_calls = chance.one(2);
  return names;
}

function parameters(w, body) {
  const { chance } = w;
  const maybe = (times, name, make) => {
    if (chance.one(times)) body[name] = make();
  };
  maybe(3, 'temperature', () => chance.pick([0, 0.2, 1, 0.99999, 1]));
  maybe(5, 'top_p', () => chance.pick([0.1, 0.95, 0.99]));
  maybe(3, chance.pick(['max_tokens', 'max_completion_tokens']), () => chance.pick([1, 100, 1025, 5000, 20000]));
  maybe(5, 'stop', () => chance.pick(['END', ['a', 'b'], [' ', 'x'], '\n', ['1', '2', '3', '4'], []]));
  maybe(10, 'n', () => chance.pick([1, 1, 2]));
  maybe(10, 'seed', () => chance.pick([0, 7, 2 ** 31 - 1]));
  maybe(10, 'presence_penalty', () => chance.pick([0, 0.5]));
  maybe(10, 'frequency_penalty', () => chance.pick([0, 0.5]));
  maybe(12, 'logit_bias', () => ({ 50256: -100 }));
  if (chance.one(10)) {
    body.logprobs = chance.one(2);
    if (body.logprobs && chance.one(2)) body.top_logprobs = chance.int(0, 5);
  }
  maybe(8, 'user', () => chance.pick(['user-1', 'a@b.example', '+491701234567']));
  maybe(8, 'metadata', () => ({ team: 'x', 'odd key é': 'value "quoted"' }));
  maybe(10, 'service_tier', () => chance.pick(['auto', 'default', 'flex', 'priority']));
  maybe(10, 'store', () => chance.one(2));
  maybe(12, 'verbosity', () => chance.pick(['low', 'high']));
  maybe(12, 'prompt_cache_key', () => 'cache-key');
  maybe(12, 'safety_identifier', () => 'hash');
  maybe(15, 'prediction', () => ({ type: 'content', content: 'predicted' }));
  maybe(15, 'modalities', () => ['text']);
  maybe(15, 'top_k', () => chance.int(1, 40));
  if (chance.one(5)) body.reasoning_effort = chance.pick(['none', 'minimal', 'low', 'medium', 'high', 'xhigh']);
  else if (chance.one(8)) body.thinking = chance.pick([{ type: 'enabled', budget_tokens: chance.pick([1024, 2000, 16000]) }, { type: 'disabled' }]);
  const limit = body.max_completion_tokens ?? body.max_tokens;
  if (body.thinking?.budget_tokens >= limit) w.odd.push('a budget above the limit');
  maybe(6, 'response_format', () => chance.pick([
    { type: 'text' }, { type: 'json_object' },
    { type: 'json_schema', json_schema: { name: 'answer', schema: schema(w), ...(chance.one(2) ? { strict: true } : {}) } },
    { type: 'json_object', response_schema: schema(w) },
  ]));
  maybe(12, 'x_unknown', () => ({ deep: [1, null] }));
  maybe(20, 'seed', () => null);
}

/** `{body, marks, odd}`: a request, its marker words, and why OpenAI itself would refuse it, if so. */
export function randomCall(chance, { model }) {
  const w = new Writer(chance);
  Object.assign(w, { caching: chance.one(3), legacy: chance.one(10), files: chance.one(3), audio: chance.one(8) });
  const body = { model };
  const names = tools(w, body);
  body.messages = history(w, chance.one(12) && names.length === 0 ? ['gone_tool'] : names);
  parameters(w, body);
  if (chance.one(2)) body.drop_params = true;
  if (chance.one(3)) body.stream = true;
  if (JSON.stringify(body).split('cache_control').length > 5) w.odd.push('more than four cache marks');
  return { body, marks: w.marks, odd: w.odd };
}
