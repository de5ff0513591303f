# Last run with openai 3.54.0 and azure-identity 1.27.0 on 24 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT, and to be signed in: az login, or a managed identity.
import os

from azure.identity import DefaultAzureCredential, get_bearer_token_provider
from openai import OpenAI

token_provider = get_bearer_token_provider(DefaultAzureCredential(), "https://ml.azure.com/.default")
client = OpenAI(base_url=os.environ["AZURE_INFERENCE_ENDPOINT"] + "/v1", api_key=token_provider)

response = client.chat.completions.create(
    model="Phi-4",
    messages=[{"role": "user", "content": "What is the capital of France?"}],
    temperature=0,
)
print(response.choices[0].message.content)
