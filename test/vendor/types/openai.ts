import type { ChatCompletion, ChatCompletionChunk, ChatCompletionCreateParams } from 'openai/resources/chat/completions';

export type Request = ChatCompletionCreateParams;
export type Reply = ChatCompletion;
export type Event = ChatCompletionChunk;
