// Last run with @azure-rest/ai-inference 1.0.0-beta.6 on 23 November 2026.
// Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
import ModelClient, { isUnexpected } from "@azure-rest/ai-inference";
import { AzureKeyCredential } from "@azure/core-auth";

const client = ModelClient(
  process.env.AZURE_INFERENCE_ENDPOINT,
  new AzureKeyCredential(process.env.AZURE_INFERENCE_CREDENTIAL),
  { retryOptions: { maxRetries: 5 } }, // 5xx, and 429 with Retry-After
);

const messages = [{ role: "user", content: "What is the capital of France?" }];
for (const temperature of [0, 1.5]) {
  // 1.5 is out of range, to show an error: it is returned, not thrown
  const response = await client.path("/chat/completions").post({ body: { messages, temperature } });
  if (isUnexpected(response)) {
    console.log("Status", response.status, JSON.stringify(response.body));
  } else {
    console.log(response.body.choices[0].message.content);
  }
}
