# Last run with litellm 1.106.2 on 29 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT, AZURE_INFERENCE_CREDENTIAL; reads AZURE_INFERENCE_MODEL (LITELLM_LOCAL_MODEL_COST_MAP: README).
import os

import litellm

response = litellm.completion(
    model="azure_ai/" + os.environ.get("AZURE_INFERENCE_MODEL", "Phi-4"),
    api_base=os.environ["AZURE_INFERENCE_ENDPOINT"],
    api_key=os.environ["AZURE_INFERENCE_CREDENTIAL"],
    timeout=180,
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
