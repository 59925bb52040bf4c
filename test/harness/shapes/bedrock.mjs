// AWS Bedrock Converse and ConverseStream.
import zlib from 'node:zlib';

function header(name, value) {
  const head = Buffer.alloc(1 + name.length + 3);
  head.writeUInt8(name.length, 0);
  head.write(name, 1, 'latin1');
  head.writeUInt8(7, 1 + name.length);
  head.writeUInt16BE(value.length, 2 + name.length);
  return Buffer.concat([head, Buffer.from(value)]);
}

/** One message of application/vnd.amazon.eventstream. */
export function frame(eventType, payload) {
  const headers = Buffer.concat([header(':event-type', eventType), header(':content-type', 'application/json'), header(':message-type', 'event')]);
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

function usage({ input, cached, output }) {
  return {
    inputTokens: input - cached, outputTokens: output, totalTokens: input + output,
    ...(cached ? { cacheReadInputTokens: cached } : {}),
  };
}

export const bedrock = {
  vendor: 'bedrock',
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
    const content = [
      ...(answer.text === undefined ? [] : [{ text: answer.text }]),
      ...(answer.calls ?? []).map((call) => ({ toolUse: { toolUseId: call.id, name: call.name, input: call.input } })),
    ];
    return {
      output: { message: { role: 'assistant', content } }, stopReason: answer.calls ? 'tool_use' : 'end_turn',
      usage: usage(answer), metrics: { latencyMs: 12 },
    };
  },
  stream(answer) {
    const out = [frame('messageStart', { role: 'assistant' })];
    let at = 0;
    if (answer.pieces.length > 0) {
      for (const text of answer.pieces) out.push(frame('contentBlockDelta', { contentBlockIndex: at, delta: { text } }));
      out.push(frame('contentBlockStop', { contentBlockIndex: at }));
      at += 1;
    }
    for (const call of answer.calls ?? []) {
      out.push(frame('contentBlockStart', { contentBlockIndex: at, start: { toolUse: { toolUseId: call.id, name: call.name } } }));
      for (const input of call.pieces) out.push(frame('contentBlockDelta', { contentBlockIndex: at, delta: { toolUse: { input } } }));
      out.push(frame('contentBlockStop', { contentBlockIndex: at }));
      at += 1;
    }
    out.push(frame('messageStop', { stopReason: answer.calls ? 'tool_use' : 'end_turn' }));
    return [...out, frame('metadata', { usage: usage(answer), metrics: { latencyMs: 12 } })];
  },
};
