# Last run with langchain-openai 1.7.3 on 24 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
import os

from langchain_openai import ChatOpenAI

model = ChatOpenAI(
    base_url=os.environ["AZURE_INFERENCE_ENDPOINT"] + "/v1",
    api_key=os.environ["AZURE_INFERENCE_CREDENTIAL"],
    model="Phi-4",
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
