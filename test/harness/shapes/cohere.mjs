// Cohere v2 chat.
import { cohereRules } from '../vendor_rules.mjs';
import { blocksOf, countsOf, of, stopOf } from './answer.mjs';

const parts = (message) => (Array.isArray(message.content) ? message.content : []);
const event = (value) => `event: ${value.type}\ndata: ${JSON.stringify(value)}\n\n`;

function usage(answer) {
  const { input, cached, output, unbilled } = countsOf(answer);
  return {
    billed_units: { input_tokens: input - unbilled, output_tokens: output }, tokens: { input_tokens: input, output_tokens: output }, cached_tokens: cached,
  };
}

const stops = { stop: 'COMPLETE', length: 'MAX_TOKENS', tool_calls: 'TOOL_CALL' };
const member = { text: 'text', thinking: 'thinking' };
const contentOf = (answer) => blocksOf(answer).filter((one) => member[one.kind]);
const callOf = (call, text) => ({ id: call.id, type: 'function', function: { name: call.name, arguments: text } });

export const cohere = {
  vendor: 'cohere',
  rules: cohereRules,
  isCall: (url) => url.pathname === '/v2/chat',
  model: (url, body) => body.model,
  read(body) {
    const last = body.messages.at(-1);
    return {
      stream: body.stream === true,
      tools: (body.tools ?? []).map((tool) => tool.function.name),
      results: last.role === 'tool' ? body.messages.filter((message) => message.role === 'tool') : [],
      structured: body.response_format?.type === 'json_object' && Boolean(body.response_format.json_schema),
      image: body.messages.some((message) => parts(message).some((part) => part.type === 'image_url')),
    };
  },
  reply(answer) {
    const message = { role: 'assistant' };
    const content = contentOf(answer);
    const calls = of(answer, 'call');
    if (content.length > 0) message.content = content.map((one) => ({ type: member[one.kind], [member[one.kind]]: one.text }));
    if (calls.length > 0) message.tool_calls = calls.map((call) => callOf(call, call.pieces.join('')));
    return { id: 'shape-id', finish_reason: stops[stopOf(answer)], message, usage: usage(answer) };
  },
  error: event({ type: 'message-end', delta: { finish_reason: 'ERROR', error: 'internal error' } }),
  stream(answer) {
    const out = [event({ type: 'message-start', id: 'shape-id', delta: { message: { role: 'assistant' } } })];
    contentOf(answer).forEach((one, index) => {
      const name = member[one.kind];
      out.push(event({ type: 'content-start', index, delta: { message: { content: { type: name, [name]: '' } } } }));
      for (const piece of one.pieces) out.push(event({ type: 'content-delta', index, delta: { message: { content: { [name]: piece } } } }));
      out.push(event({ type: 'content-end', index }));
    });
    of(answer, 'call').forEach((call, index) => {
      out.push(event({ type: 'tool-call-start', index, delta: { message: { tool_calls: callOf(call, '') } } }));
      for (const piece of call.pieces) out.push(event({ type: 'tool-call-delta', index, delta: { message: { tool_calls: { function: { arguments: piece } } } } }));
      out.push(event({ type: 'tool-call-end', index }));
    });
    return [...out, event({ type: 'message-end', delta: { finish_reason: stops[stopOf(answer)], usage: usage(answer) } })];
  },
};
