// Last run with openai 6.49.0 on 23 November 2026.
// Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
import OpenAI from "openai";

const client = new OpenAI({
  baseURL: process.env.AZURE_INFERENCE_ENDPOINT + "/v1",
  apiKey: process.env.AZURE_INFERENCE_CREDENTIAL,
});

const response = await client.chat.completions.create({
  model: "Phi-4",
  messages: [{ role: "user", content: "What is the capital of France?" }],
  temperature: 0,
});
console.log(response.choices[0].message.content);
