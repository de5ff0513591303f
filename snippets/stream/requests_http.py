# Last run with requests 2.34.2 on 23 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
import json
import os

import requests

url = os.environ["AZURE_INFERENCE_ENDPOINT"] + "/chat/completions"
key = os.environ["AZURE_INFERENCE_CREDENTIAL"]
messages = [
    {"role": "system", "content": "You are a helpful assistant."},
    {"role": "user", "content": "How many languages are in the world?"},
]
body = {"messages": messages, "temperature": 0, "top_p": 1, "max_tokens": 2048, "stream": True}
with requests.post(
    url,
    params={"api-version": "2024-05-01-preview"},
    headers={"Authorization": f"Bearer {key}"},
    json=body,
    stream=True,
    timeout=60,
) as reply:
    reply.raise_for_status()
    for line in reply.iter_lines():
        if line.startswith(b"data: ") and line != b"data: [DONE]":
            for choice in json.loads(line[6:])["choices"]:
                print(choice["delta"].get("content") or "", end="", flush=True)
print()
