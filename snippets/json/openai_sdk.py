# Last run with openai 3.54.0 on 29 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL; reads AZURE_INFERENCE_MODEL.
import json
import os

from openai import APIStatusError, OpenAI

endpoint, key = os.environ["AZURE_INFERENCE_ENDPOINT"], os.environ["AZURE_INFERENCE_CREDENTIAL"]
client = OpenAI(base_url=endpoint + "/v1", api_key=key, timeout=60)
try:
    model = os.environ.get("AZURE_INFERENCE_MODEL") or client.models.list().data[0].id
except APIStatusError:  # a server without this list takes any name
    model = "Phi-4"

messages = [{"role": "user", "content": "Give me JSON about Paris."}]
for _ in range(3):
    choice = client.chat.completions.create(model=model, messages=messages, temperature=0).choices[0]
    if choice.finish_reason != "stop":
        raise RuntimeError(f"the answer is not whole: {choice.finish_reason}")
    answer = choice.message.content
    try:
        print(json.loads(answer)["city"])
        break
    except (ValueError, TypeError, KeyError):
        correction = "I cannot use that answer. Reply with the JSON object only."
        messages += [{"role": "assistant", "content": answer}, {"role": "user", "content": correction}]
else:
    print("No valid JSON in three attempts.")
