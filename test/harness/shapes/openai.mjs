// OpenAI chat completions; Azure's addresses carry the same bodies.
import { openaiRules } from '../vendor_rules.mjs';
import { blocksOf, countsOf, of, stopOf, textOf } from './answer.mjs';

const parts = (message) => (Array.isArray(message.content) ? message.content : []);

export const openai = {
  vendor: 'openai',
  rules: openaiRules,
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
    const refused = of(answer, 'refusal').length > 0;
    const message = { role: 'assistant', content: of(answer, 'text').length > 0 ? textOf(answer, 'text') : null, refusal: refused ? textOf(answer, 'refusal') : null };
    const calls = of(answer, 'call');
    if (calls.length > 0) message.tool_calls = calls.map((call) => ({ id: call.id, type: 'function', function: { name: call.name, arguments: call.pieces.join('') } }));
    return {
      id: 'chatcmpl-shape', object: 'chat.completion', created: 1763942400, model,
      choices: [{ index: 0, message, logprobs: null, finish_reason: stopOf(answer) }],
      usage: usage(answer),
    };
  },
  error: `data: ${JSON.stringify({ error: { message: 'The server had an error', type: 'server_error', param: null, code: null } })}\n\n`,
  stream(answer, model, body) {
    const chunk = (choices, more = {}) => `data: ${JSON.stringify({ id: 'chatcmpl-shape', object: 'chat.completion.chunk', created: 1763942400, model, choices, ...more })}\n\n`;
    const delta = (value, finish = null) => chunk([{ index: 0, delta: value, finish_reason: finish }]);
    const out = [delta({ role: 'assistant', content: '' })];
    let index = 0;
    for (const one of blocksOf(answer)) {
      if (one.kind === 'text') for (const piece of one.pieces) out.push(delta({ content: piece }));
      if (one.kind === 'refusal') for (const piece of one.pieces) out.push(delta({ refusal: piece }));
      if (one.kind !== 'call') continue;
      out.push(delta({ tool_calls: [{ index, id: one.id, type: 'function', function: { name: one.name, arguments: '' } }] }));
      for (const piece of one.pieces) out.push(delta({ tool_calls: [{ index, function: { arguments: piece } }] }));
      index += 1;
    }
    out.push(delta({}, stopOf(answer)));
    if (body.stream_options?.include_usage) out.push(chunk([], { usage: usage(answer) }));
    return [...out, 'data: [DONE]\n\n'];
  },
};

function usage(answer) {
  const { input, cached, output, reasoning } = countsOf(answer);
  return {
    prompt_tokens: input, completion_tokens: output, total_tokens: input + output,
    prompt_tokens_details: { cached_tokens: cached }, completion_tokens_details: { reasoning_tokens: reasoning },
  };
}

export const azure = {
  ...openai,
  isCall: (url) => url.pathname === '/openai/deployments/wire-model/chat/completions' && url.searchParams.has('api-version'),
  authorised: (headers) => headers['api-key'] === 'sk-provider-key-0123456789',
};
