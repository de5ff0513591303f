"""Classes by the examples of a prompt: a rule that fits all of them, or the nearest example."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator

from ..facts import load_facts, plain
from ..words import content_stems
from .chat import Chat, Reply
from .sentiment import score

SEPARATORS = [r"\s*(?:->|=>|→|-->)\s*", r"\s*//\s*", r"\s*\|\s*", r"\s+[-–=]\s*", r"\s*:\s*", r"\s*=\s*"]
PAIR_LINE = re.compile(r"^\s*([A-Za-z][\w ]{0,20}?)\s*:\s*(.*)$")
MIN_SIMILARITY = 0.12  # cosine; below it no example is near
SHARPNESS = 6.0  # how much more an example counts that is nearer
WANTS_CLASS = re.compile(
    r"\b(classif\w+|categori[sz]e|(?:which|what) (?:category|class|label|department|topic)|sort (?:this|the|it|these)\b|label (?:this|the|each)"
    r"|assign|route (?:this|the)|spam or)\b",
    re.IGNORECASE,
)

Example = tuple[str, str]


def classes(chat: Chat) -> Reply | None:
    """Answer a prompt that gives examples, and ask for some if there are none."""
    parsed = examples_in(chat.message) or examples_in_chat(chat)
    if parsed:
        examples, query = parsed
        return by_rule(examples, query) or nearest(examples, query)
    if WANTS_CLASS.search(chat.text) and len(chat.text.split()) >= 6 and (":" in chat.text or '"' in chat.text):
        return Reply(
            "classes",
            (
                "I need examples to do that: I take the label of the nearest one. Write a few lines such as "
                '"My invoice is wrong -> billing", and then your text with "->".',
                "Without examples I don't know your labels. Put two or more lines into the prompt, each with a text and its label.",
            ),
        )
    return None


def examples_in(message: str) -> tuple[list[Example], str] | None:
    """Return (examples, the text to be labelled) of a prompt, or None if it has no such lines."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    if len(lines) < 3:
        return None
    return _labelled_pairs(lines) or _separated(lines)


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
        elif match and match[1].casefold() == repeated[1]:
            if match[2]:
                examples.append((text, match[2]))
                query = ""
    return (examples, query) if examples and query else None


def _separated(lines: list[str]) -> tuple[list[Example], str] | None:
    """Read "text -> label" lines, the last without a label."""
    for separator in SEPARATORS:
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
            if not re.search(separator, last) and not last.endswith("?") and len(last.split()) <= 30:
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
    for name, rule in rules():
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


def rules() -> Iterator[tuple[str, Callable[[str], str | None]]]:
    """Yield (name, rule): from the tables, the dictionary, the word lists, and of letters."""
    known = load_facts()
    for table in known.tables.values():
        for column in table.columns:
            yield f"{table.id}.{column}", lambda text, t=table, c=column: next(
                (thing.value(c) or None for thing in known.things(text) if thing.table is t), None
            )
    for column, key in (("capital", "countries"), ("symbol", "elements")):
        yield f"{key} by {column}", lambda text, k=key, c=column: next(
            (t.name for t in known.tables[k].things if plain(t.value(c)) == plain(text)), None
        ) if text else None
    for source, target in ((0, 1), (0, 2), (1, 0), (2, 0), (1, 2), (2, 1)):
        yield f"dictionary {source} {target}", lambda text, s=source, t=target: next(
            (_bare(row[t]) for row in known.dictionary if row[s] and text and plain(row[s]) == plain(text)), None
        )
        yield f"dictionary with article {source} {target}", lambda text, s=source, t=target: next(
            (row[t] for row in known.dictionary if row[s] and text and plain(row[s]) == plain(text)), None
        )
    for name in ("opposites", "plurals", "past"):
        pairs = [row.split() for row in known.words[name]]
        for source, target in ((0, 1), (1, 0)):
            yield f"{name} {target}", lambda text, p=pairs, s=source, t=target: next(
                (row[t] for row in p if row[s] == text.casefold().strip()), None
            )
    both = [row.split() for row in known.words["opposites"]]
    yield "opposites", lambda text: next(
        (row[1 - place] for row in both for place in (0, 1) if row[place] == text.casefold().strip()), None
    )
    yield "upper case", lambda text: text.upper() if text.upper() != text else None
    yield "lower case", lambda text: text.lower() if text.lower() != text else None
    yield "reversed", lambda text: text[::-1]
    yield "length", lambda text: str(len(text))
    yield "number of words", lambda text: str(len(text.split()))
    yield "first letter", lambda text: text[:1]
    yield "last letter", lambda text: text[-1:]
    yield "add s", lambda text: text + "s" if text.isalpha() else None
    for name, step in (("square", lambda n: n * n), ("double", lambda n: 2 * n)):
        yield name, lambda text, f=step: str(f(int(text))) if re.fullmatch(r"-?\d{1,9}", text) else None
    for amount in (*range(1, 21), 100):
        yield f"plus {amount}", lambda text, n=amount: _number(text, lambda value: value + n)
        yield f"times {amount}", lambda text, n=amount: _number(text, lambda value: value * n)
        yield f"minus {amount}", lambda text, n=amount: _number(text, lambda value: value - n)


def _number(text: str, change: Callable[[int], int]) -> str | None:
    return str(change(int(text))) if re.fullmatch(r"-?\d{1,9}", text.strip()) else None


def _bare(name: str) -> str:
    """Return a German or French noun without its article."""
    return re.sub(r"^(?:der|die|das|le|la|les) |^l'", "", name)


# ---------------------------------------------------------------- the nearest example


def features(text: str) -> dict[str, float]:
    """Return the features of a text: its words, the kinds they belong to, and its sentiment."""
    known = load_facts()
    found = {f"word {root}": 1.0 for root in content_stems(text)}
    for begin, end, kinds in known._scan(_all_words(text), lambda name: known.kinds_of(" ".join(name))):
        for kind in kinds:
            found[f"kind {kind.id}"] = 1.0
    value = score(text)
    if value:
        found["positive" if value > 0 else "negative"] = min(1.5, abs(value))
    return found


def _all_words(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", text.casefold())


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
        return math.sqrt(sum((weight(name) * value) ** 2 for name, value in item.items() if frequency[name])) or 1.0

    best: dict[str, float] = {}
    for (_, label), item in zip(examples, have, strict=True):
        dot = sum(weight(name) ** 2 * value * wanted[name] for name, value in item.items() if name in wanted)
        best[label] = max(best.get(label, 0.0), dot / length(item) / length(wanted))
    ranked = sorted(labels, key=lambda label: (-best[label], labels.index(label)))
    if best[ranked[0]] < MIN_SIMILARITY:
        return Reply(
            "examples",
            (
                f"I don't know: none of your {len(examples)} examples has words in common with it. One more example would help.",
                "I don't know, because no example is near to it.",
            ),
        )
    weights = [math.exp(SHARPNESS * (best[label] - best[ranked[0]])) * 5 for label in ranked]
    return Reply("examples", tuple(ranked), tuple(weights), brief=ranked[0])
