// Groups of scripted deployments in the four shapes that promises about routing are shown on, behind one gateway, and what
// is known of a call when it is over.
import assert from 'node:assert/strict';
import { asksStream, bytesOf, dialects, honest } from './raw_dialects.mjs';
import { RawProvider } from './raw_provider.mjs';
import { Gateway, deployment } from './turnpike.mjs';
import { vendorErrors } from './vendor_errors.mjs';

export const shapes = Object.keys(vendorErrors);
export const modes = ['whole', 'stream'];
/** Both modes of every shape. */
export const everyWay = shapes.flatMap((shape) => modes.map((mode) => [shape, mode]));

/** Scripts are asked as `script(turn, shape, count)`. "one two", in the form that was asked for. */
export async function answer(turn, shape) {
  const dialect = dialects[shape];
  if (!asksStream(turn.request)) return turn.json(200, dialect.whole);
  await turn.sseHead({ 'content-type': dialect.head });
  await turn.chunk(bytesOf(honest(dialect)));
  return turn.last();
}

/** The head of a stream and its first content, "one ". */
export async function firstWord(turn, shape) {
  const dialect = dialects[shape];
  await turn.sseHead({ 'content-type': dialect.head });
  await turn.chunk(bytesOf([...dialect.begin, dialect.word('one ')]));
}

/** What the shape's vendor says when it fails so; `headers` beside its own. */
export const failing = (failure, headers = {}) => (turn, shape) => {
  const said = vendorErrors[shape][failure];
  return turn.json(said.status, said.body, { ...said.headers, ...headers });
};

export const minute = () => Math.floor(Date.now() / 60_000);

export class ShapeGroups {
  static async open() {
    const groups = new ShapeGroups();
    Object.assign(groups, { provider: await RawProvider.start(), model_list: [], fallbacks: [] });
    return groups;
  }

  /**
   * A deployment `path` of `group`; the path is its id too (never a group's name: that would name this one alone). `script`
   * may be the address of somebody else.
   */
  serve(shape, group, script, { path = `${group}-1`, ...params } = {}) {
    const url = typeof script === 'string' ? `${script}/${path}` : `http://127.0.0.1:${this.provider.port}/${path}`;
    if (typeof script !== 'string') this.provider.on(path, async (turn, count) => script(turn, shape, count));
    this.model_list.push(deployment(group, undefined, { params: { ...dialects[shape].params(url), ...params }, info: { id: path } }));
  }

  fallBack(group, ...to) {
    this.fallbacks.push({ [group]: to });
  }

  async start(router_settings = {}, more = {}) {
    this.gateway = await Gateway.start({ config: { model_list: this.model_list, router_settings: { fallbacks: this.fallbacks, ...router_settings }, ...more } });
  }

  async stop() {
    await this.gateway?.stop();
    await this.provider.stop();
  }

  /** How often the deployment was asked. */
  asked(path) {
    return this.provider.calls(path).length;
  }

  async health(group) {
    const { healthy_endpoints: well, unhealthy_endpoints: unwell } = (await this.gateway.call('GET', `/health?model=${group}`)).json;
    return {
      resting: unwell.map((one) => one.model_id).sort(),
      left: Object.fromEntries(unwell.map((one) => [one.model_id, one.cooldown_seconds_left])),
      failures: Object.fromEntries([...well, ...unwell].map((one) => [one.model_id, one.failures_this_minute])),
    };
  }

  /** One call of the key of `books`; several may be under way at once. */
  async send(books, group, mode, fields = {}, headers = {}) {
    const signed = books.sign(headers);
    const call = mode === 'stream' ? this.gateway.stream : this.gateway.chat;
    const reply = await call.call(this.gateway, { model: group, ...fields }, { key: books.key, headers: signed });
    return { reply, id: signed['x-litellm-call-id'] };
  }

  /** The same, and who rests right after it, what was counted (undefined: the minute is over), and its row. */
  async ask(books, group, mode, fields, headers) {
    const began = minute();
    const { reply, id } = await this.send(books, group, mode, fields, headers);
    const { resting, failures } = await this.health(group);
    const counted = began === minute() ? failures : undefined;
    const row = await books.row(id);
    return { reply, row, resting, failures: counted, asked: row.turnpike.attempts.map((one) => one.deployment_id) };
  }
}

/** The words of an answer; each chunk must name `model`. */
export function contentOf(reply, mode, model) {
  assert.equal(reply.status, 200, reply.text);
  const chunks = mode === 'stream' ? reply.events.filter((event) => event !== '[DONE]' && !event.error) : [reply.json];
  for (const chunk of chunks) assert.equal(chunk.model, model, 'the model that the caller is told');
  return chunks.map((chunk) => (chunk.choices[0]?.delta ?? chunk.choices[0]?.message)?.content ?? '').join('');
}

/** The header fields that `expected` names are as it says. */
export function checkHeaders({ reply }, expected) {
  assert.deepEqual(Object.fromEntries(Object.keys(expected).map((name) => [name, reply.headers.get(name)])), expected);
}
