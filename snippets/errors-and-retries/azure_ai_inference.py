# Last run with azure-ai-inference 1.0.0b9 on 24 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
import os

from azure.ai.inference import ChatCompletionsClient
from azure.ai.inference.models import UserMessage
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import AzureError, HttpResponseError

endpoint = os.environ["AZURE_INFERENCE_ENDPOINT"]
key = os.environ["AZURE_INFERENCE_CREDENTIAL"].strip()
client = ChatCompletionsClient(endpoint, AzureKeyCredential(key), retry_status=5, read_timeout=60)

france = [UserMessage("What is the capital of France?")]
question = [UserMessage("Name a colour.")]
try:  # 500, 503 and 504 are tried again by themselves, 429 only where the server says Retry-After
    response = client.complete(messages=france, temperature=0)
    print(response.choices[0].message.content)
    client.complete(messages=question, temperature=1.5)  # out of range, to show an error
except HttpResponseError as error:
    print("Status", error.status_code, error.response.text())
except AzureError as error:
    print("No answer at all:", error)
