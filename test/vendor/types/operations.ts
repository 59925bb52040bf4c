// Operations beside chat. `Raw` is what Cohere's package puts on the wire.
import type { V2EmbedRequest } from '../../node_modules/cohere-ai/dist/serialization/resources/v2/client/requests/V2EmbedRequest.js';
import type { V2RerankRequest } from '../../node_modules/cohere-ai/dist/serialization/resources/v2/client/requests/V2RerankRequest.js';
import type { V2RerankResponse } from '../../node_modules/cohere-ai/dist/serialization/resources/v2/types/V2RerankResponse.js';
import type { EmbedByTypeResponse } from '../../node_modules/cohere-ai/dist/serialization/types/EmbedByTypeResponse.js';
import type { CreateEmbeddingResponse, EmbeddingCreateParams } from 'openai/resources/embeddings';
import type { ImageGenerateParams, ImagesResponse } from 'openai/resources/images';
import type { ModerationCreateParams } from 'openai/resources/moderations';
import type { Transcription } from 'openai/resources/audio/transcriptions';

export type OpenAiEmbeddingRequest = EmbeddingCreateParams;
export type OpenAiEmbeddingReply = CreateEmbeddingResponse;
export type OpenAiImageRequest = ImageGenerateParams;
export type OpenAiImageReply = ImagesResponse;
export type OpenAiModerationRequest = ModerationCreateParams;
export type OpenAiTranscriptionReply = Transcription;
export type CohereEmbeddingRequest = V2EmbedRequest.Raw;
export type CohereEmbeddingReply = EmbedByTypeResponse.Raw;
export type CohereRerankRequest = V2RerankRequest.Raw;
export type CohereRerankReply = V2RerankResponse.Raw;
