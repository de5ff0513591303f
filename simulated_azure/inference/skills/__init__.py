"""Skills: small algorithms that help the language model with what no text can teach it.

A skill is a function that gets a ``Chat`` and returns a ``Reply``, or None if it does not apply.
The language model generates its text from the reply's possible answers as from any others, so that
all sampling parameters have their usual effect. A skill that is not sure returns None.

To add a skill, write the function in the file of its family, put it into one of the three lists
below, and add prompts to ``tests/simulated_azure/skill_prompts.toml``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .chance import one_of_two, throws
from .chat import Chat, Reply
from .classes import examples, no_examples
from .dictionary import translation
from .json_objects import json_objects
from .knowledge import choices, facts, meaning_of_kind, membership, verification, whole_kind
from .letters import in_order, letters
from .sentiment import sentiment
from .sums import longer_sums, sums
from .texts import only_source, texts
from .told import acknowledge, not_told, ordered_words, orders, told, told_facts
from .units import conversion
from .verses import verses

Skill = Callable[[Chat], Reply | None]

# Prompts that the answer to an unknown question may suggest
EXAMPLES = (
    "Name three fruits",
    "Name a musical instrument",
    "What is the capital of Norway?",
    "What is the currency of Japan?",
    "Convert 5 miles to kilometres",
    "How do you say dog in French?",
    "Who created the programming language Ruby?",
    "How many moons does Mars have?",
    "What is the chemical symbol of gold?",
    "Which is higher, Mont Blanc or Denali?",
    "Pick a number between 1 and 100",
    "What is 17 * 23 + 5?",
    "Is a whale a fish?",
    "Give me JSON about Berlin with the keys city and river",
    "Who wrote Dracula?",
)

__all__ = [
    "AFTER_QUESTIONS",
    "BEFORE_QUESTIONS",
    "EXAMPLES",
    "FIRST",
    "Chat",
    "Reply",
    "Skill",
    "first_reply",
]

# Before any question of the data files
FIRST: Sequence[Skill] = (only_source, sums, told, told_facts, throws)
# After the questions that a message asks word for word
BEFORE_QUESTIONS: Sequence[Skill] = (
    in_order,
    longer_sums,
    ordered_words,
    json_objects,
    examples,
    sentiment,
    no_examples,
    texts,
    one_of_two,
    orders,
    membership,
    verification,
    whole_kind,
    meaning_of_kind,
    not_told,
)
# After the questions that a message asks in nearly the same words
AFTER_QUESTIONS: Sequence[Skill] = (
    choices,
    conversion,
    translation,
    letters,
    facts,
    verses,
    acknowledge,
)


def first_reply(skills: Sequence[Skill], chat: Chat) -> Reply | None:
    """Return the reply of the first skill that applies, or None."""
    return next((reply for skill in skills if (reply := skill(chat))), None)
