# Last run with azure-ai-inference 1.0.0b9 on 29 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
import os

from azure.ai.inference import ChatCompletionsClient
from azure.ai.inference.models import SystemMessage, UserMessage
from azure.core.credentials import AzureKeyCredential

endpoint = os.environ["AZURE_INFERENCE_ENDPOINT"]
key = os.environ["AZURE_INFERENCE_CREDENTIAL"]
client = ChatCompletionsClient(endpoint, AzureKeyCredential(key), read_timeout=60, temperature=0)

messages = [
    SystemMessage("You are a helpful assistant."),
    UserMessage("How many languages are in the world?"),
]
response = client.complete(messages=messages)
choice = response.choices[0]
print("Response:", choice.message.content)
print("Model:", response.model)
print("Prompt tokens:", response.usage.prompt_tokens)
print("Completion tokens:", response.usage.completion_tokens)
if choice.finish_reason != "stop":
    raise RuntimeError(f"the answer is not whole: {choice.finish_reason}")
