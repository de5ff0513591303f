// Last run with openai 6.49.0 and @azure/identity 4.13.1 on 23 November 2026.
// Needs AZURE_INFERENCE_ENDPOINT, and to be signed in: az login, or a managed identity.
import { DefaultAzureCredential, getBearerTokenProvider } from "@azure/identity";
import OpenAI from "openai";

const token = getBearerTokenProvider(new DefaultAzureCredential(), "https://ml.azure.com/.default");
const client = new OpenAI({
  baseURL: process.env.AZURE_INFERENCE_ENDPOINT + "/v1",
  apiKey: token,
});

const response = await client.chat.completions.create({
  model: "Phi-4",
  messages: [{ role: "user", content: "What is the capital of France?" }],
  temperature: 0,
});
console.log(response.choices[0].message.content);
