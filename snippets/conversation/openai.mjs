// Last run with openai 6.49.0 on 29 November 2026.
// Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL; reads AZURE_INFERENCE_MODEL.
import OpenAI from "openai";

const { AZURE_INFERENCE_ENDPOINT: endpoint, AZURE_INFERENCE_CREDENTIAL: key, AZURE_INFERENCE_MODEL: name } = process.env;
if (!endpoint || !key) throw new Error("AZURE_INFERENCE_ENDPOINT or AZURE_INFERENCE_CREDENTIAL is not set");
const client = new OpenAI({ baseURL: endpoint + "/v1", apiKey: key, timeout: 60_000 });
const model = name || (await client.models.list().catch(() => null))?.data[0]?.id || "Phi-4"; // some servers have no list

const messages = [{ role: "system", content: "You are a helpful assistant." }];
for (const question of ["How many languages are in the world?", "And in France?"]) {
  messages.push({ role: "user", content: question });
  const response = await client.chat.completions.create({ model, messages, temperature: 0 });
  const choice = response.choices[0];
  if (choice.finish_reason !== "stop") throw new Error(`the answer is not whole: ${choice.finish_reason}`);
  const answer = choice.message.content;
  messages.push({ role: "assistant", content: answer });
  console.log(answer);
}
