# Last run with litellm 1.106.2 on 24 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL (LITELLM_LOCAL_MODEL_COST_MAP=True: see README).
import os

import litellm

response = litellm.completion(
    model="openai/Phi-4",  # azure_ai/Phi-4 leaves logprobs out without a word
    api_base=os.environ["AZURE_INFERENCE_ENDPOINT"] + "/v1",
    api_key=os.environ["AZURE_INFERENCE_CREDENTIAL"],
    messages=[{"role": "user", "content": "What is the capital of France?"}],
    temperature=0,
    logprobs=True,
)
choice = response.choices[0]
print(choice.message.content)
logprobs = getattr(choice, "logprobs", None)  # some servers leave them out
for item in (logprobs and logprobs.content) or []:
    print(f"{item.logprob:8.4f}  {item.token!r}")
