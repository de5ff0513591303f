# Last run with azure-ai-inference 1.0.0b9 on 24 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
import os

from azure.ai.inference import ChatCompletionsClient
from azure.ai.inference.models import AssistantMessage, SystemMessage, UserMessage
from azure.core.credentials import AzureKeyCredential

endpoint = os.environ["AZURE_INFERENCE_ENDPOINT"]
key = os.environ["AZURE_INFERENCE_CREDENTIAL"]
client = ChatCompletionsClient(endpoint, AzureKeyCredential(key), temperature=0)

messages = [
    SystemMessage("You are a helpful assistant."),
    UserMessage("How many languages are in the world?"),
]

first = client.complete(messages=messages)
answer = first.choices[0].message.content
print(answer)

follow_up = [*messages, AssistantMessage(answer), UserMessage("And in France?")]
second = client.complete(messages=follow_up)
print(second.choices[0].message.content)
