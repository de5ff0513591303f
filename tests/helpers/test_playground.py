"""The playground without its widgets: what it sends, what it shows, what it costs."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from html import unescape

import pytest
from raw_http import raw

from helpers.look import THEMES
from helpers.playground.answer import (
    Answer,
    Answers,
    Option,
    Token,
    beginning,
    describe,
    ending,
    notes,
    tally,
    text_of,
)
from helpers.playground.costs import Usage, meter
from helpers.playground.rendering import (
    PAPER,
    STEPS,
    Look,
    coloured,
    legend,
    style_sheet,
    token_label,
    token_table,
)
from helpers.playground.settings import (
    GO_ON,
    ChatSettings,
    azure_code,
    differences,
    openai_code,
    read_seed,
    request_text,
)
from tools.refresh import forget_own_settings

FRANCE = [{"role": "user", "content": "What is the capital of France?"}]
COLOUR = [{"role": "user", "content": "Name a colour."}]
ODD = "Say \"hi\"\nand 'bye' \u2013 \\ {x} caf\u00e9\u2028."
SERVED_NAME = "/var/azureml-app/azureml-models/Phi-4/8/mlflow_model_folder/model"
CASES = [
    (ChatSettings(temperature=0), FRANCE),
    (ChatSettings(temperature=0, stream=False, alternatives=0), COLOUR),
    (ChatSettings(temperature=1, seed=5, n=3), COLOUR),
    (ChatSettings(temperature=1, seed=6, n=2, stream=False), COLOUR),
    (ChatSettings(system=ODD, max_tokens=3, stop=("\n", '"'), seed=-1), FRANCE),
    (
        ChatSettings(
            temperature=0.9,
            top_p=0.8,
            presence_penalty=0.5,
            frequency_penalty=-0.5,
            seed=3,
            server="serve",
        ),
        [*FRANCE, {"role": "assistant", "content": ODD}, *COLOUR],
    ),
]
TO_GO_ON = [*FRANCE, {"role": "assistant", "content": "Paris"}]
MARK = "=" * 9
# Each program prints to a text of its own, in one fresh process: packages take long to import.
RUN_ALL = f"""
import json, sys
for source in json.load(sys.stdin):
    exec(compile(source, "copied", "exec"), {{"__name__": "__main__"}})
    print({MARK!r})
"""


def words(html: str) -> str:
    """Return the text of HTML as a person reads it."""
    return unescape(re.sub(r"<[^>]*>", " ", html))


@pytest.fixture(scope="module")
def variables(simulator) -> dict[str, str]:
    """The environment of a process that is to find the simulated endpoint."""
    return os.environ | simulator.variables()


def run_all(sources: Iterable[str], variables: dict[str, str]) -> list[str]:
    """Run programs in one fresh process. Return what each printed."""
    done = subprocess.run(
        [sys.executable, "-c", RUN_ALL],
        input=json.dumps([*sources]),
        env=variables,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    return [text.rstrip("\n") for text in done.stdout.split(f"{MARK}\n")[:-1]]


def answers_to(client, settings: ChatSettings, conversation, goes_on: bool = False) -> Answers:
    """Return the answers to the playground's own request."""
    headers = {"extra-parameters": "pass-through", **settings.headers()}
    reply = client.complete(settings.body(conversation, goes_on), headers=headers)
    answers = Answers()
    for chunk in reply if settings.stream else [reply]:
        answers.add(chunk)
    return answers


# What is sent


@pytest.mark.parametrize("package", ["azure-ai-inference", "openai"])
def test_copied_code_gives_the_same_answers_in_a_fresh_process(client, variables, package):
    calls = [(*case, False) for case in CASES] + [(ChatSettings(temperature=0), TO_GO_ON, True)]
    sources = [
        azure_code(*call)
        if package == "azure-ai-inference"
        else openai_code(*call, model=SERVED_NAME if call[0].server else "Phi-4")
        for call in calls
    ]
    expected = [answers_to(client, *call) for call in calls]
    assert run_all(sources, variables) == [
        "\n".join(answer.text for answer in answers.list) for answers in expected
    ]
    assert [len(answers.list) for answers in expected] == [1, 1, 3, 2, 1, 1, 1]
    assert all(answer.text for answers in expected for answer in answers.list)


