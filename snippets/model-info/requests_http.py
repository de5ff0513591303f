# Last run with requests 2.34.2 on 29 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
import os

import requests

endpoint = os.environ["AZURE_INFERENCE_ENDPOINT"]
headers = {"Authorization": "Bearer " + os.environ["AZURE_INFERENCE_CREDENTIAL"]}

reply = requests.get(endpoint + "/info?api-version=2024-05-01-preview", headers=headers, timeout=60)
if reply.status_code in (404, 424):  # a serve server has another list (Azure hides its 404 behind 424)
    reply = requests.get(endpoint + "/v1/models", headers=headers, timeout=60)
reply.raise_for_status()
info = reply.json()
if "data" in info:
    print("Model name:", *(model["id"] for model in info["data"]))
else:
    print("Model name:", info["model_name"])
    print("Model type:", info["model_type"])
    print("Model provider name:", info["model_provider_name"])
