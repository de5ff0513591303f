# Last run with langchain-azure-ai 1.2.12 on 24 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
import os

from langchain_azure_ai.chat_models import AzureAIOpenAIApiChatModel

model = AzureAIOpenAIApiChatModel(
    endpoint=os.environ["AZURE_INFERENCE_ENDPOINT"] + "/v1",
    credential=os.environ["AZURE_INFERENCE_CREDENTIAL"],
    model="Phi-4",
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
