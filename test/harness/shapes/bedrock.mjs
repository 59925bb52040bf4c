// AWS Bedrock Converse and ConverseStream.
import zlib from 'node:zlib';
import { bedrockRules } from '../vendor_rules.mjs';
import { blocksOf, countsOf, stopOf } from './answer.mjs';

function header(name, value) {
  const head = Buffer.alloc(1 + name.length + 3);
  head.writeUInt8(name.length, 0);
  head.write(name, 1, 'latin1');
  head.writeUInt8(7, 1 + name.length);
  head.writeUInt16BE(value.length, 2 + name.length);
  return Buffer.concat([head, Buffer.from(value)]);
}

/** One message of application/vnd.amazon.eventstream. */
export function frame(type, payload, kind = 'event') {
  const headers = Buffer.concat([header(`:${kind}-type`, type), header(':content-type', 'application/json'), header(':message-type', kind)]);
  const body = Buffer.from(JSON.stringify({ ...payload, p: 'abcdefgh' }));
  const prelude = Buffer.alloc(12);
  prelude.writeUInt32BE(16 + headers.length + body.length, 0);
  prelude.writeUInt32BE(headers.length, 4);
  prelude.writeUInt32BE(zlib.crc32(prelude.subarray(0, 8)), 8);
  const message = Buffer.concat([prelude, headers, body]);
  const crc = Buffer.alloc(4);
  crc.writeUInt32BE(zlib.crc32(message), 0);
  return Buffer.concat([message, crc]);
}

function usage(answer) {
  const { input, cached, written, writtenHour, output } = countsOf(answer);
  const details = [['5m', written], ['1h', writtenHour]].filter(([, tokens]) => tokens > 0).map(([ttl, inputTokens]) => ({ ttl, inputTokens }));
  return {
    inputTokens: input - cached - written - writtenHour, outputTokens: output, totalTokens: input + output,
    ...(cached ? { cacheReadInputTokens: cached } : {}),
    ...(details.length > 0 ? { cacheWriteInputTokens: written + writtenHour, cacheDetails: details } : {}),
  };
}

const stops = { stop: 'end_turn', length: 'max_tokens', tool_calls: 'tool_use', content_filter: 'content_filtered' };
const block = {
  text: ({ text }) => ({ text }),
  thinking: ({ text, signature }) => ({ reasoningContent: { reasoningText: { text, signature } } }),
  hidden: ({ data }) => ({ reasoningContent: { redactedContent: data } }),
  call: ({ id, name, input }) => ({ toolUse: { toolUseId: id, name, input } }),
};
const deltas = {
  text: ({ pieces }) => pieces.map((text) => ({ text })),
  thinking: ({ pieces, signature }) => [...pieces.map((text) => ({ reasoningContent: { text } })), { reasoningContent: { signature } }],
  hidden: ({ data }) => [{ reasoningContent: { redactedContent: data } }],
  call: ({ pieces }) => pieces.map((input) => ({ toolUse: { input } })),
};

export const bedrock = {
  vendor: 'bedrock',
  rules: bedrockRules,
  streamType: 'application/vnd.amazon.eventstream',
  isCall: (url) => /^\/model\/anthropic\.wire-model-v1%3A0\/converse(-stream)?$/.test(url.pathname),
  authorised: (headers) => /^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\/\d{8}\/us-east-1\/bedrock\/aws4_request, SignedHeaders=\S+, Signature=[0-9a-f]{64}$/.test(headers.authorization ?? ''),
  model: () => 'anthropic.wire-model-v1:0',
  read(body, url) {
    const all = body.messages.flatMap((message) => message.content);
    const names = (body.toolConfig?.tools ?? []).filter((tool) => tool.toolSpec).map((tool) => tool.toolSpec.name);
    const jsonTool = names.includes('json_tool_call');
    return {
      stream: url.pathname.endsWith('/converse-stream'),
      tools: names,
      results: body.messages.at(-1).content.filter((block) => block.toolResult),
      structured: jsonTool || Boolean(body.outputConfig?.textFormat),
      jsonTool,
      image: all.some((block) => block.image),
    };
  },
  reply(answer) {
    return {
      output: { message: { role: 'assistant', content: blocksOf(answer).map((one) => block[one.kind](one)) } }, stopReason: stops[stopOf(answer)],
      usage: usage(answer), metrics: { latencyMs: 12 },
    };
  },
  error: frame('throttlingException', { message: 'Too many tokens' }, 'exception'),
  stream(answer) {
    const out = [frame('messageStart', { role: 'assistant' })];
    blocksOf(answer).forEach((one, contentBlockIndex) => {
      if (one.kind === 'call') out.push(frame('contentBlockStart', { contentBlockIndex, start: { toolUse: { toolUseId: one.id, name: one.name } } }));
      for (const delta of deltas[one.kind](one)) out.push(frame('contentBlockDelta', { contentBlockIndex, delta }));
      out.push(frame('contentBlockStop', { contentBlockIndex }));
    });
    out.push(frame('messageStop', { stopReason: stops[stopOf(answer)] }));
    return [...out, frame('metadata', { usage: usage(answer), metrics: { latencyMs: 12 } })];
  },
};
