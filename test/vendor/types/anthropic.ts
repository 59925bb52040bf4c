import type { MessageCreateParamsBase, Message, RawMessageStreamEvent } from '@anthropic-ai/sdk/resources/messages/messages';

// Models up to Claude Opus 4.6 take these; the package stopped declaring them with its version 1.
export interface Request extends MessageCreateParamsBase {
  temperature?: number;
  top_p?: number;
  top_k?: number;
}
export type Reply = Message;
export type Event = RawMessageStreamEvent;
