# Last run with litellm 1.106.2 on 29 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT, AZURE_INFERENCE_CREDENTIAL; reads AZURE_INFERENCE_MODEL (LITELLM_LOCAL_MODEL_COST_MAP: README).
import os

import litellm

response = litellm.completion(
    model="openai/" + os.environ.get("AZURE_INFERENCE_MODEL", "Phi-4"),  # azure_ai/Phi-4 leaves logprobs out without a word
    api_base=os.environ["AZURE_INFERENCE_ENDPOINT"] + "/v1",
    api_key=os.environ["AZURE_INFERENCE_CREDENTIAL"],
    timeout=60,
    extra_headers={"extra-parameters": "pass-through"},  # or an inference server ignores logprobs
    messages=[{"role": "user", "content": "What is the capital of France?"}],
    temperature=0,
    logprobs=True,
)
choice = response.choices[0]
print(choice.message.content)
logprobs = getattr(choice, "logprobs", None)  # some servers leave them out
for item in (logprobs and logprobs.content) or []:
    print(f"{item.logprob:8.4f}  {item.token!r}")
if choice.finish_reason != "stop":
    raise RuntimeError(f"the answer is not whole: {choice.finish_reason}")
