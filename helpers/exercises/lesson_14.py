"""Judge the answers to the exercises of lesson 14, a program of one's own."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from helpers.exercises.clients import chunk
from helpers.exercises.data import find
from helpers.exercises.outcomes import UNTOUCHED, Outcome, correct, not_yet
from helpers.exercises.programs import Run, Session, run_program
from helpers.exercises.trials import Feed, call, kind, show, show_error, take

# 14.1: lines, and what questions() has to hand on

LINES = ["  Who wrote Hamlet?", "", "   ", "And when?", "BYE", "What is 2 + 2?"]
QUESTIONS = ["Who wrote Hamlet?", "And when?"]
READ = 5  # lines, with BYE
BYE_IN_A_QUESTION = ["Bye, bye, blackbird?", " bye ", "What is 2 + 2?"]

# 14.2: streams

PIECES = ("Paris", " is", " big.")
TEXT, TOKENS = "".join(PIECES), 9
COUNT = {"prompt_tokens": 5, "completion_tokens": 4, "total_tokens": TOKENS}
ROLE, END, USAGE = chunk(""), chunk("", "stop"), chunk(usage=COUNT)
WORDS = [chunk(piece) for piece in PIECES]
BROKEN = [ROLE, *WORDS[:2]]

# 14.4: what is typed into the program

BUDGET = 200  # tokens
TALK = Session(
    ["Hello, my name is Ada.", "", "   ", "What is my name?", "Bye", "What is 12 times 7?"]
)
FRANCE, ITALY, NORWAY, SPAIN = (
    f"What is the capital of {name}?" for name in ("France", "Italy", "Norway", "Spain")
)
BREAKS = {ITALY: "end; after=3", NORWAY: "cut; after=3"}  # without an error, and with one
BREAK = Session([FRANCE, ITALY, NORWAY, SPAIN], faults=BREAKS)
LONG = Session(
    [
        f"Here is a long question, and its end is all that matters: what is {number} times 7?"
        for number in range(3, 10)
    ],
    variables={"CHAT_BUDGET": str(BUDGET)},
)


def tokens_in(messages: Sequence[dict]) -> int:
    """Return about how many tokens a prompt has, as the lesson's function of this name does."""
    return sum(len(message["content"]) // 3 + 4 for message in messages) + 3


def check_14_1(answer: Any) -> Outcome:
    """Return correct for a generator that hands on the lines that are questions, at once."""
    feed = Feed(LINES)
    result = call(answer, feed)
    if result.error is not None or not hasattr(result.value, "__iter__"):
        came = result.failure or f"it returned {show(result.value)}"
        return not_yet(came, "a generator", "a function with `yield` is one")
    if feed.count:
        return not_yet(
            f"it is no generator: it had read {feed.count} lines before it returned "
            f"{kind(result.value)}",
            "each question is handed on before the next line is read",
            "`yield` inside the loop, in place of a list",
        )
    taken = take(result.value, feed)
    came, look = _line_problem(taken.items, QUESTIONS)
    if taken.error is not None:
        came, look = f"it raised {show_error(taken.error)}", _reading_look(taken.error)
    elif taken.items == QUESTIONS[:1]:
        came, look = "it ended at an empty line", "leave out that line, and go on"
    elif not came and taken.reads[0] > 1:
        came = f"it read {taken.reads[0]} lines before it handed on the first question"
        look = "a person types the second line only after the first answer: `yield` in the loop"
    elif not came and feed.count > READ:
        came = f"it read {feed.count - READ} line after `bye`"
        look = "`return` ends a generator at once"
    if came:
        return not_yet(f"with {LINES}, {came}", f"it hands on {QUESTIONS}, one by one", look)
    taken = take(call(answer, Feed(BYE_IN_A_QUESTION)).value)
    if taken.items != BYE_IN_A_QUESTION[:1]:
        came = f"it handed on {show(taken.items)}"
        if not taken.items:
            came = f"it left out {BYE_IN_A_QUESTION[0]!r}"
        return not_yet(
            f"with {BYE_IN_A_QUESTION}, {came}",
            f"it hands on {BYE_IN_A_QUESTION[:1]}",
            "only the whole line `bye` ends the conversation",
        )
    return correct()


def _reading_look(error: BaseException) -> str:
    """Return where to look if a generator has raised this error."""
    if "StopIteration" in str(error):
        return "`return` ends a generator"
    if "input" in str(error):
        return "the lines come from the parameter `lines`: do not call `input` here"
    if isinstance(error, TypeError | AttributeError):
        return "what a person types can only be read in a loop: `for line in lines:`"
    return ""


def _line_problem(items: list, expected: list[str]) -> tuple[str, str]:
    """Return what is wrong with the lines handed on, and where to look; ("", "") if nothing is."""
    for item in items:
        text = item.strip() if isinstance(item, str) else None
        if item == "":
            return (
                "it handed on ''",
                "a line of spaces is empty, too: look at the line without them",
            )
        if text is not None and text.lower() == "bye":
            return f"it handed on {show(item)}", "`text.lower()` is the same for Bye, BYE and bye"
        if text is None or text != item:
            return (
                f"it handed on {show(item)}",
                "`line.strip()` is the line without spaces around it",
            )
    if items != expected:
        return f"it handed on {show(items)}", "leave out empty lines, and end at `bye`"
    return "", ""


def check_14_2(answer: Any) -> Outcome:
    """Return correct for a function that prints a stream, counts it, and notices its break."""
    anywhere = "the usage may come in any chunk: remember it in the loop, and do not overwrite it"
    streams = {
        "a whole stream": (
            [ROLE, *WORDS, chunk("", "stop", usage=COUNT)],
            TOKENS,
            "return the text, and the tokens",
        ),
        "a usage in a chunk of its own": (
            [ROLE, *WORDS, END, USAGE],
            TOKENS,
            "reason and usage may come in different chunks: remember both in the loop",
        ),
        "a usage before the last chunk": ([ROLE, *WORDS, USAGE, END], TOKENS, anywhere),
        "a stream without usage": ([ROLE, *WORDS, END], 0, "begin with 0 tokens"),
        "an answer cut off by max_tokens": (
            [ROLE, *WORDS, chunk("", "length", usage=COUNT)],
            TOKENS,
            "any finish reason means that the stream arrived; `length` is one",
        ),
    }
    for name, (chunks, tokens, look) in streams.items():
        feed = Feed(chunks)
        result = call(answer, feed)
        expected = f"it returns {show((TEXT, tokens))}"
        value = result.value
        if result.error is not None or not isinstance(value, tuple | list) or len(value) != 2:
            came = result.failure or f"it returned {show(value)}"
            if isinstance(result.error, ConnectionError) and name == "a whole stream":
                look = "only after the loop is it certain that no chunk had a finish reason"
            return not_yet(f"with {name}, {came}", expected, look)
        if value[0] != TEXT:
            return not_yet(
                f"with {name}, the text was {show(value[0])}", expected, "join all pieces"
            )
        if value[1] in (COUNT["prompt_tokens"], COUNT["completion_tokens"]):
            look = "`total_tokens` of the usage counts prompt and answer"
        if value[1] != tokens:
            return not_yet(f"with {name}, it returned {show(value[1])} tokens", expected, look)
        late = [count for count, text in enumerate(feed.printed) if PIECES[0] in text]
        if TEXT not in result.printed:
            return not_yet(
                f"it printed {show(result.printed)}",
                f"it prints {show(TEXT)}",
                'keep the line with `print(piece, end="", flush=True)`',
            )
        if not late or late[0] > 2:
            return not_yet(
                "the first piece was printed only after later chunks had been read",
                "each piece is printed before the next chunk is read",
                "print inside the loop; `list(stream)` waits for the whole answer",
            )
    result = call(answer, Feed(BROKEN))
    if not isinstance(result.error, ConnectionError):
        came = result.failure or f"it returned {show(result.value)}"
        return not_yet(
            f"with a stream that broke off, {came}",
            "ConnectionError",
            "after the loop: no chunk had a finish reason",
        )
    return correct()


def check_14_3(answer: Any) -> Outcome:
    """Return correct for a function that leaves out the oldest turns."""
    system = {"role": "system", "content": "You are a helpful assistant."}
    talk = [system]
    for number in range(1, 4):
        talk.append({"role": "user", "content": f"Question {number}: " + "why? " * 6})
        talk.append({"role": "assistant", "content": f"Answer {number}: " + "because " * 12})
    talk.append({"role": "user", "content": "And what is the last question?"})
    one_less, two_less = talk[:1] + talk[3:], talk[:1] + talk[5:]
    cases = {
        "a conversation that fits": (tokens_in(talk), talk),
        "a conversation that fits without its first turn": (tokens_in(one_less), one_less),
        "a budget that is one token smaller": (tokens_in(one_less) - 1, two_less),
        "a last question that is too long alone": (20, [system, talk[-1]]),
    }
    for name, (budget, expected) in cases.items():
        messages = list(talk)
        result = call(answer, messages, budget)
        came, look = _trim_problem(result.value, expected, budget)
        if result.error is not None:
            came, look = result.failure, ""
            if isinstance(result.error, TypeError):
                look = "`messages[0]` is a message, and `messages[:1]` a list with that message"
            elif len(expected) == 2:
                look = "if nothing is left to leave out, return what is left, without an error"
        elif not came and messages != talk:
            came = "the list that was handed in is shorter now"
            look = "begin with `kept = list(messages)`, and change only `kept`"
        if came:
            return not_yet(
                f"with {name}, {came}",
                f"{len(expected)} of the {len(talk)} messages, in a new list",
                look,
            )
    return correct()


def _trim_problem(value: Any, expected: list[dict], budget: int) -> tuple[str, str]:
    """Return what is wrong with trimmed messages, and where to look; ("", "") if nothing is."""
    if value == expected:
        return "", ""
    if not isinstance(value, list):
        return f"it returned {show(value)}", "`return` the list that is left"
    if not value or value[0] != expected[0]:
        return "the system message is missing", "leave out what stands after it: `kept[:1]` stays"
    if value[-1] != expected[-1]:
        return "the last question is missing", "it is what the model has to answer"
    roles = [message.get("role") for message in value if isinstance(message, dict)]
    if roles[1:2] == ["assistant"]:
        return "an answer without its question was left", "leave out two messages at a time"
    if len(value) > len(expected):
        return (
            f"there were still too many tokens: {tokens_in(value)}, with a budget of {budget}",
            "one turn less may not be enough: `while`, and count with `tokens_in`",
        )
    return "more was left out than necessary", "what has exactly as many tokens as the budget fits"


def check_14_4(answer: Any) -> Outcome:
    """Return correct for the file of a chat program. Starts it as a process, three times."""
    if not isinstance(answer, str):
        return not_yet(kind(answer), 'the name of your file: "my_chat.py"')
    path = Path(answer).absolute()
    if not path.is_file():
        return not_yet(
            f"there is no file {path.name} beside this notebook",
            "the program",
            "`save_program` writes it: run the whole cell",
        )
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError) as error:
        return not_yet(f"{path.name} is no Python: {show_error(error)}", "a program")
    missing = _untouched_in(tree)
    if missing:
        names = ", ".join(f"`{name}` (exercise {number})" for name, number in missing.items())
        return Outcome(
            UNTOUCHED,
            f"{path.name}, which still waits for: {names}",
            look="write these functions, then run this cell again.",
        )
    if _is_no_generator(tree, "typed_lines"):
        return not_yet(
            f"in {path.name}, `typed_lines` has no `yield`",
            "a generator, which hands on each line before the next one is typed",
            '`yield input("You: ")` in the loop',
        )
    talk, broken, long = run_program(path, [TALK, BREAK, LONG])
    return (
        _judge_talk(talk)
        or _judge_break(broken)
        or _judge_long(long)
        or correct(
            "Your program was started three times. Conversation: "
            f"{len(talk.requests)} requests, the last with {len(talk.requests[-1])} messages. "
            "Broken streams: noticed, and the next question was answered. Long conversation: "
            f"requests with {', '.join(str(len(each)) for each in long.requests)} messages."
        )
    )


