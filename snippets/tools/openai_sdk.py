# Last run with openai 3.54.0 on 29 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL; reads AZURE_INFERENCE_MODEL.
import json
import os

from openai import APIStatusError, OpenAI

endpoint, key = os.environ["AZURE_INFERENCE_ENDPOINT"], os.environ["AZURE_INFERENCE_CREDENTIAL"]
client = OpenAI(base_url=endpoint + "/v1", api_key=key, timeout=60)
try:
    model = os.environ.get("AZURE_INFERENCE_MODEL") or client.models.list().data[0].id
except APIStatusError:  # a server without this list takes any name
    model = "Phi-4"

QUESTION = "What is 12 times 7?"
FUNCTIONS = {"multiply": lambda a, b: a * b}
NUMBERS = {"type": "object", "properties": {"a": {"type": "number"}, "b": {"type": "number"}}, "required": ["a", "b"]}
TOOLS = [{"type": "function", "function": {"name": "multiply", "description": "Multiply two numbers.", "parameters": NUMBERS}}]


def ask(messages, **settings):
    """Return the model's message. Raises RuntimeError if it was cut off."""
    response = client.chat.completions.create(model=model, messages=messages, temperature=0, **settings)
    choice = response.choices[0]
    if choice.finish_reason not in ("stop", "tool_calls"):
        raise RuntimeError(f"the answer is not whole: {choice.finish_reason}")
    return choice.message


def call(name, arguments):
    """Return the result of a function as text, or what is wrong with the call: the model may mend it."""
    try:
        arguments = json.loads(arguments) if isinstance(arguments, str) else arguments
        return json.dumps(FUNCTIONS[name](**arguments))
    except (KeyError, TypeError, ValueError) as error:
        return f"error: {type(error).__name__}: {error}"


def answer_with_tools(question):
    """Return the answer of a server that takes tools."""
    messages = [{"role": "user", "content": question}]
    message = ask(messages, tools=TOOLS)
    if not message.tool_calls:
        return message.content
    messages.append(message.model_dump(exclude_none=True))
    for item in message.tool_calls:
        result = call(item.function.name, item.function.arguments)
        messages.append({"role": "tool", "tool_call_id": item.id, "content": result})
    return ask(messages, tools=TOOLS).content


def answer_with_prompt(question):
    """Return the answer of a server that takes no tools: the model is asked to write its call as JSON."""
    functions = json.dumps([tool["function"] for tool in TOOLS])
    rule = f'You may call these functions: {functions}. To call one, reply only with {{"name": ..., "arguments": {{...}}}}.'
    messages = [{"role": "system", "content": rule}, {"role": "user", "content": question}]
    text = ask(messages).content
    try:
        wanted = json.loads(text[text.index("{") : text.rindex("}") + 1])
        result = call(wanted["name"], wanted["arguments"])
    except (ValueError, KeyError, TypeError):  # no call, so it is the answer
        return text
    follow_up = f"The function returned {result}. Answer my question: {question}"
    messages += [{"role": "assistant", "content": text}, {"role": "user", "content": follow_up}]
    return ask(messages).content


try:
    print(answer_with_tools(QUESTION))
except APIStatusError as error:  # an inference server: 400 "Tools and tool_choice are not supported.", behind Azure 424
    if error.status_code not in (400, 422, 424) or "tool" not in error.response.text:
        raise
    print(answer_with_prompt(QUESTION))
