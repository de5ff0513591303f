# Last run with requests 2.34.2 on 29 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
import os

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

url = os.environ["AZURE_INFERENCE_ENDPOINT"] + "/chat/completions?api-version=2024-05-01-preview"
headers = {"Authorization": "Bearer " + os.environ["AZURE_INFERENCE_CREDENTIAL"].strip()}
messages = [{"role": "user", "content": "What is the capital of France?"}]

again = [429, 500, 502, 503, 504]  # after these five times, without a connection once, after a time-out never
retry = Retry(
    status=5, connect=1, read=0, other=0, backoff_factor=1, status_forcelist=again, allowed_methods=None, raise_on_status=False
)
with requests.Session() as session:
    session.mount("https://", HTTPAdapter(max_retries=retry))
    try:
        reply = session.post(url, headers=headers, json={"messages": messages, "temperature": 0}, timeout=60)
        reply.raise_for_status()
        choice = reply.json()["choices"][0]
        print(choice["message"]["content"])
        if choice["finish_reason"] != "stop":
            raise RuntimeError(f"the answer is not whole: {choice['finish_reason']}")
    except requests.HTTPError as error:
        print("Status", error.response.status_code, error.response.text)
    except requests.RequestException as error:
        print("No answer at all:", error)
