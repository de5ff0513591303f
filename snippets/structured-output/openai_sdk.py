# Last run with openai 3.54.0 and pydantic 2.14.3 on 29 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL; reads AZURE_INFERENCE_MODEL.
import json
import os

from openai import APIStatusError, OpenAI
from pydantic import BaseModel, Field, ValidationError


class City(BaseModel):
    city: str
    country: str
    population_millions: float = Field(gt=0)


endpoint, key = os.environ["AZURE_INFERENCE_ENDPOINT"], os.environ["AZURE_INFERENCE_CREDENTIAL"]
client = OpenAI(base_url=endpoint + "/v1", api_key=key, timeout=60)
try:
    model = os.environ.get("AZURE_INFERENCE_MODEL") or client.models.list().data[0].id
except APIStatusError:  # a server without this list takes any name
    model = "Phi-4"


def ask(messages):
    """Return the whole answer. Raises RuntimeError if it was cut off: half a JSON text cannot be repaired."""
    choice = client.chat.completions.create(model=model, messages=messages, temperature=0, max_tokens=500).choices[0]
    if choice.finish_reason != "stop":
        raise RuntimeError(f"the answer is not whole: {choice.finish_reason}")
    return choice.message.content


def parse(answer):
    """Return the City in an answer, which may have words or a code fence around it. Raises ValidationError."""
    return City.model_validate_json(answer[answer.find("{") : answer.rfind("}") + 1])


# The schema goes into the prompt, because an inference server refuses response_format json_schema.
rule = f"Reply with one JSON object that fits this schema, and nothing else: {json.dumps(City.model_json_schema())}"
messages = [{"role": "system", "content": rule}, {"role": "user", "content": "Give me JSON about Paris."}]
answer = ask(messages)
try:
    result = parse(answer)
except ValidationError as error:  # one repair, with the reasons; a second failure is raised
    reasons = "; ".join(f"{'.'.join(map(str, item['loc'])) or 'all'}: {item['msg']}" for item in error.errors())
    correction = f"I cannot use that answer: {reasons}. Reply with the JSON object only."
    messages += [{"role": "assistant", "content": answer}, {"role": "user", "content": correction}]
    result = parse(ask(messages))
print(result.city, result.country, result.population_millions, sep=", ")
