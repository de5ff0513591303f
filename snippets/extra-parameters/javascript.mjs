// Last run with @azure-rest/ai-inference 1.0.0-beta.6 and @azure/core-auth 1.10.1 on 29 November 2026.
// Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
import ModelClient, { isUnexpected } from "@azure-rest/ai-inference";
import { AzureKeyCredential } from "@azure/core-auth";

const { AZURE_INFERENCE_ENDPOINT: endpoint, AZURE_INFERENCE_CREDENTIAL: key } = process.env;
if (!endpoint || !key) throw new Error("AZURE_INFERENCE_ENDPOINT or AZURE_INFERENCE_CREDENTIAL is not set");
const client = ModelClient(endpoint, new AzureKeyCredential(key));

const response = await client.path("/chat/completions").post({
  abortSignal: AbortSignal.timeout(60_000),
  headers: { "extra-parameters": "pass-through" },
  body: {
    messages: [{ role: "user", content: "What is the capital of France?" }],
    temperature: 0,
    logprobs: true,
  },
});
if (isUnexpected(response)) {
  throw new Error(`${response.status}: ${JSON.stringify(response.body)}`);
}
const choice = response.body.choices[0];
console.log(choice.message.content);
for (const item of choice.logprobs?.content ?? []) { // some servers leave them out
  console.log(`${item.logprob.toFixed(4).padStart(8)}  ${JSON.stringify(item.token)}`);
}
if (choice.finish_reason !== "stop") throw new Error(`the answer is not whole: ${choice.finish_reason}`);
