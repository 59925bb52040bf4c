// `Raw` is what Cohere's package puts on the wire.
import type { V2ChatRequest } from '../../node_modules/cohere-ai/dist/serialization/resources/v2/client/requests/V2ChatRequest.js';
import type { V2ChatResponse } from '../../node_modules/cohere-ai/dist/serialization/resources/v2/types/V2ChatResponse.js';
import type { V2ChatStreamResponse } from '../../node_modules/cohere-ai/dist/serialization/resources/v2/types/V2ChatStreamResponse.js';

export interface Request extends V2ChatRequest.Raw {
  stream?: boolean;
}
export type Reply = V2ChatResponse.Raw;
export type Event = V2ChatStreamResponse.Raw;
