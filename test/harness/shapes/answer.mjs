// What a scripted provider means to say, apart from the shape it says it in: blocks in their order, why it stopped, and the
// tokens. `input` counts everything that was read; `cached`, `written` and `writtenHour` are parts of it, `reasoning` one of `output`.

/** The blocks of an answer; short ones are told by `text`, its `pieces` and `calls`. */
export function blocksOf(answer) {
  if (answer.blocks) return answer.blocks;
  const text = answer.text === undefined ? [] : [{ kind: 'text', text: answer.text, pieces: answer.pieces }];
  return [...text, ...(answer.calls ?? []).map((call) => ({ kind: 'call', ...call }))];
}

export const of = (answer, kind) => blocksOf(answer).filter((block) => block.kind === kind);
export const textOf = (answer, kind) => of(answer, kind).map((block) => block.text).join('');

/** Why it stopped, in OpenAI's words. */
export const stopOf = (answer) => answer.stop ?? (of(answer, 'call').length > 0 ? 'tool_calls' : 'stop');

export const countsOf = ({ input, cached = 0, written = 0, writtenHour = 0, output, reasoning = 0, unbilled = 0 }) => ({
  input, cached, written, writtenHour, output, reasoning, unbilled,
});
