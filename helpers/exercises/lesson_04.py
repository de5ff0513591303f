"""Judge the answers to the exercises of lesson 04, chat completions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from azure.ai.inference.models import ChatCompletions, SystemMessage
from azure.core.exceptions import HttpResponseError

from helpers.exercises.clients import UNSEEN, is_simulated, last_request, requests_of
from helpers.exercises.outcomes import Outcome, correct, not_yet
from helpers.exercises.trials import Call, call, kind, show
from helpers.tokens import encoding

MARK = " [cut off]"
MOST_TOKENS = 300  # of an answer
QUESTIONS = ["Hello, my name is Ada.", "What is 12 times 7?", "What is my name?"]
OTHER_QUESTIONS = ["What is my name?"]
SHORT = "What is 12 times 7?"
STORY = "Tell me a long story about a lighthouse keeper."
TOO_LONG = "tree " * 16_300  # tokens; with 300 for the answer, more than the context holds
ORDINALS = ("first", "second", "third")


def messages_of(request: dict) -> list[dict]:
    """Return the messages in the body of a request."""
    body = request["body"] if isinstance(request["body"], dict) else {}
    return [item for item in body.get("messages") or [] if isinstance(item, dict)]


def role_of(message: Any) -> str:
    """Return the role of a message, which is a text or the SDK's enumeration."""
    role = message["role"]
    return str(getattr(role, "value", role))


def roles_of(messages: Iterable[Any]) -> str:
    """Return the roles of messages as a text.

    >>> roles_of([{"role": "system"}, {"role": "user"}])
    'system, user'
    """
    return ", ".join(map(role_of, messages))


def number_of_messages(number: int) -> str:
    """Return a number of messages in words."""
    return f"{number} message{'' if number == 1 else 's'}"


# 4.1


def check_4_1(answer: Any) -> Outcome:
    """Return correct for (the tokens of a prompt with two messages, the response to it)."""
    if not isinstance(answer, tuple) or len(answer) != 2:
        return not_yet(kind(answer), "the number and the response", "`(count, reply)`: keep both")
    count, reply = answer
    if not isinstance(reply, ChatCompletions):
        return not_yet(
            f"`reply` is {kind(reply)}",
            "the whole response (ChatCompletions)",
            "`complete` returns it",
        )
    if type(count) is not int:
        return not_yet(f"`count` is {kind(count)}", "a number (int)", "`len` counts a list")
    request = last_request()
    messages = messages_of(request) if request else []
    if request and len(messages) < 2:
        return not_yet(
            "a request with one message" if messages else "a request without messages",
            "two messages: system, user",
            "the instruction is a message of its own",
        )
    if request and roles_of(messages) != "system, user":
        return not_yet(
            f"a request with the roles {roles_of(messages)}",
            "system, user",
            "`SystemMessage` for the instruction, then `UserMessage` for the question",
        )
    expected = reply.usage.prompt_tokens
    if count != expected:
        came, look = _count_problem(count, reply, messages)
        return not_yet(
            f"`count` is {count}: {came}",
            f"{expected}, as the endpoint counted",
            look,
            "" if request else "An endpoint with another template counts otherwise.",
        )
    return correct("" if request else UNSEEN)


def _count_problem(count: int, reply: ChatCompletions, messages: list[dict]) -> tuple[str, str]:
    """Return what is wrong with a count of tokens, and where to look."""
    expected = reply.usage.prompt_tokens
    contents = [str(message.get("content") or "") for message in messages]
    if count == expected - 11:
        return "the contents alone", "4 for each message, and 3 at the end of the prompt"
    if count == expected - 3:
        return "it is 3 too small", "what stands at the end of each prompt?"
    if count == expected - 8:
        return "it is 8 too small", "each message has 4 tokens besides its content"
    if count == expected - 4:
        return "it is 4 too small", "there are two messages, each with 4 tokens of its own"
    if count == reply.usage.total_tokens:
        return "the answer is in it, too", "only the prompt is to be counted"
    letters = sum(map(len, contents))
    if contents and letters <= count <= letters + 11:
        return "it is the number of characters", "`phi4.encode` makes tokens of a text"
    if messages and abs(count - expected) < 4:
        return (
            f"it is {abs(count - expected)} too {'small' if count < expected else 'large'}",
            "encode exactly the texts that you send, each on its own",
        )
    return (
        "it is another number",
        "`len(phi4.encode(...))` for each of the two contents, 4 for each, and 3",
    )


