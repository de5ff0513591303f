# Last run with azure-ai-inference 1.0.0b9 on 24 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
import os

from azure.ai.inference import ChatCompletionsClient
from azure.core.credentials import AzureKeyCredential

endpoint = os.environ["AZURE_INFERENCE_ENDPOINT"]
key = os.environ["AZURE_INFERENCE_CREDENTIAL"]
client = ChatCompletionsClient(endpoint, AzureKeyCredential(key))

info = client.get_model_info()
print("Model name:", info.model_name)
print("Model type:", info.model_type)
print("Model provider name:", info.model_provider_name)
