# Last run with openai 3.54.0 on 29 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
import os

from openai import APIStatusError, OpenAI

endpoint, key = os.environ["AZURE_INFERENCE_ENDPOINT"], os.environ["AZURE_INFERENCE_CREDENTIAL"]
client = OpenAI(base_url=endpoint + "/v1", api_key=key, timeout=60)
try:
    print("Model name:", *(model.id for model in client.models.list()))
except APIStatusError as error:
    if error.status_code not in (404, 424):  # Azure hides a 404 of the server behind 424
        raise
    info = client.get(endpoint + "/info?api-version=2024-05-01-preview", cast_to=dict)  # an inference server
    print("Model name:", info["model_name"])
