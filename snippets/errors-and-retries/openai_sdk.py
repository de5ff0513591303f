# Last run with openai 3.54.0 on 29 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL; reads AZURE_INFERENCE_MODEL.
import os

from openai import APIConnectionError, APIStatusError, OpenAI

client = OpenAI(
    base_url=os.environ["AZURE_INFERENCE_ENDPOINT"] + "/v1",
    api_key=os.environ["AZURE_INFERENCE_CREDENTIAL"].strip(),
    max_retries=5,
    timeout=60,
)
model = os.environ.get("AZURE_INFERENCE_MODEL", "Phi-4")  # a serve server takes only the name that model-info prints
messages = [{"role": "user", "content": "What is the capital of France?"}]
try:  # 408, 409, 429, 5xx, time-outs and lost connections are tried again by themselves
    choice = client.chat.completions.create(model=model, messages=messages, temperature=0).choices[0]
    print(choice.message.content)
    if choice.finish_reason != "stop":
        raise RuntimeError(f"the answer is not whole: {choice.finish_reason}")
except APIStatusError as error:
    print("Status", error.status_code, error.response.text)
except APIConnectionError as error:
    print("No answer at all:", error, error.__cause__)
