// What the pipeline adds around a translated call: the caller's betas, what a provider serves, zeros that are meant, searches without a price.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Books, priceOf } from '../harness/books.mjs';
import { dialects, honest } from '../harness/raw_dialects.mjs';
import { RawProvider } from '../harness/raw_provider.mjs';
import { frame } from '../harness/shapes/bedrock.mjs';
import { Gateway, deployment, scene } from '../harness/turnpike.mjs';

test('betas go on, who serves no chat is not asked, zeros that are meant stay, searches without a price are marked', async () => {
  await scene(
    async (own) => {
      const provider = await RawProvider.start();
      own({ ended: false, kill: () => provider.stop() });
      const url = (name) => `http://127.0.0.1:${provider.port}/${name}`;
      const { anthropic, bedrock } = dialects;
      provider.on('anthropic', (turn) => turn.json(200, anthropic.whole));
      provider.on('bedrock', (turn) => turn.json(200, bedrock.whole));
      const zeros = { inputTokens: 0, outputTokens: 0, totalTokens: 0 };
      provider.on('blocked', (turn) => turn.json(200, { ...bedrock.whole, stopReason: 'guardrail_intervened', usage: zeros }));
      provider.on('searching', (turn) => turn.json(200, { ...anthropic.whole, usage: { ...anthropic.whole.usage, server_tool_use: { web_search_requests: 2 } } }));
      const at = (name, dialect, more = {}) => deployment(name, undefined, { params: { ...dialect.params(url(name)), ...more } });
      const model_list = [
        at('anthropic', anthropic), at('bedrock', bedrock), at('blocked', bedrock), at('searching', anthropic),
        deployment('voyage', url('voyage'), { params: { model: 'voyage/voyage-3' } }),
        deployment('deepgram', url('deepgram'), { params: { model: 'deepgram/nova-3' } }),
      ];
      return { provider, gateway: own(await Gateway.start({ config: { model_list } })) };
    },
    async ({ provider, gateway }) => {
      const books = await Books.open(gateway);
      const headers = { 'anthropic-beta': 'context-1m-2025-08-07, o"dd,files-api-2025-04-14' };
      assert.equal((await books.chat({ model: 'anthropic' }, { headers })).status, 200);
      assert.equal(provider.calls('anthropic')[0].request.headers['anthropic-beta'], 'context-1m-2025-08-07,files-api-2025-04-14');
      assert.equal((await books.chat({ model: 'bedrock' }, { headers })).status, 200);
      const [{ request }] = provider.calls('bedrock');
      assert.deepEqual(JSON.parse(request.body).additionalModelRequestFields.anthropic_beta, ['context-1m-2025-08-07', 'files-api-2025-04-14']);
      assert.equal(request.headers['anthropic-beta'], undefined);

      for (const [model, serves] of [['voyage', /serves embeddings, rerank/], ['deepgram', /serves transcriptions/]]) {
        const refused = await books.chat({ model });
        assert.equal(refused.status, 400, refused.text);
        assert.match(refused.json.error.message, serves);
        assert.equal(provider.calls(model).length, 0, 'nothing is sent');
      }

      const blocked = await books.chat({ model: 'blocked' });
      assert.equal(blocked.json.usage.total_tokens, 0, blocked.text);
      const nothing = await books.row();
      assert.doesNotMatch(nothing.turnpike.marks, /estimated|cost_unknown/);
      assert.equal(nothing.spend, 0);

      assert.equal((await books.chat({ model: 'searching' })).status, 200);
      const searched = await books.row();
      assert.match(searched.turnpike.marks, /cost_unknown/, 'searches without a price are not silent');
      await books.close(3 * priceOf(11, 7));
    },
  );
});

test('what follows the end of Claude\'s stream on Bedrock in the same read does not break it', async () => {
  await scene(
    async (own) => {
      const provider = await RawProvider.start();
      own({ ended: false, kill: () => provider.stop() });
      const chunks = honest(dialects.anthropic).map((event) => frame('chunk', { bytes: Buffer.from(/^data: (.*)$/m.exec(event)[1]).toString('base64') }));
      provider.on('invoke', async (turn) => {
        await turn.sseHead({ 'content-type': 'application/vnd.amazon.eventstream' });
        await turn.chunk(Buffer.concat([...chunks, Buffer.from('garbage garbage garbage')]));
        await turn.last();
      });
      const params = { ...dialects.bedrock.params(`http://127.0.0.1:${provider.port}/invoke`), model: 'bedrock/invoke/anthropic.raw-v1:0' };
      return own(await Gateway.start({ config: { model_list: [deployment('invoke', undefined, { params })] } }));
    },
    async (gateway) => {
      const books = await Books.open(gateway);
      const reply = await books.stream({ model: 'invoke' });
      assert.equal(reply.status, 200, reply.text);
      assert.equal(reply.events.at(-1), '[DONE]');
      assert.ok(!reply.text.includes('"error"'), reply.text);
      assert.equal((await books.row()).status, 'success');
      await books.close(priceOf(11, 7));
    },
  );
});
