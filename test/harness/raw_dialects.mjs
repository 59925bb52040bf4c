// Six dialects as raw bytes, for faults that a vendor's library would not commit: one honest answer each ("one two"; 11
// prompt tokens, 7 completion tokens), taken apart into its events, and what each vendor says when it fails.
import { events, goodReply, role, stop, usageChunk, word } from './raw_provider.mjs';
import { frame } from './shapes/bedrock.mjs';

const sse = (event, data) => Buffer.from(`${event ? `event: ${event}\n` : ''}data: ${JSON.stringify(data)}\n\n`);
const typed = (data) => sse(data.type, data);
const line = (data) => Buffer.from(`${JSON.stringify(data)}\n`);

const openaiBusy = { error: { message: 'Rate limit reached', type: 'requests', param: null, code: 'rate_limit_exceeded' } };
const anthropicUsage = { input_tokens: 11, output_tokens: 7 };
const geminiUsage = { promptTokenCount: 11, candidatesTokenCount: 7, totalTokenCount: 18 };
const bedrockUsage = { inputTokens: 11, outputTokens: 7, totalTokens: 18 };
const cohereUsage = { billed_units: { input_tokens: 11, output_tokens: 7 }, tokens: { input_tokens: 11, output_tokens: 7 } };
const ollamaCounts = { prompt_eval_count: 11, eval_count: 7, total_duration: 5, load_duration: 1, prompt_eval_duration: 1, eval_duration: 1 };
const ollama = (more) => ({ model: 'raw', created_at: '2026-08-01T00:00:00Z', ...more });

/**
 * `params(url)`: the deployment's litellm_params. `head`: the stream's content type. `begin`, `word(text)`, `end`: its events;
 * `mute`: those of `begin` that show no content. `early`: usage that the first events already say. `whole`: the answer in one
 * piece. `failure`: an event that is an error; `said(status, text)`: the body of a refusal, `busy` its 429, `throttled` the
 * event that says the same.
 */
