// Last run with openai 6.49.0 on 24 November 2026.
// Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
import OpenAI from "openai";

const { AZURE_INFERENCE_ENDPOINT: endpoint, AZURE_INFERENCE_CREDENTIAL: key } = process.env;
if (!endpoint || !key) throw new Error("AZURE_INFERENCE_ENDPOINT or AZURE_INFERENCE_CREDENTIAL is not set");
const client = new OpenAI({
  baseURL: endpoint + "/v1",
  apiKey: key,
  maxRetries: 5, // 408, 409, 429, 5xx, time-outs, no connection
  timeout: 60_000, // milliseconds
});

const messages = [{ role: "user", content: "What is the capital of France?" }];
try {
  for (const temperature of [0, 5]) {
    // 5 is out of range, to show an error
    const response = await client.chat.completions.create({ model: "Phi-4", messages, temperature });
    console.log(response.choices[0].message.content);
  }
} catch (error) {
  if (error instanceof OpenAI.APIConnectionError) console.log("No answer at all:", error.message, `${error.cause?.cause ?? ""}`);
  else if (error instanceof OpenAI.APIError) console.log("Status", error.message, JSON.stringify(error.error) ?? "");
  else throw error;
}
