// Last run with @azure-rest/ai-inference 1.0.0-beta.6 and @azure/core-auth 1.10.1 on 29 November 2026.
// Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
import ModelClient, { isUnexpected } from "@azure-rest/ai-inference";
import { AzureKeyCredential } from "@azure/core-auth";

const { AZURE_INFERENCE_ENDPOINT: endpoint, AZURE_INFERENCE_CREDENTIAL: key } = process.env;
if (!endpoint || !key) throw new Error("AZURE_INFERENCE_ENDPOINT or AZURE_INFERENCE_CREDENTIAL is not set");
const client = ModelClient(endpoint, new AzureKeyCredential(key));

const abortSignal = AbortSignal.timeout(60_000);
const response = await client.path("/info").get({ abortSignal });
if (!isUnexpected(response)) {
  console.log("Model name:", response.body.model_name);
  console.log("Model type:", response.body.model_type);
  console.log("Model provider name:", response.body.model_provider_name);
} else if (["404", "424"].includes(response.status)) {
  // a serve server has another list (Azure hides its 404 behind 424)
  const { status, body } = await client.pathUnchecked("/v1/models").get({ abortSignal });
  if (status !== "200") throw new Error(`${status}: ${JSON.stringify(body)}`);
  console.log("Model name:", ...body.data.map((model) => model.id));
} else {
  throw new Error(`${response.status}: ${JSON.stringify(response.body)}`);
}
