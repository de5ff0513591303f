# Last run with openai 3.54.0 and azure-identity 1.27.0 on 29 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT, and to be signed in: az login, or a managed identity; reads AZURE_INFERENCE_MODEL.
import os

from azure.identity import DefaultAzureCredential, get_bearer_token_provider
from openai import APIStatusError, OpenAI

token_provider = get_bearer_token_provider(DefaultAzureCredential(), "https://ml.azure.com/.default")
client = OpenAI(base_url=os.environ["AZURE_INFERENCE_ENDPOINT"] + "/v1", api_key=token_provider, timeout=60)
try:
    model = os.environ.get("AZURE_INFERENCE_MODEL") or client.models.list().data[0].id
except APIStatusError:  # a server without this list takes any name
    model = "Phi-4"

response = client.chat.completions.create(
    model=model,
    messages=[{"role": "user", "content": "What is the capital of France?"}],
    temperature=0,
)
choice = response.choices[0]
print(choice.message.content)
if choice.finish_reason != "stop":
    raise RuntimeError(f"the answer is not whole: {choice.finish_reason}")
