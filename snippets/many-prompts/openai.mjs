// Last run with openai 6.49.0 on 29 November 2026.
// Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL; reads AZURE_INFERENCE_MODEL.
import OpenAI from "openai";

const AT_ONCE = 4; // requests under way; more than the deployment computes at once only bring 429
const countries = ["France", "Japan", "Italy", "Spain", "Germany", "Portugal"];
const prompts = countries.map((country) => `What is the capital of ${country}?`);

const { AZURE_INFERENCE_ENDPOINT: endpoint, AZURE_INFERENCE_CREDENTIAL: key, AZURE_INFERENCE_MODEL: name } = process.env;
if (!endpoint || !key) throw new Error("AZURE_INFERENCE_ENDPOINT or AZURE_INFERENCE_CREDENTIAL is not set");
// After 429, 5xx and time-outs the client asks again by itself: as Retry-After says, else with growing pauses.
const client = new OpenAI({ baseURL: endpoint + "/v1", apiKey: key, timeout: 60_000, maxRetries: 8 });
const model = name || (await client.models.list().catch(() => null))?.data[0]?.id || "Phi-4"; // some servers have no list

async function ask(prompt) {
  const messages = [{ role: "user", content: prompt }];
  const response = await client.chat.completions.create({ model, messages, temperature: 0 });
  const choice = response.choices[0];
  if (choice.finish_reason !== "stop") throw new Error(`the answer is not whole: ${choice.finish_reason}`);
  return choice.message.content;
}

const results = []; // in the order of the prompts
let next = 0;
let done = 0;
async function work() {
  while (next < prompts.length) {
    const number = next++;
    results[number] = await ask(prompts[number]).catch((error) => `FAILED: ${error.message}`); // the others are not lost
    done++;
    process.stderr.write(`\r${done}/${prompts.length}${done === prompts.length ? "\n" : ""}`);
  }
}
await Promise.all(Array.from({ length: AT_ONCE }, work));
for (const [number, prompt] of prompts.entries()) console.log(prompt, results[number]);
if (results.some((result) => result.startsWith("FAILED: "))) process.exitCode = 1;
