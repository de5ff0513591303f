# Last run with openai 3.54.0 on 29 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL; reads AZURE_INFERENCE_MODEL.
import os

from openai import APIStatusError, OpenAI

endpoint, key = os.environ["AZURE_INFERENCE_ENDPOINT"], os.environ["AZURE_INFERENCE_CREDENTIAL"]
client = OpenAI(base_url=endpoint + "/v1", api_key=key, timeout=180)
try:
    model = os.environ.get("AZURE_INFERENCE_MODEL") or client.models.list().data[0].id
except APIStatusError:  # a server without this list takes any name
    model = "Phi-4"

response = client.chat.completions.create(
    model=model,
    messages=[{"role": "user", "content": "How many languages are in the world?"}],
    presence_penalty=0.1,
    frequency_penalty=0.8,
    max_tokens=2048,
    stop=["<|endoftext|>"],
    temperature=0,
    top_p=1,
    response_format={"type": "text"},
)
print(response.choices[0].message.content)
print("Finish reason:", response.choices[0].finish_reason)
