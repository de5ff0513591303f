# Last run with azure-ai-inference 1.0.0b9 on 29 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
import os

from azure.ai.inference import ChatCompletionsClient
from azure.ai.inference.models import UserMessage
from azure.core.credentials import AzureKeyCredential

endpoint = os.environ["AZURE_INFERENCE_ENDPOINT"]
key = os.environ["AZURE_INFERENCE_CREDENTIAL"]
client = ChatCompletionsClient(endpoint, AzureKeyCredential(key), read_timeout=60, temperature=0)

question = [UserMessage("What is the capital of France?")]
response = client.complete(messages=question, model_extras={"logprobs": True})
choice = response.choices[0]
print(choice.message.content)
for item in (choice.get("logprobs") or {}).get("content") or []:  # some servers leave them out
    print(f"{item['logprob']:8.4f}  {item['token']!r}")
if choice.finish_reason != "stop":
    raise RuntimeError(f"the answer is not whole: {choice.finish_reason}")
