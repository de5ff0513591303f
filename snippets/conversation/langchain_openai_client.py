# Last run with langchain-openai 1.7.3 on 29 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL; reads AZURE_INFERENCE_MODEL.
import os

from langchain_openai import ChatOpenAI

model = ChatOpenAI(
    base_url=os.environ["AZURE_INFERENCE_ENDPOINT"] + "/v1",
    api_key=os.environ["AZURE_INFERENCE_CREDENTIAL"],
    model=os.environ.get("AZURE_INFERENCE_MODEL", "Phi-4"),  # a serve server takes only the name that model-info prints
    timeout=60,
    temperature=0,
)
messages = [("system", "You are a helpful assistant.")]
for question in ("How many languages are in the world?", "And in France?"):
    messages.append(("user", question))
    response = model.invoke(messages)
    reason = response.response_metadata["finish_reason"]
    if reason != "stop":
        raise RuntimeError(f"the answer is not whole: {reason}")
    messages.append(response)
    print(response.content)
