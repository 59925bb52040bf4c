// Reads OpenAI answers as a strict client would: whole ones, and streams by the grammar of chunks.
import assert from 'node:assert/strict';

const finishes = ['stop', 'length', 'tool_calls', 'content_filter', 'function_call'];

function callsOf(calls) {
  assert.equal(new Set(calls.map((call) => call.id)).size, calls.length, 'ids of calls are unique');
  return calls.map(({ id, type, function: { name, arguments: text } }) => {
    assert.ok(id && type === 'function', 'a call has id and type');
    return { name, input: JSON.parse(text) };
  });
}

/** `{content, reasoning, refusal, calls, finish, usage}` of an answer. */
export function readWhole(answer) {
  assert.equal(answer.object, 'chat.completion');
  assert.ok(answer.id && answer.created && answer.model === 'group', 'id, created, model');
  assert.equal(answer.choices.length, 1);
  const [{ index, message, finish_reason: finish }] = answer.choices;
  assert.equal(index, 0);
  assert.equal(message.role, 'assistant');
  assert.ok(finishes.includes(finish), `finish_reason ${finish}`);
  assert.ok(message.tool_calls === undefined || message.tool_calls.length > 0, 'no empty list of calls');
  return {
    content: message.content ?? '', reasoning: message.reasoning_content ?? '', refusal: message.refusal ?? '', calls: callsOf(message.tool_calls ?? []), finish,
    usage: answer.usage,
  };
}

export function eventsOf(text) {
  assert.ok(text.endsWith('\n\n'), 'the last event is whole');
  return text.split('\n\n').slice(0, -1).filter((event) => !event.startsWith(':')).map((event) => {
    assert.ok(event.startsWith('data: ') && !event.includes('\n'), `an event: ${event}`);
    return event === 'data: [DONE]' ? '[DONE]' : JSON.parse(event.slice(6));
  });
}

function checkFrame(chunks) {
  const [first] = chunks;
  for (const chunk of chunks) {
    assert.equal(chunk.object, 'chat.completion.chunk');
    assert.ok(chunk.id && chunk.created && chunk.model === 'group', 'id, created, model');
    assert.deepEqual([chunk.id, chunk.created, chunk.model], [first.id, first.created, first.model], 'they stay the same');
  }
}

/** What a stream's deltas say up to now; checks their grammar. */
function readDeltas(chunks) {
  const told = { content: '', reasoning: '', refusal: '', calls: [], finish: null };
  chunks.forEach((chunk, at) => {
    assert.equal(chunk.choices.length, 1, 'one choice');
    const [{ index, delta, finish_reason: finish }] = chunk.choices;
    assert.equal(index, 0);
    assert.ok(finish !== undefined, 'finish_reason is in every chunk');
    assert.equal('role' in delta, at === 0, 'one role, on the first chunk');
    assert.equal(told.finish, null, 'nothing behind the finish');
    if (at > 0 && finish === null) assert.ok(Object.keys(delta).length > 0, 'no empty delta');
    told.content += delta.content ?? '';
    told.reasoning += delta.reasoning_content ?? '';
    told.refusal += delta.refusal ?? '';
    for (const piece of delta.tool_calls ?? []) addCall(told.calls, piece);
    told.finish = finish;
  });
  return told;
}

function addCall(calls, { index, id, type, function: { name, arguments: text } }) {
  if (index === calls.length) {
    assert.ok(id && type === 'function' && name, 'a call begins with id, type and name');
    calls.push({ id, type, function: { name, arguments: text ?? '' } });
    return;
  }
  assert.ok(index < calls.length, `index ${index} of ${calls.length} calls`);
  assert.ok(id === undefined && name === undefined, 'id and name come once');
  calls[index].function.arguments += text;
}

/** The same of a stream that was asked for with usage. */
export function readStream(text) {
  const events = eventsOf(text);
  assert.equal(events.pop(), '[DONE]');
  const last = events.pop();
  assert.deepEqual(last.choices, [], 'the chunk with the usage is the last');
  checkFrame([...events, last]);
  for (const chunk of events) assert.equal(chunk.usage ?? null, null, 'usage comes once');
  const { calls, ...told } = readDeltas(events);
  assert.ok(finishes.includes(told.finish), `finish_reason ${told.finish}`);
  return { ...told, calls: callsOf(calls), usage: last.usage };
}

/**
 * A stream that broke: an error event before [DONE], and no finish but the one that the provider gave. Returns what was
 * told, and the error.
 */
export function readBroken(text, finish = null) {
  const events = eventsOf(text);
  assert.equal(events.pop(), '[DONE]');
  const { error } = events.pop();
  assert.ok(error?.message && error.type && 'code' in error, 'an error event');
  if (events.length > 0) checkFrame(events);
  const told = readDeltas(events);
  assert.equal(told.finish, finish, 'no finish is invented');
  return { ...told, error };
}