export const dialects = {
  openai: {
    params: (url) => ({ model: 'openai/raw', api_base: `${url}/v1` }),
    head: 'text/event-stream',
    begin: [Buffer.from(events(role))],
    word: (text) => Buffer.from(events(word(text))),
    end: [Buffer.from(events(stop)), Buffer.from(events(usageChunk)), Buffer.from(events('[DONE]'))],
    whole: JSON.parse(goodReply),
    failure: sse('', { error: { message: 'The server had an error', type: 'server_error', param: null, code: null } }),
    throttled: sse('', openaiBusy),
    said: (status, message) => ({ error: { message, type: 'server_error', param: null, code: null } }),
    busy: { body: openaiBusy, headers: { 'retry-after': '6' }, after: '6' },
    refused: { status: 401, body: { error: { message: 'Incorrect API key provided', type: 'invalid_request_error', param: null, code: 'invalid_api_key' } } },
  },
  anthropic: {
    params: (url) => ({ model: 'anthropic/raw', api_base: url }),
    head: 'text/event-stream',
    begin: [
      typed({ type: 'message_start', message: { id: 'msg_1', type: 'message', role: 'assistant', model: 'raw', content: [], stop_reason: null, stop_sequence: null, usage: { input_tokens: 11, output_tokens: 1 } } }),
      typed({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }),
    ],
    word: (text) => typed({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } }),
    end: [
      typed({ type: 'content_block_stop', index: 0 }),
      typed({ type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: { output_tokens: 7 } }),
      typed({ type: 'message_stop' }),
    ],
    inputKnown: 11,
    whole: { id: 'msg_1', type: 'message', role: 'assistant', model: 'raw', content: [{ type: 'text', text: 'one two' }], stop_reason: 'end_turn', stop_sequence: null, usage: anthropicUsage },
    failure: typed({ type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }),
    throttled: typed({ type: 'error', error: { type: 'rate_limit_error', message: 'slow down' } }),
    said: (status, message, type = 'api_error') => ({ type: 'error', error: { type, message } }),
    busy: { body: { type: 'error', error: { type: 'rate_limit_error', message: 'slow down' } }, headers: { 'retry-after': '7' }, after: '7' },
    refused: { status: 401, body: { type: 'error', error: { type: 'authentication_error', message: 'invalid x-api-key' } } },
  },
  gemini: {
    params: (url) => ({ model: 'gemini/raw', api_base: `${url}/v1beta` }),
    head: 'text/event-stream',
    begin: [],
    word: (text) => sse('', { candidates: [{ content: { role: 'model', parts: [{ text }] }, index: 0 }], modelVersion: 'raw', responseId: 'r1' }),
    end: [sse('', { candidates: [{ content: { role: 'model', parts: [{ text: '' }] }, finishReason: 'STOP', index: 0 }], usageMetadata: geminiUsage, modelVersion: 'raw', responseId: 'r1' })],
    whole: { candidates: [{ content: { role: 'model', parts: [{ text: 'one two' }] }, finishReason: 'STOP', index: 0 }], usageMetadata: geminiUsage, modelVersion: 'raw', responseId: 'r1' },
    failure: sse('', { error: { code: 503, message: 'The model is overloaded.', status: 'UNAVAILABLE' } }),
    throttled: sse('', { error: { code: 429, message: 'Resource exhausted', status: 'RESOURCE_EXHAUSTED' } }),
    said: (status, message) => ({ error: { code: status, message, status: 'INTERNAL' } }),
    busy: {
      body: { error: { code: 429, message: 'Resource exhausted', status: 'RESOURCE_EXHAUSTED', details: [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '9s' }] } },
      after: '9',
    },
    refused: { status: 400, body: { error: { code: 400, message: 'API key not valid. Please pass a valid API key.', status: 'INVALID_ARGUMENT', details: [{ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'API_KEY_INVALID', domain: 'googleapis.com' }] } } },
  },
  bedrock: {
    params: (url) => ({ model: 'bedrock/anthropic.raw-v1:0', aws_bedrock_runtime_endpoint: url, aws_region_name: 'us-east-1', aws_access_key_id: 'AKIDEXAMPLE', aws_secret_access_key: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY', api_key: undefined }),
    head: 'application/vnd.amazon.eventstream',
    begin: [frame('messageStart', { role: 'assistant' })],
    word: (text) => frame('contentBlockDelta', { contentBlockIndex: 0, delta: { text } }),
    end: [frame('contentBlockStop', { contentBlockIndex: 0 }), frame('messageStop', { stopReason: 'end_turn' }), frame('metadata', { usage: bedrockUsage, metrics: { latencyMs: 1 } })],
    whole: { output: { message: { role: 'assistant', content: [{ text: 'one two' }] } }, stopReason: 'end_turn', usage: bedrockUsage, metrics: { latencyMs: 1 } },
    failure: frame('modelStreamErrorException', { message: 'The model broke off' }, 'exception'),
    throttled: frame('throttlingException', { message: 'Too many requests' }, 'exception'),
    said: (status, message) => ({ message, __type: 'InternalServerException' }),
    busy: { body: { message: 'Too many requests', __type: 'ThrottlingException' }, headers: { 'x-amzn-errortype': 'ThrottlingException' }, after: null },
    refused: { status: 403, face: 403, body: { message: 'The security token included in the request is invalid.', __type: 'UnrecognizedClientException' }, headers: { 'x-amzn-errortype': 'UnrecognizedClientException' } },
  },
  cohere: {
    params: (url) => ({ model: 'cohere_chat/raw', api_base: url }),
    head: 'text/event-stream',
    begin: [
      typed({ type: 'message-start', id: 'm1', delta: { message: { role: 'assistant', content: [], tool_plan: '', tool_calls: [], citations: [] } } }),
      typed({ type: 'content-start', index: 0, delta: { message: { content: { type: 'text', text: '' } } } }),
    ],
    word: (text) => typed({ type: 'content-delta', index: 0, delta: { message: { content: { text } } } }),
    end: [typed({ type: 'content-end', index: 0 }), typed({ type: 'message-end', delta: { finish_reason: 'COMPLETE', usage: cohereUsage } })],
    whole: { id: 'm1', finish_reason: 'COMPLETE', message: { role: 'assistant', content: [{ type: 'text', text: 'one two' }] }, usage: cohereUsage },
    failure: typed({ type: 'message-end', id: 'm1', delta: { finish_reason: 'ERROR', error: 'the model broke off', usage: cohereUsage } }),
    failureUsed: true,
    said: (status, message) => ({ message }),
    busy: { body: { message: 'too many requests' }, headers: { 'retry-after': '5' }, after: '5' },
    refused: { status: 401, body: { message: 'invalid api token' } },
  },
  ollama: {
    params: (url) => ({ model: 'ollama_chat/raw', api_base: url }),
    head: 'application/x-ndjson',
    begin: [],
    word: (content) => line(ollama({ message: { role: 'assistant', content }, done: false })),
    end: [line(ollama({ message: { role: 'assistant', content: '' }, done: true, done_reason: 'stop', ...ollamaCounts }))],
    whole: ollama({ message: { role: 'assistant', content: 'one two' }, done: true, done_reason: 'stop', ...ollamaCounts }),
    failure: line({ error: 'the runner has been stopped' }),
    said: (status, error) => ({ error }),
    busy: { body: { error: 'server busy, please try again' }, after: null },
    refused: { status: 401, body: { error: 'unauthorized' } },
  },
};

export const bytesOf = (events) => Buffer.concat(events);
/** The honest stream. */
export const honest = (dialect) => [...dialect.begin, dialect.word('one '), dialect.word('two'), ...dialect.end];
/** Whether a call asks for a stream; Gemini and Bedrock say so in the path. */
export const asksStream = ({ line: requestLine, body }) => /stream/i.test(requestLine) || JSON.parse(body).stream === true;
