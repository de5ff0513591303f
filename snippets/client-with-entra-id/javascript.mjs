// Last run with @azure-rest/ai-inference 1.0.0-beta.6 and @azure/identity 4.13.1 on 29 November 2026.
// Needs AZURE_INFERENCE_ENDPOINT, and to be signed in: az login, or a managed identity.
import ModelClient, { isUnexpected } from "@azure-rest/ai-inference";
import { DefaultAzureCredential } from "@azure/identity";

const { AZURE_INFERENCE_ENDPOINT: endpoint } = process.env;
if (!endpoint) throw new Error("AZURE_INFERENCE_ENDPOINT is not set");
const client = ModelClient(endpoint, new DefaultAzureCredential());

const response = await client.path("/chat/completions").post({
  abortSignal: AbortSignal.timeout(60_000),
  body: {
    messages: [{ role: "user", content: "What is the capital of France?" }],
    temperature: 0,
  },
});
if (isUnexpected(response)) {
  throw new Error(`${response.status}: ${JSON.stringify(response.body)}`);
}
const choice = response.body.choices[0];
console.log(choice.message.content);
if (choice.finish_reason !== "stop") throw new Error(`the answer is not whole: ${choice.finish_reason}`);
