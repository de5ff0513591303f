# Last run with requests 2.34.2 on 29 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
import os

import requests

url = os.environ["AZURE_INFERENCE_ENDPOINT"] + "/chat/completions?api-version=2024-05-01-preview"
headers = {"Authorization": "Bearer " + os.environ["AZURE_INFERENCE_CREDENTIAL"], "extra-parameters": "pass-through"}

question = [{"role": "user", "content": "What is the capital of France?"}]
body = {"messages": question, "temperature": 0, "logprobs": True}
reply = requests.post(url, headers=headers, json=body, timeout=60)
reply.raise_for_status()
choice = reply.json()["choices"][0]
print(choice["message"]["content"])
for item in (choice.get("logprobs") or {}).get("content") or []:  # some servers leave them out
    print(f"{item['logprob']:8.4f}  {item['token']!r}")
if choice["finish_reason"] != "stop":
    raise RuntimeError(f"the answer is not whole: {choice['finish_reason']}")
