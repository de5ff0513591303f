// Last run with openai 6.49.0 on 29 November 2026.
// Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL; reads AZURE_INFERENCE_MODEL.
import OpenAI from "openai";

const { AZURE_INFERENCE_ENDPOINT: endpoint, AZURE_INFERENCE_CREDENTIAL: key, AZURE_INFERENCE_MODEL: name } = process.env;
if (!endpoint || !key) throw new Error("AZURE_INFERENCE_ENDPOINT or AZURE_INFERENCE_CREDENTIAL is not set");
const client = new OpenAI({ baseURL: endpoint + "/v1", apiKey: key, timeout: 60_000 });
const model = name || (await client.models.list().catch(() => null))?.data[0]?.id || "Phi-4"; // some servers have no list

const messages = [{ role: "user", content: "Give me JSON about Paris." }];
for (let attempt = 1; attempt <= 3; attempt++) {
  const response = await client.chat.completions.create({ model, messages, temperature: 0 });
  const choice = response.choices[0];
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
