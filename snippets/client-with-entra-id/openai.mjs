// Last run with openai 6.49.0 and @azure/identity 4.13.1 on 29 November 2026.
// Needs AZURE_INFERENCE_ENDPOINT, and to be signed in: az login, or a managed identity; reads AZURE_INFERENCE_MODEL.
import { DefaultAzureCredential, getBearerTokenProvider } from "@azure/identity";
import OpenAI from "openai";

const { AZURE_INFERENCE_ENDPOINT: endpoint, AZURE_INFERENCE_MODEL: name } = process.env;
if (!endpoint) throw new Error("AZURE_INFERENCE_ENDPOINT is not set");
const tokenProvider = getBearerTokenProvider(new DefaultAzureCredential(), "https://ml.azure.com/.default");
const client = new OpenAI({ baseURL: endpoint + "/v1", apiKey: tokenProvider, timeout: 60_000 });
const model = name || (await client.models.list().catch(() => null))?.data[0]?.id || "Phi-4"; // some servers have no list

const response = await client.chat.completions.create({
  model,
  messages: [{ role: "user", content: "What is the capital of France?" }],
  temperature: 0,
});
const choice = response.choices[0];
console.log(choice.message.content);
if (choice.finish_reason !== "stop") throw new Error(`the answer is not whole: ${choice.finish_reason}`);