def test_code_for_the_simulated_endpoint_starts_it(client):
    environ = dict(os.environ)
    forget_own_settings(environ)
    source = azure_code(ChatSettings(temperature=0), FRANCE, is_simulated=True)
    (printed,) = run_all([source], environ)
    answer = answers_to(client, ChatSettings(temperature=0), FRANCE).list[0]
    assert printed.splitlines()[-1] == answer.text


def test_the_shown_json_is_the_body_that_arrives(client, simulator):
    for settings, conversation in CASES:
        answers_to(client, settings, conversation)
        head, _, body = request_text(settings, conversation).partition("\n\n")
        arrived = json.loads(raw(simulator, "GET", "/simulator/requests")[2])["requests"][-1]
        assert json.loads(body) == arrived["body"]
        for line in head.splitlines()[1:]:
            name, _, value = line.partition(": ")
            if settings.extras() or name != "extra-parameters":
                assert arrived["headers"][name] == value


def test_neutral_values_are_not_sent():
    body = ChatSettings(alternatives=0, stream=False).body(FRANCE)
    assert body == {"messages": FRANCE, "temperature": 0.7}


def test_no_shown_text_has_the_key(monkeypatch):
    monkeypatch.setenv("AZURE_INFERENCE_CREDENTIAL", "k3y" * 9)
    settings = ChatSettings()
    shown = [request_text(settings, FRANCE), azure_code(settings, FRANCE)]
    assert not any("k3y" in text for text in [*shown, openai_code(settings, FRANCE)])


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("temperature", 2.5, "temperature is 2.5, expected a number from 0 to 2"),
        ("temperature", math.nan, "temperature is nan"),
        ("top_p", 0, "it would leave no token"),
        ("presence_penalty", -3, "from -2 to 2"),
        ("max_tokens", -1, "expected a number of at least 0"),
        ("n", 0, "from 1 to 10"),
        ("alternatives", 21, "from 0 to 20"),
        ("stop", ("",), "a stop text is empty"),
    ],
)
def test_a_value_that_no_endpoint_takes_is_refused_in_words(field, value, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        ChatSettings(**{field: value})


@pytest.mark.parametrize("text", ["x", "1.5", "--1", "9" * 30, "\u00b2"])
def test_a_seed_that_is_no_whole_number_is_refused(text):
    with pytest.raises(ValueError, match="expected a whole number, or nothing"):
        read_seed(text)


# What is shown


def option(text: str, probability: float) -> Option:
    return Option(text, math.log(probability), text.encode())


def token(text: str, probability: float, *options: Option) -> Token:
    return Token(text, math.log(probability), text.encode(), options)


def luminance(colour: str) -> float:
    """Return the relative luminance of a colour, by WCAG 2."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.fixture(params=["light", "dark"])
def theme(request) -> str:
    return request.param


def looks(theme: str) -> list[Look]:
    """Return the steps of a theme, from the likeliest tokens to the least likely ones."""
    return [getattr(step, theme) for step in STEPS]


def test_text_can_be_read_on_each_background(theme):
    assert [look for look in looks(theme) if contrast(look.background, look.colour) < 4.5] == []
    colours, page = THEMES[theme], PAPER[theme].background
    assert contrast(colours["note"], page) >= 4.5
    for ground in ("paper", "tint-0", "tint-1"):
        assert contrast(colours["ink"], colours[ground]) >= 4.5
    assert min(contrast(colours[name], page) for name in ("line", "focus", "bar")) >= 3
    for name in ("track", "ink"):  # behind a bar, and the outline over it
        assert contrast(colours["bar"], colours[name]) >= 3


def test_steps_differ_in_grey_and_in_their_underlines(theme):
    steps = looks(theme)
    grey = [luminance(look.background) for look in steps]
    assert grey == sorted(grey, reverse=theme == "light")
    for one, next_one in zip(steps, steps[1:], strict=False):
        assert contrast(one.background, next_one.background) > 1.15
    assert len({look.underline for look in steps}) == len(steps) == 5
    for look in steps[1:]:  # an underline that has the colour of its background cannot be seen
        assert contrast(look.underline.split()[-1], look.background) > 3
    assert steps[0].background == PAPER[theme].background


def test_the_style_sheet_has_the_colours_of_both_themes():
    sheet = style_sheet()
    for theme in ("light", "dark"):
        assert all(look.background in sheet and look.underline in sheet for look in looks(theme))
    assert 'data-jp-theme-light="false"' in sheet


@pytest.mark.parametrize(
    ("probability", "number"), [(1, 0), (0.9, 0), (0.89, 1), (0.49, 2), (0.19, 3), (1e-9, 4)]
)
def test_a_step_begins_at_its_least_probability(probability, number):
    assert f'class="pg-{number}"' in coloured(Answer("A", [token("A", probability)]))


def test_a_coloured_answer_says_what_else_could_have_stood_there():
    shown = coloured(Answer(" Paris", [token(" Paris", 0.75, option(",", 0.25))]))
    assert 'title="&#x27; Paris&#x27; 75.0 %, or &#x27;,&#x27; 25.0 %"' in shown
    assert re.sub("<.*?>", "", shown) == " Paris"


def test_markup_in_an_answer_is_only_text():
    text = "<b onclick='x'>&"
    for answer in (Answer(text, [token(text, 0.5, option(text, 0.1))]), Answer(text)):
        assert "<b" not in coloured(answer)
        assert "onclick='x'" not in coloured(answer)


def test_a_streamed_answer_and_a_whole_one_have_the_same_tokens(client):
    streamed = answers_to(client, ChatSettings(temperature=0), FRANCE)
    whole = answers_to(client, ChatSettings(temperature=0, stream=False), FRANCE)
    assert streamed.list == whole.list
    assert streamed.usage == whole.usage == Usage(1, 14, 8)
    assert text_of(streamed.list[0].tokens) == streamed.list[0].text
    assert token_table(streamed.list[0].tokens).count('<th scope="row">') == 7
    assert "simulated" in streamed.origin


def test_several_answers_are_kept_apart(client):
    answers = answers_to(client, ChatSettings(temperature=1, seed=1, n=4), COLOUR)
    assert len(answers.list) == 4
    assert all(text_of(answer.tokens) == answer.text for answer in answers.list)


def test_an_answer_goes_on_from_a_chosen_token(client):
    settings = ChatSettings(temperature=0)
    answer = answers_to(client, settings, FRANCE).list[0]
    chosen = next(each for each in answer.tokens[0].options if each.text == "Paris")
    taken = beginning(answer.tokens, 0, chosen)
    conversation = [*FRANCE, {"role": "assistant", "content": text_of(taken)}]
    answers = Answers.going_on(taken)
    for chunk in client.complete(
        settings.body(conversation, goes_on=True), headers={"extra-parameters": "pass-through"}
    ):
        answers.add(chunk)
    (longer,) = answers.list
    assert longer.text == "Paris is the French capital and also the largest city there."
    assert text_of(longer.tokens) == longer.text
    assert longer.tokens[0].options == answer.tokens[0].options
    assert {*GO_ON} <= {*settings.body(conversation, goes_on=True)}


def test_no_answer_goes_on_from_a_part_of_a_character():
    part = Option("\ufffd", -1.0, "\u00e9".encode()[:1])
    with pytest.raises(ValueError, match="only a part of a character"):
        beginning([token("A", 1), token("B", 1)], 1, part)


def test_the_token_that_ends_a_turn_is_not_a_part_of_the_text():
    taken = beginning([token("A", 1), token("B", 1)], 1, option("<|im_end|>", 0.1))
    assert text_of(taken) == "A"
    assert "im_end" not in coloured(Answer("A", taken))


@pytest.mark.parametrize(
    ("chunks", "words"),
    [
        ([], "sent no answer"),
        ([{"choices": []}, {"usage": None, "choices": None}], "sent no answer"),
        ([{"choices": [{"delta": {"content": "A"}}]}], "broke off"),
        ([{"choices": [{"message": {"content": "A"}, "finish_reason": "stop"}]}], "no log-prob"),
        ([{"choices": [{"delta": None, "finish_reason": "stop", "logprobs": None}]}], "no usage"),
    ],
)
def test_what_is_missing_is_said_in_words(chunks, words):
    answers = Answers()
    for chunk in chunks:
        answers.add(chunk)
    assert any(words in note for note in notes(answers, wants_probabilities=True))


@pytest.mark.parametrize("fault", ["no-logprobs", "usage-apart", "empty-choices", "end; after=2"])
def test_unusual_streams_are_read(client, fault):
    settings = ChatSettings(temperature=0, fault=fault)
    answers = answers_to(client, settings, FRANCE)
    text = "The capital of France is Paris."
    assert text.startswith(answers.list[0].text)
    assert (notes(answers, True) == []) == (fault in ("usage-apart", "empty-choices"))


def test_each_ending_has_words():
    assert ending(Answer(finish_reason="length")).startswith("It was cut off at max_tokens")
    assert ending(Answer(finish_reason="odd")) == "It ended for the reason odd."
    assert ending(Answer()) == ""
    assert "or a stop text" in ending(Answer(finish_reason="stop"), has_stop_texts=True)


EMOJI = "\U0001f600".encode()


def test_tokens_that_are_parts_of_a_character_are_shown_as_the_character():
    parts = [Token("\ufffd", -1.0, EMOJI[:2]), Token("\ufffd", -0.1, EMOJI[2:])]
    shown = coloured(Answer("A\U0001f600B", [token("A", 1), *parts, token("B", 1)]))
    assert re.sub("<.*?>", "", shown) == "A\U0001f600B"
    assert [token_label(part) for part in parts] == ["b'\\xf0\\x9f'", "b'\\x98\\x80'"]
    cut_off = coloured(Answer("A", [token("A", 1), parts[0]]))
    assert re.sub("<.*?>", "", cut_off) == "A\ufffd"


def test_the_table_tells_screen_readers_its_rows_and_columns():
    shown = token_table([token(" <b>", 0.5, option("&", 0.25)), token("!", 1)])
    assert shown.count('<th scope="col">') == 4 and shown.count('<th scope="row">') == 2
    assert "' <b>'" in words(shown) and "'&' 25.0 %" in words(shown)
    assert "not told" in shown


def test_a_tally_counts_equal_answers_and_sums_up_rare_ones():
    answers = [Answer(text) for text in "Blue Red Blue Green Pink".split()]
    assert tally(answers, most=2) == "5 answers: 2 Blue | 1 Red | 2 others"


def test_only_settings_that_differ_are_named():
    first = ChatSettings(temperature=0, stop=("END",), seed=None, fault="500")
    second = ChatSettings("Be brief.", temperature=0.75, seed=3, server="serve")
    assert differences(first, second) == (
        "system none, temperature 0, stop 'END', seed none, simulated server the usual one, "
        "simulated fault 500",
        "system 'Be brief.', temperature 0.75, stop none, seed 3, simulated server serve, "
        "simulated fault none",
    )


def test_the_legend_names_all_steps():
    assert all(step.name in legend() for step in STEPS)


def test_a_token_without_alternatives_is_described_alone():
    assert describe(token("A", 0.5)) == "'A' 50.0 %"


# What it costs


def test_costs_are_those_of_lesson_08():
    usage = Usage(2, 200, 100) + Usage(1, 0, 0)
    assert usage == Usage(3, 200, 100)
    assert usage.usd_per_token == pytest.approx((200 * 0.125 + 100 * 0.5) / 1e6)
    assert usage.gpu_seconds == pytest.approx(3 * 0.067 + 100 * 0.0225)
    assert "3 requests, 200 tokens in, 100 tokens out" in meter(usage)
    assert "3.673 US dollars an hour" in meter(usage)
