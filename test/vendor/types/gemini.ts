import type {
  Content, GenerateContentResponse, GenerationConfig, ImageConfig, SafetySetting, Tool, ToolConfig,
} from '@google/genai';

// The package's request type is that of its own method; these are the members of the wire's body, where the package
// declares some beside others.
export interface Request {
  contents: Content[];
  systemInstruction?: Content;
  tools?: Tool[];
  toolConfig?: ToolConfig;
  safetySettings?: SafetySetting[];
  generationConfig?: WireGenerationConfig;
  cachedContent?: string;
  labels?: Record<string, string>;
  serviceTier?: string;
}
interface WireGenerationConfig extends GenerationConfig {
  imageConfig?: ImageConfig;
}
export type Reply = GenerateContentResponse;
export type Event = GenerateContentResponse;
