// Last run with openai 6.49.0 on 24 November 2026.
// Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
import OpenAI from "openai";

const { AZURE_INFERENCE_ENDPOINT: endpoint, AZURE_INFERENCE_CREDENTIAL: key } = process.env;
if (!endpoint || !key) throw new Error("AZURE_INFERENCE_ENDPOINT or AZURE_INFERENCE_CREDENTIAL is not set");
const client = new OpenAI({ baseURL: endpoint + "/v1", apiKey: key });

const response = await client.chat.completions.create({
  model: "Phi-4",
  messages: [{ role: "user", content: "What is the capital of France?" }],
  temperature: 0,
});
console.log(response.choices[0].message.content);
