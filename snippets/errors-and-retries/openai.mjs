// Last run with openai 6.49.0 on 29 November 2026.
// Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL; reads AZURE_INFERENCE_MODEL.
import OpenAI from "openai";

const { AZURE_INFERENCE_ENDPOINT: endpoint, AZURE_INFERENCE_CREDENTIAL: key, AZURE_INFERENCE_MODEL: name } = process.env;
if (!endpoint || !key) throw new Error("AZURE_INFERENCE_ENDPOINT or AZURE_INFERENCE_CREDENTIAL is not set");
const client = new OpenAI({
  baseURL: endpoint + "/v1",
  apiKey: key,
  maxRetries: 5, // 408, 409, 429, 5xx, time-outs, no connection
  timeout: 60_000, // milliseconds
});

const messages = [{ role: "user", content: "What is the capital of France?" }];
const model = name || "Phi-4"; // a serve server takes only the name that model-info prints
try {
  const response = await client.chat.completions.create({ model, messages, temperature: 0 });
  const choice = response.choices[0];
  console.log(choice.message.content);
  if (choice.finish_reason !== "stop") throw new Error(`the answer is not whole: ${choice.finish_reason}`);
} catch (error) {
  if (error instanceof OpenAI.APIConnectionError) console.log("No answer at all:", error.message, `${error.cause?.cause ?? ""}`);
  else if (error instanceof OpenAI.APIError) console.log("Status", error.message, JSON.stringify(error.error) ?? "");
  else throw error;
}
