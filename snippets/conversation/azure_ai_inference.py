# Last run with azure-ai-inference 1.0.0b9 on 29 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
import os

from azure.ai.inference import ChatCompletionsClient
from azure.ai.inference.models import AssistantMessage, SystemMessage, UserMessage
from azure.core.credentials import AzureKeyCredential

endpoint = os.environ["AZURE_INFERENCE_ENDPOINT"]
key = os.environ["AZURE_INFERENCE_CREDENTIAL"]
client = ChatCompletionsClient(endpoint, AzureKeyCredential(key), read_timeout=60, temperature=0)

messages = [
    SystemMessage("You are a helpful assistant."),
    UserMessage("How many languages are in the world?"),
]

first = client.complete(messages=messages)
answer = first.choices[0].message.content
print(answer)
if first.choices[0].finish_reason != "stop":
    raise RuntimeError(f"the answer is not whole: {first.choices[0].finish_reason}")

follow_up = [*messages, AssistantMessage(answer), UserMessage("And in France?")]
second = client.complete(messages=follow_up)
print(second.choices[0].message.content)
