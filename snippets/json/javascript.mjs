// Last run with @azure-rest/ai-inference 1.0.0-beta.6 and @azure/core-auth 1.10.1 on 29 November 2026.
// Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
import ModelClient, { isUnexpected } from "@azure-rest/ai-inference";
import { AzureKeyCredential } from "@azure/core-auth";

const { AZURE_INFERENCE_ENDPOINT: endpoint, AZURE_INFERENCE_CREDENTIAL: key } = process.env;
if (!endpoint || !key) throw new Error("AZURE_INFERENCE_ENDPOINT or AZURE_INFERENCE_CREDENTIAL is not set");
const client = ModelClient(endpoint, new AzureKeyCredential(key));

const messages = [{ role: "user", content: "Give me JSON about Paris." }];
for (let attempt = 1; attempt <= 3; attempt++) {
  const response = await client.path("/chat/completions").post({ abortSignal: AbortSignal.timeout(60_000), body: { messages, temperature: 0 } });
  if (isUnexpected(response)) {
    throw new Error(`${response.status}: ${JSON.stringify(response.body)}`);
  }
  const choice = response.body.choices[0];
  if (choice.finish_reason !== "stop") throw new Error(`the answer is not whole: ${choice.finish_reason}`);
  const answer = choice.message.content;
  try {
    const { city } = JSON.parse(answer);
    if (city === undefined) throw new Error("no city");
    console.log(city);
    break;
  } catch {
    if (attempt === 3) console.log("No valid JSON in three attempts.");
    const correction = "I cannot use that answer. Reply with the JSON object only.";
    messages.push({ role: "assistant", content: answer }, { role: "user", content: correction });
  }
}
