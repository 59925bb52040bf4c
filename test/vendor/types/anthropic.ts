import type { MessageCreateParams, Message, RawMessageStreamEvent } from '@anthropic-ai/sdk/resources/messages/messages';

export type Request = MessageCreateParams;
export type Reply = Message;
export type Event = RawMessageStreamEvent;
