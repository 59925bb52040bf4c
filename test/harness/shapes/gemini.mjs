// Google's generateContent, on the Gemini API and on Vertex AI.
const allParts = (body) => body.contents.flatMap((content) => content.parts);

function fragment(model, parts, answer, finishReason) {
  return {
    candidates: [{ content: { role: 'model', parts }, index: 0, ...(finishReason ? { finishReason } : {}) }],
    usageMetadata: {
      promptTokenCount: answer.input, candidatesTokenCount: answer.output, totalTokenCount: answer.input + answer.output,
      ...(answer.cached ? { cachedContentTokenCount: answer.cached } : {}),
    },
    modelVersion: model,
    responseId: 'shape-response',
  };
}

function callPart(call, index) {
  // A signature on the first call of a turn, as thinking models give it; it must come back with the next request.
  return { functionCall: { name: call.name, args: call.input }, ...(index === 0 ? { thoughtSignature: 'c2lnbmF0dXJl' } : {}) };
}

export const gemini = {
  vendor: 'gemini',
  isCall: (url) => /^\/v1beta\/models\/wire-model:(generateContent|streamGenerateContent)$/.test(url.pathname),
  authorised: (headers) => headers['x-goog-api-key'] === 'sk-provider-key-0123456789',
  model: () => 'wire-model',
  read(body, url) {
    const last = body.contents.at(-1).parts;
    const results = last.filter((part) => part.functionResponse);
    const returned = allParts(body).filter((part) => part.functionCall);
    return {
      stream: url.pathname.endsWith(':streamGenerateContent'),
      tools: (body.tools ?? []).flatMap((tool) => tool.functionDeclarations ?? []).map((declared) => declared.name),
      results,
      faults: results.length > 0 && returned[0]?.thoughtSignature !== 'c2lnbmF0dXJl' ? ['Function call is missing a thought_signature in functionCall parts'] : [],
      structured: Boolean(body.generationConfig?.responseJsonSchema ?? body.generationConfig?.responseSchema),
      image: allParts(body).some((part) => part.inlineData ?? part.fileData),
    };
  },
  reply(answer, model) {
    const parts = [...(answer.text === undefined ? [] : [{ text: answer.text }]), ...(answer.calls ?? []).map(callPart)];
    return fragment(model, parts, answer, 'STOP');
  },
  stream(answer, model) {
    const out = answer.pieces.map((text) => fragment(model, [{ text }], answer));
    (answer.calls ?? []).forEach((call, index) => out.push(fragment(model, [callPart(call, index)], answer)));
    out.push(fragment(model, [{ text: '' }], answer, 'STOP'));
    return out.map((value) => `data: ${JSON.stringify(value)}\r\n\r\n`);
  },
};

export const vertex = {
  ...gemini,
  isCall: (url) => /^\/v1\/projects\/wire-project\/locations\/us-central1\/publishers\/google\/models\/wire-model:(generateContent|streamGenerateContent)$/.test(url.pathname),
  authorised: (headers) => headers.authorization === 'Bearer ya29.shape-token',
};
