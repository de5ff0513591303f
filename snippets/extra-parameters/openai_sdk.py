# Last run with openai 3.54.0 on 29 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL; reads AZURE_INFERENCE_MODEL.
import os

from openai import APIStatusError, OpenAI

endpoint, key = os.environ["AZURE_INFERENCE_ENDPOINT"], os.environ["AZURE_INFERENCE_CREDENTIAL"]
# an inference server ignores logprobs without this header
headers = {"extra-parameters": "pass-through"}
client = OpenAI(base_url=endpoint + "/v1", api_key=key, timeout=60, default_headers=headers)
try:
    model = os.environ.get("AZURE_INFERENCE_MODEL") or client.models.list().data[0].id
except APIStatusError:  # a server without this list takes any name
    model = "Phi-4"

response = client.chat.completions.create(
    model=model,
    messages=[{"role": "user", "content": "What is the capital of France?"}],
    temperature=0,
    logprobs=True,
)
choice = response.choices[0]
print(choice.message.content)
for item in (choice.logprobs and choice.logprobs.content) or []:  # some servers leave them out
    print(f"{item.logprob:8.4f}  {item.token!r}")
if choice.finish_reason != "stop":
    raise RuntimeError(f"the answer is not whole: {choice.finish_reason}")
