# Last run with openai 3.54.0 and httpx2 2.16.2 on 29 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL; reads AZURE_INFERENCE_MODEL.
import argparse
import os

import httpx2
from openai import APIConnectionError, APIStatusError, DefaultHttpxClient, OpenAI

# Variables do the same without any code: HTTPS_PROXY=http://proxy.example.com:8080, NO_PROXY for hosts that are asked
# directly, and SSL_CERT_FILE for a file with *all* authorities to trust: the usual ones and your company's.
parser = argparse.ArgumentParser()
parser.add_argument("--proxy", help="such as http://proxy.example.com:8080, or http://user:password@proxy.example.com:8080")
parser.add_argument("--ca-file", help="your company's certificate authority (PEM), trusted besides the usual ones")
options = parser.parse_args()

context = httpx2.create_ssl_context()  # the usual authorities, or those of SSL_CERT_FILE
if options.ca_file:
    context.load_verify_locations(options.ca_file)
http = DefaultHttpxClient(verify=context, proxy=options.proxy)  # never verify=False: anybody could read key and answers
endpoint, key = os.environ["AZURE_INFERENCE_ENDPOINT"], os.environ["AZURE_INFERENCE_CREDENTIAL"]
client = OpenAI(base_url=endpoint + "/v1", api_key=key, timeout=60, max_retries=0, http_client=http)
messages = [{"role": "user", "content": "What is the capital of France?"}]
try:
    try:
        model = os.environ.get("AZURE_INFERENCE_MODEL") or client.models.list().data[0].id
    except APIStatusError:  # a server without this list takes any name
        model = "Phi-4"
    response = client.chat.completions.create(model=model, messages=messages, temperature=0)
except APIConnectionError as error:
    reason = f"{error.__cause__}"
    if "CERTIFICATE_VERIFY_FAILED" in reason:
        advice = "if a proxy of your company decrypts traffic, pass its certificate authority with --ca-file"
    elif "407" in reason:
        advice = "the proxy wants a user and a password: --proxy http://user:password@host:port"
    else:
        advice = "check the address of the proxy, and whether it lets you reach the endpoint"
    raise SystemExit(f"No answer: {reason}. To fix it, {advice}.") from None
choice = response.choices[0]
print(choice.message.content)
if choice.finish_reason != "stop":
    raise RuntimeError(f"the answer is not whole: {choice.finish_reason}")
