# Last run with openai 3.54.0 on 24 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
import os

from openai import APIConnectionError, APIStatusError, OpenAI

client = OpenAI(
    base_url=os.environ["AZURE_INFERENCE_ENDPOINT"] + "/v1",
    api_key=os.environ["AZURE_INFERENCE_CREDENTIAL"].strip(),
    max_retries=5,
    timeout=60,
)
messages = [{"role": "user", "content": "What is the capital of France?"}]
try:  # 408, 409, 429, 5xx, time-outs and lost connections are tried again by themselves
    for temperature in (0, 5):  # the second is out of range, to show an error
        response = client.chat.completions.create(model="Phi-4", messages=messages, temperature=temperature)
        print(response.choices[0].message.content)
except APIStatusError as error:
    print("Status", error.status_code, error.response.text)
except APIConnectionError as error:
    print("No answer at all:", error, error.__cause__)
