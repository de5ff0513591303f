// Last run with openai 6.49.0 on 23 November 2026.
// Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
import OpenAI from "openai";

const client = new OpenAI({
  baseURL: process.env.AZURE_INFERENCE_ENDPOINT + "/v1",
  apiKey: process.env.AZURE_INFERENCE_CREDENTIAL,
});
const messages = [
  { role: "system", content: "You are a helpful assistant." },
  { role: "user", content: "How many languages are in the world?" },
];
const response = await client.chat.completions.create({ model: "Phi-4", messages, temperature: 0 });
console.log("Response:", response.choices[0].message.content);
console.log("Model:", response.model);
console.log("Prompt tokens:", response.usage.prompt_tokens);
console.log("Completion tokens:", response.usage.completion_tokens);