check_14_4.seconds = 400.0  # three processes, side by side, on a slow computer


def _is_no_generator(tree: ast.Module, name: str) -> bool:
    """Return True if a program has a function of this name, and no `yield` is in it."""
    bodies = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == name]
    yields = (ast.Yield, ast.YieldFrom, ast.GeneratorExp)
    return any(not any(isinstance(n, yields) for n in ast.walk(body)) for body in bodies)


def _untouched_in(tree: ast.Module) -> dict[str, str]:
    """Return name -> number of the exercise for each function that is still that of its stub."""
    written = {node.name: ast.dump(node) for node in tree.body if isinstance(node, ast.FunctionDef)}
    untouched = {}
    for number in ("14.1", "14.2", "14.3", "14.4"):
        for node in ast.parse(find(number).stub).body:
            if isinstance(node, ast.FunctionDef) and written.get(node.name) == ast.dump(node):
                untouched[node.name] = number
    return untouched


def _judge_talk(run: Run) -> Outcome | None:
    """Return not yet if an ordinary conversation did not go as it should."""
    questions = [TALK.lines[0], TALK.lines[3]]
    asked = [messages[-1][1] for messages in run.requests]
    if run.failure:
        return not_yet(
            f"in an ordinary conversation, {run.failure}",
            "it ends without an error",
            "the file holds only what `save_program` got; a function may use nothing else of the "
            "notebook",
        )
    if not asked:
        return not_yet(
            "it ended without a request", f"a request with {questions[0]!r}", "`yield` in a loop"
        )
    if TALK.lines[-1] in asked:
        return not_yet(
            "it went on after `Bye`", "it ends there", "`questions` of exercise 14.1 ends at `bye`"
        )
    if asked == questions[:1]:
        return not_yet(
            "after the first question, the input was not read any more",
            f"a request with {questions[1]!r} as well",
            "`typed_lines` needs a loop: `while True:`",
        )
    if asked != questions:
        return not_yet(
            f"requests with {show(asked)}",
            f"one request with each of {questions}",
            "an empty line is no question",
        )
    last = run.requests[-1]
    if [role for role, _ in last] != ["system", "user", "assistant", "user"]:
        return not_yet(
            f"the second request had the roles {show([role for role, _ in last])}",
            "system, user, assistant, user: the history",
            "`chat` keeps it",
        )
    if " ".join(last[2][1].split()) not in " ".join(run.printed.split()):
        return not_yet(
            "the first answer was not printed", "each answer appears", "`answer_of` prints"
        )
    return None


