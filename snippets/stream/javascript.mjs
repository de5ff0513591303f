// Last run with @azure-rest/ai-inference 1.0.0-beta.6 on 23 November 2026.
// Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
import ModelClient from "@azure-rest/ai-inference";
import { AzureKeyCredential } from "@azure/core-auth";
import { createSseStream } from "@azure/core-sse";

const client = ModelClient(
  process.env.AZURE_INFERENCE_ENDPOINT,
  new AzureKeyCredential(process.env.AZURE_INFERENCE_CREDENTIAL),
);
const messages = [
  { role: "system", content: "You are a helpful assistant." },
  { role: "user", content: "How many languages are in the world?" },
];
const response = await client
  .path("/chat/completions")
  .post({ body: { messages, temperature: 0, top_p: 1, max_tokens: 2048, stream: true } })
  .asNodeStream();
if (response.status !== "200") throw new Error(`Status ${response.status}`);

for await (const event of createSseStream(response.body)) {
  if (event.data === "[DONE]") break;
  const { choices, usage } = JSON.parse(event.data);
  process.stdout.write(choices[0]?.delta?.content ?? "");
  if (usage) console.log(`\n${usage.completion_tokens} tokens`);
}
