"""What the user told in the conversation, and is asked back."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..facts import load_facts
from ..words import content_stems, sentences, stem, words
from .chat import Chat, Reply
from .given import VOID, find_command, take_apart

MAX_TEXT_LENGTH = 400  # characters; no skill of this file reads a longer message
NAME = re.compile(
    r"\b(?:my name is|my name's|call me|i am called)\s+([^\W\d_][\w'-]*(?-i:(?: [A-Z][\w'-]*)*))",
    re.IGNORECASE,
)
# "I am Ada and I live here": a name, if it is no nationality
NAME_AFTER_I_AM = re.compile(
    r"\bI(?: am|'m|’m) (?!(?:\w+(?:an|ish|ese|ch))\b)([A-Z][\w'-]+)(?=[.,!]|$| and\b)"
)
NAME_QUESTION = re.compile(
    r"\bwho am i\b|\b(what('?s| is| was)|do you (know|remember)|remember|tell me|say) my name\b",
    re.IGNORECASE,
)
EARLIER_MESSAGE_QUESTION = re.compile(
    r"\brepeat what i (just )?(said|wrote)"
    r"|\bwhat (did|have) i (just |last )?(ask|asked|say|said|tell you|told you)"
    r"|\bwhat was my (last|previous|first) question",
    re.IGNORECASE,
)
REPEAT_REQUEST = re.compile(
    r"^\s*(?:please )?"
    r"(?:(?:repeat after me|repeat this|repeat exactly|say exactly|echo)\s*:?\s+|repeat\s*:\s*)"
    r"[\"']?(.+?)[\"']?\s*$",
    re.IGNORECASE | re.DOTALL,
)
# "Say the word OK", "Write exactly this text: ...", "Say 'hello'"
SAY_REQUEST = re.compile(
    r"^\s*(?:please )?(?:only |just )?(?:say|answer|reply|respond|write|print|output)"
    r"(?: only| just| exactly| with)*"
    r"(?: (?:this|the following)(?: text| word| sentence)?\s*:"
    r"| the (?:word|text|sentence)s?\b:?)\s*"
    r"[\"'“]?([^\"“”]+?)[.!]?[\"'”]?(?: and nothing else| only)?\s*[.!]?\s*$"
    r"|^\s*(?:please )?(?:say|write|print) [\"“]([^\"”]+)[\"”]\s*[.!]?\s*$",
    re.IGNORECASE | re.DOTALL,
)
# "Just say yes": at most two words, or it may be another task
SHORT_SAY_REQUEST = re.compile(
    r"^\s*(?:please )?(?:(?:only|just) (?:say|answer|reply|respond|write|print)|(?:say|answer|reply"
    r"|respond|write|print) (?:only|just)|say(?= \w+\W*$))(?: with)?:? "
    r"(?!(?:with|an?|the|in|if|when|by|from|for|about|your|my|json|no \w|how|what|this|that"
    r"|it|more|something|anything|nothing|goodbye|again|thanks)\b)"
    r"[\"'“]?([\w']+(?: [\w']+)?)[\"'”]?[.!]?\s*$",
    re.IGNORECASE,
)
# Words of a question for something told that need not be in what was told.
QUESTION_STEMS = frozenset(
    map(
        stem,
        "who where when how why whose whom call called name named remember know said told tell say"
        " again mentioned mention earlier before asked ask i my me mine our "
        "am are was is do did can"
        " recall and much many mine yet still old best better most".split(),
    )
) - {"old"}
SYNONYMS = {
    stem(word): stem(group[0])
    for group in (
        ["work", "job", "profession", "occupation", "living"],
        ["colour", "color"],
        ["live", "home", "reside"],
        ["like", "love", "enjoy", "prefer", "favourite", "favorite"],
        ["food", "eat"],
        ["birthday", "born", "birth"],
        ["pet", "pets"],
    )
    for word in group
}
STATEMENT = re.compile(
    r"^(?:(?:hi|hello|hey|well|so|by the way|note|fyi|just so you know)[,:!.]? )*"
    r"(?:please )?(?:(?:remember|note|keep in mind)(?: this| that)*\b|my |our |i am |i'm "
    r"|i was born |i live "
    r"|i work |i have |i've |i like |i love |i prefer |i hate |i speak |i play |i drive |i own "
    r"|we are |we have |we live |the [\w -]{2,40} (?:is|are|was|were) )",
    re.IGNORECASE,
)
PERSONAL_QUESTION = re.compile(
    r"^(?:and )?(?:(?:so|now|hey|please|do you (?:know|remember|recall)|can you tell me"
    r"|tell me)[, ]+)*"
    r"(?:(?:what(?:'s| is| was| are)|who(?:'s| is| was)|when is|where is|how old is) (?:my"
    r"|our) [\w']+(?: [\w']+)?"
    r"|where do i (?:live|work)|how old am i|when is my birthday|what do i (?:like|do|play))"
    r"(?: called| named| name| again)*\s*\??$",
    re.IGNORECASE,
)
NOT_PERSONAL = frozenset(
    map(stem, "endpoint key token quota options mistake error problem".split())
)
SWAPS = [
    (r"\bI am\b|\bI'm\b|\bI’m\b", "you are"),
    (r"\bI was\b", "you were"),
    (r"\bI've\b", "you have"),
    (r"\bmy\b", "your"),
    (r"\bmine\b", "yours"),
    (r"\bI\b|\bme\b", "you"),
    (r"\bour\b", "your"),
    (r"\bwe are\b", "you are"),
    (r"\bwe\b|\bus\b", "you"),
    (r"\bmyself\b", "yourself"),
]
NAMED = re.compile(
    r"\b(?:an?|one|my|our) ([\w -]{2,30}?),? (?:named|called|who is called) (.+)$", re.IGNORECASE
)


def told(chat: Chat) -> Reply | None:
    """Answer with the user's name, an earlier message, or the text that is to be repeated."""
    if len(chat.text) > MAX_TEXT_LENGTH:
        return None
    answers = (
        user_name(chat.text, (chat.system, *chat.earlier))
        or earlier_message(chat.text, chat.earlier)
        or repetition(chat.message)
        or rewriting(chat)
    )
    return Reply("memory", tuple(answers)) if answers else None


