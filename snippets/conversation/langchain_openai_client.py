# Last run with langchain-openai 1.7.3 on 24 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
import os

from langchain_openai import ChatOpenAI

model = ChatOpenAI(
    base_url=os.environ["AZURE_INFERENCE_ENDPOINT"] + "/v1",
    api_key=os.environ["AZURE_INFERENCE_CREDENTIAL"],
    model="Phi-4",
    temperature=0,
)
messages = [("system", "You are a helpful assistant.")]
for question in ("How many languages are in the world?", "And in France?"):
    messages.append(("user", question))
    response = model.invoke(messages)
    messages.append(response)
    print(response.content)
