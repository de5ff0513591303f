"""Answers that are computed: arithmetic, and the user's name."""

from __future__ import annotations

import pytest
from chat_requests import LANGUAGES, PREFERRED, QUESTIONS

from simulated_azure.inference import skills


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("What is 12 times 7?", "12 times 7 is 84."),
        ("2+2", "2 plus 2 is 4."),
        ("what's 3 x 4", "3 times 4 is 12."),
        ("Calculate 17 * 23.", "17 times 23 is 391."),
        ("5 minus 8", "5 minus 8 is -3."),
        ("-5 + 3", "-5 plus 3 is -2."),
        ("0.1 + 0.2", "0.1 plus 0.2 is 0.3."),
        ("9.11 - 9.9", "9.11 minus 9.9 is -0.79."),
        ("10 / 4", "10 divided by 4 is 2.5."),
        ("10/3", "10 divided by 3 is about 3.333333333."),
        ("8 ÷ 2 = ?", "8 divided by 2 is 4."),
        ("1000 * 1000", "1000 times 1000 is 1000000."),
        ("1,000 times 3", "1,000 times 3 is 3000."),
        ("2 ** 10", "2 to the power of 10 is 1024."),
        ("2^-1", "2 to the power of -1 is 0.5."),
        ("What is 10% of 250?", "10% of 250 is 25."),
        ("20 percent of 50", "20% of 50 is 10."),
        ("What is seven times eight?", "7 times 8 is 56."),
        ("How much is twelve plus one, please?", "12 plus 1 is 13."),
        ("What is fifteen divided by four?", "15 divided by 4 is 3.75."),
        ("What is 24691357803 / 2?", "24691357803 divided by 2 is 12345678901.5."),
        ("99999999999 / 7", "99999999999 divided by 7 is about 14285714285.57."),
        ("2.99999999999 + 0", "2.99999999999 plus 0 is 2.99999999999."),
        ("30000000001 / 30000000000", "30000000001 divided by 30000000000 is about 1."),
        ("1 / 3000000", "1 divided by 3000000 is about 0.0000003333333333."),
        ("0 times -5", "0 times -5 is 0."),
    ],
)
def test_small_arithmetic(say, question, answer):
    assert say(question) == answer


@pytest.mark.parametrize(
    "question", ["7 divided by 0", "What is 7 / 0?", "7:0", "seven divided by zero", "7 / 0.0"]
)
def test_division_by_zero_has_no_answer(say, question):
    assert say(question) == "7 divided by 0 has no answer: division by zero is not defined."


@pytest.mark.parametrize(
    "question", ["2 + 2 + 2", "12 monkeys + 3 cats", "0 ** 0", "5000 ** 30", "1234567890123456 * 2"]
)
def test_other_sums_are_unknown_questions(say, question):
    assert say(question) == QUESTIONS["unknown"].answers[0]


def test_the_model_generates_arithmetic_like_any_answer(ask):
    texts = {
        ask("What is 12 times 7?", temperature=1, seed=seed)["choices"][0]["message"]["content"]
        for seed in range(20)
    }
    assert len(texts) >= 3
    assert (
        ask("What is 12 times 7?", temperature=0, logprobs=True)["choices"][0]["logprobs"][
            "content"
        ][0]["logprob"]
        < 0
    )


@pytest.mark.parametrize(
    "question", ["What is my name?", "Do you remember my name?", "what's my name"]
)
def test_the_name_told_earlier_is_remembered(say, question):
    messages = [
        ("user", "Hello, my name is Ada."),
        ("assistant", "Hello."),
        ("user", LANGUAGES),
        ("assistant", PREFERRED),
    ]
    assert say([*messages, ("user", question)]) == "Your name is Ada."
    assert "Ada" not in say(question)  # nothing is remembered from one request to another
    assert "not told me your name" in say(question)


def test_the_last_name_told_counts(say):
    assert (
        say([("user", "My name is Ada."), ("user", "Call me Zoë"), ("user", "What is my name?")])
        == "Your name is Zoë."
    )


@pytest.mark.parametrize(
    ("sum", "result"),
    [
        ("999 ** 30", str(999**30)),
        ("0.5 ** -99999999", None),
        ("0 ** -1", None),
        ("2 ** -2", "0.25"),
    ],
)
def test_powers_are_exact_or_refused(sum, result):
    answers = skills.answers_to(f"What is {sum}?", [])
    assert answers[0].endswith(f" is {result}.") if answers else result is None, answers
