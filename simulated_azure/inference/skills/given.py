"""Tell a task from the text that it is about, as far as a naive reader can.

A reader sees one message. Delimiters show where the text begins and ends. Without them the reader
guesses, and a sentence of the text that sounds like an instruction pulls like one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from ..words import sentences
from .chat import Chat, Reply

MAX_LENGTH = 6000  # characters; the rest of a longer text is ignored
DELIMITERS = [
    re.compile(pattern, re.DOTALL)
    for pattern in (
        r'"""(.+?)"""',
        r"'''(.+?)'''",
        r"```(?:\w*\n)?(.+?)```",
        r"<<<(.+?)>>>",
        r"<([\w-]+)>([^<]+(?:<(?!/\1>)[^<]*)*)</\1>",
        r"(?m)^-{3,}\s*$(.+?)^-{3,}\s*$",
        r"(?m)^={3,}\s*$(.+?)^={3,}\s*$",
        r"#{3,}\s*\n?(.+?)#{3,}",
        r"\[(?:BEGIN|START)[^\]]*\](.+?)\[END[^\]]*\]",
    )
]
QUOTES = [
    re.compile(r'"([^"]{12,})"', re.DOTALL),
    re.compile("“(.{12,}?)”", re.DOTALL),
    re.compile("«(.{12,}?)»", re.DOTALL),
    re.compile(r"(?<!\w)'([^\n]{20,})'(?!\w)"),
]
LABEL = re.compile(
    r"(?:^|\n|(?<=[.?!:] ))(?:the )?(?:text|article|passage|review|message|e-?mail|document"
    r"|context|paragraph"
    r"|story|report|comment|input)\s*:\s*(.+?)(?=\n\s*(?:question|task|answer|instruction|sentiment|label|summary|category)\s*:|\Z)",
    re.IGNORECASE | re.DOTALL,
)
TASK = re.compile(
    r"\b(summari[sz]e|summary|sum up|tl;?dr|main (?:point|idea)|shorten|extract|list|find"
    r"|give me|which|what|who"
    r"|when|where|how|answer|question|according to|classify|sentiment|translate|using|use"
    r"|based on|mentioned"
    r"|positive|negative|rate|is this|is the|tell me|does|do|text|keywords?)\b",
    re.IGNORECASE,
)

# How much an instruction pulls. The weights of the possible answers are in proportion.
TASK_PULL = 1.0
SYSTEM_PULL = 2.0  # of a task that the system message sets
REPEATED_PULL = 2.0  # of a task that stands behind the text
COMMAND_PULL = 1.5  # of an instruction in a text behind the task: what comes last counts more
IGNORE_PULL = 2.0  # if it says that what came before is void
DELIMITER_PULL = 1 / 6  # if the text is inside delimiters
QUOTE_PULL = 1 / 2  # if it is only in quotation marks
GUARD_PULL = 1 / 2.5  # if the prompt says that the text is only data

# A head with one of these words needs no question after the text.
ASKS_ALREADY = re.compile(
    r"\?|\b(summar\w+|sum up|extract|list|find|classify|sentiment|translate|shorten|review)\b",
    re.IGNORECASE,
)
GUARD = re.compile(
    r"\b(?:(?:do not|don't|never) "
    r"(?:follow|obey|execute|carry out|act on|listen to|do (?:what|anything))"
    r"|ignore (?:any|all|every) "
    r"(?:instructions?|commands?|orders?|requests?)"
    r"|ignore (?:the )?(?:instructions?|commands?|orders?|requests?) "
    r"(?:in|inside|within|from|of) (?:it|this|the)"
    r"|(?:instructions?|commands?|orders?|requests?)\b[^.]{0,40}\b(?:must|should|are to) be ignored"
    r"|(?:is|are|as) (?:only |just |nothing but )?"
    r"(?:data|content|untrusted|quoted text)|not (?:as )?instructions?|even if it (?:says|tells"
    r"|asks))\b",
    re.IGNORECASE,
)
VOID = re.compile(
    r"\b(?:ignore|disregard|forget|skip|override)\b[^.!?:\n]{0,40}\b(?:above|previous|prior|earlier|before|instructions?"
    r"|everything|all|task|this|rest)\b[^.!?:\n]{0,20}?(?:[.!,;:]|\band\b|\binstead\b|\n)",
    re.IGNORECASE,
)
COMMAND = re.compile(
    r"(?:^|[.!?,;:\n]\s*|\band (?:instead )?|\bthen |\binstead,? |\bonly |\bjust |\bplease "
    r"|\bmust |\byou (?:should|will|are to) )"
    r"(?:please |only |just |instead,? )*(?:say|answer|reply|respond|write|output|print|return)\b"
    r"(?! in\b)(?: only| just| back| with| exactly| the words?| the sentence| that| instead"
    r"| this)*\s*:?\s*"
    r"(?:[\"'“‘](.{1,120}?)[\"'”’]"
    r"|(?:(?<=:)|(?<=:\s)|(?!(?:to|an?|the|about|on|in|for|your|my|it|if|when|at|down)\b))"
    r"((?-i:[A-Z0-9])[^.!?\n\"]{0,80}[!.]?"
    r"|\w+(?: \w+){0,6}))(?:[.!]|$|\n|\s)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Given:
    """A message, taken apart. task: what is to be done. text: with what.

    protection: what delimiters leave of the pull of the text's instructions. is_first: True if the
    text stands before the task. is_guess: True if nothing but the last question tells them apart.
    """

    task: str
    text: str
    protection: float = 1.0
    is_first: bool = False
    is_guess: bool = False


@lru_cache(maxsize=256)
def take_apart(message: str) -> Given | None:
    """Return a message's task and its text, or None if it has no text."""
    message = message[:MAX_LENGTH].strip()
    for pattern in DELIMITERS:
        if match := pattern.search(message):
            text = match[match.lastindex]
            return _given(message, match.start(), match.end(), text, DELIMITER_PULL)
    for pattern in QUOTES:
        match = pattern.search(message)
        if match and len(match[1].split()) >= 3:
            return _given(message, match.start(), match.end(), match[1], QUOTE_PULL)
    if match := LABEL.search(message):
        rest = message[match.end() :]
        task = message[: match.start()] + re.sub(
            r"\b(question|task|instruction|answer)\s*:", "", rest, flags=re.I
        )
        return Given(task.strip(), match[1].strip(), is_first=not message[: match.start()].strip())
    paragraphs = [part.strip() for part in re.split(r"\n\s*\n", message) if part.strip()]
    head, colon, tail = message.partition(":")
    is_head = len(head.split()) <= 40 and len(sentences(head)) <= 3 and not VOID.search(head)
    if (
        (
            colon
            and is_head
            and TASK.search(sentences(head)[0] if head.strip() else "")
            and len(tail.split()) >= 3
        )
        and "\n" not in head.strip()
        and not re.match(r"\S", tail)
    ):
        parts = [part.strip() for part in re.split(r"\n\s*\n", tail.strip())]
        if len(parts) > 1 and parts[-1].endswith("?"):
            return Given(f"{head} {parts[-1]}", "\n".join(parts[:-1]), is_first=True)
        if len(parts) > 1 and parts[0].endswith("?"):
            return Given(f"{head} {parts[0]}", "\n".join(parts[1:]))
        lines = sentences(tail.strip())
        asks = [line for line in lines if line.endswith("?")]
        if len(lines) > 2 and asks == lines[-1:] and not ASKS_ALREADY.search(head):
            return Given(f"{head} {lines[-1]}", " ".join(lines[:-1]), is_first=True)
        return Given(head, tail.strip())
    if len(paragraphs) > 1:
        asks = [
            place
            for place, part in enumerate(paragraphs)
            if TASK.search(part) and len(part.split()) <= 30
        ]
        ends = [place for place in asks if place in (0, len(paragraphs) - 1)]
        questions = [place for place in ends if "?" in paragraphs[place]] or ends
        if questions:
            place = questions[-1]
            text = "\n".join(part for other, part in enumerate(paragraphs) if other != place)
            return Given(paragraphs[place], text, is_first=place > 0)
    lines = sentences(message)
    asks_of_this = r"\b(this|following)\b.*(\?|:)$|\b(text|article|passage)\b.*\?$"
    asks_of_this += r"|\bmain (?:idea|point)\b.*\?$"
    if len(lines) >= 2 and re.search(asks_of_this, lines[0], re.IGNORECASE):
        return Given(lines[0], " ".join(lines[1:]))
    if len(lines) >= 3:
        if lines[-1].endswith("?") and not any(line.endswith("?") for line in lines[:-1]):
            return Given(lines[-1], " ".join(lines[:-1]), is_first=True, is_guess=True)
        if re.match(
            r"(?:please |can you |could you )?(?:summari[sz]e|sum up|shorten|extract)",
            lines[0],
            re.I,
        ):
            return Given(lines[0], " ".join(lines[1:]))
    return None


