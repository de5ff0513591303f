// Last run with openai 6.49.0 on 23 November 2026.
// Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
import OpenAI from "openai";

const client = new OpenAI({
  baseURL: process.env.AZURE_INFERENCE_ENDPOINT + "/v1",
  apiKey: process.env.AZURE_INFERENCE_CREDENTIAL,
  maxRetries: 5, // 408, 409, 429 and 5xx
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
  if (!(error instanceof OpenAI.APIError)) throw error;
  console.log("Status", error.status, JSON.stringify(error.error));
}
