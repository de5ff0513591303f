# Last run with azure-ai-inference 1.0.0b9 on 29 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
import json
import os

from azure.ai.inference import ChatCompletionsClient
from azure.ai.inference.models import AssistantMessage, UserMessage
from azure.core.credentials import AzureKeyCredential

endpoint = os.environ["AZURE_INFERENCE_ENDPOINT"]
key = os.environ["AZURE_INFERENCE_CREDENTIAL"]
client = ChatCompletionsClient(endpoint, AzureKeyCredential(key), read_timeout=60)

messages = [UserMessage("Give me JSON about Paris.")]
for _ in range(3):
    choice = client.complete(messages=messages, temperature=0).choices[0]
    if choice.finish_reason != "stop":
        raise RuntimeError(f"the answer is not whole: {choice.finish_reason}")
    answer = choice.message.content
    try:
        print(json.loads(answer)["city"])
        break
    except (ValueError, TypeError, KeyError):
        correction = "I cannot use that answer. Reply with the JSON object only."
        messages += [AssistantMessage(answer), UserMessage(correction)]
else:
    print("No valid JSON in three attempts.")
