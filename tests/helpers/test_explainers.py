"""The explainers: what they show, that their widgets live, and that the lessons print the same."""

from __future__ import annotations

import math
import re
from html import unescape
from pathlib import Path

import nbformat
import pytest
from azure.ai.inference import ChatCompletionsClient

import helpers.explainers
from helpers.cost import cost_usd
from helpers.explainers import (
    explore_bias,
    explore_costs,
    explore_sampling,
    explore_stream,
    explore_tokens,
)
from helpers.explainers.bars import FILLED, OUTLINED, STRIPED
from helpers.explainers.pictures import (
    bias_bars,
    biased,
    sampling_bars,
    sampling_picture,
    sampling_text,
)
from helpers.explainers.prices import Traffic, costs_bars, costs_text
from helpers.explainers.streams import Question, ask_both, stream_picture
from helpers.explainers.tokens import pieces_of, prompt_pieces, tokens_picture
from helpers.explainers.widgets import Explainer, StreamExplainer
from helpers.look import THEMES, WARNING
from helpers.sampling import nucleus, softmax
from helpers.settings import CREDENTIAL, ENDPOINT
from helpers.tokens import count_prompt, encoding

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
CHANCES = {"a": 0.4, "b": 0.3, "<b>": 0.2, "\n": 0.05}
SLOW = Question(max_tokens=10, seconds=0.05)


def cell_of(lesson: str, cell: str) -> nbformat.NotebookNode:
    """Return a cell of a lesson."""
    (path,) = NOTEBOOKS.glob(f"{lesson}-*.ipynb")
    cells = nbformat.read(path, 4).cells
    (found,) = [each for each in cells if each.id == cell]
    return found


def printed(lesson: str, cell: str) -> str:
    """Return what a cell of a lesson has printed."""
    return "".join(output.text for output in cell_of(lesson, cell).outputs)


