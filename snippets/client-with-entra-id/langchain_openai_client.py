# Last run with langchain-openai 1.7.3 and azure-identity 1.27.0 on 29 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT, and to be signed in: az login, or a managed identity; reads AZURE_INFERENCE_MODEL.
import os

from azure.identity import DefaultAzureCredential, get_bearer_token_provider
from langchain_openai import ChatOpenAI

model = ChatOpenAI(
    base_url=os.environ["AZURE_INFERENCE_ENDPOINT"] + "/v1",
    api_key=get_bearer_token_provider(DefaultAzureCredential(), "https://ml.azure.com/.default"),
    model=os.environ.get("AZURE_INFERENCE_MODEL", "Phi-4"),  # a serve server takes only the name that model-info prints
    timeout=60,
    temperature=0,
)
response = model.invoke("What is the capital of France?")
print(response.content)
if response.response_metadata["finish_reason"] != "stop":
    raise RuntimeError(f"the answer is not whole: {response.response_metadata['finish_reason']}")
