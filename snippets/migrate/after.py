"""A desk that answers travellers. One file of a program, as it is with openai."""

import json
import math
import os
from functools import partial

import openai

client = openai.OpenAI(
    base_url=os.environ["AZURE_INFERENCE_ENDPOINT"].rstrip("/") + "/v1",
    api_key=os.environ["AZURE_INFERENCE_CREDENTIAL"],
    default_headers={"extra-parameters": "pass-through"},
    timeout=60,
    max_retries=1,
)
complete = partial(
    client.chat.completions.create,
    model=os.environ.get("AZURE_INFERENCE_MODEL") or "Phi-4",
    temperature=0,
)


def answer(history, question):
    """Return the answer to a question. Add both to the history."""
    history.append({"role": "user", "content": question})
    reply = complete(messages=history, max_tokens=256)
    history.append({"role": "assistant", "content": reply.choices[0].message.content})
    return reply.choices[0].message.content


def stream(question):
    """Print an answer while it arrives. Return the tokens that it took."""
    usage = None
    for chunk in complete(
        messages=[{"role": "user", "content": question}],
        stream=True,
        stream_options={"include_usage": True},
        max_tokens=256,
    ):
        if chunk.choices:
            print(chunk.choices[0].delta.content or "", end="", flush=True)
        usage = chunk.usage or usage
    print()
    return usage.total_tokens


def rate(review):
    """Return the label of a review and its probability."""
    question = {"role": "user", "content": f'Is this review positive or negative? "{review}"'}
    reply = complete(messages=[question], max_tokens=1, logprobs=True)
    token = reply.choices[0].logprobs.content[0]
    return token.token, math.exp(token.logprob)


def describe(city):
    """Return facts about a city as a dictionary. Ask a second time if the first is no JSON."""
    history = [
        {"role": "system", "content": "You answer in JSON."},
        {"role": "user", "content": f"Give me JSON about {city}."},
    ]
    for _ in range(2):
        reply = complete(messages=history, max_tokens=100, response_format={"type": "text"})
        text = reply.choices[0].message.content
        try:
            return json.loads(text)
        except ValueError:
            wrong = "I cannot use that answer. Reply with the JSON object only."
            history.append({"role": "assistant", "content": text})
            history.append({"role": "user", "content": wrong})
    return {}


def explain(error):
    """Return why a call failed, in one line."""
    if isinstance(error, openai.APIStatusError):
        return f"status {error.status_code}"
    return f"no answer: {type(error).__name__}"


def main():
    history = [{"role": "system", "content": "You are a helpful assistant."}]
    try:
        for question in ("How many languages are in the world?", "And in France?"):
            print(answer(history, question))
        print(stream("What is the capital of France?"), "tokens")
        label, probability = rate("Wonderful evening, we will come back.")
        print(f"{label} ({probability:.0%})")
        print(describe("Paris"))
        print(rate("good " * 20_000))
    except openai.APIError as error:
        print(explain(error))


if __name__ == "__main__":
    main()
