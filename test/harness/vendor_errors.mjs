// How each of four vendors says the failures of docs/routing.md: status, body and header fields as its API sends them, and
// what a caller of OpenAI's shape is shown of it where that differs from the rule (`shown`).
// Sources: the vendors' pages on errors (platform.openai.com, platform.claude.com, ai.google.dev, docs.aws.amazon.com) and
// the texts their users report.

const openai = (status, message, { type = null, param = null, code = null, headers } = {}) => ({
  status, body: { error: { message, type, param, code } }, headers, message,
  shown: { ...(type ? { type } : {}), ...(param ? { param } : {}), ...(code ? { code } : {}) },
});
const anthropic = (status, type, message, { code, headers } = {}) => ({
  status, body: { type: 'error', error: { type, message }, request_id: 'req_011' }, headers, message, shown: { type, ...(code ? { code } : {}) },
});
const gemini = (code, status, message, { details, shown = {} } = {}) => ({ status: code, body: { error: { code, message, status, ...(details ? { details } : {}) } }, message, shown });
const bedrock = (status, name, message, shown = {}) => ({
  status, body: { message }, headers: { 'x-amzn-errortype': `${name}:http://internal.amazon.com/coral/com.amazon.bedrock/` }, message, shown,
});
const keyInfo = [{ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'API_KEY_INVALID', domain: 'googleapis.com' }];
const retryInfo = (seconds) => [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: `${seconds}s` }];
// Said with the status of a wrong request.
const spent = { status: 400, name: 'BadRequestError', type: 'invalid_request_error', kind: 'upstream_bad_request' };
const tooLong = { code: 'context_length_exceeded' };

/**
 * By shape, then by failure. `rate_limit` names the seconds to wait; AWS names none. `throttled` is the same without them, in
 * the words of the event in raw_dialects.mjs.
 */
