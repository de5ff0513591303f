# Last run with openai 3.54.0 on 24 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
import os

from openai import OpenAI

client = OpenAI(
    base_url=os.environ["AZURE_INFERENCE_ENDPOINT"] + "/v1",
    api_key=os.environ["AZURE_INFERENCE_CREDENTIAL"],
)

response = client.chat.completions.create(
    model="Phi-4",
    messages=[{"role": "user", "content": "What is the capital of France?"}],
    temperature=0,
    logprobs=True,
)
choice = response.choices[0]
print(choice.message.content)
for item in (choice.logprobs and choice.logprobs.content) or []:  # some servers leave them out
    print(f"{item.logprob:8.4f}  {item.token!r}")
