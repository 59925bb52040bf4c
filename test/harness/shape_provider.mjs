// A scripted provider that speaks one of the big shapes. It holds each request to the types of the vendor's own package,
// answers by what was asked (a tool call, a tool's result, an image, a schema, a greeting) and keeps an account.
import { once } from 'node:events';
import http from 'node:http';
import { validatorsOf } from '../vendor/schemas.mjs';
import { anthropic } from './shapes/anthropic.mjs';
import { bedrock } from './shapes/bedrock.mjs';
import { cohere } from './shapes/cohere.mjs';
import { gemini, vertex } from './shapes/gemini.mjs';
import { azure, openai } from './shapes/openai.mjs';

export const shapes = { openai, azure, anthropic, gemini, vertex, bedrock, cohere };
export const providerKey = 'sk-provider-key-0123456789';

const validators = {};
const requestFaults = (vendor, body) => (validators[vendor] ??= validatorsOf(vendor)).Request(body);

/** Text cut into pieces of odd sizes, also inside of a character outside of ASCII's neighbours. */
function cut(text) {
  const letters = [...text];
  const pieces = [];
  for (let at = 0, size = 1; at < letters.length; at += size, size = (size % 5) + 1) pieces.push(letters.slice(at, at + size).join(''));
  return pieces;
}

function answerOf(ask) {
  const usage = { input: 40 + ask.tools.length * 10, cached: 8, output: 20 };
  const say = (text) => ({ text, pieces: cut(text), ...usage });
  const use = (...calls) => ({
    pieces: [], ...usage,
    calls: calls.map(([name, input], index) => ({ id: `call_${index}_shape`, name, input, pieces: cut(JSON.stringify(input)) })),
  });
  if (ask.results.length > 0) return say(`${ask.results.length} results: 21 °C at 12:30.`);
  if (ask.structured) {
    const place = { city: 'Paris', country: 'France' };
    return ask.jsonTool ? use(['json_tool_call', place]) : say(JSON.stringify(place));
  }
  if (ask.image) return say('A red square.');
  if (ask.tools.length > 0) return use(...ask.tools.map((name) => [name, { city: 'Paris' }]));
  return say('Bonjour ☕, hello.');
}

export class ShapeProvider {
  static async start(name) {
    const provider = new ShapeProvider();
    Object.assign(provider, { name, shape: shapes[name], faults: [], calls: [], tokenRequests: 0, counts: () => true, passes: [] });
    provider.server = http.createServer((request, response) => provider.#serve(request, response));
    provider.server.listen(0, '127.0.0.1');
    await once(provider.server, 'listening');
    provider.url = `http://127.0.0.1:${provider.server.address().port}`;
    return provider;
  }

  async close() {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }

  /** Never leaves a request unanswered: what the script or the shape throws is a fault and a 500. */
  async #serve(request, response) {
    try {
      await this.#answer(request, response);
    } catch (error) {
      this.faults.push(`${request.method} ${request.url}: ${error.stack}`);
      if (response.headersSent) return response.destroy();
      response.writeHead(500, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ error: { message: error.message } }));
    }
  }

  async #answer(request, response) {
    const pieces = [];
    for await (const piece of request) pieces.push(piece);
    const text = Buffer.concat(pieces).toString();
    const url = new URL(request.url, this.url);
    if (url.pathname === '/token') {
      this.tokenRequests += 1;
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ access_token: 'ya29.shape-token', expires_in: 3599, token_type: 'Bearer' }));
      return;
    }
    const refuse = (status, why) => {
      this.faults.push(why);
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ error: { message: why, type: 'invalid_request_error' }, message: why }));
    };
    if (!this.shape.isCall(url)) return refuse(404, `no such path: ${request.method} ${request.url}`);
    const authorised = this.shape.authorised ?? ((headers) => headers.authorization === `Bearer ${providerKey}`);
    if (!authorised(request.headers)) return refuse(401, `wrong credential: ${JSON.stringify(request.headers)}`);
    const body = JSON.parse(text);
    const ask = this.shape.read(body, url);
    const known = Object.fromEntries(Object.entries(body).filter(([name]) => !this.passes.includes(name)));
    const faults = [...requestFaults(this.shape.vendor, known), ...(this.script ? this.shape.rules(body) : ask.faults ?? [])].filter(this.counts);
    if (faults.length > 0) return refuse(400, `${faults.join('; ')} in ${text}`);
    const answer = this.script?.(ask, body) ?? answerOf(ask);
    this.calls.push({ body, answer });
    const model = this.shape.model(url, body);
    if (!ask.stream) {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(this.shape.reply(answer, model)));
      return;
    }
    response.setHeader('content-type', this.shape.streamType ?? 'text/event-stream');
    const events = this.shape.stream(answer, model, body);
    for (const piece of answer.carry ? answer.carry(events, this.shape) : events) {
      response.write(piece);
      await new Promise(setImmediate);
    }
    if (answer.torn) response.destroy();
    else response.end();
  }

  /** Tokens served, over all calls. */
  total() {
    const sum = (name) => this.calls.reduce((all, call) => all + call.answer[name], 0);
    return { input: sum('input'), cached: sum('cached'), output: sum('output') };
  }
}
