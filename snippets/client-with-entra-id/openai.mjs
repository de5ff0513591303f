// Last run with openai 6.49.0 and @azure/identity 4.13.1 on 24 November 2026.
// Needs AZURE_INFERENCE_ENDPOINT, and to be signed in: az login, or a managed identity.
import { DefaultAzureCredential, getBearerTokenProvider } from "@azure/identity";
import OpenAI from "openai";

const { AZURE_INFERENCE_ENDPOINT: endpoint } = process.env;
if (!endpoint) throw new Error("AZURE_INFERENCE_ENDPOINT is not set");
const tokenProvider = getBearerTokenProvider(new DefaultAzureCredential(), "https://ml.azure.com/.default");
const client = new OpenAI({ baseURL: endpoint + "/v1", apiKey: tokenProvider });

const response = await client.chat.completions.create({
  model: "Phi-4",
  messages: [{ role: "user", content: "What is the capital of France?" }],
  temperature: 0,
});
console.log(response.choices[0].message.content);
