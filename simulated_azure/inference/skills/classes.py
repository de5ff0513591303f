"""Classes by the examples of a prompt: a rule that fits all of them, or the nearest example."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import cache

from ..facts import load_facts, plain
from ..words import content_stems
from .chat import Chat, Reply
from .given import DELIMITER_PULL, take_apart
from .sentiment import score

SEPARATORS = [
    r"\s*(?:->|=>|→|-->)\s*",
    r"\s*//\s*",
    r"\s*\|\s*",
    r"\s+[-–=]\s*",
    r"\s*:\s*",
    r"\s*=\s*",
]
PAIR_LINE = re.compile(r"^\s*([A-Za-z][\w ]{0,20}?)\s*:\s*(.*)$")
MIN_SIMILARITY = 0.12  # cosine; below it no example is near
SHARPNESS = 6.0  # how much more an example counts that is nearer
WANTS_CLASS = re.compile(
    r"\b(classif\w+|categori[sz]e|(?:which|what) (?:category|class|label|department|topic)"
    r"|sort (?:this|the|it|these)\b|label (?:this|the|each)"
    r"|assign|route (?:this|the)|spam or)\b",
    re.IGNORECASE,
)

Example = tuple[str, str]


def examples(chat: Chat) -> Reply | None:
    """Answer a prompt that gives examples."""
    parsed = examples_in(chat.message) or examples_in_chat(chat)
    return (by_rule(*parsed) or nearest(*parsed)) if parsed else None


def no_examples(chat: Chat) -> Reply | None:
    """Ask for examples if a prompt wants a class and gives none."""
    if (
        WANTS_CLASS.search(chat.text)
        and len(chat.text.split()) >= 6
        and (":" in chat.text or '"' in chat.text)
    ):
        return Reply(
            "classes",
            (
                "I need examples to do that: I take the label of the nearest one. "
                "Write a few lines such as "
                '"My invoice is wrong -> billing", and then your text with "->".',
                "Without examples I don't know your labels. Put two or more lines into "
                "the prompt, each with a text and its label.",
            ),
        )
    return None


def examples_in(message: str) -> tuple[list[Example], str] | None:
    """Return (examples, the text to be labelled) of a prompt, or None if it has no such lines."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    if len(lines) < 3:
        return None
    given = take_apart(message)
    is_task = given is not None and given.protection == DELIMITER_PULL
    return _labelled_pairs(lines) or _separated(lines, SEPARATORS[:3] if is_task else SEPARATORS)


def _labelled_pairs(lines: list[str]) -> tuple[list[Example], str] | None:
    """Read "Text: ..." and "Label: ..." in turn."""
    matches = [PAIR_LINE.match(line) for line in lines]
    names = Counter(match[1].casefold() for match in matches if match)
    repeated = [name for name, count in names.items() if count >= 2]
    if len(repeated) != 2:
        return None
    examples, text, query = [], "", ""
    for match in matches:
        if match and match[1].casefold() == repeated[0]:
            text = query = match[2]
        elif match and match[1].casefold() == repeated[1] and match[2]:
            examples.append((text, match[2]))
            query = ""
    return (examples, query) if examples and query else None


def _separated(lines: list[str], separators: Sequence[str]) -> tuple[list[Example], str] | None:
    """Read "text -> label" lines, the last without a label.

    separators: patterns. A colon separates nothing if a task is about a text between delimiters.
    """
    for separator in separators:
        examples, query = [], ""
        for line in lines:
            parts = re.split(separator, line.removeprefix("- "))
            if len(parts) < 2 and separator == SEPARATORS[3] and line.endswith(("-", "=")):
                parts = [line[:-1], ""]
            if len(parts) >= 2:
                text, label = separator.join(parts[:-1]) if len(parts) > 2 else parts[0], parts[-1]
                if label.strip(" ?_."):
                    examples.append((text.strip(" \"'"), label.strip(" \"'")))
                else:
                    query = text.strip(" \"'")
        if not query and len(examples) >= 2:
            last = lines[-1]
            if (
                not re.search(separator, last)
                and not last.endswith("?")
                and len(last.split()) <= 30
            ):
                query = last.strip(" \"'")
        if len(examples) >= 2 and query and all(len(label.split()) <= 6 for _, label in examples):
            return examples, query
    return None


def examples_in_chat(chat: Chat) -> tuple[list[Example], str] | None:
    """Read earlier messages as examples: short answers of the assistant to texts of the user."""
    pairs = [(text, answer.strip(" .")) for text, answer in chat.pairs if len(answer.split()) <= 3]
    if len(pairs) < 2 or len(pairs) < len(chat.pairs) or "?" in chat.message:
        return None
    labels = Counter(label.casefold() for _, label in pairs)
    is_task = WANTS_CLASS.search(chat.system) or max(labels.values()) > 1
    if not (is_task or by_rule(pairs, chat.message)):
        return None
    return pairs, chat.message


# ---------------------------------------------------------------- rules


