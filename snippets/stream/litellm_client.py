# Last run with litellm 1.106.2 on 29 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT, AZURE_INFERENCE_CREDENTIAL; reads AZURE_INFERENCE_MODEL (LITELLM_LOCAL_MODEL_COST_MAP: README).
import os

import litellm

stream = litellm.completion(
    model="azure_ai/" + os.environ.get("AZURE_INFERENCE_MODEL", "Phi-4"),
    api_base=os.environ["AZURE_INFERENCE_ENDPOINT"],
    api_key=os.environ["AZURE_INFERENCE_CREDENTIAL"],
    timeout=180,
    messages=[
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": "How many languages are in the world?"},
    ],
    temperature=0,
    top_p=1,
    max_tokens=2048,
    stream=True,
)
finish_reason = None
for chunk in stream:
    print(chunk.choices[0].delta.content or "", end="", flush=True)
    finish_reason = chunk.choices[0].finish_reason or finish_reason
print()
if finish_reason != "stop":
    raise RuntimeError(f"the answer is not whole: {finish_reason}")
