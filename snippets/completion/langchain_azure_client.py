# Last run with langchain-azure-ai 1.2.12 on 29 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL; reads AZURE_INFERENCE_MODEL.
import os

from langchain_azure_ai.chat_models import AzureAIOpenAIApiChatModel

model = AzureAIOpenAIApiChatModel(
    endpoint=os.environ["AZURE_INFERENCE_ENDPOINT"] + "/v1",
    credential=os.environ["AZURE_INFERENCE_CREDENTIAL"],
    model=os.environ.get("AZURE_INFERENCE_MODEL", "Phi-4"),  # a serve server takes only the name that model-info prints
    timeout=60,
    use_responses_api=False,
    temperature=0,
)
messages = [
    ("system", "You are a helpful assistant."),
    ("user", "How many languages are in the world?"),
]
response = model.invoke(messages)
print("Response:", response.content)
print("Model:", response.response_metadata["model_name"])
print("Prompt tokens:", response.usage_metadata["input_tokens"])
print("Completion tokens:", response.usage_metadata["output_tokens"])
if response.response_metadata["finish_reason"] != "stop":
    raise RuntimeError(f"the answer is not whole: {response.response_metadata['finish_reason']}")
