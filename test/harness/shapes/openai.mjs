// OpenAI chat completions; Azure's addresses carry the same bodies.
const parts = (message) => (Array.isArray(message.content) ? message.content : []);

export const openai = {
  vendor: 'openai',
  isCall: (url) => url.pathname === '/v1/chat/completions',
  model: (url, body) => body.model,
  read(body) {
    const last = body.messages.at(-1);
    return {
      stream: body.stream === true,
      tools: (body.tools ?? []).map((tool) => tool.function.name),
      results: last.role === 'tool' ? body.messages.filter((message) => message.role === 'tool').map((message) => message.content) : [],
      structured: body.response_format?.type === 'json_schema',
      image: body.messages.some((message) => parts(message).some((part) => part.type === 'image_url')),
    };
  },
  reply(answer, model) {
    const message = { role: 'assistant', content: answer.text ?? null, refusal: null };
    if (answer.calls) {
      message.tool_calls = answer.calls.map((call) => ({
        id: call.id, type: 'function', function: { name: call.name, arguments: JSON.stringify(call.input) },
      }));
    }
    return {
      id: 'chatcmpl-shape', object: 'chat.completion', created: 1763942400, model,
      choices: [{ index: 0, message, logprobs: null, finish_reason: answer.calls ? 'tool_calls' : 'stop' }],
      usage: usage(answer),
    };
  },
  stream(answer, model, body) {
    const chunk = (choices, more = {}) => `data: ${JSON.stringify({ id: 'chatcmpl-shape', object: 'chat.completion.chunk', created: 1763942400, model, choices, ...more })}\n\n`;
    const delta = (value, finish = null) => chunk([{ index: 0, delta: value, finish_reason: finish }]);
    const out = [delta({ role: 'assistant', content: '' })];
    for (const piece of answer.pieces) out.push(delta({ content: piece }));
    (answer.calls ?? []).forEach((call, index) => {
      out.push(delta({ tool_calls: [{ index, id: call.id, type: 'function', function: { name: call.name, arguments: '' } }] }));
      for (const piece of call.pieces) out.push(delta({ tool_calls: [{ index, function: { arguments: piece } }] }));
    });
    out.push(delta({}, answer.calls ? 'tool_calls' : 'stop'));
    if (body.stream_options?.include_usage) out.push(chunk([], { usage: usage(answer) }));
    return [...out, 'data: [DONE]\n\n'];
  },
};

function usage({ input, cached, output }) {
  return {
    prompt_tokens: input, completion_tokens: output, total_tokens: input + output,
    prompt_tokens_details: { cached_tokens: cached },
  };
}

export const azure = {
  ...openai,
  isCall: (url) => url.pathname === '/openai/deployments/wire-model/chat/completions' && url.searchParams.has('api-version'),
  authorised: (headers) => headers['api-key'] === 'sk-provider-key-0123456789',
};
