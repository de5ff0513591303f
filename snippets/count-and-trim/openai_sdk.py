# Last run with openai 3.54.0 and tiktoken 0.14.0 on 29 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL; reads AZURE_INFERENCE_MODEL.
import os

import tiktoken
from openai import APIStatusError, OpenAI

CONTEXT, ANSWER = 16_384, 500  # tokens: that Phi-4 can read and write together, and those to keep free for the answer
ENCODING = tiktoken.get_encoding("cl100k_base")  # Phi-4's; downloaded once. Phi-4-mini has o200k_base and another template


def count(messages):
    """Return the tokens of a prompt: each message is <|im_start|>role<|im_sep|>text<|im_end|>, then the answer begins.

    The server may count fewer, because it drops white space at the ends of a text, but never more.
    """
    texts = [text for message in messages for text in (message["role"], message["content"])]
    return sum(len(ENCODING.encode_ordinary(text)) for text in texts) + 3 * len(messages) + 3


def trim(messages, limit):
    """Return the messages without the oldest questions and their answers. System messages and the last question stay."""
    kept = list(messages)
    while count(kept) > limit:
        oldest = next((number for number, message in enumerate(kept[:-1]) if message["role"] != "system"), None)
        if oldest is None:
            raise ValueError(f"the last question alone has more than {limit} tokens with the system message")
        del kept[oldest]
        while kept[oldest]["role"] == "assistant" and oldest < len(kept) - 1:
            del kept[oldest]  # an answer without its question
    return kept


endpoint, key = os.environ["AZURE_INFERENCE_ENDPOINT"], os.environ["AZURE_INFERENCE_CREDENTIAL"]
client = OpenAI(base_url=endpoint + "/v1", api_key=key, timeout=60)
try:
    model = os.environ.get("AZURE_INFERENCE_MODEL") or client.models.list().data[0].id
except APIStatusError:  # a server without this list takes any name
    model = "Phi-4"

earlier = [{"role": "user", "content": "Tell me more." * 200}, {"role": "assistant", "content": "There is more to say." * 200}]
question = {"role": "user", "content": "What is the capital of France?"}
messages = [{"role": "system", "content": "You are a helpful assistant."}, *earlier * 10, question]
short = trim(messages, CONTEXT - ANSWER)
print(f"Sent: {len(short)} of {len(messages)} messages, {count(short)} of {count(messages)} tokens")
response = client.chat.completions.create(model=model, messages=short, max_tokens=ANSWER, temperature=0)
print("Prompt tokens, as the server counts:", response.usage.prompt_tokens)
print(response.choices[0].message.content, f"({response.choices[0].finish_reason})")