def told_facts(chat: Chat) -> Reply | None:
    """Answer a question with what the user said before."""
    question = chat.text
    if len(question) > MAX_TEXT_LENGTH or not _is_question(question):
        return None
    wanted = _roots(question) - QUESTION_STEMS
    personal = re.search(r"\b(I|my|me|our|we|mine)\b", question, re.IGNORECASE)
    best: tuple[float, int, str] | None = None
    clauses = [clause for message in chat.earlier for clause in _told_clauses(message)]
    for place, clause in enumerate(clauses):
        have = _roots(clause)
        if not wanted or not wanted - _kinds_in(clause) <= have or not wanted & have:
            continue
        is_personal = re.search(r"\b(I|my|me|our|we)\b", clause, re.IGNORECASE)
        named = NAMED.search(clause)
        if personal and not (is_personal or named or re.match("this|the", clause, re.I)):
            continue
        if is_personal and not personal and not named:
            continue
        score = len(wanted) / len(have)
        if best is None or (score, place) >= best[:2]:
            best = (score, place, clause)
    if best is not None:
        said = to_you(best[2])
        return Reply(
            "memory",
            (f"{said}.", f"You told me: {said[0].lower()}{said[1:]}.", f"{said}, as you said."),
            brief=_value(best[2]),
        )
    return None


def not_told(chat: Chat) -> Reply | None:
    """Answer a question for something personal that the user has not told."""
    question = chat.text
    wanted = _roots(question) - QUESTION_STEMS
    if len(question) > MAX_TEXT_LENGTH:
        return None
    if PERSONAL_QUESTION.search(question.strip()) and not wanted & NOT_PERSONAL:
        return Reply(
            "memory",
            (
                "I don't know: you have not told me. I know only what stands in the "
                "messages of this request.",
                "I don't know that, because no message of this conversation says it.",
                "I don't know. Tell me, and send that message along with the next question.",
            ),
        )
    return None


def acknowledge(chat: Chat) -> Reply | None:
    """Answer a message that only tells something by saying it back."""
    text = chat.text.strip()
    clauses = _told_clauses(text)
    if not clauses or "?" in text or len(text) > 200 or len(sentences(text)) > 3:
        return None
    said = "; ".join(to_you(clause) for clause in clauses)
    said = said[0].lower() + said[1:]
    return Reply("memory", (f"Noted: {said}.", f"Thank you, I see: {said}.", f"I see: {said}."))


def _told_clauses(message: str) -> list[str]:
    """Return the clauses of a message that tell something."""
    clauses = []
    for sentence in sentences(message[:2000]):
        if sentence.endswith("?") or not STATEMENT.match(sentence):
            continue
        plain = re.sub(
            r"^(?:(?:hi|hello|hey|well|so|by the way|fyi|just so you know|please)[,:!]? )*"
            r"(?:please )?(?:(?:remember|note|keep in mind)(?: that\b|:)? ?)?",
            "",
            sentence,
            flags=re.IGNORECASE,
        ).rstrip(".! ")
        clauses += [
            part
            for part in re.split(
                r",? (?:and|but) (?=(?:I|my|our|we|an?|one|the|she|he)\b)|[,;] (?=(?:I|my|our|we"
                r"|an?)\b)",
                plain,
            )
            if len(part.split()) > 1
        ]
    return clauses


