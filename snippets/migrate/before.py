"""A desk that answers travellers. One file of a program, as it was with azure-ai-inference."""

import json
import math
import os

from azure.ai.inference import ChatCompletionsClient
from azure.ai.inference.models import AssistantMessage, SystemMessage, UserMessage
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import HttpResponseError, ServiceRequestError, ServiceResponseError

client = ChatCompletionsClient(
    endpoint=os.environ["AZURE_INFERENCE_ENDPOINT"],
    credential=AzureKeyCredential(os.environ["AZURE_INFERENCE_CREDENTIAL"]),
    temperature=0,
    read_timeout=60,
)


def answer(history, question):
    """Return the answer to a question. Add both to the history."""
    history.append(UserMessage(question))
    reply = client.complete(messages=history, max_tokens=256)
    history.append(AssistantMessage(reply.choices[0].message.content))
    return reply.choices[0].message.content


def stream(question):
    """Print an answer while it arrives. Return the tokens that it took."""
    usage = None
    for chunk in client.complete(messages=[UserMessage(question)], stream=True, max_tokens=256):
        print(chunk.choices[0].delta.content or "", end="", flush=True)
        usage = chunk.usage or usage
    print()
    return usage["total_tokens"]


def rate(review):
    """Return the label of a review and its probability."""
    question = UserMessage(f'Is this review positive or negative? "{review}"')
    extras = {"logprobs": True}
    reply = client.complete(messages=[question], max_tokens=1, model_extras=extras)
    token = reply.choices[0]["logprobs"]["content"][0]
    return token["token"], math.exp(token["logprob"])


def describe(city):
    """Return facts about a city as a dictionary. Ask a second time if the first is no JSON."""
    history = [SystemMessage("You answer in JSON."), UserMessage(f"Give me JSON about {city}.")]
    for _ in range(2):
        reply = client.complete(messages=history, max_tokens=100, response_format="text")
        text = reply.choices[0].message.content
        try:
            return json.loads(text)
        except ValueError:
            history += [
                AssistantMessage(text),
                UserMessage("I cannot use that answer. Reply with the JSON object only."),
            ]
    return {}


def explain(error):
    """Return why a call failed, in one line."""
    if isinstance(error, HttpResponseError):
        return f"status {error.status_code}"
    return f"no answer: {type(error).__name__}"


def main():
    history = [SystemMessage("You are a helpful assistant.")]
    try:
        for question in ("How many languages are in the world?", "And in France?"):
            print(answer(history, question))
        print(stream("What is the capital of France?"), "tokens")
        label, probability = rate("Wonderful evening, we will come back.")
        print(f"{label} ({probability:.0%})")
        print(describe("Paris"))
        print(rate("good " * 20_000))
    except (HttpResponseError, ServiceRequestError, ServiceResponseError) as error:
        print(explain(error))


if __name__ == "__main__":
    main()
