# Last run with langchain-azure-ai 1.2.12 on 29 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL; reads AZURE_INFERENCE_MODEL.
import os

from langchain_azure_ai.chat_models import AzureAIOpenAIApiChatModel

model = AzureAIOpenAIApiChatModel(
    endpoint=os.environ["AZURE_INFERENCE_ENDPOINT"] + "/v1",
    credential=os.environ["AZURE_INFERENCE_CREDENTIAL"],
    model=os.environ.get("AZURE_INFERENCE_MODEL", "Phi-4"),  # a serve server takes only the name that model-info prints
    timeout=180,
    default_headers={"extra-parameters": "pass-through"},  # or an inference server ignores max_completion_tokens
    use_responses_api=False,
    presence_penalty=0.1,
    frequency_penalty=0.8,
    max_tokens=2048,
    stop=["<|endoftext|>"],
    temperature=0,
    top_p=1,
    model_kwargs={"response_format": {"type": "text"}},
)
response = model.invoke("How many languages are in the world?")
print(response.content)
print("Finish reason:", response.response_metadata["finish_reason"])
