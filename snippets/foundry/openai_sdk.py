# Last run with openai 3.54.0 and azure-identity 1.27.0 on 29 November 2026.
# Needs AZURE_FOUNDRY_ENDPOINT, AZURE_FOUNDRY_DEPLOYMENT and AZURE_FOUNDRY_KEY, or instead of the key to be signed in: az login.
import os

from azure.identity import DefaultAzureCredential, get_bearer_token_provider
from openai import APIStatusError, OpenAI

# A service takes only tokens whose scope is its own. Another one is answered with 401, "audience is incorrect":
SCOPES = {
    "/openai/v1 of Foundry": "https://ai.azure.com/.default",
    "/models of Foundry, and AzureOpenAI with an api-version": "https://cognitiveservices.azure.com/.default",
    "managed compute: *.inference.ml.azure.com": "https://ml.azure.com/.default",
}
resource = os.environ["AZURE_FOUNDRY_ENDPOINT"].rstrip("/")  # such as https://my-resource.services.ai.azure.com
model = os.environ["AZURE_FOUNDRY_DEPLOYMENT"]  # the name of the deployment, which need not be that of the model
key = os.environ.get("AZURE_FOUNDRY_KEY")
token_provider = key or get_bearer_token_provider(DefaultAzureCredential(), SCOPES["/openai/v1 of Foundry"])
client = OpenAI(base_url=resource + "/openai/v1", api_key=token_provider, timeout=60)  # no api-version, and no AzureOpenAI

messages = [{"role": "user", "content": "What is the capital of France?"}]
try:
    response = client.chat.completions.create(model=model, messages=messages, temperature=0)
except APIStatusError as error:
    reasons = {
        401: "the key is of another resource, or the token has another scope",
        403: "you lack a role such as Azure AI User, or the network is not allowed",
        404: f"there is no deployment {model}, or the endpoint has a path",
    }
    raise SystemExit(f"{error.status_code}: {reasons.get(error.status_code, 'refused')}: {error.response.text}") from None
choice = response.choices[0]
print(choice.message.content)
if choice.finish_reason != "stop":
    raise RuntimeError(f"the answer is not whole: {choice.finish_reason}")
