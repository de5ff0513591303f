# Last run with requests 2.34.2 on 24 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
import os

import requests

url = os.environ["AZURE_INFERENCE_ENDPOINT"] + "/info?api-version=2024-05-01-preview"
headers = {"Authorization": "Bearer " + os.environ["AZURE_INFERENCE_CREDENTIAL"]}

reply = requests.get(url, headers=headers, timeout=60)
reply.raise_for_status()
info = reply.json()
print("Model name:", info["model_name"])
print("Model type:", info["model_type"])
print("Model provider name:", info["model_provider_name"])
