// Cohere v2 chat.
const parts = (message) => (Array.isArray(message.content) ? message.content : []);
const event = (value) => `event: ${value.type}\ndata: ${JSON.stringify(value)}\n\n`;

function usage({ input, cached, output }) {
  return {
    billed_units: { input_tokens: input, output_tokens: output }, tokens: { input_tokens: input, output_tokens: output }, cached_tokens: cached,
  };
}

export const cohere = {
  vendor: 'cohere',
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
    if (answer.text !== undefined) message.content = [{ type: 'text', text: answer.text }];
    if (answer.calls) {
      message.tool_calls = answer.calls.map((call) => ({ id: call.id, type: 'function', function: { name: call.name, arguments: JSON.stringify(call.input) } }));
    }
    return { id: 'shape-id', finish_reason: answer.calls ? 'TOOL_CALL' : 'COMPLETE', message, usage: usage(answer) };
  },
  stream(answer) {
    const out = [event({ type: 'message-start', id: 'shape-id', delta: { message: { role: 'assistant' } } })];
    if (answer.pieces.length > 0) {
      out.push(event({ type: 'content-start', index: 0, delta: { message: { content: { type: 'text', text: '' } } } }));
      for (const text of answer.pieces) out.push(event({ type: 'content-delta', index: 0, delta: { message: { content: { text } } } }));
      out.push(event({ type: 'content-end', index: 0 }));
    }
    (answer.calls ?? []).forEach((call, index) => {
      out.push(event({ type: 'tool-call-start', index, delta: { message: { tool_calls: { id: call.id, type: 'function', function: { name: call.name, arguments: '' } } } } }));
      for (const piece of call.pieces) out.push(event({ type: 'tool-call-delta', index, delta: { message: { tool_calls: { function: { arguments: piece } } } } }));
      out.push(event({ type: 'tool-call-end', index }));
    });
    return [...out, event({ type: 'message-end', delta: { finish_reason: answer.calls ? 'TOOL_CALL' : 'COMPLETE', usage: usage(answer) } })];
  },
};
