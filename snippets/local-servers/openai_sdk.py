# Last run with openai 3.54.0 on 29 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL; reads AZURE_INFERENCE_MODEL.
import os

from openai import APIConnectionError, APIStatusError, OpenAI

# All `openai` snippets work with these servers, too. Only the variables differ:
#
# Server         To start it                           AZURE_INFERENCE_ENDPOINT   AZURE_INFERENCE_MODEL
# Ollama         ollama pull phi4, then ollama serve   http://localhost:11434     phi4
# vLLM           vllm serve microsoft/phi-4            http://localhost:8000      microsoft/phi-4
# Foundry Local  foundry server start --port 39839     http://localhost:39839     an id of the list that it prints
# Azure          see ../deploy                         https://...                not needed
#
# AZURE_INFERENCE_CREDENTIAL: any text, such as "none", unless you gave the server a key (vllm serve --api-key ...).
endpoint, key = os.environ["AZURE_INFERENCE_ENDPOINT"], os.environ["AZURE_INFERENCE_CREDENTIAL"]
client = OpenAI(base_url=endpoint + "/v1", api_key=key, timeout=300)  # without a GPU an answer may take minutes
try:
    names = [model.id for model in client.models.list()]
except APIConnectionError as error:
    raise SystemExit(f"Nothing answers at {endpoint} ({error.__cause__}). Is the server running?") from None
except APIStatusError:  # a server without this list takes any name
    names = ["Phi-4"]
model = os.environ.get("AZURE_INFERENCE_MODEL") or next((name for name in names if "phi" in name.lower()), None)
if model is None:
    raise SystemExit(f"No model at {endpoint} has a name with phi. Set AZURE_INFERENCE_MODEL to one of {names}.")

messages = [{"role": "user", "content": "What is the capital of France?"}]
stream = client.chat.completions.create(model=model, messages=messages, temperature=0, stream=True)
reason = None
for chunk in stream:
    for choice in chunk.choices:
        print(choice.delta.content or "", end="", flush=True)
        reason = choice.finish_reason or reason
print(f"\n({model}, {reason})")
