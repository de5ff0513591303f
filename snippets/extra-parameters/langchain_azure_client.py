# Last run with langchain-azure-ai 1.2.12 on 29 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL; reads AZURE_INFERENCE_MODEL.
import os

from langchain_azure_ai.chat_models import AzureAIOpenAIApiChatModel

model = AzureAIOpenAIApiChatModel(
    endpoint=os.environ["AZURE_INFERENCE_ENDPOINT"] + "/v1",
    credential=os.environ["AZURE_INFERENCE_CREDENTIAL"],
    model=os.environ.get("AZURE_INFERENCE_MODEL", "Phi-4"),  # a serve server takes only the name that model-info prints
    timeout=60,
    default_headers={"extra-parameters": "pass-through"},  # or an inference server ignores logprobs
    use_responses_api=False,
    temperature=0,
    logprobs=True,
)
response = model.invoke("What is the capital of France?")
print(response.content)
logprobs = response.response_metadata.get("logprobs") or {}  # some servers leave them out
for item in logprobs.get("content") or []:
    print(f"{item['logprob']:8.4f}  {item['token']!r}")
if response.response_metadata["finish_reason"] != "stop":
    raise RuntimeError(f"the answer is not whole: {response.response_metadata['finish_reason']}")
