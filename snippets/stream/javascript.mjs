// Last run with @azure-rest/ai-inference 1.0.0-beta.6, @azure/core-auth 1.10.1 and @azure/core-sse 2.3.0 on 29 November 2026.
// Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
import { text } from "node:stream/consumers";
import ModelClient from "@azure-rest/ai-inference";
import { AzureKeyCredential } from "@azure/core-auth";
import { createSseStream } from "@azure/core-sse";

const { AZURE_INFERENCE_ENDPOINT: endpoint, AZURE_INFERENCE_CREDENTIAL: key } = process.env;
if (!endpoint || !key) throw new Error("AZURE_INFERENCE_ENDPOINT or AZURE_INFERENCE_CREDENTIAL is not set");
const client = ModelClient(endpoint, new AzureKeyCredential(key));
const messages = [
  { role: "system", content: "You are a helpful assistant." },
  { role: "user", content: "How many languages are in the world?" },
];
const response = await client
  .path("/chat/completions")
  .post({ abortSignal: AbortSignal.timeout(180_000), body: { messages, temperature: 0, top_p: 1, max_tokens: 2048, stream: true } })
  .asNodeStream();
if (response.status !== "200") throw new Error(`${response.status}: ${await text(response.body)}`);

let finishReason;
for await (const event of createSseStream(response.body)) {
  if (event.data === "[DONE]") break;
  const { choices, usage } = JSON.parse(event.data);
  process.stdout.write(choices[0]?.delta?.content ?? "");
  finishReason = choices[0]?.finish_reason ?? finishReason;
  if (usage) console.log(`\n${usage.completion_tokens} tokens`);
}
if (finishReason !== "stop") throw new Error(`the answer is not whole: ${finishReason}`);
