# Last run with httpx 0.28.1 on 29 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
import json
import os

import httpx

url = os.environ["AZURE_INFERENCE_ENDPOINT"] + "/chat/completions?api-version=2024-05-01-preview"
headers = {"Authorization": "Bearer " + os.environ["AZURE_INFERENCE_CREDENTIAL"]}
messages = [
    {"role": "system", "content": "You are a helpful assistant."},
    {"role": "user", "content": "How many languages are in the world?"},
]
body = {"messages": messages, "temperature": 0, "top_p": 1, "max_tokens": 2048, "stream": True}
finish_reason = None
with httpx.stream("POST", url, headers=headers, json=body, timeout=180) as reply:
    reply.raise_for_status()
    for line in reply.iter_lines():
        if line.startswith("data: ") and line != "data: [DONE]":
            event = json.loads(line[6:])
            for choice in event["choices"]:
                print(choice["delta"].get("content") or "", end="", flush=True)
                finish_reason = choice["finish_reason"] or finish_reason
            if event.get("usage"):
                print(f"\n{event['usage']['completion_tokens']} tokens")
if finish_reason != "stop":
    raise RuntimeError(f"the answer is not whole: {finish_reason}")
