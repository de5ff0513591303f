// Last run with @azure-rest/ai-inference 1.0.0-beta.6 and @azure/core-auth 1.10.1 on 29 November 2026.
// Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
import ModelClient, { isUnexpected } from "@azure-rest/ai-inference";
import { AzureKeyCredential } from "@azure/core-auth";

const { AZURE_INFERENCE_ENDPOINT: endpoint, AZURE_INFERENCE_CREDENTIAL: key } = process.env;
if (!endpoint || !key) throw new Error("AZURE_INFERENCE_ENDPOINT or AZURE_INFERENCE_CREDENTIAL is not set");
const client = ModelClient(endpoint, new AzureKeyCredential(key));

const response = await client.path("/chat/completions").post({
  abortSignal: AbortSignal.timeout(180_000),
  body: {
    messages: [{ role: "user", content: "How many languages are in the world?" }],
    presence_penalty: 0.1,
    frequency_penalty: 0.8,
    max_tokens: 2048,
    stop: ["<|endoftext|>"],
    temperature: 0,
    top_p: 1,
    response_format: { type: "text" },
  },
});
if (isUnexpected(response)) {
  throw new Error(`${response.status}: ${JSON.stringify(response.body)}`);
}
console.log(response.body.choices[0].message.content);
console.log("Finish reason:", response.body.choices[0].finish_reason);
