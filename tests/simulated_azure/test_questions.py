"""How questions are recognised, and the files of questions and answers."""

from __future__ import annotations

import re
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from chat_requests import ANSWERS, LANGUAGES, PREFERRED, QUESTIONS, topic_name

from simulated_azure.inference.questions import load_manners, load_questions, stem
from simulated_azure.inference.tokens import encode, encoding


@pytest.mark.parametrize(
    "question",
    [
        LANGUAGES,
        "how many languages are in the world",
        "HOW MANY LANGUAGES ARE IN THE WORLD???",
        "  How many languages... are in the world?!\n",
        "How many langauges are in the world?",
        "How many languges are in the world?",
        "How many languages are in the wolrd?",
        "Hey, could you please tell me how many languages there are in the world? Thanks!",
        "I was just wondering: how many languages are there in the world?",
    ],
)
def test_a_question_is_recognised_however_it_is_written(say, question):
    assert say(question) == PREFERRED


@pytest.mark.parametrize(
    ("question", "id"),
    [
        ("Say good morning in Japanese", "good-morning-japanese"),
        ("say thank you in greek!", "thank-you-greek"),
        ("whats the capitol of Japan", "capital-japan"),
        ("WHY IS THE SKY BLUE", "sky-blue"),
        ("so, um, can you explain what temperature does?", "temperature"),
        ("Hello!", "hello"),
        ("Tell me a jole", "joke"),
    ],
)
def test_other_questions_are_recognised_however_they_are_written(assistant, question, id):
    assert topic_name(assistant, question) == id


@pytest.mark.parametrize(
    "question",
    [
        "What did the mayor of Reykjavik have for breakfast in 1987?",
        "Which sauce goes best with grilled halloumi?",
        "What is a token of thanks that retired inspectors of lighthouses get?",
        "asdf qwer zxcv",
        "Who won the chess championship of Uruguay?",
        "¿?",
        "🙂",
        "",
    ],
)
def test_an_unknown_question_gets_an_honest_answer(say, question):
    text = say(question)
    assert re.sub("Try .* A real", "Try A real", text) == re.sub(
        "Try .* A real", "Try A real", QUESTIONS["unknown"].answers[0]
    )
    assert "simulat" in text and "AZURE_INFERENCE_ENDPOINT" in text and "don't know" in text


@pytest.mark.parametrize(
    "question",
    [
        "What is the highest mountain in Africa?",
        "What is the longest river in Spain?",
        "What is the largest planet near Berlin?",
    ],
)
def test_a_question_about_another_place_is_not_answered_for_the_known_one(assistant, question):
    assert topic_name(assistant, question) == "unknown"


def test_every_known_form_is_recognised_as_its_question(assistant):
    wrong = [
        (question.id, form, name)
        for question in QUESTIONS.values()
        for form in question.ask
        if (name := topic_name(assistant, form)) != question.id
    ]
    assert not wrong, "\n".join(map(str, wrong))


def test_every_follow_up_is_understood_after_any_question_of_its_family(assistant):
    wrong = [
        (before.id, question.id, form, name)
        for question in QUESTIONS.values()
        for form in question.follow
        for before in QUESTIONS.values()
        if before.family == question.family
        and (name := topic_name(assistant, before.ask[0], ("assistant", before.answers[0]), form))
        != question.id
    ]
    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.parametrize(
    ("before", "follow", "expected"),
    [
        (LANGUAGES, "And in France?", "languages-france"),
        ("What is the capital of Germany?", "And of Italy?", "capital-italy"),
        ("What is the capital of Germany?", "What about Spain?", "capital-spain"),
        (LANGUAGES, "What about India?", "languages-india"),
        # The same words ask for something else after another question.
        ("What is the capital of Japan?", "What about India?", "capital-india"),
    ],
)
def test_a_follow_up_refers_to_the_question_before_it(say, before, follow, expected):
    conversation = [("user", before), ("assistant", say(before)), ("user", follow)]
    assert say(conversation) == QUESTIONS[expected].answers[0]


def test_follow_ups_can_follow_one_another(assistant):
    assert (
        topic_name(assistant, LANGUAGES, "And in France?", "And in India?", "And in Europe?")
        == "languages-europe"
    )


def test_a_follow_up_without_a_question_before_it_is_unknown(assistant):
    assert topic_name(assistant, "And in France?") == "unknown"


