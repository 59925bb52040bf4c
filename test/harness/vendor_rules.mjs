// What the vendors refuse though their types allow it: the rules that their documents and their 400s state. Each function
// takes a request's body and returns its faults.

const blank = (text) => text.trim() === '';
const unique = (list) => new Set(list).size === list.length;

class Faults {
  constructor() {
    this.list = [];
  }
  unless(holds, what) {
    if (!holds) this.list.push(what);
  }
}

function alternate(faults, roles, first) {
  faults.unless(roles.length > 0, 'no messages');
  faults.unless(roles[0] === first, `the first message is the ${roles[0]}'s`);
  faults.unless(roles.every((role, at) => role !== roles[at - 1]), `roles do not alternate: ${roles}`);
}

/** Calls and results of neighbouring turns: `turns` are `{role, calls: [id], results: [id], resultsFirst}`. */
function pairs(faults, turns, user) {
  turns.forEach((turn, at) => {
    const before = turns[at - 1]?.calls ?? [];
    faults.unless(unique(turn.results), `turn ${at}: a result twice`);
    faults.unless(turn.results.every((id) => before.includes(id)), `turn ${at}: a result without its call in the turn before`);
    if (turn.role === user) faults.unless(before.every((id) => turn.results.includes(id)), `turn ${at}: a call without its result`);
    faults.unless(turn.resultsFirst, `turn ${at}: results do not stand first`);
  });
  const ids = turns.flatMap((turn) => turn.calls);
  faults.unless(unique(ids), 'ids of calls are not unique');
}

function resultsFirst(content, isResult) {
  const kinds = content.map(isResult);
  return kinds.lastIndexOf(true) < kinds.filter(Boolean).length;
}

function thinkingRules(faults, thinking, { maxTokens, temperature, topP, topK, forced }) {
  if (thinking?.type !== 'enabled') return;
  faults.unless(thinking.budget_tokens >= 1024, `a budget of ${thinking.budget_tokens}`);
  faults.unless(thinking.budget_tokens < maxTokens, `a budget of ${thinking.budget_tokens} in ${maxTokens}`);
  faults.unless(temperature === undefined || temperature === 1, 'temperature beside thinking');
  faults.unless(topP === undefined || topP >= 0.95, 'top_p beside thinking');
  faults.unless(topK === undefined, 'top_k beside thinking');
  faults.unless(!forced, 'a forced call beside thinking');
}

