# Last run with azure-ai-inference 1.0.0b9 on 29 November 2026.
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
try:  # 500, 503 and 504 are tried again by themselves, 429 only where the server says Retry-After
    choice = client.complete(messages=france, temperature=0).choices[0]
    print(choice.message.content)
    if choice.finish_reason != "stop":
        raise RuntimeError(f"the answer is not whole: {choice.finish_reason}")
except HttpResponseError as error:
    print("Status", error.status_code, error.response.text())
except AzureError as error:
    print("No answer at all:", error)
