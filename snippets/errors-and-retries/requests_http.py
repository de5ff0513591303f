# Last run with requests 2.34.2 on 23 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
import os

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

url = os.environ["AZURE_INFERENCE_ENDPOINT"] + "/chat/completions"
key = os.environ["AZURE_INFERENCE_CREDENTIAL"]
session = requests.Session()
retry = Retry(5, backoff_factor=1, status_forcelist=[429, 500, 502, 503, 504], allowed_methods=None)
session.mount("https://", HTTPAdapter(max_retries=retry))

messages = [{"role": "user", "content": "What is the capital of France?"}]
for temperature in (0, 1.5):  # the second is out of range, to show an error
    try:
        reply = session.post(
            url,
            params={"api-version": "2024-05-01-preview"},
            headers={"Authorization": f"Bearer {key}"},
            json={"messages": messages, "temperature": temperature},
            timeout=60,
        )
        reply.raise_for_status()
        print(reply.json()["choices"][0]["message"]["content"])
    except requests.HTTPError as error:
        print("Status", error.response.status_code, error.response.text)
    except requests.RequestException as error:
        print("No answer at all:", error)
