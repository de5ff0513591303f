// Last run with @azure-rest/ai-inference 1.0.0-beta.6 and @azure/core-auth 1.10.1 on 29 November 2026.
// Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
import ModelClient, { isUnexpected } from "@azure-rest/ai-inference";
import { AzureKeyCredential } from "@azure/core-auth";

const { AZURE_INFERENCE_ENDPOINT: endpoint, AZURE_INFERENCE_CREDENTIAL: key } = process.env;
if (!endpoint || !key) throw new Error("AZURE_INFERENCE_ENDPOINT or AZURE_INFERENCE_CREDENTIAL is not set");
const retryOptions = { maxRetries: 5, maxRetryDelayInMs: 4_000 }; // 5xx, 429 with Retry-After, no connection
const client = ModelClient(endpoint, new AzureKeyCredential(key), { retryOptions });

const messages = [{ role: "user", content: "What is the capital of France?" }];
const body = { messages, temperature: 0 };
const abortSignal = AbortSignal.timeout(60_000); // milliseconds, for all attempts together
let response;
try {
  response = await client.path("/chat/completions").post({ body, abortSignal });
} catch (error) {
  console.log("No answer at all:", error.message);
}
if (response && isUnexpected(response)) {
  console.log("Status", response.status, JSON.stringify(response.body)); // returned, not thrown
} else if (response) {
  const choice = response.body.choices[0];
  console.log(choice.message.content);
  if (choice.finish_reason !== "stop") throw new Error(`the answer is not whole: ${choice.finish_reason}`);
}
