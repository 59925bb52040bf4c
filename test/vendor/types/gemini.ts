import type {
  Content, GenerateContentResponse, GenerationConfig, SafetySetting, Tool, ToolConfig,
} from '@google/genai';

// The package's request type is that of its own method; these are the members of the wire's body.
export interface Request {
  contents: Content[];
  systemInstruction?: Content;
  tools?: Tool[];
  toolConfig?: ToolConfig;
  safetySettings?: SafetySetting[];
  generationConfig?: GenerationConfig;
  cachedContent?: string;
  labels?: Record<string, string>;
}
export type Reply = GenerateContentResponse;
export type Event = GenerateContentResponse;