def _judge_break(run: Run) -> Outcome | None:
    """Return not yet if a stream that broke off was not handled as it should, nor the end."""
    if run.failure and "EOFError" in run.errors:
        return not_yet(
            f"at the end of the input: {run.failure}",
            "it ends without an error",
            "`except EOFError: return` in `typed_lines`",
        )
    if run.status is None and len(run.requests) == len(BREAK.lines):
        return not_yet(
            f"after the end of the input, {run.failure}",
            "it ends",
            "`return` after `except EOFError:`; with `pass`, the loop goes on",
        )
    if run.failure:
        return not_yet(
            f"with a stream that broke off, {run.failure}",
            "it says so, and waits for the next question",
            "`answer_of` raises ConnectionError, and `turn` catches it",
        )
    asked = [messages[-1][1] for messages in run.requests]
    if asked != list(BREAK.lines):
        return not_yet(
            f"with a stream that broke off, requests with {show(asked)}",
            f"one with each of {list(BREAK.lines)}",
            "after a break, the conversation goes on",
        )
    texts = [text for _, text in run.requests[-1]]
    for question in BREAKS:
        if question not in texts:
            continue
        after = texts[texts.index(question) + 1]
        came = f"half an answer, {show(after)},"
        if after in BREAK.lines:
            came = "a question without its answer"
        return not_yet(
            f"{came} was sent again with the next question",
            "a turn that broke off leaves no trace in the history",
            "`answer_of` of exercise 14.2 raises ConnectionError, so that `turn` keeps the history",
        )
    return None


def _judge_long(run: Run) -> Outcome | None:
    """Return not yet if a long conversation was not trimmed as it should."""
    if run.failure:
        return not_yet(f"in a long conversation, {run.failure}", "it ends without an error")
    for messages in run.requests:
        rows = [{"role": role, "content": text} for role, text in messages]
        name = f"the request with {show(messages[-1][1][-22:])}"
        if messages[0][0] != "system":
            return not_yet(
                f"{name} had no system message", "it comes first, always", "exercise 14.3"
            )
        if tokens_in(rows) > BUDGET and len(rows) > 2:
            return not_yet(
                f"{name} had {tokens_in(rows)} tokens; the budget is {BUDGET}",
                "requests that fit: here CHAT_BUDGET is set",
                "the program has to call `trimmed` before each request",
            )
    if [messages[-1][1] for messages in run.requests] != list(LONG.lines):
        return not_yet(
            f"in a long conversation, {len(run.requests)} requests for {len(LONG.lines)} questions",
            "one for each question",
        )
    if max(len(messages) for messages in run.requests) < 4:
        return not_yet("no request had an earlier turn", "as many turns as fit", "exercise 14.3")
    return None
