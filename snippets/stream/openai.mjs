// Last run with openai 6.49.0 on 29 November 2026.
// Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL; reads AZURE_INFERENCE_MODEL.
import OpenAI from "openai";

const { AZURE_INFERENCE_ENDPOINT: endpoint, AZURE_INFERENCE_CREDENTIAL: key, AZURE_INFERENCE_MODEL: name } = process.env;
if (!endpoint || !key) throw new Error("AZURE_INFERENCE_ENDPOINT or AZURE_INFERENCE_CREDENTIAL is not set");
// an inference server ignores stream_options without this header
const defaultHeaders = { "extra-parameters": "pass-through" };
const client = new OpenAI({ baseURL: endpoint + "/v1", apiKey: key, timeout: 180_000, defaultHeaders });
const model = name || (await client.models.list().catch(() => null))?.data[0]?.id || "Phi-4"; // some servers have no list
const messages = [
  { role: "system", content: "You are a helpful assistant." },
  { role: "user", content: "How many languages are in the world?" },
];
const stream = await client.chat.completions.create({
  model,
  messages,
  temperature: 0, top_p: 1, max_tokens: 2048,
  stream: true, stream_options: { include_usage: true },
});
let finishReason;
for await (const chunk of stream) {
  process.stdout.write(chunk.choices[0]?.delta?.content ?? "");
  finishReason = chunk.choices[0]?.finish_reason ?? finishReason;
  if (chunk.usage) console.log(`\n${chunk.usage.completion_tokens} tokens`);
}
if (finishReason !== "stop") throw new Error(`the answer is not whole: ${finishReason}`);
