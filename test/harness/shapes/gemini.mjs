// Google's generateContent, on the Gemini API and on Vertex AI.
import { geminiRules } from '../vendor_rules.mjs';
import { blocksOf, countsOf, stopOf } from './answer.mjs';

const allParts = (body) => body.contents.flatMap((content) => content.parts);

function fragment(model, parts, answer, finishReason) {
  const { input, cached, output, reasoning } = countsOf(answer);
  return {
    candidates: [{ content: { role: 'model', parts }, index: 0, ...(finishReason ? { finishReason } : {}) }],
    usageMetadata: {
      promptTokenCount: input, candidatesTokenCount: output - reasoning, totalTokenCount: input + output,
      ...(cached ? { cachedContentTokenCount: cached } : {}), ...(reasoning ? { thoughtsTokenCount: reasoning } : {}),
    },
    modelVersion: model,
    responseId: 'shape-response',
  };
}

const stops = { stop: 'STOP', tool_calls: 'STOP', length: 'MAX_TOKENS', content_filter: 'SAFETY' };

function callPart(call, index) {
  // A signature on the first call of a turn, as thinking models give it; it must come back with the next request.
  return { functionCall: { name: call.name, args: call.input }, ...(index === 0 ? { thoughtSignature: 'c2lnbmF0dXJl' } : {}) };
}

export const gemini = {
  vendor: 'gemini',
  rules: geminiRules,
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
    return fragment(model, partsOf(answer, (one) => [one.text]), answer, stops[stopOf(answer)]);
  },
  error: `data: ${JSON.stringify({ error: { code: 503, message: 'The model is overloaded.', status: 'UNAVAILABLE' } })}\r\n\r\n`,
  stream(answer, model) {
    const out = partsOf(answer, (one) => one.pieces).map((part) => fragment(model, [part], answer));
    out.push(fragment(model, [{ text: '' }], answer, stops[stopOf(answer)]));
    return out.map((value) => `data: ${JSON.stringify(value)}\r\n\r\n`);
  },
};

function partsOf(answer, textsOf) {
  let calls = 0;
  return blocksOf(answer).flatMap((one) => {
    if (one.kind === 'call') return [callPart(one, calls++)];
    return textsOf(one).map((text) => ({ text, ...(one.kind === 'thinking' ? { thought: true } : {}) }));
  });
}

export const vertex = {
  ...gemini,
  isCall: (url) => /^\/v1\/projects\/wire-project\/locations\/us-central1\/publishers\/google\/models\/wire-model:(generateContent|streamGenerateContent)$/.test(url.pathname),
  authorised: (headers) => headers.authorization === 'Bearer ya29.shape-token',
};
