# Last run with azure-ai-inference 1.0.0b9 on 29 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
import os

from azure.ai.inference import ChatCompletionsClient
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import HttpResponseError
from azure.core.rest import HttpRequest

endpoint = os.environ["AZURE_INFERENCE_ENDPOINT"]
key = os.environ["AZURE_INFERENCE_CREDENTIAL"]
client = ChatCompletionsClient(endpoint, AzureKeyCredential(key), read_timeout=60)

try:
    info = client.get_model_info()
    print("Model name:", info.model_name)
    print("Model type:", info.model_type)
    print("Model provider name:", info.model_provider_name)
except HttpResponseError as error:
    if error.status_code not in (404, 424):  # Azure hides a 404 of the server behind 424
        raise
    reply = client.send_request(HttpRequest("GET", "/v1/models"))  # a serve server
    reply.raise_for_status()
    print("Model name:", *(model["id"] for model in reply.json()["data"]))
