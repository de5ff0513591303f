# Last run with requests 2.34.2 on 29 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
import os

import requests

url = os.environ["AZURE_INFERENCE_ENDPOINT"] + "/chat/completions?api-version=2024-05-01-preview"
headers = {"Authorization": "Bearer " + os.environ["AZURE_INFERENCE_CREDENTIAL"]}
messages = [
    {"role": "system", "content": "You are a helpful assistant."},
    {"role": "user", "content": "How many languages are in the world?"},
]
body = {"messages": messages, "temperature": 0}
reply = requests.post(url, headers=headers, json=body, timeout=60)
reply.raise_for_status()
response = reply.json()
choice = response["choices"][0]
print("Response:", choice["message"]["content"])
print("Model:", response["model"])
print("Prompt tokens:", response["usage"]["prompt_tokens"])
print("Completion tokens:", response["usage"]["completion_tokens"])
if choice["finish_reason"] != "stop":
    raise RuntimeError(f"the answer is not whole: {choice['finish_reason']}")