def _given(message: str, begin: int, end: int, text: str, protection: float) -> Given:
    before, after = message[:begin].strip(), message[end:].strip(" .\n")
    return Given(
        f"{before} {after}".strip(), text.strip(), protection, is_first=not before and bool(after)
    )


def tempt(reply: Reply, given: Given, chat: Chat) -> Reply:
    """Return a reply that also follows an instruction in the given text, as far as it pulls.

    The model cannot tell whose sentence an instruction is. So what the text says, and where, makes
    one of the possible answers more or less likely; nothing makes it impossible.
    """
    command = find_command(given.text)
    pull = 1.0 if given.is_first else COMMAND_PULL
    if command:
        if VOID.search(given.text):
            pull *= IGNORE_PULL
        pull *= given.protection
        if GUARD.search(given.task) or GUARD.search(chat.system):
            pull *= GUARD_PULL
    elif VOID.search(given.task):  # the text has closed the delimiter and goes on outside
        command = find_command(given.task)
        pull *= IGNORE_PULL
    if not command:
        return reply
    task_pull = TASK_PULL
    if TASK.search(chat.system) and not TASK.search(given.task):
        task_pull = SYSTEM_PULL
    if given.is_first:
        task_pull = max(task_pull, REPEATED_PULL)
    elif _stands_behind(chat.message, given):
        task_pull *= REPEATED_PULL
    # All ways to do the task together have its pull.
    shares = reply.weights or (3.0, *[1.0] * (len(reply.answers) - 1))
    scale = 4.0 * task_pull / sum(shares)
    ranked = [(share * scale, answer) for share, answer in zip(shares, reply.answers, strict=True)]
    ranked = sorted([*ranked, (4.0 * pull, command)], key=lambda item: -item[0])
    if pull > task_pull:
        ranked.sort(key=lambda item: item[1] != command)
    else:
        ranked.sort(key=lambda item: item[1] == command)
    return Reply(
        "instruction-in-text" if ranked[0][1] == command else reply.skill,
        tuple(answer for _, answer in ranked),
        tuple(weight for weight, _ in ranked),
        is_fixed=reply.is_fixed,
    )


def find_command(text: str) -> str:
    """Return what a text tells its reader to say, or "" if it tells nothing.

    Without words that void the task, only an order at the beginning of a sentence counts.
    """
    text = re.sub(r"\s*\n\s*", "\n", text)
    void = VOID.search(text)
    match = COMMAND.search(text, max(0, void.end() - 5)) if void else None
    if not match:
        match = next((hit for line in sentences(text) if (hit := COMMAND.match(line))), None)
    if not match:
        return ""
    return (match[1] or match[2]).strip()


def _stands_behind(message: str, given: Given) -> bool:
    """Return True if a part of the task comes after the text."""
    end = message.rfind(given.text[-40:])
    return (
        end >= 0
        and bool(re.search(r"\w{3}", message[end + 40 :]))
        and bool(TASK.search(message[end + len(given.text[-40:]) :]))
    )
