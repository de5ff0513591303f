# Last run with openai 3.54.0 on 29 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL; reads AZURE_INFERENCE_MODEL.
import os

from openai import APIStatusError, OpenAI

endpoint, key = os.environ["AZURE_INFERENCE_ENDPOINT"], os.environ["AZURE_INFERENCE_CREDENTIAL"]
# an inference server ignores stream_options without this header
headers = {"extra-parameters": "pass-through"}
client = OpenAI(base_url=endpoint + "/v1", api_key=key, timeout=180, default_headers=headers)
try:
    model = os.environ.get("AZURE_INFERENCE_MODEL") or client.models.list().data[0].id
except APIStatusError:  # a server without this list takes any name
    model = "Phi-4"
messages = [
    {"role": "system", "content": "You are a helpful assistant."},
    {"role": "user", "content": "How many languages are in the world?"},
]
stream = client.chat.completions.create(
    model=model, messages=messages, temperature=0, top_p=1, max_tokens=2048, stream=True, stream_options={"include_usage": True}
)
finish_reason = None
for chunk in stream:
    for choice in chunk.choices:
        print(choice.delta.content or "", end="", flush=True)
        finish_reason = choice.finish_reason or finish_reason
    if chunk.usage:
        print(f"\n{chunk.usage.completion_tokens} tokens")
if finish_reason != "stop":
    raise RuntimeError(f"the answer is not whole: {finish_reason}")