def to_you(clause: str) -> str:
    """Return a clause of the user's, as said to the user.

    >>> to_you("my dog is called Rex")
    'Your dog is called Rex'
    """
    if not re.match(r"(?:I|my|our|we)\b", clause, re.I) and (named := NAMED.search(clause)):
        clause = f"my {named[1]} is called {named[2]}"
    for pattern, word in SWAPS:
        clause = re.sub(pattern, word, clause, flags=0 if "I" in pattern else re.IGNORECASE)
    return clause[:1].upper() + clause[1:]


def _value(clause: str) -> str:
    """Return what a clause says of its subject, without the rest."""
    match = NAMED.search(clause) or re.search(r"(\b(?:called|named|is|are|am|in)) (.+)$", clause)
    return match[2] if match else ""


def _kinds_in(clause: str) -> set[str]:
    """Return the stems of the names of the kinds that words of a clause belong to."""
    kinds = [kind for word in words(clause) for kind in load_facts().kinds_of(word)]
    return {_root(word) for kind in kinds for name in kind.names for word in words(name)}


def _root(word: str) -> str:
    return SYNONYMS.get(stem(word), stem(word))


def _roots(text: str) -> set[str]:
    if re.search(r"\b(?:likes?|loves?|enjoys?)\b", text, re.IGNORECASE):
        text += " enjoy"
    return {SYNONYMS.get(root, root) for root in content_stems(text)} | (
        {stem("old")} if re.search(r"\bi(?:'m| am) \d+\b", text, re.I) else set()
    )


def _is_question(text: str) -> bool:
    first = (words(text) or [""])[0]
    return (
        "?" in text
        or first
        in ("what who where when which how whose whats do did tell remind am is are can").split()
    )


def user_name(text: str, earlier: Sequence[str]) -> list[str]:
    """Answer the question for the user's name from earlier messages, or greet the user by name."""
    if NAME_QUESTION.search(text):
        names = [
            match[1]
            for message in (*earlier, text)
            for match in (*NAME.finditer(message), *NAME_AFTER_I_AM.finditer(message))
        ]
        if names:
            return [
                f"Your name is {names[-1]}.",
                f"You told me that your name is {names[-1]}.",
                f"It is {names[-1]}.",
            ]
        return []
    match = NAME.search(text)
    if match and len(text.split()) <= 8:
        name = match[1]
        return [
            f"Nice to meet you, {name}. What would you like to know?",
            f"Hello, {name}. What would you like to know?",
            f"Nice to meet you, {name}. How can I help?",
        ]
    return []


def earlier_message(text: str, earlier: Sequence[str]) -> list[str]:
    """Answer the question what the user wrote before, with the first or the last message."""
    if EARLIER_MESSAGE_QUESTION.search(text) and earlier:
        message = earlier[0] if "first" in text.casefold() else earlier[-1]
        return [
            f'You said: "{message}"',
            f'You wrote: "{message}"',
            f'Your words were: "{message}"',
        ]
    return []


def repetition(text: str) -> list[str]:
    """Answer a request to repeat a text with that text."""
    match = REPEAT_REQUEST.match(text)
    return [match[1]] if match else []


def ordered_words(chat: Chat) -> Reply | None:
    """Answer an order to say a word or a sentence, with it."""
    if len(chat.message) > MAX_TEXT_LENGTH:
        return None
    if chat.form.language:
        return None
    texts = (chat.message, chat.text)
    patterns = (SAY_REQUEST, SHORT_SAY_REQUEST)
    match = next((hit for text in texts for each in patterns if (hit := each.match(text))), None)
    return Reply("memory", (match[match.lastindex],)) if match else None


def rewriting(chat: Chat) -> list[str]:
    """Answer a request to write a text in another form with that text."""
    match = re.match(
        r"\s*(?:please |can you )?(?:re-?write|make|put|convert|turn|write|format|print)\b"
        r"[^:\n]{0,60}"
        r":\s*[\"'“]?(.+?)[\"'”]?\s*$",
        chat.message,
        re.IGNORECASE | re.DOTALL,
    )
    return [match[1]] if match and chat.form.case else []


def orders(chat: Chat) -> Reply | None:
    """Answer a message that voids what came before and orders a text, with that text.

    The model is naive: nothing in a system message keeps it from that.
    """
    if not VOID.search(chat.message) or take_apart(chat.message):
        return None
    command = find_command(chat.message)
    return Reply("memory", (command,)) if command else None
