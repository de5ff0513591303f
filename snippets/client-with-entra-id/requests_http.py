# Last run with requests 2.34.2 and azure-identity 1.27.0 on 29 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT, and to be signed in: az login, or a managed identity.
import os

import requests
from azure.identity import DefaultAzureCredential

url = os.environ["AZURE_INFERENCE_ENDPOINT"] + "/chat/completions?api-version=2024-05-01-preview"
token = DefaultAzureCredential().get_token("https://ml.azure.com/.default").token  # ends after an hour or more
headers = {"Authorization": f"Bearer {token}"}

question = [{"role": "user", "content": "What is the capital of France?"}]
body = {"messages": question, "temperature": 0}
reply = requests.post(url, headers=headers, json=body, timeout=60)
reply.raise_for_status()
choice = reply.json()["choices"][0]
print(choice["message"]["content"])
if choice["finish_reason"] != "stop":
    raise RuntimeError(f"the answer is not whole: {choice['finish_reason']}")