export const vendorErrors = {
  openai: {
    bad_request: openai(400, "Invalid type for 'n': expected an integer", { type: 'invalid_request_error', param: 'n', code: 'invalid_type' }),
    context: openai(400, "This model's maximum context length is 128000 tokens. However, your messages resulted in 130000 tokens.", { type: 'invalid_request_error', param: 'messages', ...tooLong }),
    policy: openai(400, 'Your request was rejected as a result of our safety system.', { type: 'image_generation_user_error', code: 'content_policy_violation' }),
    wrong_key: openai(401, 'Incorrect API key provided', { type: 'invalid_request_error', code: 'invalid_api_key' }),
    account: openai(429, 'You exceeded your current quota, please check your plan and billing details.', { type: 'insufficient_quota', code: 'insufficient_quota' }),
    forbidden: openai(403, 'Country, region, or territory not supported', { type: 'request_forbidden', code: 'unsupported_country_region_territory' }),
    no_model: openai(404, 'The model `wire-model` does not exist or you do not have access to it.', { type: 'invalid_request_error', code: 'model_not_found' }),
    no_file: openai(404, 'No such File object: file-abc123', { type: 'invalid_request_error', param: 'id' }),
    timeout: openai(408, 'Request timed out', { type: 'timeout' }),
    conflict: openai(409, 'The resource is being changed by another request', { type: 'invalid_request_error' }),
    too_large: openai(413, 'Maximum content size limit exceeded', { type: 'invalid_request_error' }),
    unprocessable: { status: 422, body: { detail: [{ type: 'missing', loc: ['body', 'messages'], msg: 'Field required' }] }, message: 'Field required', shown: {} },
    rate_limit: openai(429, 'Rate limit reached for requests', { type: 'requests', code: 'rate_limit_exceeded', headers: { 'retry-after': '2' } }),
    throttled: openai(429, 'Rate limit reached', { type: 'requests', code: 'rate_limit_exceeded' }),
    internal: openai(500, 'The server had an error while processing your request', { type: 'server_error' }),
    unavailable: openai(503, 'The engine is currently overloaded, please try again later', { type: 'server_error' }),
  },
  anthropic: {
    bad_request: anthropic(400, 'invalid_request_error', 'messages: text content blocks must be non-empty'),
    context: anthropic(400, 'invalid_request_error', 'prompt is too long: 210000 tokens > 200000 maximum', tooLong),
    policy: anthropic(400, 'invalid_request_error', 'Output blocked by content filtering policy'),
    wrong_key: anthropic(401, 'authentication_error', 'invalid x-api-key', { code: 'invalid_api_key' }),
    account: { ...anthropic(400, 'invalid_request_error', 'Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits.'), shown: { status: 402, type: 'billing_error', code: 'insufficient_quota' } },
    forbidden: anthropic(403, 'permission_error', 'Your API key does not have permission to use the specified resource.'),
    no_model: anthropic(404, 'not_found_error', 'model: wire-model', { code: 'model_not_found' }),
    no_file: anthropic(404, 'not_found_error', 'File not found: file_011CNha8iCJcU1wXNR6q4V8w'),
    timeout: { ...anthropic(504, 'timeout_error', 'Request timed out'), shown: { type: 'timeout_error' } },
    conflict: anthropic(409, 'conflict_error', 'The resource is being changed by another request'),
    too_large: anthropic(413, 'request_too_large', 'Request exceeds the maximum size', { code: 'request_too_large' }),
    unprocessable: anthropic(422, 'invalid_request_error', 'messages: Field required'),
    rate_limit: anthropic(429, 'rate_limit_error', 'This request would exceed the limit of 40,000 input tokens a minute', { headers: { 'retry-after': '2' } }),
    throttled: anthropic(429, 'rate_limit_error', 'slow down'),
    internal: anthropic(500, 'api_error', 'Internal server error'),
    unavailable: anthropic(503, 'api_error', 'Service temporarily unavailable'),
    overloaded: anthropic(529, 'overloaded_error', 'Overloaded'),
  },
  gemini: {
    bad_request: gemini(400, 'INVALID_ARGUMENT', 'Please ensure that multiturn requests alternate between user and model.'),
    context: gemini(400, 'INVALID_ARGUMENT', 'The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).', { shown: tooLong }),
    policy: gemini(400, 'INVALID_ARGUMENT', 'The request was refused under the content filtering policy'),
    wrong_key: gemini(400, 'INVALID_ARGUMENT', 'API key not valid. Please pass a valid API key.', { details: keyInfo }),
    account: gemini(400, 'FAILED_PRECONDITION', 'Gemini API free tier is not available in your country. Please enable billing on your project in Google AI Studio.', { shown: spent }),
    forbidden: gemini(403, 'PERMISSION_DENIED', 'Permission denied: Consumer has been suspended.'),
    no_model: gemini(404, 'NOT_FOUND', 'models/wire-model is not found for API version v1beta, or is not supported for generateContent.'),
    no_file: gemini(403, 'PERMISSION_DENIED', 'You do not have permission to access the File abc123 or it may not exist.', { shown: { status: 403, name: 'PermissionDeniedError', type: 'permission_error', kind: 'upstream_forbidden' } }),
    timeout: gemini(504, 'DEADLINE_EXCEEDED', 'Deadline expired before operation could complete.'),
    conflict: gemini(409, 'ABORTED', 'The operation was aborted.'),
    too_large: gemini(413, 'INVALID_ARGUMENT', 'Request payload size exceeds the limit: 20971520 bytes.'),
    unprocessable: gemini(422, 'INVALID_ARGUMENT', 'Unable to process the request'),
    rate_limit: gemini(429, 'RESOURCE_EXHAUSTED', 'You exceeded your current quota, please check your plan and billing details.', { details: retryInfo(2) }),
    throttled: gemini(429, 'RESOURCE_EXHAUSTED', 'Resource exhausted'),
    internal: gemini(500, 'INTERNAL', 'An internal error has occurred.'),
    unavailable: gemini(503, 'UNAVAILABLE', 'The model is overloaded. Please try again later.'),
  },
  bedrock: {
    bad_request: bedrock(400, 'ValidationException', 'A conversation must start with a user message.'),
    context: bedrock(400, 'ValidationException', 'Input is too long for requested model.', tooLong),
    policy: bedrock(400, 'ValidationException', 'Output blocked by content filtering policy'),
    wrong_key: bedrock(403, 'UnrecognizedClientException', 'The security token included in the request is invalid.', { status: 403, code: 'invalid_api_key' }),
    account: bedrock(400, 'ValidationException', 'Your account is not authorized to invoke this API operation.', spent),
    forbidden: bedrock(403, 'AccessDeniedException', "You don't have access to the model with the specified model ID."),
    no_model: bedrock(404, 'ResourceNotFoundException', 'Model use case details have not been submitted for this account.'),
    no_file: bedrock(404, 'ResourceNotFoundException', 'The prompt arn:aws:bedrock:us-east-1:123456789012:prompt/ABC could not be found.'),
    timeout: bedrock(408, 'ModelTimeoutException', 'The request took too long to process.'),
    conflict: bedrock(409, 'ConflictException', 'The resource is being changed by another request.'),
    too_large: bedrock(413, 'RequestEntityTooLargeException', 'The request is larger than what is taken.'),
    unprocessable: bedrock(422, 'UnprocessableEntityException', 'The request could not be processed.'),
    rate_limit: bedrock(429, 'ThrottlingException', 'Too many requests, please wait before trying again.'),
    throttled: { ...bedrock(429, 'ThrottlingException', 'Too many requests'), body: { message: 'Too many requests', __type: 'ThrottlingException' } },
    internal: bedrock(500, 'InternalServerException', 'The system encountered an unexpected error during processing.'),
    unavailable: bedrock(503, 'ServiceUnavailableException', 'Bedrock is unable to process your request.'),
  },
};

// What stands between the gateway and the vendor says these, the same for all; OpenAI's own words where a vendor has none.
for (const said of Object.values(vendorErrors)) {
  said.bad_gateway = { status: 502, body: '<html><body><h1>502 Bad Gateway</h1></body></html>', message: '502 Bad Gateway', shown: {} };
  said.gateway_timeout = { status: 504, body: '', message: 'status 504', shown: {} };
  said.redirect = { status: 307, body: '', headers: { location: '/trap' }, message: 'redirect', shown: {} };
  said.other_4xx = { status: 418, body: '{"message":"no coffee here"}', message: 'no coffee here', shown: {} };
  said.other_5xx = { status: 520, body: 'unknown error', message: 'unknown error', shown: {} };
  said.overloaded ??= { status: 529, body: '{"message":"overloaded"}', message: 'overloaded', shown: {} };
}
