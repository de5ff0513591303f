# Last run with langchain-openai 1.7.3 on 29 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL; reads AZURE_INFERENCE_MODEL.
import os

from langchain_openai import ChatOpenAI

model = ChatOpenAI(
    base_url=os.environ["AZURE_INFERENCE_ENDPOINT"] + "/v1",
    api_key=os.environ["AZURE_INFERENCE_CREDENTIAL"],
    model=os.environ.get("AZURE_INFERENCE_MODEL", "Phi-4"),  # a serve server takes only the name that model-info prints
    timeout=180,
    default_headers={"extra-parameters": "pass-through"},  # or an inference server ignores stream_options
    temperature=0,
    top_p=1,
    max_tokens=2048,
    stream_usage=True,
)
messages = [
    ("system", "You are a helpful assistant."),
    ("user", "How many languages are in the world?"),
]
finish_reason = None
for chunk in model.stream(messages):
    print(chunk.content, end="", flush=True)
    finish_reason = chunk.response_metadata.get("finish_reason") or finish_reason
    if chunk.usage_metadata:
        print(f"\n{chunk.usage_metadata['output_tokens']} tokens")
if finish_reason != "stop":
    raise RuntimeError(f"the answer is not whole: {finish_reason}")