export function anthropicRules(body) {
  const faults = new Faults();
  const { messages } = body;
  const blocks = (message) => (typeof message.content === 'string' ? [{ type: 'text', text: message.content }] : message.content);
  const system = typeof body.system === 'string' ? [{ type: 'text', text: body.system }] : body.system ?? [];
  alternate(faults, messages.map((message) => message.role), 'user');
  const all = messages.flatMap(blocks);
  const nested = all.flatMap((block) => (Array.isArray(block.content) ? block.content : []));
  for (const message of messages) faults.unless(blocks(message).length > 0, 'a message without content');
  for (const block of [...system, ...all, ...nested]) {
    if (block.type === 'text') faults.unless(!blank(block.text), 'a blank text');
    if (block.type === 'tool_use') faults.unless(/^[a-zA-Z0-9_-]+$/.test(block.id) && /^[a-zA-Z0-9_-]{1,128}$/.test(block.name), `a call ${block.id} of ${block.name}`);
    if (block.type === 'tool_use') faults.unless(block.input && typeof block.input === 'object' && !Array.isArray(block.input), 'input that is no object');
    if (block.type === 'image' && block.source.type === 'base64') faults.unless(/^image\/(jpeg|png|gif|webp)$/.test(block.source.media_type), 'a type of image');
    if (/thinking/.test(block.type)) faults.unless(!block.cache_control, 'a cache mark on a thought');
  }
  pairs(faults, messages.map((message) => ({
    role: message.role,
    calls: blocks(message).filter((block) => block.type === 'tool_use').map((block) => block.id),
    results: blocks(message).filter((block) => block.type === 'tool_result').map((block) => block.tool_use_id),
    resultsFirst: resultsFirst(blocks(message), (block) => block.type === 'tool_result'),
  })), 'user');
  const last = messages.at(-1);
  const end = last && blocks(last).at(-1);
  if (last?.role === 'assistant' && end?.type === 'text') faults.unless(!/[ \t\r\n\f\v]$/.test(end.text), 'white space at the end of a prefill');
  const tools = body.tools ?? [];
  faults.unless(unique(tools.map((tool) => tool.name)), 'names of tools are not unique');
  for (const tool of tools) {
    faults.unless(/^[a-zA-Z0-9_-]{1,128}$/.test(tool.name), `a tool ${tool.name}`);
    if (tool.input_schema) faults.unless(tool.input_schema.type === 'object', 'a schema that is no object');
  }
  if (body.tool_choice) faults.unless(tools.length > 0, 'tool_choice without tools');
  if (body.tool_choice?.type === 'tool') faults.unless(tools.some((tool) => tool.name === body.tool_choice.name), 'a choice of no tool');
  const marked = [...system, ...all, ...nested, ...tools].filter((value) => value.cache_control);
  faults.unless(marked.length <= 4, `${marked.length} cache marks`);
  faults.unless(body.max_tokens >= 1, `max_tokens ${body.max_tokens}`);
  faults.unless((body.stop_sequences ?? []).every((stop) => !blank(stop)), 'a blank stop sequence');
  faults.unless(!(body.temperature > 1), `temperature ${body.temperature}`);
  thinkingRules(faults, body.thinking, {
    maxTokens: body.max_tokens, temperature: body.temperature, topP: body.top_p, topK: body.top_k, forced: /any|tool/.test(body.tool_choice?.type ?? ''),
  });
  return faults.list;
}

