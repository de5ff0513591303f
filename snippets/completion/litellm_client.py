# Last run with litellm 1.106.2 on 29 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT, AZURE_INFERENCE_CREDENTIAL; reads AZURE_INFERENCE_MODEL (LITELLM_LOCAL_MODEL_COST_MAP: README).
import os

import litellm

response = litellm.completion(
    model="azure_ai/" + os.environ.get("AZURE_INFERENCE_MODEL", "Phi-4"),
    api_base=os.environ["AZURE_INFERENCE_ENDPOINT"],
    api_key=os.environ["AZURE_INFERENCE_CREDENTIAL"],
    timeout=60,
    messages=[
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": "How many languages are in the world?"},
    ],
    temperature=0,
)
choice = response.choices[0]
print("Response:", choice.message.content)
print("Model:", response.model)
print("Prompt tokens:", response.usage.prompt_tokens)
print("Completion tokens:", response.usage.completion_tokens)
if choice.finish_reason != "stop":
    raise RuntimeError(f"the answer is not whole: {choice.finish_reason}")
