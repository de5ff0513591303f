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
    top_p=1,
    max_tokens=2048,
    stream_usage=True,
)
messages = [
    ("system", "You are a helpful assistant."),
    ("user", "How many languages are in the world?"),
]
for chunk in model.stream(messages):
    print(chunk.content, end="", flush=True)
    if chunk.usage_metadata:
        print(f"\n{chunk.usage_metadata['output_tokens']} tokens")
