// Last run with openai 6.49.0 on 29 November 2026.
// Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL; reads AZURE_INFERENCE_MODEL.
import OpenAI from "openai";

const { AZURE_INFERENCE_ENDPOINT: endpoint, AZURE_INFERENCE_CREDENTIAL: key, AZURE_INFERENCE_MODEL: name } = process.env;
if (!endpoint || !key) throw new Error("AZURE_INFERENCE_ENDPOINT or AZURE_INFERENCE_CREDENTIAL is not set");
const client = new OpenAI({ baseURL: endpoint + "/v1", apiKey: key, timeout: 180_000 });
const model = name || (await client.models.list().catch(() => null))?.data[0]?.id || "Phi-4"; // some servers have no list

const response = await client.chat.completions.create({
  model,
  messages: [{ role: "user", content: "How many languages are in the world?" }],
  presence_penalty: 0.1,
  frequency_penalty: 0.8,
  max_tokens: 2048,
  stop: ["<|endoftext|>"],
  temperature: 0,
  top_p: 1,
  response_format: { type: "text" },
});
console.log(response.choices[0].message.content);
console.log("Finish reason:", response.choices[0].finish_reason);
