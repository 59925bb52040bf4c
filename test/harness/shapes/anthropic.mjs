// Anthropic Messages.
const event = (value) => `event: ${value.type}\ndata: ${JSON.stringify(value)}\n\n`;

function counts({ input, cached, output }) {
  return {
    input_tokens: input - cached, cache_creation_input_tokens: 0, cache_read_input_tokens: cached, output_tokens: output,
    cache_creation: null, inference_geo: null, output_tokens_details: null, server_tool_use: null, service_tier: 'standard',
  };
}

function whole(answer, model, content, stop) {
  return {
    id: 'msg_shape', type: 'message', role: 'assistant', model, content, container: null, stop_reason: stop, stop_details: null,
    stop_sequence: null, usage: counts(answer),
  };
}

export const anthropic = {
  vendor: 'anthropic',
  isCall: (url) => url.pathname === '/v1/messages',
  authorised: (headers) => headers['x-api-key'] === 'sk-provider-key-0123456789' && headers['anthropic-version'] === '2023-06-01',
  model: (url, body) => body.model,
  read(body) {
    const blocks = (message) => (Array.isArray(message.content) ? message.content : []);
    const forced = body.tool_choice?.type === 'tool' && body.tool_choice.name === 'json_tool_call';
    return {
      stream: body.stream === true,
      tools: (body.tools ?? []).map((tool) => tool.name),
      results: blocks(body.messages.at(-1)).filter((block) => block.type === 'tool_result'),
      structured: body.output_config?.format?.type === 'json_schema' || forced,
      jsonTool: forced,
      image: body.messages.some((message) => blocks(message).some((block) => block.type === 'image')),
    };
  },
  reply(answer, model) {
    const content = answer.text === undefined ? [] : [{ type: 'text', text: answer.text, citations: null }];
    for (const call of answer.calls ?? []) content.push({ type: 'tool_use', id: call.id, name: call.name, input: call.input });
    return whole(answer, model, content, answer.calls ? 'tool_use' : 'end_turn');
  },
  stream(answer, model) {
    const start = { ...whole({ ...answer, output: 1 }, model, [], null) };
    const out = [event({ type: 'message_start', message: start }), event({ type: 'ping' })];
    let index = 0;
    const block = (content, deltas) => {
      out.push(event({ type: 'content_block_start', index, content_block: content }));
      for (const delta of deltas) out.push(event({ type: 'content_block_delta', index, delta }));
      out.push(event({ type: 'content_block_stop', index }));
      index += 1;
    };
    if (answer.pieces.length > 0) block({ type: 'text', text: '', citations: null }, answer.pieces.map((text) => ({ type: 'text_delta', text })));
    for (const call of answer.calls ?? []) {
      block({ type: 'tool_use', id: call.id, name: call.name, input: {} }, ['', ...call.pieces].map((partial_json) => ({ type: 'input_json_delta', partial_json })));
    }
    out.push(event({
      type: 'message_delta', delta: { container: null, stop_reason: answer.calls ? 'tool_use' : 'end_turn', stop_sequence: null, stop_details: null }, usage: counts(answer),
    }));
    return [...out, event({ type: 'message_stop' })];
  },
};
