# Last run with langchain-openai 1.7.3 and azure-identity 1.27.0 on 24 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT, and to be signed in: az login, or a managed identity.
import os

from azure.identity import DefaultAzureCredential, get_bearer_token_provider
from langchain_openai import ChatOpenAI

model = ChatOpenAI(
    base_url=os.environ["AZURE_INFERENCE_ENDPOINT"] + "/v1",
    api_key=get_bearer_token_provider(DefaultAzureCredential(), "https://ml.azure.com/.default"),
    model="Phi-4",
    temperature=0,
)
print(model.invoke("What is the capital of France?").content)
