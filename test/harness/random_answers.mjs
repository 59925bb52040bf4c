// Random answers of a provider, and what a caller must read of them.
import { countsOf, of, stopOf, textOf } from './shapes/answer.mjs';
import { cutText, oddText } from './random.mjs';

/** What each shape can say beside texts and calls, and whether its calls stand behind all else. */
const says = {
  openai: { kinds: ['refusal'], callsLast: false }, azure: { kinds: ['refusal'], callsLast: false },
  anthropic: { kinds: ['thinking', 'hidden'] }, bedrock: { kinds: ['thinking', 'hidden'] },
  gemini: { kinds: ['thinking'], whole: true }, vertex: { kinds: ['thinking'], whole: true },
  cohere: { kinds: ['thinking'], callsLast: true, noFilter: true },
};
const writes = new Set(['anthropic', 'bedrock']);
const reasons = new Set(['openai', 'azure', 'anthropic', 'gemini', 'vertex']);

function inputOf(chance) {
  if (chance.one(5)) return {};
  const size = chance.one(25) ? 20_000 : chance.int(0, 30);
  return {
    city: oddText(chance, 'x'.repeat(size)), n: chance.pick([0, -1.5, 1e21, 12345678901]), yes: chance.pick([true, null]),
    deep: chance.list(0, 3, (at) => ({ [`k"${at}`]: oddText(chance) })),
  };
}

function call(chance, at, name) {
  const input = inputOf(chance);
  const text = JSON.stringify(input, null, chance.pick([0, 0, 1]));
  const pieces = Object.keys(input).length === 0 && chance.one(2) ? [] : cutText(chance, text, text.length > 1000 ? 900 : 9);
  return { kind: 'call', id: `call_${at}_${chance.int(1000, 9999)}`, name, input, pieces };
}

function words(chance, kind) {
  const text = oddText(chance, chance.pick(['word', 'two words', '{"a": 1}', '']));
  return { kind, text, pieces: cutText(chance, text), signature: `c2ln${chance.int(1000, 9999)}` };
}

function blocks(chance, shape, names) {
  const { kinds, callsLast } = says[shape];
  const out = chance.list(0, 5, (at) => {
    if (names.length > 0 && chance.one(2)) return call(chance, at, chance.pick(names));
    if (!chance.one(3)) return words(chance, 'text');
    const kind = chance.pick(kinds);
    return kind === 'hidden' ? { kind, data: Buffer.from('hidden').toString('base64') } : words(chance, kind);
  }).filter((one) => one.text !== '');
  const isCall = (one) => one.kind === 'call';
  return callsLast ? [...out.filter((one) => !isCall(one)), ...out.filter(isCall)] : out;
}

export function randomAnswer(chance, shape, names = []) {
  const answer = { blocks: blocks(chance, shape, names) };
  const tokens = (most) => (chance.one(2) ? 0 : chance.int(0, most));
  Object.assign(answer, { input: 0, cached: tokens(50_000), written: 0, writtenHour: 0, output: chance.int(1, 3000), reasoning: 0, unbilled: 0 });
  if (writes.has(shape)) Object.assign(answer, { written: tokens(9000), writtenHour: tokens(9000) });
  if (reasons.has(shape)) answer.reasoning = Math.min(answer.output, tokens(2000));
  if (shape === 'cohere') answer.unbilled = tokens(500);
  answer.input = chance.int(1, 20_000) + answer.cached + answer.written + answer.writtenHour + answer.unbilled;
  if (chance.one(4)) answer.stop = chance.pick(says[shape].noFilter ? ['length'] : ['length', 'content_filter']);
  return answer;
}

/** What the caller reads, however he asked. */
export function meaningOf(answer) {
  const calls = of(answer, 'call').map(({ name, input }) => ({ name, input }));
  return {
    content: textOf(answer, 'text'), reasoning: textOf(answer, 'thinking'), refusal: textOf(answer, 'refusal'), calls,
    finish: stopOf(answer),
  };
}

/** Nanodollars of an answer at the prices of `shapePrices`. */
export function costOf(answer) {
  const { input, cached, written, writtenHour, output, unbilled } = countsOf(answer);
  return (input - cached - written - writtenHour - unbilled) * 1000 + cached * 250 + written * 1250 + writtenHour * 1500 + output * 2000;
}

/** The events of a stream with what proxies put between, cut anywhere. */
export function carry(chance, events, { ping, streamType }) {
  const between = () => (chance.one(6) && !streamType ? [ping ?? ': keep-alive\n\n'] : []);
  return cutBytes(chance, Buffer.concat(events.flatMap((event) => [...between(), event]).map((event) => Buffer.from(event))));
}

export function cutBytes(chance, bytes) {
  const pieces = [];
  const most = chance.pick([40, 300, 4000]) + Math.floor(bytes.length / 50);
  for (let at = 0; at < bytes.length;) {
    const size = chance.int(1, most);
    pieces.push(bytes.subarray(at, at + size));
    at += size;
  }
  return pieces;
}

/** The event that ends a stream of a shape: what comes before it is no whole answer. */
const ends = {
  openai: '"finish_reason":"', azure: '"finish_reason":"', anthropic: '"type":"message_stop"', gemini: '"finishReason"', vertex: '"finishReason"',
  bedrock: 'messageStop', cohere: '"type":"message-end"',
};

/** The first events of a stream, and how it breaks off behind them: `whole` of them are sent whole; `reason`: with that of the end. */
export function breakOff(chance, events, shape, name) {
  const bytes = events.map((event) => Buffer.from(event));
  const whole = chance.int(0, bytes.findIndex((event) => event.includes(ends[name])));
  const how = chance.pick(['closed', 'reset', 'error']);
  const half = how !== 'error' && chance.one(2) ? [bytes[whole].subarray(0, chance.int(1, bytes[whole].length >> 1))] : [];
  const sent = Buffer.concat([...bytes.slice(0, whole), ...half, ...(how === 'error' ? [Buffer.from(shape.error)] : [])]);
  // Anthropic gives its reason one event before the end.
  const reason = bytes.slice(0, whole).some((event) => event.includes('"type":"message_delta"'));
  return { whole, how, reason, pieces: cutBytes(chance, sent) };
}
