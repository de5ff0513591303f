# Last run with openai 3.54.0 on 24 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
import json
import os

from openai import OpenAI

client = OpenAI(
    base_url=os.environ["AZURE_INFERENCE_ENDPOINT"] + "/v1",
    api_key=os.environ["AZURE_INFERENCE_CREDENTIAL"],
)

messages = [{"role": "user", "content": "Give me JSON about Paris."}]
for _ in range(3):
    reply = client.chat.completions.create(model="Phi-4", messages=messages, temperature=0)
    answer = reply.choices[0].message.content
    try:
        print(json.loads(answer)["city"])
        break
    except (ValueError, TypeError, KeyError):
        correction = "That was not valid JSON. Reply with the JSON object only."
        messages.append({"role": "assistant", "content": answer})
        messages.append({"role": "user", "content": correction})
else:
    print("No valid JSON in three attempts.")
