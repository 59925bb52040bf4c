// Anthropic Messages.
import { anthropicRules } from '../vendor_rules.mjs';
import { blocksOf, countsOf, stopOf } from './answer.mjs';

const event = (value) => `event: ${value.type}\ndata: ${JSON.stringify(value)}\n\n`;

function counts(answer) {
  const { input, cached, written, writtenHour, output, reasoning } = countsOf(answer);
  return {
    input_tokens: input - cached - written - writtenHour, cache_creation_input_tokens: written + writtenHour, cache_read_input_tokens: cached, output_tokens: output,
    cache_creation: written + writtenHour > 0 ? { ephemeral_5m_input_tokens: written, ephemeral_1h_input_tokens: writtenHour } : null,
    inference_geo: null, output_tokens_details: reasoning > 0 ? { thinking_tokens: reasoning } : null, server_tool_use: null, service_tier: 'standard',
  };
}

const stops = { stop: 'end_turn', length: 'max_tokens', tool_calls: 'tool_use', content_filter: 'refusal' };
const block = {
  text: ({ text }) => ({ type: 'text', text, citations: null }),
  thinking: ({ text, signature }) => ({ type: 'thinking', thinking: text, signature }),
  hidden: ({ data }) => ({ type: 'redacted_thinking', data }),
  call: ({ id, name, input }) => ({ type: 'tool_use', id, name, input }),
};
const opening = {
  text: () => block.text({ text: '' }),
  thinking: () => block.thinking({ text: '', signature: '' }),
  hidden: block.hidden,
  call: (call) => block.call({ ...call, input: {} }),
};
const deltas = {
  text: ({ pieces }) => pieces.map((text) => ({ type: 'text_delta', text })),
  thinking: ({ pieces, signature }) => [...pieces.map((thinking) => ({ type: 'thinking_delta', thinking })), { type: 'signature_delta', signature }],
  hidden: () => [],
  call: ({ pieces }) => ['', ...pieces].map((partial_json) => ({ type: 'input_json_delta', partial_json })),
};

function whole(answer, model, content, stop) {
  return {
    id: 'msg_shape', type: 'message', role: 'assistant', model, content, container: null, stop_reason: stop, stop_details: null,
    stop_sequence: null, usage: counts(answer),
  };
}

export const anthropic = {
  vendor: 'anthropic',
  rules: anthropicRules,
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
    return whole(answer, model, blocksOf(answer).map((one) => block[one.kind](one)), stops[stopOf(answer)]);
  },
  ping: event({ type: 'ping' }),
  error: event({ type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }),
  stream(answer, model) {
    const start = { ...whole({ ...answer, output: 1, reasoning: 0 }, model, [], null) };
    const out = [event({ type: 'message_start', message: start }), event({ type: 'ping' })];
    blocksOf(answer).forEach((one, index) => {
      out.push(event({ type: 'content_block_start', index, content_block: opening[one.kind](one) }));
      for (const delta of deltas[one.kind](one)) out.push(event({ type: 'content_block_delta', index, delta }));
      out.push(event({ type: 'content_block_stop', index }));
    });
    out.push(event({
      type: 'message_delta', delta: { container: null, stop_reason: stops[stopOf(answer)], stop_sequence: null, stop_details: null }, usage: counts(answer),
    }));
    return [...out, event({ type: 'message_stop' })];
  },
};
