# Last run with openai 3.54.0 on 24 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
import os

from openai import OpenAI

client = OpenAI(
    base_url=os.environ["AZURE_INFERENCE_ENDPOINT"] + "/v1",
    api_key=os.environ["AZURE_INFERENCE_CREDENTIAL"],
)

messages = [{"role": "system", "content": "You are a helpful assistant."}]
for question in ("How many languages are in the world?", "And in France?"):
    messages.append({"role": "user", "content": question})
    response = client.chat.completions.create(model="Phi-4", messages=messages, temperature=0)
    answer = response.choices[0].message.content
    messages.append({"role": "assistant", "content": answer})
    print(answer)