export function bedrockRules(body) {
  const faults = new Faults();
  const { messages } = body;
  alternate(faults, messages.map((message) => message.role), 'user');
  const all = messages.flatMap((message) => message.content);
  const nested = all.flatMap((block) => block.toolResult?.content ?? []);
  for (const message of messages) {
    faults.unless(message.content.some((block) => !block.cachePoint), 'a message without content');
    if (message.content.some((block) => block.document)) faults.unless(message.content.some((block) => block.text), 'a document without a text');
  }
  for (const block of [...(body.system ?? []), ...all, ...nested]) {
    faults.unless(Object.keys(block).length === 1, `a block of ${Object.keys(block)}`);
    if (block.text !== undefined) faults.unless(!blank(block.text), 'a blank text');
    if (block.toolUse) faults.unless(/^[a-zA-Z0-9_.:-]{1,64}$/.test(block.toolUse.toolUseId) && /^[a-zA-Z0-9_-]{1,64}$/.test(block.toolUse.name), `a call ${block.toolUse.toolUseId} of ${block.toolUse.name}`);
    if (block.toolUse) faults.unless(block.toolUse.input && typeof block.toolUse.input === 'object' && !Array.isArray(block.toolUse.input), 'input that is no object');
    if (block.document) faults.unless(/^[A-Za-z0-9\-()[\] ]{1,200}$/.test(block.document.name) && !/ {2}/.test(block.document.name), `a document ${block.document.name}`);
  }
  const documents = all.filter((block) => block.document).map((block) => block.document.name);
  faults.unless(unique(documents), 'names of documents are not unique');
  pairs(faults, messages.map((message) => ({
    role: message.role,
    calls: message.content.filter((block) => block.toolUse).map((block) => block.toolUse.toolUseId),
    results: message.content.filter((block) => block.toolResult).map((block) => block.toolResult.toolUseId),
    resultsFirst: resultsFirst(message.content.filter((block) => !block.cachePoint), (block) => Boolean(block.toolResult)),
  })), 'user');
  const last = messages.at(-1);
  if (last?.role === 'assistant' && last.content.at(-1)?.text !== undefined) faults.unless(!/[ \t\r\n\f\v]$/.test(last.content.at(-1).text), 'white space at the end of a prefill');
  const specs = (body.toolConfig?.tools ?? []).filter((tool) => tool.toolSpec).map((tool) => tool.toolSpec);
  if (body.toolConfig) faults.unless(body.toolConfig.tools.length > 0, 'toolConfig without tools');
  if (all.some((block) => block.toolUse ?? block.toolResult)) faults.unless(body.toolConfig, 'calls in the history and no toolConfig');
  faults.unless(unique(specs.map((spec) => spec.name)), 'names of tools are not unique');
  for (const spec of specs) {
    faults.unless(/^[a-zA-Z0-9_-]{1,64}$/.test(spec.name), `a tool ${spec.name}`);
    faults.unless(spec.description === undefined || spec.description.length > 0, 'an empty description');
    faults.unless(spec.inputSchema.json.type === 'object', 'a schema that is no object');
  }
  const choice = body.toolConfig?.toolChoice;
  if (choice?.tool) faults.unless(specs.some((spec) => spec.name === choice.tool.name), 'a choice of no tool');
  const config = body.inferenceConfig ?? {};
  faults.unless((config.stopSequences ?? []).every((stop) => stop.length > 0), 'an empty stop sequence');
  faults.unless(!(config.temperature > 1) && !(config.maxTokens < 1), 'inferenceConfig');
  const marks = JSON.stringify(body).split('"cachePoint"').length - 1;
  faults.unless(marks <= 4, `${marks} cache points`);
  const more = body.additionalModelRequestFields ?? {};
  thinkingRules(faults, more.thinking, {
    maxTokens: config.maxTokens ?? Infinity, temperature: config.temperature, topP: config.topP, topK: more.top_k, forced: Boolean(choice?.any ?? choice?.tool),
  });
  for (const pair of Object.entries(body.requestMetadata ?? {})) faults.unless(pair.every((text) => /^[a-zA-Z0-9\s:_@$#=/+,.-]{0,256}$/.test(text)), `metadata ${pair}`);
  return faults.list;
}

export function geminiRules(body) {
  const faults = new Faults();
  const { contents } = body;
  faults.unless(contents.length > 0, 'no contents');
  const has = (content, member) => (content?.parts ?? []).some((part) => part[member]);
  contents.forEach((content, at) => {
    const before = contents[at - 1];
    if (has(content, 'functionCall')) faults.unless(before?.role === 'user', `turn ${at}: a functionCall that follows no user`);
    faults.unless(content.role !== before?.role || has(before, 'functionResponse'), `turn ${at}: roles do not alternate`);
  });
  const data = ['text', 'inlineData', 'fileData', 'functionCall', 'functionResponse', 'executableCode', 'codeExecutionResult'];
  for (const content of [...contents, ...(body.systemInstruction ? [body.systemInstruction] : [])]) {
    faults.unless(content.parts?.length > 0, 'a content without parts');
    for (const part of content.parts ?? []) {
      faults.unless(data.filter((name) => part[name] !== undefined).length === 1, `a part of ${Object.keys(part)}`);
      faults.unless(part.text !== '', 'an empty text');
    }
  }
  contents.forEach((content, at) => {
    const names = (list, member) => (list?.parts ?? []).filter((part) => part[member]).map((part) => part[member].name);
    const calls = names(contents[at - 1], 'functionCall');
    const answers = names(content, 'functionResponse');
    faults.unless(answers.length === 0 || answers.length === calls.length, `turn ${at}: ${answers.length} functionResponses of ${calls.length} functionCalls`);
    faults.unless(content.role !== 'user' || calls.length === 0 || answers.length > 0, `turn ${at}: a functionCall without its functionResponse`);
    faults.unless(answers.every((name, index) => name === calls[index]), `turn ${at}: responses ${answers} to ${calls}`);
  });
  for (const part of contents.flatMap((content) => content.parts)) {
    const { functionCall, functionResponse } = part;
    for (const own of [functionCall, functionResponse].filter(Boolean)) faults.unless(/^[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}$/.test(own.name), `a function ${own.name}`);
    if (functionCall?.args !== undefined) faults.unless(typeof functionCall.args === 'object' && !Array.isArray(functionCall.args), 'args that are no object');
    if (functionResponse) faults.unless(typeof functionResponse.response === 'object' && !Array.isArray(functionResponse.response), 'a response that is no object');
  }
  const declared = (body.tools ?? []).flatMap((tool) => tool.functionDeclarations ?? []).map((own) => own.name);
  faults.unless(unique(declared), 'names of functions are not unique');
  for (const name of declared) faults.unless(/^[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}$/.test(name), `a function ${name}`);
  const calling = body.toolConfig?.functionCallingConfig;
  faults.unless((calling?.allowedFunctionNames ?? []).every((name) => declared.includes(name)), 'an allowed name of no function');
  if (calling?.allowedFunctionNames) faults.unless(calling.mode === 'ANY' || calling.mode === 'VALIDATED', `allowedFunctionNames in mode ${calling.mode}`);
  if (calling?.mode === 'ANY') faults.unless(declared.length > 0, 'ANY without functions');
  const config = body.generationConfig ?? {};
  faults.unless((config.stopSequences ?? []).length <= 5 && (config.stopSequences ?? []).every((stop) => stop !== ''), 'stopSequences');
  faults.unless(config.thinkingConfig?.thinkingBudget === undefined || config.thinkingConfig.thinkingLevel === undefined, 'thinkingBudget beside thinkingLevel');
  if (config.logprobs !== undefined) faults.unless(config.responseLogprobs === true, 'logprobs without responseLogprobs');
  if (config.responseSchema ?? config.responseJsonSchema) faults.unless(config.responseMimeType === 'application/json', 'a schema of no JSON');
  return faults.list;
}

export function cohereRules(body) {
  const faults = new Faults();
  faults.unless(body.messages.length > 0, 'no messages');
  let open = [];
  body.messages.forEach((message, at) => {
    if (message.role === 'tool') {
      faults.unless(open.includes(message.tool_call_id), `message ${at}: a result without its call before it`);
      open = open.filter((id) => id !== message.tool_call_id);
      return;
    }
    faults.unless(open.length === 0, `message ${at}: a call without its result`);
    open = message.role === 'assistant' ? (message.tool_calls ?? []).map((call) => call.id) : [];
    faults.unless(unique(open), `message ${at}: ids of calls are not unique`);
    if (message.role === 'assistant') faults.unless(message.content?.length > 0 || open.length > 0, `message ${at}: says nothing`);
  });
  for (const tool of body.tools ?? []) faults.unless(tool.function.parameters, 'a tool without parameters');
  if (body.tool_choice === 'REQUIRED') faults.unless((body.tools ?? []).length > 0, 'REQUIRED without tools');
  faults.unless((body.stop_sequences ?? []).length <= 5, 'stop_sequences');
  if (body.response_format?.type === 'json_object') faults.unless(!body.tools?.length, 'response_format beside tools');
  return faults.list;
}

export function openaiRules(body) {
  const faults = new Faults();
  for (const message of body.messages) {
    for (const call of message.tool_calls ?? []) faults.unless(Buffer.byteLength(call.id) <= 40 && !call.id.includes('__thought__'), `a call's id of ${call.id.length} letters`);
    for (const name of ['thinking_blocks', 'provider_specific_fields', 'annotations', 'reasoning_content']) faults.unless(!(name in message), `a message's ${name}`);
  }
  return faults.list;
}
