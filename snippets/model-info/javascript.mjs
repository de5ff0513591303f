// Last run with @azure-rest/ai-inference 1.0.0-beta.6 on 23 November 2026.
// Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
import ModelClient, { isUnexpected } from "@azure-rest/ai-inference";
import { AzureKeyCredential } from "@azure/core-auth";

const client = ModelClient(
  process.env.AZURE_INFERENCE_ENDPOINT,
  new AzureKeyCredential(process.env.AZURE_INFERENCE_CREDENTIAL),
);

const response = await client.path("/info").get();
if (isUnexpected(response)) {
  throw new Error(`${response.status}: ${JSON.stringify(response.body)}`);
}
console.log("Model name:", response.body.model_name);
console.log("Model type:", response.body.model_type);
console.log("Model provider name:", response.body.model_provider_name);
