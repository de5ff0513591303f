# Last run with azure-ai-inference 1.0.0b9 on 29 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
import os

from azure.ai.inference import ChatCompletionsClient
from azure.ai.inference.models import UserMessage
from azure.core.credentials import AzureKeyCredential

endpoint = os.environ["AZURE_INFERENCE_ENDPOINT"]
key = os.environ["AZURE_INFERENCE_CREDENTIAL"]
client = ChatCompletionsClient(endpoint, AzureKeyCredential(key), read_timeout=180)

messages = [UserMessage("How many languages are in the world?")]
response = client.complete(
    messages=messages,
    presence_penalty=0.1,
    frequency_penalty=0.8,
    max_tokens=2048,
    stop=["<|endoftext|>"],
    temperature=0,
    top_p=1,
    response_format="text",
)
print(response.choices[0].message.content)
print("Finish reason:", response.choices[0].finish_reason.value)
