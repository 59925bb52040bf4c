// One model_list entry for each big shape, pointed at its scripted provider.
import crypto from 'node:crypto';
import { providerKey } from './shape_provider.mjs';

/** Dollars a token. */
export const shapePrices = {
  input_cost_per_token: 0.000001, cache_read_input_token_cost: 0.00000025, output_cost_per_token: 0.000002,
  cache_creation_input_token_cost: 0.00000125, cache_creation_input_token_cost_above_1hr: 0.0000015,
};

let privateKey;
const serviceKey = () => (privateKey ??= crypto.generateKeyPairSync('rsa', {
  modulusLength: 2048, privateKeyEncoding: { type: 'pkcs8', format: 'pem' }, publicKeyEncoding: { type: 'spki', format: 'pem' },
}).privateKey);

const paramsOf = {
  openai: (url) => ({ model: 'openai/wire-model', api_base: `${url}/v1` }),
  azure: (url) => ({ model: 'azure/wire-model', api_base: url, api_version: '2024-10-21' }),
  anthropic: (url) => ({ model: 'anthropic/wire-model', api_base: url }),
  gemini: (url) => ({ model: 'gemini/wire-model', api_base: `${url}/v1beta` }),
  vertex: (url) => ({
    model: 'vertex_ai/wire-model', api_base: url, api_key: undefined, vertex_project: 'wire-project', vertex_location: 'us-central1',
    vertex_credentials: JSON.stringify({
      type: 'service_account', project_id: 'wire-project', private_key_id: 'k1', private_key: serviceKey(),
      client_email: 'gateway@wire-project.iam.gserviceaccount.com', token_uri: `${url}/token`,
    }),
  }),
  bedrock: (url) => ({
    model: 'bedrock/anthropic.wire-model-v1:0', api_key: undefined, aws_bedrock_runtime_endpoint: url, aws_region_name: 'us-east-1',
    aws_access_key_id: 'AKIDEXAMPLE', aws_secret_access_key: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
  }),
  cohere: (url) => ({ model: 'cohere_chat/wire-model', api_base: url }),
};

/** The group `name`, answered by the provider of `shape` at `url`; with the traits of the listed model `like`. */
export function shapeDeployment(shape, url, { name = 'group', like, params = {} } = {}) {
  return {
    model_name: name,
    litellm_params: { api_key: providerKey, ...shapePrices, ...paramsOf[shape](url), ...params },
    ...(like ? { model_info: { base_model: like } } : {}),
  };
}
