// Last run with @azure-rest/ai-inference 1.0.0-beta.6 on 23 November 2026.
// Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
import ModelClient, { isUnexpected } from "@azure-rest/ai-inference";
import { AzureKeyCredential } from "@azure/core-auth";

const client = ModelClient(
  process.env.AZURE_INFERENCE_ENDPOINT,
  new AzureKeyCredential(process.env.AZURE_INFERENCE_CREDENTIAL),
);

const messages = [{ role: "system", content: "You are a helpful assistant." }];
for (const question of ["How many languages are in the world?", "And in France?"]) {
  messages.push({ role: "user", content: question });
  const response = await client.path("/chat/completions").post({ body: { messages, temperature: 0 } });
  if (isUnexpected(response)) {
    throw new Error(`${response.status}: ${JSON.stringify(response.body)}`);
  }
  const answer = response.body.choices[0].message.content;
  messages.push({ role: "assistant", content: answer });
  console.log(answer);
}
