# Last run with azure-ai-inference 1.0.0b9 and azure-identity 1.27.0 on 24 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT, and to be signed in: az login, or a managed identity.
import os

from azure.ai.inference import ChatCompletionsClient
from azure.ai.inference.models import UserMessage
from azure.identity import DefaultAzureCredential

endpoint = os.environ["AZURE_INFERENCE_ENDPOINT"]
client = ChatCompletionsClient(endpoint, DefaultAzureCredential())

question = [UserMessage("What is the capital of France?")]
response = client.complete(messages=question, temperature=0)
print(response.choices[0].message.content)
