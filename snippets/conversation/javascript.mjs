// Last run with @azure-rest/ai-inference 1.0.0-beta.6 and @azure/core-auth 1.10.1 on 29 November 2026.
// Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
import ModelClient, { isUnexpected } from "@azure-rest/ai-inference";
import { AzureKeyCredential } from "@azure/core-auth";

const { AZURE_INFERENCE_ENDPOINT: endpoint, AZURE_INFERENCE_CREDENTIAL: key } = process.env;
if (!endpoint || !key) throw new Error("AZURE_INFERENCE_ENDPOINT or AZURE_INFERENCE_CREDENTIAL is not set");
const client = ModelClient(endpoint, new AzureKeyCredential(key));

const messages = [{ role: "system", content: "You are a helpful assistant." }];
for (const question of ["How many languages are in the world?", "And in France?"]) {
  messages.push({ role: "user", content: question });
  const response = await client.path("/chat/completions").post({ abortSignal: AbortSignal.timeout(60_000), body: { messages, temperature: 0 } });
  if (isUnexpected(response)) {
    throw new Error(`${response.status}: ${JSON.stringify(response.body)}`);
  }
  const choice = response.body.choices[0];
  if (choice.finish_reason !== "stop") throw new Error(`the answer is not whole: ${choice.finish_reason}`);
  const answer = choice.message.content;
  messages.push({ role: "assistant", content: answer });
  console.log(answer);
}
