// Last run with @azure-rest/ai-inference 1.0.0-beta.6 on 23 November 2026.
// Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
import ModelClient, { isUnexpected } from "@azure-rest/ai-inference";
import { AzureKeyCredential } from "@azure/core-auth";

const client = ModelClient(
  process.env.AZURE_INFERENCE_ENDPOINT,
  new AzureKeyCredential(process.env.AZURE_INFERENCE_CREDENTIAL),
);

const response = await client.path("/chat/completions").post({
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