def by_rule(examples: list[Example], query: str) -> Reply | None:
    """Answer with the simplest rule that explains every example."""
    if len(examples) < 2:
        return None
    for rule in rules():
        if all(_same(rule(text), label) for text, label in examples):
            if len({label.casefold() for _, label in examples}) < 2:
                continue
            answer = rule(query)
            if answer:
                return Reply("examples", (answer, f"{answer}."), (4.0, 1.0), brief=answer)
    return None


def _same(answer: str | None, label: str) -> bool:
    if not answer:
        return False
    label = label.strip(" .")
    return answer == label or answer.casefold() == label.casefold() and not answer.isupper()


Rule = Callable[[str], str | None]


@cache
def rules() -> list[Rule]:
    """Return the rules that may explain examples, from the tables, the word lists, and of letters.

    A rule returns what belongs to a text, or None.
    """
    known = load_facts()
    found: list[Rule] = []
    for table in known.tables.values():
        for column in table.columns:
            found.append(_pairs((thing.name, thing.value(column)) for thing in table.things))
    for id, column in (("countries", "capital"), ("elements", "symbol")):
        things = known.tables[id].things
        found.append(_pairs((thing.value(column), thing.name) for thing in things))
    for source, target in ((0, 1), (0, 2), (1, 0), (2, 0), (1, 2), (2, 1)):
        found.append(_pairs((row[source], _bare(row[target])) for row in known.dictionary))
        found.append(_pairs((row[source], row[target]) for row in known.dictionary))
    for name in ("opposites", "plurals", "past"):
        rows = [row.split() for row in known.words[name]]
        found.append(_pairs(rows))
        found.append(_pairs(row[::-1] for row in rows))
        found.append(_pairs([*rows, *(row[::-1] for row in rows)]))
    found += [
        str.upper,
        str.lower,
        lambda text: text[::-1],
        lambda text: str(len(text)),
        lambda text: str(len(text.split())),
        lambda text: text[:1],
        lambda text: text[-1:],
        lambda text: text + "s" if text.isalpha() else None,
        _of_number(lambda value: value * value),
    ]
    for amount in (*range(1, 21), 100):
        found.append(_of_number(lambda value, n=amount: value + n))
        found.append(_of_number(lambda value, n=amount: value - n))
        found.append(_of_number(lambda value, n=amount: value * n))
    return found


def _pairs(pairs: Iterable[Sequence[str]]) -> Rule:
    """Return the rule that looks a text up in pairs. Of several with a text, the first counts."""
    table: dict[tuple[str, ...], str] = {}
    for text, other in pairs:
        if text and other:
            table.setdefault(plain(text), other)
    return lambda text: table.get(plain(text))


def _of_number(change: Callable[[int], int]) -> Rule:
    """Return the rule that changes a whole number."""
    return lambda text: str(change(int(text))) if re.fullmatch(r"-?\d{1,9}", text.strip()) else None


def _bare(name: str) -> str:
    """Return a German or French noun without its article."""
    return re.sub(r"^(?:der|die|das|le|la|les) |^l'", "", name)


# ---------------------------------------------------------------- the nearest example


def features(text: str) -> dict[str, float]:
    """Return the features of a text: its words, the kinds they belong to, and its sentiment."""
    known = load_facts()
    found = {f"word {root}": 1.0 for root in content_stems(text)}
    for _, _, kinds in known.find_members(text):
        for kind in kinds:
            found[f"kind {kind.id}"] = 1.0
    value = score(text)
    if value:
        found["positive" if value > 0 else "negative"] = min(1.5, abs(value))
    return found


def nearest(examples: list[Example], query: str) -> Reply | None:
    """Answer with the label of the nearest example (cosine of their features)."""
    labels = list(dict.fromkeys(label for _, label in examples))
    if len(labels) < 2 or len(labels) > 12:
        return None
    have = [features(text) for text, _ in examples]
    frequency = Counter(name for item in have for name in item)
    wanted = features(query)

    def weight(name: str) -> float:
        return math.log(1 + len(examples) / max(1, frequency[name]))

    def length(item: dict[str, float]) -> float:
        return (
            math.sqrt(
                sum((weight(name) * value) ** 2 for name, value in item.items() if frequency[name])
            )
            or 1.0
        )

    best: dict[str, float] = {}
    for (_, label), item in zip(examples, have, strict=True):
        dot = sum(
            weight(name) ** 2 * value * wanted[name]
            for name, value in item.items()
            if name in wanted
        )
        best[label] = max(best.get(label, 0.0), dot / length(item) / length(wanted))
    ranked = sorted(labels, key=lambda label: (-best[label], labels.index(label)))
    if best[ranked[0]] < MIN_SIMILARITY:
        return Reply(
            "examples",
            (
                f"I don't know: none of your {len(examples)} examples has words in "
                f"common with it. One more example would help.",
                "I don't know, because no example is near to it.",
            ),
        )
    weights = [math.exp(SHARPNESS * (best[label] - best[ranked[0]])) * 5 for label in ranked]
    return Reply("examples", tuple(ranked), tuple(weights), brief=ranked[0])
