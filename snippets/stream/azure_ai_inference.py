# Last run with azure-ai-inference 1.0.0b9 on 29 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
import os

from azure.ai.inference import ChatCompletionsClient
from azure.ai.inference.models import SystemMessage, UserMessage
from azure.core.credentials import AzureKeyCredential

endpoint = os.environ["AZURE_INFERENCE_ENDPOINT"]
key = os.environ["AZURE_INFERENCE_CREDENTIAL"]
client = ChatCompletionsClient(endpoint, AzureKeyCredential(key), read_timeout=180, temperature=0)
messages = [
    SystemMessage("You are a helpful assistant."),
    UserMessage("How many languages are in the world?"),
]
stream = client.complete(messages=messages, top_p=1, max_tokens=2048, stream=True)
finish_reason = None
for chunk in stream:
    for choice in chunk.choices:
        print(choice.delta.content or "", end="", flush=True)
        finish_reason = choice.finish_reason or finish_reason
    if chunk.usage:
        print(f"\n{chunk.usage.completion_tokens} tokens")
if finish_reason != "stop":
    raise RuntimeError(f"the answer is not whole: {finish_reason}")
