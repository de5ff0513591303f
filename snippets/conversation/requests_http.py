# Last run with requests 2.34.2 on 23 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
import os

import requests

url = os.environ["AZURE_INFERENCE_ENDPOINT"] + "/chat/completions"
key = os.environ["AZURE_INFERENCE_CREDENTIAL"]

messages = [{"role": "system", "content": "You are a helpful assistant."}]
for question in ("How many languages are in the world?", "And in France?"):
    messages.append({"role": "user", "content": question})
    reply = requests.post(
        url,
        params={"api-version": "2024-05-01-preview"},
        headers={"Authorization": f"Bearer {key}"},
        json={"messages": messages, "temperature": 0},
        timeout=60,
    )
    reply.raise_for_status()
    answer = reply.json()["choices"][0]["message"]["content"]
    messages.append({"role": "assistant", "content": answer})
    print(answer)