@pytest.mark.parametrize(
    ("system", "manner"),
    [
        ("Answer in one sentence.", "short"),
        ("You are a helpful assistant. Be brief.", "short"),
        ("Explain everything like I'm five.", "simple"),
        ("You are a pirate.", "pirate"),
        ("Reply in French.", "french"),
        ("You are a helpful assistant.", ""),
    ],
)
def test_a_system_message_can_ask_for_a_manner(say, system, manner):
    assert say([("system", system), ("user", LANGUAGES)]) == ANSWERS["languages-world", manner][0]


@pytest.mark.parametrize(
    ("wish", "manner"),
    [
        ("Shorter, please.", "short"),
        ("And now like a pirate!", "pirate"),
        ("In French, please.", "french"),
        ("More simply, please", "simple"),
    ],
)
def test_a_wish_after_an_answer_gives_it_in_that_manner(say, wish, manner):
    conversation = [("user", LANGUAGES), ("assistant", PREFERRED), ("user", wish)]
    assert say(conversation) == ANSWERS["languages-world", manner][0]


def test_a_manner_stays_until_another_is_asked_for(assistant):
    system = ("system", "You talk like a pirate.")
    assert topic_name(assistant, system, LANGUAGES, "And in France?") == "languages-france/pirate"
    assert topic_name(assistant, system, LANGUAGES, "Shorter, please.") == "languages-world/short"


def test_a_question_can_name_its_manner(assistant):
    assert (
        topic_name(assistant, "How many languages are in the world? Answer in one sentence.")
        == "languages-world/short"
    )


def test_every_phrase_for_a_manner_is_understood_in_a_system_message(assistant):
    expected = {
        phrase: f"languages-world/{manner}"
        for manner, phrases in load_manners().items()
        for phrase in phrases
    }
    assert {
        phrase: topic_name(assistant, ("system", f"Answer {phrase}."), LANGUAGES)
        for phrase in expected
    } == expected


def test_there_are_enough_questions_with_enough_answers():
    assert sum(len(question.answers) >= 3 for question in QUESTIONS.values()) >= 80


def test_question_ids_are_unique():
    assert [
        id
        for id, count in Counter(question.id for question in load_questions()).items()
        if count > 1
    ] == []


def test_no_text_of_the_data_files_is_empty_or_begins_or_ends_with_a_space():
    texts = [
        text
        for q in QUESTIONS.values()
        for group in (q.ask, q.follow, q.answers, *q.styles.values())
        for text in group
    ]
    assert [text for text in texts if not text or text != text.strip()] == []
    assert [key for key, answers in ANSWERS.items() if not answers] == []


def test_answers_of_a_question_differ():
    assert [key for key, answers in ANSWERS.items() if len(set(answers)) < len(answers)] == []


def test_no_form_asks_two_questions():
    forms = Counter(
        (form.casefold(), id) for id, question in QUESTIONS.items() for form in question.ask
    )
    questions_of_form = Counter(form for form, _ in forms)
    assert [form for form, count in questions_of_form.items() if count > 1] == []


def test_every_question_but_the_unknown_one_can_be_asked_and_every_manner_exists():
    assert [id for id, question in QUESTIONS.items() if not question.ask] == ["unknown"]
    assert {manner for question in QUESTIONS.values() for manner in question.styles} <= set(
        load_manners()
    )


def test_every_answer_comes_back_from_its_tokens():
    broken = [
        key
        for key, answers in ANSWERS.items()
        for answer in answers
        if encoding().decode(encode(answer)) != answer
    ]
    assert not broken


def test_two_threads_get_the_same_stems_as_one():
    words = ["languages", "capitals", "running", "happily", "cries", "relational"] * 200
    one = [stem.__wrapped__(word) for word in words]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(2) as pool:
            both = list(pool.map(lambda _: [stem.__wrapped__(word) for word in words], range(2)))
    finally:
        sys.setswitchinterval(interval)
    assert both == [one, one]


def test_answers_that_stand_apart_are_no_training_text_and_are_given(assistant, say):
    apart = {question.id for question in QUESTIONS.values() if question.is_apart}
    assert len(apart) > 50
    trained = {topic.name.partition("/")[0] for topic in assistant._conversation.topics}
    assert not apart & trained and "capital-france" in trained
    assert say("What is a sonnet?") == QUESTIONS["sonnet"].answers[0]
