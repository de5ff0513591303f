# Last run with langchain-openai 1.7.3 on 29 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL; reads AZURE_INFERENCE_MODEL.
import os
import sys

from langchain_openai import ChatOpenAI

COUNTRIES = ["France", "Japan", "Italy", "Spain", "Germany", "Portugal"]
PROMPTS = [f"What is the capital of {country}?" for country in COUNTRIES]
model = ChatOpenAI(
    base_url=os.environ["AZURE_INFERENCE_ENDPOINT"] + "/v1",
    api_key=os.environ["AZURE_INFERENCE_CREDENTIAL"],
    model=os.environ.get("AZURE_INFERENCE_MODEL", "Phi-4"),  # a serve server takes only the name that model-info prints
    timeout=60,
    max_retries=8,  # after 429, 5xx and time-outs; it waits as Retry-After says, up to a minute
    temperature=0,
)
# more at once than the deployment computes at once only bring 429
results = model.batch(PROMPTS, config={"max_concurrency": 4}, return_exceptions=True)
for prompt, result in zip(PROMPTS, results, strict=True):
    print(prompt, f"FAILED: {result}" if isinstance(result, Exception) else result.content)
failures = sum(isinstance(result, Exception) for result in results)
if failures:
    sys.exit(f"{failures} of {len(PROMPTS)} prompts failed")