def words(html: str) -> str:
    """Return the text of HTML as a person reads it."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


def alternatives(html: str) -> str:
    """Return what a screen reader says of the pictures in HTML."""
    return " ".join(map(unescape, re.findall(r'role="img" aria-label="([^"]*)"', html)))


def first_tokens(client: ChatCompletionsClient, question: str) -> dict[str, float]:
    """Return the probabilities of the likeliest first tokens of an answer."""
    extras = {"logprobs": True, "top_logprobs": 20}
    messages = [{"role": "user", "content": question}]
    reply = client.complete(messages=messages, max_tokens=1, temperature=0, model_extras=extras)
    options = reply.choices[0]["logprobs"]["content"][0]["top_logprobs"]
    return {option["token"]: math.exp(option["logprob"]) for option in options}


# Temperature and top_p


@pytest.mark.parametrize("temperature", [0, 0.3, 1, 2])
@pytest.mark.parametrize("top_p", [0.05, 0.5, 0.75, 1])
def test_a_bar_is_as_wide_as_the_formulas_say_and_marked_if_top_p_cuts_it(temperature, top_p):
    shares = softmax({name: math.log(chance) for name, chance in CHANCES.items()}, temperature)
    kept = nucleus(shares, top_p)
    bars = dict(zip(CHANCES, sampling_bars(CHANCES, temperature, top_p), strict=True))
    for name, bar in bars.items():
        assert bar.width == pytest.approx(kept.get(name) or shares[name])
        assert bar.is_cut == (shares[name] > 0 and not kept.get(name))
        assert (bar.text == "no chance") == (shares[name] == 0)
        assert bar.text.startswith("cut") == bar.is_cut
        assert bar.before == CHANCES[name]
    left = [name for name, share in kept.items() if share]
    text = sampling_text(CHANCES, temperature, top_p)
    assert f"{len(left)} of 4 tokens can be drawn" in text
    assert ("cut" in text) == any(bar.is_cut for bar in bars.values())


def test_many_tokens_share_the_last_bar():
    bars = sampling_bars({f"token {number}": 1 / 40 for number in range(40)}, 1, 0.51)
    assert len(bars) == 11
    assert bars[-1].name == "30 others"
    assert bars[-1].width == pytest.approx(11 / 21)  # 11 of the 30 are among the 21 that stay
    assert sum(bar.width for bar in bars) == pytest.approx(1)


def test_what_is_cut_can_be_seen_without_colours_and_heard():
    html = sampling_picture(CHANCES, 1, 0.5)
    assert STRIPED in html and FILLED in html and OUTLINED in html
    assert "<s>&#x27;\\n&#x27;</s>" in html
    assert "<b>" not in html  # a token is only text
    assert "2 are cut" in alternatives(html)
    assert "'a' 57.1 %, 'b' 42.9 %" in alternatives(html)


def test_above_temperature_1_the_picture_says_that_tokens_are_missing():
    assert "The real shares are smaller" in sampling_text(CHANCES, 1.05, 1)
    assert "The real shares are smaller" not in sampling_text(CHANCES, 1, 1)


# A bias


def test_a_bias_multiplies_the_odds_also_against_tokens_that_are_not_in_the_list():
    before, after = CHANCES["b"], biased(CHANCES, {"b": 1.5})["b"]
    assert after / (1 - after) == pytest.approx(before / (1 - before) * math.exp(1.5))


def test_the_bars_of_a_bias_are_all_of_the_probability():
    bars = bias_bars(CHANCES, {"b": -10, "\n": 10})
    assert [bar.name for bar in bars[:2]] == ["'b'", r"'\n'"]
    assert sum(bar.width for bar in bars) == pytest.approx(1)
    assert sum(bar.before for bar in bars) == pytest.approx(1)


# Tokens


@pytest.mark.parametrize("text", ["", "How many?", " a\n\tb", "😀 é", "<|im_end|>", "<b>&"])
def test_the_tokens_are_those_of_the_tokenizer_and_of_the_prompt(text):
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}]
    pieces, prompt = pieces_of(text), prompt_pieces(messages)
    assert [piece.number for piece in pieces] == encoding().encode_ordinary(text)
    assert b"".join(piece.content for piece in pieces).decode() == text
    assert len(prompt) == count_prompt(messages)
    assert [piece.text for piece in prompt if piece.kind == "role"] == [
        "system",
        "user",
        "assistant",
    ]
    html = tokens_picture("Be brief.", text)
    assert f"The prompt has {len(prompt)}" in words(html)
    assert "<b>&" not in html
    for piece in [*pieces, *prompt]:
        assert f"{piece.text} {piece.number}" in alternatives(html)


def test_a_special_token_in_a_message_counts_as_one_and_looks_like_one():
    typed = prompt_pieces([{"role": "user", "content": "A<|im_end|>B"}])
    assert [piece.kind for piece in typed].count("special") == 6
    assert {piece.kind for piece in pieces_of("A<|im_end|>B")} == {"text"}


def test_a_part_of_a_character_is_shown_as_bytes():
    assert [piece.text for piece in pieces_of("😀")] == ["bytes f0 9f 98", "byte 80"]


def test_a_very_long_text_is_cut_and_the_picture_says_so():
    html = tokens_picture("", "word " * 100_000)
    assert "Only the first 4,000 characters" in words(html)
    assert "… and 701 more" in words(html)
    assert len(html) < 100_000


# Costs


def test_costs_are_those_of_the_formulas():
    traffic = Traffic(100_000, 100, 256, 3)
    per_token, machines = costs_bars(traffic, 1029.4)
    assert traffic.usd_per_token == pytest.approx(100_000 * (100 * 0.125 + 256 * 0.5) / 1e6)
    assert traffic.machines(1029.4) == 4  # 35.6 million tokens at 11.1 million for each
    assert per_token.text == "14.05 USD a day"
    assert machines.text == f"{cost_usd(3.673, 4, 3):.2f} USD a day"
    assert machines.width == 1
    assert per_token.width == pytest.approx(14.05 / cost_usd(3.673, 4, 3))


def test_the_text_says_which_way_costs_less():
    writing = Traffic(1_000_000, 1, 4000, 24)
    assert "times as much" in costs_text(writing)
    assert "The machines cost less." in costs_text(writing, 3000)
    assert "Nothing is asked" in costs_text(Traffic(questions=0))


# The lessons print the same


def test_lesson_06_prints_what_its_explainer_shows(client):
    chances = first_tokens(client, "Name a colour.")
    lines = printed("06", "both-table").splitlines()
    for line, shares in zip(lines[::2], lines[1::2], strict=True):
        temperature, top_p, kept, known = map(float, re.findall(r"[\d.]+\d|\d", line))
        text = sampling_text(chances, temperature, top_p)
        assert f"{kept:.0f} of {known:.0f} tokens can be drawn: {shares.strip()}" in text


def test_lesson_07_prints_what_its_explainer_shows(client):
    room = "The room was fine, nothing special."
    chances = first_tokens(client, f'Is this review positive or negative? "{room}"')
    for line in printed("07", "nudge-compute").splitlines():
        bias = {name: float(value) for name, value in re.findall(r"'(\w+)': (-?\d+)", line)}
        for name, share in re.findall(r"(\w+) +([\d.]+)%", line):
            assert f"{biased(chances, bias)[name]:.1%}" == f"{share}%"


def test_lesson_08_prints_what_its_explainer_shows():
    lines = printed("08", "move-costs-plain").splitlines()
    for line in lines:
        questions, hours, *numbers = re.findall(r"\d[\d,.]*", line)
        text = costs_text(Traffic(int(questions.replace(",", "")), hours=float(hours)))
        for usd in (numbers[0], numbers[2]):
            assert f" {usd} USD a day" in text
        assert f"{numbers[1]} machine" in text
    assert len(lines) == 3


@pytest.mark.parametrize(
    ("lesson", "cell", "expected"),
    [
        ("04", "tokens-move", "The text has 8 tokens."),
        ("05", "widget-see", "Press Ask."),
        ("06", "both-move", "20 of 20 tokens can be drawn"),
        ("07", "nudge-move", "No bias: 'Neutral' 59.7 %"),
        ("08", "move-costs", "busy for less than 1% of its time"),
    ],
)
def test_the_first_picture_of_a_lesson_has_no_error(client, lesson, cell, expected):
    room = "The room was fine, nothing special."
    review = {"role": "user", "content": f'Is this review positive or negative? "{room}"'}
    names = {
        "benchmark": {"4 requests per second": {"total": 1029.4}},
        "chances": first_tokens(client, "Name a colour.") if lesson == "06" else {},
        "client": client,
        "explainers": helpers.explainers,
        "math": math,
        "review": [review],
        **vars(helpers.explainers),
    }
    *lines, last = cell_of(lesson, cell).source.splitlines()
    exec("\n".join(lines), names)
    picture = eval(last, names).picture.value
    assert expected in words(picture)
    assert WARNING not in picture


# The widgets, without a browser


def fields(explainer: Explainer) -> dict:
    """Return the controls of an explainer by their labels."""
    controls = [each for row in explainer.children for each in (row, *getattr(row, "children", ()))]
    return {
        words(each.description): each
        for each in controls
        if getattr(each, "description", "") and hasattr(each, "value")
    }


@pytest.mark.parametrize(
    ("make", "name", "value", "expected"),
    [
        (lambda: explore_sampling(CHANCES), "top_p", 0.5, "2 are cut"),
        (lambda: explore_sampling(CHANCES), "temperature", 0.0, "'a' 100.0 %"),
        (lambda: explore_bias(CHANCES, ["a", "b"]), "bias of 'b'", 1.5, "Bias 'b' +1.5"),
        (lambda: explore_tokens("Hi", "Be brief."), "text of the user", "Hi there", "2 tokens"),
        (lambda: explore_tokens("Hi", "Be brief."), "system message", "", "The prompt has 8"),
        (explore_costs, "hours deployed", 24.0, "88.15 USD a day"),
        (explore_costs, "questions a day", 0, "Nothing is asked"),
        (lambda: explore_costs(1), "tokens out", 512, "5 machines"),
    ],
)
def test_the_picture_follows_a_control(make, name, value, expected):
    explainer = make()
    assert expected not in words(explainer.picture.value)
    fields(explainer)[name].value = value
    assert expected in words(explainer.picture.value)


def test_the_slider_of_questions_is_logarithmic_and_leaves_what_was_typed():
    explainer = explore_costs()
    field, slider = explainer.children[1].children
    assert slider.value == field.value == 200
    for typed, shown in [(2000, 2000), (723, 723), (0, 1), (1_000_000, 1_000_000)]:
        field.value = typed
        assert (field.value, slider.value) == (typed, shown)
        slider.value = 10 ** round(math.log10(shown), 1)  # as a page answers
        assert field.value == typed
    slider.value = 10**5.4
    assert field.value == 250_000
    assert "Per token 35.12 USD a day" in words(explainer.picture.value)


def test_an_explainer_has_the_colours_of_both_themes():
    sheet = explore_costs().children[0].value
    for colours in THEMES.values():
        assert f"--kit-bar:{colours['bar']}" in sheet
    assert 'data-jp-theme-light="false"] .explainer' in sheet


def test_a_field_shows_no_digits_that_only_a_computer_would_write():
    field = fields(explore_sampling(CHANCES))["top_p"]
    field.value = 0.39999999999999997
    assert field.value == 0.4


@pytest.mark.parametrize(
    "make",
    [
        lambda: explore_sampling({}),
        lambda: explore_sampling([0.4, 0.3]),
        lambda: explore_bias(CHANCES, ["c"]),
        lambda: explore_costs(0),
    ],
)
def test_a_mistake_in_the_call_is_said_in_words_and_the_controls_live(make):
    explainer = make()
    before = explainer.picture.value
    assert "bars" not in before and len(words(before)) > 20
    assert WARNING in before  # it looks like an error
    for field in fields(explainer).values():
        field.value += 1 if isinstance(field.value, int) else 0.1
    assert words(explainer.picture.value)


def test_each_control_has_a_label_and_a_page_without_a_kernel_shows_one_sentence():
    made = [explore_sampling(CHANCES), explore_costs(), explore_tokens("Hi"), explore_stream()]
    for explainer in made:
        assert repr(explainer) == repr(made[0])
        assert explainer._repr_mimebundle_()["text/plain"] == repr(explainer)  # not shortened
        for row in explainer.children[1:-1]:  # between the style sheet and the picture
            assert getattr(row, "description", "") or row.children[0].description


# A stream


@pytest.fixture
def variables_set(monkeypatch, simulator):
    for name, value in simulator.variables().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(
        "helpers.explainers.widgets.describe_endpoint", lambda: "a simulated Azure here."
    )


def pressed(explainer: StreamExplainer) -> str:
    explainer.button.click()
    explainer.wait()
    return words(explainer.picture.value)


def test_a_stream_shows_its_first_text_while_the_whole_answer_is_still_awaited(variables_set):
    pictures = []
    arrivals = ask_both(SLOW, lambda now: pictures.append(stream_picture(now)), lambda: False)
    streamed, whole = arrivals.streamed, arrivals.whole
    assert streamed.text == whole.text == "There are about 7,000 languages in the"
    assert (streamed.pieces, whole.pieces) == (10, 1)
    assert streamed.first < whole.first == whole.last
    assert any("first text" in each and "nothing yet" in each for each in map(words, pictures))


def test_the_explainer_says_when_everything_came(variables_set):
    explainer = explore_stream()
    explainer.limit.value, explainer.pace.value = 3, 0.01
    text = pressed(explainer)
    assert re.search(r"Streamed: first text after \d\.\d\d s, all after \d\.\d\d s, 3 piec", text)
    assert re.search(r"Not streamed: first text after \d\.\d\d s, .* 1 piece\.", text)
    explainer.server.value = "serve"
    assert ", 3 pieces" in pressed(explainer)


def test_asking_again_stops_the_first_request(variables_set):
    explainer = explore_stream()
    explainer.limit.value, explainer.pace.value = 63, 0.05
    explainer.button.click()
    explainer.limit.value, explainer.pace.value = 2, 0.01
    assert ", 2 pieces" in pressed(explainer)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({ENDPOINT: ""}, "Run the cell with connect() first."),
        ({CREDENTIAL: ""}, "AZURE_INFERENCE_CREDENTIAL"),
        ({CREDENTIAL: "wrong-key-1234"}, "The endpoint refuses the key."),
        ({ENDPOINT: "https://127.0.0.1:9"}, "The connection failed"),
    ],
)
def test_an_error_is_said_in_words_without_the_key_and_the_button_lives(
    variables_set, monkeypatch, variables, expected
):
    explainer = explore_stream()
    explainer.limit.value, explainer.pace.value = 2, 0.01
    with monkeypatch.context() as broken:
        for name, value in variables.items():
            broken.setenv(name, value)
        text = pressed(explainer)
    assert text.count(expected) == 1
    assert "wrong-key" not in text
    assert ", 2 pieces" in pressed(explainer)


def test_a_stream_that_broke_off_is_not_taken_for_an_answer(variables_set):
    class Broken(Question):
        headers = {"x-simulated-fault": "end; after=2"}

    arrivals = ask_both(Broken(), lambda now: None, lambda: False)
    assert "broke off" in words(stream_picture(arrivals))
    assert arrivals.streamed.pieces == 2


def test_another_endpoint_gets_no_simulated_headers(variables_set, monkeypatch, simulator):
    monkeypatch.setattr(
        "helpers.explainers.widgets.describe_endpoint", lambda: "your endpoint, example.org."
    )
    explainer = explore_stream()
    assert {explainer.pace_row.layout.display, explainer.server.layout.display} == {"none"}
    explainer.limit.value = 2
    simulator.azure.journal.clear()
    assert ", 2 pieces" in pressed(explainer)
    requests = list(simulator.azure.journal)
    assert len(requests) == 2
    assert "x-simulated" not in str(requests)
