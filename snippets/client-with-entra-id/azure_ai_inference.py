# Last run with azure-ai-inference 1.0.0b9 and azure-identity 1.27.0 on 29 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT, and to be signed in: az login, or a managed identity.
import os

from azure.ai.inference import ChatCompletionsClient
from azure.ai.inference.models import UserMessage
from azure.identity import DefaultAzureCredential

endpoint = os.environ["AZURE_INFERENCE_ENDPOINT"]
client = ChatCompletionsClient(endpoint, DefaultAzureCredential(), read_timeout=60)

question = [UserMessage("What is the capital of France?")]
response = client.complete(messages=question, temperature=0)
choice = response.choices[0]
print(choice.message.content)
if choice.finish_reason != "stop":
    raise RuntimeError(f"the answer is not whole: {choice.finish_reason}")
