"""Verses, songs, stories and jokes about a subject, from moulds into which its name fits."""

from __future__ import annotations

import re

from ..tokens import encode
from ..words import FILLERS, words
from .chat import Chat, Reply

MAX_TEXT_LENGTH = 200  # characters
MAX_SUBJECT_WORDS = 4
MAX_SUBJECT_TOKENS = 6  # with more, the model would not see what stands before the subject
REQUEST = re.compile(
    r"\b(?:(?:write|make|make up|compose|tell|sing|create|give|invent|do|say|want|need|like"
    r"|know|hear)\b(?: me| us| up| to| a| an| some| another| any)*|an?|another) "
    r"(?:[a-z]+ ){0,2}?"
    r"(poem|rhyme|verse|limerick|haiku|song|story|tale|joke)s?\b"
    r"(?: for me| please| with \w+ lines)*"
    r" (?:about|on|of|for|with) (.+?)(?:,? (?:please|for me|that rhymes))*\s*[.?!]*\s*$",
    re.IGNORECASE,
)
SWAPS = {"my": "your", "our": "your", "your": "my", "me": "you", "us": "you", "you": "me"}
FORMS = {"rhyme": "poem", "verse": "poem", "tale": "story"}
FIRST_LINES = {  # syllables of the subject -> first lines of five syllables in all
    1: "{} in the soft light,",
    2: "{} in the light,",
    3: "{} at dusk,",
    4: "{}: hush,",
    5: "{},",
}
# The words before the subject differ from place to place, so that the model keeps its way.
MOULDS = {
    "poem": (
        "I thought of {} in the morning light,\nthen dreamt about {} late at night.\n"
        "The day was long, the sky was grey,\nand so I sang this song all day.",
        "If I could paint, I would begin\nwith {}, and put the colours in.\n"
        "But I have words, and they are few:\nthese lines on {} are for you.",
        "The clouds go by, the river flows,\nand who knows where the evening goes?\n"
        "I only know that now and then\nI think of {}, and think again.",
    ),
    "limerick": (
        "A model was asked for some rhymes\non {}, it tried them nine times.\n"
        "It counted each word,\nit sounded absurd,\nand such is the fate of its rhymes.",
        "There once was a poet of note\nwho thought about {} and wrote.\n"
        "The ink it ran dry,\nhe looked at the sky,\nand finished the rest on a boat.",
    ),
    "song": (
        "The blackbird sings of {},\nthe river hums along,\nand all the children down the road\n"
        "know how to sing this song.\n\nOh, call the wind, oh, call the rain,\n"
        "and let the big drum play:\ntonight we dance for {}\nuntil the break of day.",
        "Hey ho, a song for {},\nwe sing it low and high,\nwe sing it in the valley,\n"
        "we sing it to the sky.",
    ),
    "story": (
        "One evening an old woman opened the door of her house by the river. She had thought of {} "
        "all day. The wind was cold, the road was long, but she took her lantern and went. On the "
        "bridge she met a boy, who could not sleep for the same reason. They sat down and told "
        "each other all that they knew about {}. When the sun came up, both were hungry and "
        "happy, and since that night nobody in the village goes over the bridge alone.",
        "A young reporter had to write about {} and knew nothing about it. She asked the baker, "
        "who laughed. She asked the teacher, who sent her to a book. She asked her grandmother, "
        "who made tea and began to talk. It was midnight when she stopped. The article about {} "
        "became the best that the paper ever had.",
    ),
    "joke": (
        'Two friends talk about {}. "I could listen for hours," says the first. "You have to," '
        'says the second, "I have only finished the introduction."',
        "I know a joke about {}, but I have only a tiny language model: it would take me a while "
        "to get it.",
    ),
}


def verses(chat: Chat) -> Reply | None:
    """Write verses, a song, a story or a joke about a subject."""
    match = REQUEST.search(chat.text) if len(chat.text) <= MAX_TEXT_LENGTH else None
    if not match:
        return None
    subject = subject_of(match[2])
    if not subject:
        return None
    kind = FORMS.get(match[1].casefold(), match[1].casefold())
    if kind == "haiku":
        answers = _haiku(subject)
    else:
        answers = tuple(_filled(mould, subject) for mould in MOULDS[kind])
    return Reply("verses", answers)


def verses_subject(text: str) -> str:
    """Return the subject of the verses, the story or the joke that a text wants, or ""."""
    match = REQUEST.search(text) if len(text) <= MAX_TEXT_LENGTH else None
    return match[2] if match and set(words(match[2])) - FILLERS - {"you", "us"} else ""


def subject_of(text: str) -> str:
    """Return the subject of a request, as said to the user; "" if it is too long.

    >>> subject_of("my old bicycle")
    'your old bicycle'
    """
    parts = text.split()
    if not 1 <= len(parts) <= MAX_SUBJECT_WORDS or not set(words(text)) - FILLERS:
        return ""
    subject = " ".join(SWAPS.get(part.casefold(), part) for part in parts).strip("\"'“”")
    return subject if len(encode(f" {subject}")) <= MAX_SUBJECT_TOKENS else ""


def _filled(mould: str, subject: str) -> str:
    text = mould.replace("{}", subject)
    lines = [line[:1].upper() + line[1:] for line in text.split("\n")]
    return "\n".join(lines) if "\n" not in mould else text[:1].upper() + text[1:]


def syllables(text: str) -> int:
    """Return how many syllables a text has, about: its groups of vowels.

    >>> syllables("a little coffee")
    5
    """
    total = 0
    for word in words(text):
        plain = re.sub(r"(?<=[^aeiouyl])e$|(?<=[^aeiouydt])ed$", "", word)
        total += max(1, len(re.findall(r"[aeiouy]+", plain)))
    return total


def _haiku(subject: str) -> tuple[str, ...]:
    """Return haiku whose first line has five syllables, as far as they can be counted."""
    first = FIRST_LINES.get(syllables(subject), "{}:").format(subject)
    ends = (
        "a small thing that I nearly\nwalked by without you.",
        "the whole garden holds its breath\nand waits for the wind.",
    )
    return tuple(f"{first[0].upper()}{first[1:]}\n{end}" for end in ends)
