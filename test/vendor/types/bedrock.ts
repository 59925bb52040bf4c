import type { ConverseRequest, ConverseResponse, ConverseStreamOutput } from '@aws-sdk/client-bedrock-runtime';

// The model id travels in the path.
export type Request = Omit<ConverseRequest, 'modelId'>;
export type Reply = ConverseResponse;
export type Event = ConverseStreamOutput;
