# Last run with requests 2.34.2 on 23 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
import os

import requests

url = os.environ["AZURE_INFERENCE_ENDPOINT"] + "/chat/completions"
key = os.environ["AZURE_INFERENCE_CREDENTIAL"]

reply = requests.post(
    url,
    params={"api-version": "2024-05-01-preview"},
    headers={"Authorization": f"Bearer {key}"},
    json={
        "messages": [{"role": "user", "content": "What is the capital of France?"}],
        "temperature": 0,
    },
    timeout=60,
)
reply.raise_for_status()
print(reply.json()["choices"][0]["message"]["content"])
