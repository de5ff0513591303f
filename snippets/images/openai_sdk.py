# Last run with openai 3.54.0 on 29 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL; reads AZURE_INFERENCE_MODEL. Run: python openai_sdk.py photo.jpg
import base64
import mimetypes
import os
import sys
from pathlib import Path

from openai import APIStatusError, OpenAI

if len(sys.argv) != 2:
    raise SystemExit("Run it with the path of a picture: python openai_sdk.py photo.jpg")
picture = Path(sys.argv[1])
kind = mimetypes.guess_type(picture.name)[0]
if kind not in ("image/png", "image/jpeg", "image/webp"):
    raise SystemExit(f"{picture.name} is of the type {kind}. Expected a PNG, JPEG or WebP picture.")
url = f"data:{kind};base64,{base64.b64encode(picture.read_bytes()).decode()}"  # the address of a public picture does as well

endpoint, key = os.environ["AZURE_INFERENCE_ENDPOINT"], os.environ["AZURE_INFERENCE_CREDENTIAL"]
client = OpenAI(base_url=endpoint + "/v1", api_key=key, timeout=120)
try:
    model = os.environ.get("AZURE_INFERENCE_MODEL") or client.models.list().data[0].id
except APIStatusError:  # a server without this list takes any name
    model = "Phi-4-multimodal-instruct"

parts = [{"type": "text", "text": "What is in this picture?"}, {"type": "image_url", "image_url": {"url": url}}]
messages = [{"role": "user", "content": parts}]
try:
    response = client.chat.completions.create(model=model, messages=messages, temperature=0)
except APIStatusError as error:  # Azure hides the server's 400 behind 424
    text = error.response.text
    if error.status_code not in (400, 422, 424) or not ("image" in text or "multimodal" in text):
        raise
    advice = "Only Phi-4-multimodal-instruct reads pictures. Phi-4, Phi-4-mini and the reasoning models read text."
    raise SystemExit(f"This endpoint takes no pictures. {advice} The server says: {text}") from None
choice = response.choices[0]
print(choice.message.content)
if choice.finish_reason != "stop":
    raise RuntimeError(f"the answer is not whole: {choice.finish_reason}")