# 4.2


def check_4_2(answer: Any) -> Outcome:
    """Return correct for a function that sends the whole conversation each time."""
    for texts, conversation in ((QUESTIONS, "first"), (OTHER_QUESTIONS, "second")):
        result, requests = requests_of(answer, [*texts])
        answers = result.value
        if result.error is not None:
            return not_yet(result.failure, "a list of answers", _look(result))
        if not isinstance(answers, list | tuple):
            return not_yet(
                f"it returned {kind(answers)}", "a list of all answers", "`return answers`"
            )
        if requests is not None:
            problem = _conversation_problem(requests, texts, [*answers], conversation)
            if problem is not None:
                return problem
        if len(answers) != len(texts):
            number = f"{len(answers)} answer{'' if len(answers) == 1 else 's'}"
            return not_yet(
                f"it returned {number} to {len(texts)} questions",
                "an answer to each question",
                "where does the list of answers begin?",
            )
        if not all(isinstance(item, str) for item in answers):
            return not_yet(
                f"the first answer is {kind(answers[0])}", "texts", "`choices[0].message.content`"
            )
    return correct("" if is_simulated() else UNSEEN)


def _look(result: Call) -> str:
    """Return where to look, for a function that raised an error in a chat."""
    if "Invalid input" in str(result.error) or "'items'" in str(result.error):
        return "each item of the list is a message with a text: `AssistantMessage(text)`"
    return "the line that raises this error"


def _conversation_problem(
    requests: list[dict], texts: list[str], answers: list, conversation: str
) -> Outcome | None:
    """Return not yet if a request does not hold the whole conversation so far."""
    if len(requests) != len(texts):
        number = f"{len(requests)} request{'' if len(requests) == 1 else 's'}"
        return not_yet(
            f"{number} for {len(texts)} questions",
            "one request for each question",
            "`client.complete` in the loop, and `return` after the loop",
        )
    for turn, request in enumerate(requests):
        messages = messages_of(request)
        if messages and role_of(messages[0]) == "system":
            messages = messages[1:]
        where = f"in the {ORDINALS[turn]} request of the {conversation} conversation"
        expected = ["user", "assistant"] * turn + ["user"]
        if conversation == "second" and len(messages) > len(expected):
            return not_yet(
                f"{where} there were {number_of_messages(len(messages))}",
                number_of_messages(len(expected)),
                "the first conversation is still in the list: create it inside of the function",
            )
        if [role_of(message) for message in messages] != expected:
            is_alone = len(messages) < 2
            came = f"{'was the role' if is_alone else 'were the roles'} {roles_of(messages) or '-'}"
            return not_yet(
                f"{where} there {'was only 1 message' if is_alone and turn else came}",
                f"{number_of_messages(len(expected))}: {', '.join(expected)}",
                "append each question as `UserMessage`, and each answer as `AssistantMessage`"
                if not (is_alone and turn)
                else "a list of messages that lives longer than one turn",
            )
        contents = [message.get("content") for message in messages]
        if contents[::2] != texts[: turn + 1]:
            return not_yet(
                f"{where} the questions were {show(contents[::2])}",
                show(texts[: turn + 1]),
                "each question once, in their order",
            )
        if len(answers) == len(texts) and contents[1::2] != answers[:turn]:
            return not_yet(
                f"{where}, the assistant's message is not the answer: {show(contents[1])}",
                show(answers[0]),
                "the text of the answer: `choices[0].message.content`",
            )
    return None


# 4.3


def check_4_3(answer: Any) -> Outcome:
    """Return correct for a function that does a turn of a chat and keeps its history right."""
    history: list = [SystemMessage("You are a helpful assistant.")]
    for text in (SHORT, STORY):
        problem = _turn_problem(answer, history, text)
        if problem is not None:
            return problem
    before = [dict(message) for message in history]
    result = call(answer, history, TOO_LONG)
    if result.error is None and is_simulated():
        return not_yet(
            f"the request failed, and it returned {show(result.value)}",
            "the error that the client raised",
            "an error that is caught is hidden from the caller: let it pass",
        )
    if result.error is not None and [dict(message) for message in history] != before:
        return not_yet(
            f"when the request failed, the history had {number_of_messages(len(history))}",
            f"{number_of_messages(len(before))}, as before",
            "append question and answer after `complete` has returned",
        )
    return correct("" if is_simulated() else UNSEEN)


