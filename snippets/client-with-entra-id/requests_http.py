# Last run with requests 2.34.2 and azure-identity 1.27.0 on 23 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT, and to be signed in: az login, or a managed identity.
import os

import requests
from azure.identity import DefaultAzureCredential

url = os.environ["AZURE_INFERENCE_ENDPOINT"] + "/chat/completions"
token = DefaultAzureCredential().get_token("https://ml.azure.com/.default").token

reply = requests.post(
    url,
    params={"api-version": "2024-05-01-preview"},
    headers={"Authorization": f"Bearer {token}"},
    json={
        "messages": [{"role": "user", "content": "What is the capital of France?"}],
        "temperature": 0,
    },
    timeout=60,
)
reply.raise_for_status()
print(reply.json()["choices"][0]["message"]["content"])
