# Last run with litellm 1.106.2 on 24 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL (LITELLM_LOCAL_MODEL_COST_MAP=True: see README).
import os

import litellm

response = litellm.completion(
    model="azure_ai/Phi-4",
    api_base=os.environ["AZURE_INFERENCE_ENDPOINT"],
    api_key=os.environ["AZURE_INFERENCE_CREDENTIAL"],
    messages=[
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": "How many languages are in the world?"},
    ],
    temperature=0,
)
print("Response:", response.choices[0].message.content)
print("Model:", response.model)
print("Prompt tokens:", response.usage.prompt_tokens)
print("Completion tokens:", response.usage.completion_tokens)
