// `turnpike fake-provider` in every shape it speaks: the gateway's ledger and the provider's own account say the same.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Books } from '../harness/books.mjs';
import { shapeDeployment, shapePrices } from '../harness/shape_deployment.mjs';
import { FakeProvider, Gateway, scene } from '../harness/turnpike.mjs';

const vertex = (url) => shapeDeployment('vertex', url).litellm_params;
const bedrock = (url) => shapeDeployment('bedrock', url).litellm_params;
const params = {
  ...Object.fromEntries(['openai', 'azure', 'anthropic', 'gemini', 'vertex', 'bedrock', 'cohere'].map((shape) => [shape, (url) => shapeDeployment(shape, url).litellm_params])),
  'claude-on-vertex': (url) => ({ ...vertex(url), model: 'vertex_ai/claude-wire' }),
  'claude-on-bedrock': (url) => ({ ...bedrock(url), model: 'bedrock/invoke/anthropic.claude-wire-v1:0' }),
  ollama: (url) => ({ model: 'ollama/wire-model', api_base: url }),
  watsonx: (url) => ({ model: 'watsonx/wire/model', api_base: url, watsonx_project_id: 'wire-project', watsonx_zenapikey: 'sk-provider-key-0123456789' }),
};
const uncached = ['ollama', 'watsonx']; // Their usage does not tell.
const script = 'tokens=5,prompt_tokens=40,cached_tokens=8';

let fake;
before(async () => {
  fake = await FakeProvider.start();
});
after(() => fake.stop());

test('the scripted provider speaks every shape, whole and streamed, and its account by label is what was booked', async () => {
  const shapes = Object.keys(params);
  const model_list = shapes.map((shape) => ({
    model_name: shape, litellm_params: { ...shapePrices, ...params[shape](`${fake.url}/fake/label=${shape},${script}`) },
  }));
  await scene(
    async (own) => own(await Gateway.start({ config: { model_list, router_settings: { num_retries: 0 } } })),
    async (gateway) => {
      for (const shape of shapes) {
        const books = await Books.open(gateway);
        const whole = await books.chat({ model: shape });
        assert.equal(whole.status, 200, `${shape}: ${whole.text}`);
        assert.match(whole.json.choices[0].message.content, /^(\w+ ){5}$/, shape);
        const streamed = await books.stream({ model: shape, stream_options: { include_usage: true } });
        assert.equal(streamed.status, 200, `${shape}: ${streamed.text}`);
        const text = streamed.events.map((event) => event.choices?.[0]?.delta?.content ?? '').join('');
        assert.match(text, /^(\w+ ){5}$/, `${shape}: ${streamed.text}`);
        assert.equal(streamed.events.at(-1), '[DONE]', shape);
        await books.close();
        const { served, whole: answered } = (await fake.account()).by_label[shape];
        const cached = uncached.includes(shape) ? 0 : 16;
        assert.equal(answered, 2, shape);
        assert.deepEqual([served.prompt_tokens, served.cached_tokens, served.completion_tokens], [80, cached, 10], shape);
        const rows = await gateway.rows(`api_key=${books.key}`, 2);
        const sum = (name) => rows.reduce((all, row) => all + row[name], 0);
        assert.deepEqual([sum('prompt_tokens'), sum('completion_tokens')], [80, 10], shape);
        const dollars = (80 - cached) * shapePrices.input_cost_per_token + cached * shapePrices.cache_read_input_token_cost + 10 * shapePrices.output_cost_per_token;
        assert.ok(Math.abs(sum('spend') - dollars) < 1e-12, `${shape}: ${sum('spend')} for ${dollars}`);
      }
    },
  );
});
