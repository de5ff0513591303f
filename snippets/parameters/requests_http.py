# Last run with requests 2.34.2 on 29 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
import os

import requests

url = os.environ["AZURE_INFERENCE_ENDPOINT"] + "/chat/completions?api-version=2024-05-01-preview"
headers = {"Authorization": "Bearer " + os.environ["AZURE_INFERENCE_CREDENTIAL"]}
body = {
    "messages": [{"role": "user", "content": "How many languages are in the world?"}],
    "presence_penalty": 0.1,
    "frequency_penalty": 0.8,
    "max_tokens": 2048,
    "stop": ["<|endoftext|>"],
    "temperature": 0,
    "top_p": 1,
    "response_format": {"type": "text"},
}
reply = requests.post(url, headers=headers, json=body, timeout=180)
reply.raise_for_status()
choice = reply.json()["choices"][0]
print(choice["message"]["content"])
print("Finish reason:", choice["finish_reason"])