def _turn_problem(answer: Any, history: list, text: str) -> Outcome | None:
    """Return not yet if a turn goes wrong. text: SHORT, or STORY, whose answer is cut off."""
    before = len(history)
    result, requests = requests_of(answer, history, text)
    if result.error is not None:
        return not_yet(
            f"with {show(text)}, {result.failure}",
            "the answer as a text",
            _look(result)
            if isinstance(result.error, HttpResponseError)
            else "the history is a list of messages, the text is a `str`",
        )
    value = result.value
    if not isinstance(value, str):
        printed = ", and printed the answer" if value is None and result.printed else ""
        return not_yet(f"it returned {kind(value)}{printed}", "the answer as a text", "`return`")
    if requests is not None:
        problem = _turn_request_problem(requests, before, text)
        if problem is not None:
            return problem
    if len(history) != before + 2:
        return not_yet(
            f"the list that was handed in had {number_of_messages(len(history) - before)} more",
            "2 messages more",
            "`history.append(...)` or `history += [...]` changes the list; "
            "`history = history + [...]` makes a new one",
        )
    question, reply = history[-2:]
    try:
        roles, contents = roles_of(history[-2:]), [question["content"], reply["content"]]
    except (TypeError, KeyError, IndexError):
        return not_yet(
            f"at the end of the history: {kind(question)} and {kind(reply)}",
            "two messages",
            "`UserMessage(text)` and `AssistantMessage(answer)`",
        )
    if roles != "user, assistant":
        return not_yet(
            f"at its end the history had the roles {roles}",
            "user, assistant",
            "the answer is an `AssistantMessage`",
        )
    if contents[0] != text:
        return not_yet(
            f"the question in the history is {show(contents[0])}", show(text), "`UserMessage(text)`"
        )
    return _mark_problem(value, str(contents[1]), text == STORY)


def _turn_request_problem(requests: list[dict], before: int, text: str) -> Outcome | None:
    if len(requests) != 1:
        return not_yet(f"{len(requests)} requests", "one request", "`client.complete` once")
    messages = messages_of(requests[0])
    if len(messages) != before + 1 or messages[-1].get("content") != text:
        return not_yet(
            f"a request with {number_of_messages(len(messages))}",
            f"{number_of_messages(before + 1)}: the history and the question",
            "`[*history, UserMessage(text)]`",
        )
    limit = requests[0]["body"].get("max_tokens")
    if limit != MOST_TOKENS:
        return not_yet(
            "a request without `max_tokens`"
            if limit is None
            else f"a request with `max_tokens` {show(limit)}",
            f"`max_tokens` {MOST_TOKENS}",
            "an argument of `complete`",
        )
    return None


def _mark_problem(value: str, kept: str, is_long: bool) -> Outcome | None:
    """Return not yet if the mark is missing, or where it must not be.

    value: what the function returned. kept: the answer in the history.
    """
    if kept.endswith(MARK.strip()):
        return not_yet(
            f"the mark is in the history: {show('... ' + kept[-20:])}",
            "the answer as it came",
            "append the answer first, and add the mark to what you return",
        )
    number = len(encoding().encode(kept))
    if number > MOST_TOKENS + 10:
        return not_yet(
            f"an answer of {number} tokens",
            f"at most {MOST_TOKENS}",
            "`max_tokens` is an argument of `complete`",
        )
    # A story that ends by itself is whole. An endpoint may count a few tokens more than we do.
    is_cut = is_long and (is_simulated() or number > MOST_TOKENS - 10)
    if is_cut and value == kept:
        return not_yet(
            f"no mark at an answer that was cut off: {show('... ' + value[-20:])}",
            f"{show(MARK)} at its end",
            "the finish reason is then `length`",
        )
    if is_cut and value == kept + MARK.strip():
        return not_yet(
            "the mark has no space before it", f"{show(MARK)} at the end", "the mark's first letter"
        )
    if value == kept + MARK and not is_cut and not is_long:
        return not_yet(
            f"a mark at an answer that was whole: {show(value)}",
            "no mark",
            "only the finish reason `length` means that the answer was cut off",
        )
    if value not in (kept, kept + MARK):
        return not_yet(
            f"it returned {show(value)}", f"what is in the history: {show(kept)}", "`return`"
        )
    return None
