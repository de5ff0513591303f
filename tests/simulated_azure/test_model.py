"""The sampler's mathematics against a second computation of it, and what the design promises of the answers.

The second computation is dense: one numpy array over the whole vocabulary, where the model keeps a few hundred tokens and
one shared rest. Draws are seeded, and bounds are so wide (six standard deviations and more) that only a wrong sampler
exceeds them.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
from collections import Counter
from functools import cache

import numpy as np
import pytest

from simulated_azure.errors import HTTPError
from simulated_azure.inference import model as model_module
from simulated_azure.inference import skills, tokens
from simulated_azure.inference.completions import Assistant
from simulated_azure.inference.engine import Call, read_call
from simulated_azure.inference.model import (
    Background,
    Distribution,
    LanguageModel,
    Sampler,
    Sampling,
    Topic,
)
from simulated_azure.inference.questions import load_manners, load_questions
from simulated_azure.inference.servers import INFERENCE, SERVE, Server
from simulated_azure.inference.tokens import (
    IM_END,
    IM_SEP,
    VOCABULARY_SIZE,
    count_prompt,
    encode,
    encoding,
    token_bytes,
)

LANGUAGES = "How many languages are in the world?"
QUESTIONS = {question.id: question for question in load_questions()}
BY_MANNER = {
    (q.id, manner): texts
    for q in QUESTIONS.values()
    for manner, texts in {"": q.answers, **q.styles}.items()
}
DRAWS = 10_000

# -- asking ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def assistant() -> Assistant:
    return Assistant("Phi-4")


@pytest.fixture(scope="module")
def topics(assistant) -> dict[str, Topic]:
    return {topic.name: topic for topic in assistant._conversation.topics}


def request_body(messages, **parameters) -> bytes:
    if isinstance(messages, str):
        messages = [("user", messages)]
    return json.dumps(
        {"messages": [{"role": role, "content": text} for role, text in messages], **parameters}
    ).encode()


def call_of(body: bytes, server: Server = SERVE, is_v1: bool = True) -> Call:
    """Return a request as the engine gets it; by default by the route that allows temperature 2."""
    headers = {"content-type": "application/json", "extra-parameters": "pass-through"}
    return read_call(body, headers, server, is_v1, "the model")


@pytest.fixture(scope="module")
def ask(assistant):
    """ask(text or (role, text) pairs, parameters) -> the whole answer, by the route that allows temperature 2."""

    def ask(messages, **parameters) -> dict:
        return assistant.answer(call_of(request_body(messages, **parameters))).body()

    return ask


@pytest.fixture(scope="module")
def say(ask):
    """The text of the first choice, at temperature 0 if nothing else is said."""

    def say(messages, **parameters) -> str:
        return ask(messages, **{"temperature": 0, **parameters})["choices"][0]["message"]["content"]

    return say


@pytest.fixture(scope="module")
def stream(assistant):
    """The events of a streamed answer, without [DONE]."""

    def stream(messages, **parameters) -> list[dict]:
        answer = assistant.answer(call_of(request_body(messages, stream=True, **parameters)))
        # Each event alone must be valid UTF-8. Empty ones only give way.
        events = [event.decode() for event in answer.events() if event]
        assert events.pop() == "data: [DONE]\n\n"
        return [json.loads(event.removeprefix("data: ")) for event in events]

    return stream


def streamed(events: list[dict]) -> tuple[str, str | None]:
    """(text, finish reason) of the first choice of a stream."""
    choices = [choice for event in events for choice in event["choices"] if choice["index"] == 0]
    reasons = [choice["finish_reason"] for choice in choices if choice["finish_reason"]]
    assert len(reasons) == 1 and choices[-1]["finish_reason"]
    return "".join(choice["delta"]["content"] for choice in choices), reasons[0]


def topic_asked(assistant, *messages) -> str:
    """The name of the topic that a conversation ends in: "id", or "id/manner"."""
    pairs = [("user", message) if isinstance(message, str) else message for message in messages]
    return assistant._conversation.topic_of(pairs).name


# -- the second computation --------------------------------------------------------------------------------------------


def dense(distribution: Distribution) -> np.ndarray:
    """The probabilities of all tokens."""
    probabilities = np.full(VOCABULARY_SIZE, distribution.background.floor)
    for token in distribution.background.tokens:
        probabilities[token] = distribution.background.probability(token)
    probabilities *= distribution.weight
    for token, probability in distribution.foreground.items():
        probabilities[token] += probability
    return probabilities


def sampled(
    probabilities: np.ndarray, sampling: Sampling, given=()
) -> tuple[np.ndarray, np.ndarray]:
    """(probabilities after bias, penalties, temperature and top_p; which tokens lie on the edge of top_p's set, of which
    any may be kept, since they are equally likely)."""
    logits = np.log(probabilities)
    for token, bias in sampling.logit_bias.items():
        logits[token] += bias
    counts = np.zeros(VOCABULARY_SIZE)
    for token, times in dict(given).items():
        counts[token] = times
    logits -= counts * sampling.frequency_penalty + (counts > 0) * sampling.presence_penalty
    if sampling.temperature == 0:
        result = np.zeros(VOCABULARY_SIZE)
        result[np.argmax(logits)] = 1  # argmax takes the first of equals
        return result, np.zeros(VOCABULARY_SIZE, bool)
    logits /= sampling.temperature
    result = np.exp(logits - logits.max())
    result /= result.sum()
    edge = np.zeros(VOCABULARY_SIZE, bool)
    if sampling.top_p < 1:
        order = np.argsort(-result, kind="stable")
        kept = int(np.searchsorted(np.cumsum(result[order]), sampling.top_p)) + 1
        edge = np.isclose(result, result[order[kept - 1]], rtol=1e-9, atol=0)
        result[order[kept:]] = 0
        result /= result.sum()
    return result, edge


def assert_drawn_from(drawn, expected: np.ndarray, edge: np.ndarray | None = None) -> None:
    """Chi-square, rare tokens pooled; and nothing is drawn that has no probability."""
    observed = np.bincount(drawn, minlength=VOCABULARY_SIZE).astype(float)
    possible = expected > 0 if edge is None else (expected > 0) | edge
    assert not (impossible := np.flatnonzero(observed * ~possible)).size, (
        f"drawn without probability: {impossible[:10]}"
    )
    counts = expected * observed.sum()
    alone = (counts >= 10) if edge is None else (counts >= 10) & ~edge
    cells = [(observed[alone], counts[alone])]
    for pool in [~alone] if edge is None else [~alone & edge, ~alone & ~edge]:
        cells.append(([observed[pool].sum()], [counts[pool].sum()]))
    seen, wanted = (np.concatenate(column) for column in zip(*cells, strict=True))
    seen, wanted = seen[wanted > 1e-9], wanted[wanted > 1e-9]
    freedom = len(seen) - 1
    chi_square = ((seen - wanted) ** 2 / np.maximum(wanted, 1)).sum()
    assert chi_square < freedom + 6 * math.sqrt(2 * freedom) + 36, (
        f"chi-square {chi_square:.0f} at {freedom} degrees of freedom"
    )


def draws(sampler: Sampler, seed, count: int = DRAWS) -> list[int]:
    uniform = random.Random(seed).random
    return [sampler.draw(uniform) for _ in range(count)]


def toy(named: dict[int, float], rest: float = 1e-9, common=(500, 501, 502)) -> Distribution:
    """A small distribution with almost nothing in the background."""
    total = sum(named.values())
    background = Background(dict.fromkeys(common, 1))
    return Distribution(
        {token: p / total * (1 - rest) for token, p in named.items()}, rest, background
    )


class Text:
    """The training text as arrays, and the probabilities of the model's documentation worked out from it: for runs of
    0, 1, 2 ... tokens in turn, p(token) = (count + kinds * p(token after the shorter run)) / (total + kinds)."""

    def __init__(self, topics):
        self.tokens = np.array(
            [token for topic in topics for answer in topic.answers for token in answer]
        )
        spans = [
            (topic, number, len(answer))
            for topic in topics
            for number, answer in enumerate(topic.answers)
        ]
        self.place = np.concatenate([np.arange(length) for *_, length in spans])
        self.preferred = np.concatenate(
            [np.full(length, number == 0) for _, number, length in spans]
        )
        self.topic = np.repeat(
            [topic.name for topic, *_ in spans], [length for *_, length in spans]
        )
        counts = np.bincount(self.tokens[self.tokens != IM_SEP], minlength=VOCABULARY_SIZE)
        floor = model_module.FLOOR
        self.background = (1 - floor) * counts / counts.sum() + floor / VOCABULARY_SIZE

    def probabilities(self, topic: Topic, context: tuple[int, ...]) -> np.ndarray:
        ends = np.flatnonzero(self.place > 0)  # tokens that something stands before
        run, matching = np.zeros(len(ends), int), np.ones(len(ends), bool)
        for back, token in enumerate(reversed(context), start=1):
            matching &= (self.place[ends] >= back) & (self.tokens[ends - back] == token)
            run += matching
        own = self.topic[ends] == topic.name
        worth = np.where(
            own,
            np.where(self.preferred[ends], model_module.PREFERRED_COUNT, 1.0),
            model_module.OTHER_TOPIC_COUNT,
        )
        probabilities = self.background
        for length in range(int(run[own | (run >= 2)].max(initial=0)) + 1):
            here = (run >= length) & (own | (run >= 2))
            counts = np.bincount(self.tokens[ends[here]], worth[here], VOCABULARY_SIZE)
            openness = model_module.OPENNESS / (1 if len(context) > 1 else 20)
            kinds = openness * np.minimum(counts, 1).sum()
            probabilities = (counts + kinds * probabilities) / (counts.sum() + kinds)
        return probabilities


@pytest.fixture(scope="module")
def text(topics) -> Text:
    return Text(topics.values())


CONTEXTS = {  # topic, and what was said of an answer so far
    "start": ("languages-world", ""),
    "after one token": ("languages-world", "There"),
    "a fork between answers": ("languages-world", "There are about 7,000 languages"),
    "in the middle": (
        "languages-world",
        "There are about 7,000 languages in the world today. The exact",
    ),
    "astray": ("languages-world", "There are about 7,000 jokes in the"),
    "another topic's words": ("temperature", "The capital of France is"),
    "never seen": ("hello", " zq zq zq zq"),
    "a style": ("sky-blue/pirate", "Arr"),
    "unknown": ("unknown", "I don't know that one."),
}


def situation(topics, name: str) -> tuple[Topic, tuple[int, ...]]:
    topic, said = CONTEXTS[name]
    return topics[topic], (IM_SEP, *encode(said))[-model_module.MAX_CONTEXT :]


@pytest.fixture(scope="module")
def distribution(assistant, topics):
    return cache(lambda name: assistant.model.distribution(*situation(topics, name)))


# -- distributions -----------------------------------------------------------------------------------------------------


def test_background_is_a_distribution_over_all_tokens(assistant, text):
    background = assistant.model.background
    everything = np.array([background.probability(token) for token in range(VOCABULARY_SIZE)])
    assert everything.sum() == pytest.approx(1, abs=1e-12)
    assert everything.min() > 0
    np.testing.assert_allclose(everything, text.background, rtol=1e-12)


@pytest.mark.parametrize("name", CONTEXTS)
def test_probabilities_add_up_to_one(distribution, name):
    it = distribution(name)
    seen = [it.background.probability(token) for token in it.background.tokens]
    background = math.fsum(seen) + (VOCABULARY_SIZE - len(seen)) * it.background.floor
    assert math.fsum(it.foreground.values()) + it.weight * background == pytest.approx(1, abs=1e-12)
    assert 0 < it.weight <= 1 and min(it.foreground.values(), default=0) >= 0


def test_every_topic_starts_with_a_distribution(assistant, topics):
    for topic in topics.values():
        it = assistant.model.distribution(topic, (IM_SEP,))
        assert math.fsum(it.foreground.values()) + it.weight == pytest.approx(1, abs=1e-12), (
            topic.name
        )


@pytest.mark.parametrize("name", CONTEXTS)
def test_probabilities_are_those_of_the_documented_back_off(
    assistant, topics, text, distribution, name
):
    expected = text.probabilities(*situation(topics, name))
    np.testing.assert_allclose(dense(distribution(name)), expected, rtol=1e-9)


@pytest.mark.parametrize("name", ["start", "a fork between answers", "astray"])
def test_logprobs_of_all_one_token_continuations_add_up_to_one(distribution, name):
    it = distribution(name)
    assert math.fsum(
        math.exp(it.logprob(token)) for token in range(VOCABULARY_SIZE)
    ) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("name", CONTEXTS)
@pytest.mark.parametrize("count", [0, 1, 5, 20])
def test_most_likely_tokens_are_the_first_of_all_sorted(distribution, name, count):
    probabilities = dense(distribution(name))
    expected = np.argsort(-probabilities, kind="stable")[:count]
    found = distribution(name).most_likely(count)
    assert [token for token, _ in found] == expected.tolist()
    np.testing.assert_allclose(
        [logprob for _, logprob in found], np.log(probabilities[expected]), rtol=1e-9
    )


def test_most_likely_tokens_can_be_common_ones_that_the_context_does_not_name():
    it = Distribution({8: 0.2, 501: 0.05}, 0.75, Background({500: 6, 501: 2, 502: 1, 7: 1}))
    found = it.most_likely(5)
    assert [token for token, _ in found] == [500, 8, 501, 7, 502]
    assert [logprob for _, logprob in found] == pytest.approx(
        [it.logprob(token) for token, _ in found]
    )


# -- the sampler -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [0.5, 0.7, 1, 1.5, 2])
@pytest.mark.parametrize("top_p", [1, 0.95, 0.8, 0.3])
@pytest.mark.parametrize("name", ["start", "a fork between answers", "astray"])
def test_draws_have_the_computed_frequencies(distribution, name, temperature, top_p):
    sampling = Sampling(temperature, top_p)
    expected, edge = sampled(dense(distribution(name)), sampling)
    assert_drawn_from(
        draws(Sampler(distribution(name), sampling, {}), f"{name}/{temperature}/{top_p}"),
        expected,
        edge,
    )


@pytest.mark.parametrize("temperature", [1, 1.5, 2])
@pytest.mark.parametrize("top_p", [1, 0.97, 0.5])
def test_draws_from_a_wide_distribution_have_the_computed_frequencies(
    assistant, temperature, top_p
):
    """No answer matters here, only the background; a few common tokens are made rarer by a bias."""
    it = Distribution({}, 1.0, assistant.model.background)
    sampling = Sampling(
        temperature, top_p, logit_bias=dict.fromkeys(it.background.tokens[:6], -2.0)
    )
    expected, edge = sampled(dense(it), sampling)
    assert_drawn_from(
        draws(Sampler(it, sampling, {}), f"wide/{temperature}/{top_p}"), expected, edge
    )


@pytest.mark.parametrize("temperature", [0.5, 1, 2])
@pytest.mark.parametrize("top_p", [1, 0.9])
@pytest.mark.parametrize(
    ("presence", "frequency"), [(0, 0), (1.5, 0), (0, 0.7), (-1, -0.5), (2, 2)]
)
def test_bias_and_penalties_shift_the_frequencies_as_computed(
    distribution, temperature, top_p, presence, frequency
):
    it = distribution("a fork between answers")
    likely = [token for token, _ in it.most_likely(6)]
    unseen = next(token for token in range(90_000, 100_000) if token not in it.foreground)
    sampling = Sampling(
        temperature, top_p, presence, frequency, {likely[0]: -4, likely[2]: 2.5, unseen: 12}
    )
    given = {likely[0]: 1, likely[1]: 3, unseen: 1, likely[4]: 2}
    expected, edge = sampled(dense(it), sampling, given)
    assert_drawn_from(draws(Sampler(it, sampling, given), f"{sampling}"), expected, edge)


@pytest.mark.parametrize(
    ("named", "bias", "expected"),
    [
        ({9: 0.3, 4: 0.3, 7: 0.3, 2: 0.1}, {}, 4),
        ({9: 0.5, 4: 0.3, 7: 0.2}, {}, 9),
        ({9: 0.5, 4: 0.3, 7: 0.2}, {9: -100}, 4),
        ({9: 0.5, 4: 0.25, 7: 0.25}, {9: -100}, 4),
        (
            {9: 0.5, 4: 0.5},
            {9: -100, 4: -100},
            500,
        ),  # all that was expected is banned: the most common, lowest id
        ({9: 1}, {9: -100, 501: 0}, 500),  # a bias of nothing changes nothing
        ({9: 1}, {9: -100, 500: 0}, 500),
        ({9: 1}, {9: -100, 500: -100, 501: -100, 502: -100}, 0),  # only tokens never seen are left
        ({9: 1}, {77_777: 100}, 77_777),
    ],
)
def test_temperature_0_takes_the_most_likely_and_of_equals_the_lowest_id(named, bias, expected):
    assert draws(Sampler(toy(named), Sampling(0, logit_bias=bias), {}), 1, 50) == [expected] * 50


@pytest.mark.parametrize("answers", [["Yes."], ["Yes.", "No.", "Perhaps, perhaps not."]])
def test_a_model_of_a_single_topic_says_the_preferred_answer_at_temperature_0(answers):
    topic = Topic.of("only", map(encode, answers))
    said = []
    for token, _ in LanguageModel([topic]).generate(topic, Sampling(0), random.Random(1).random):
        if token == IM_END or len(said) > 20:
            break
        said.append(token)
    assert encoding().decode(said) == answers[0]


@pytest.mark.parametrize(
    ("top_p", "kept"),
    [(1e-9, 1), (0.39, 1), (0.41, 2), (0.69, 2), (0.71, 3), (0.89, 3), (0.91, 4), (0.999, 4)],
)
def test_top_p_keeps_the_smallest_set_that_reaches_it(top_p, kept):
    it = toy({30: 0.1, 3: 0.4, 12: 0.3, 8: 0.2})
    drawn = draws(Sampler(it, Sampling(1, top_p), {}), top_p)
    assert set(drawn) == set([3, 12, 8, 30][:kept])
    assert_drawn_from(drawn, *sampled(dense(it), Sampling(1, top_p)))


@pytest.mark.parametrize("top_p", [0.25, 0.6, 0.9, 0.999])
def test_top_p_counts_every_token_once_when_it_reaches_tokens_never_seen(top_p):
    background = Background({10: 6, 20: 3, 30: 1})
    it, sampling = (
        Distribution({5: 0.4}, 0.6, background),
        Sampling(2, top_p),
    )  # hot: tokens never seen have much of it
    expected, edge = sampled(dense(it), sampling)
    assert_drawn_from(draws(Sampler(it, sampling, {}), top_p), expected, edge)


def test_tokens_never_seen_get_the_share_that_is_theirs():
    """Half of the vocabulary was seen: each of its tokens is likelier than each of the other half."""
    it = Distribution({}, 1.0, Background(dict.fromkeys(range(0, VOCABULARY_SIZE, 2), 1)))
    expected, _ = sampled(dense(it), Sampling(4, logit_bias={1: 0}))
    unseen = sum(token % 2 for token in draws(Sampler(it, Sampling(4, logit_bias={1: 0}), {}), 1))
    wanted = DRAWS * expected[1::2].sum()
    assert abs(unseen - wanted) < 6 * math.sqrt(wanted) and 0.1 < wanted / DRAWS < 0.5


def test_temperature_comes_before_top_p():
    it = toy({1: 0.5, 2: 0.3, 3: 0.2})
    assert set(draws(Sampler(it, Sampling(1, 0.75), {}), 1)) == {1, 2}
    assert set(draws(Sampler(it, Sampling(2, 0.75), {}), 1)) == {
        1,
        2,
        3,
    }  # flatter: two no longer reach it
    assert set(draws(Sampler(it, Sampling(0.3, 0.75), {}), 1)) == {1}


def test_bias_comes_before_top_p():
    it = toy({1: 0.9, 2: 0.06, 3: 0.04})
    drawn = draws(Sampler(it, Sampling(1, 0.6, logit_bias={3: 4}), {}), 1)
    assert set(drawn) == {3}  # 0.04 * e^4 = 2.2 against 0.96


def test_penalties_come_before_top_p():
    it = toy({1: 0.9, 2: 0.06, 3: 0.04})
    assert set(draws(Sampler(it, Sampling(1, 0.55, 2, 2), {1: 2}), 1)) == {
        2
    }  # 0.9 * e^-6 is next to nothing


@pytest.mark.parametrize("kind", ["bias", "presence", "frequency"])
def test_bias_and_penalties_come_before_temperature(kind):
    it = toy({1: 0.5, 2: 0.5})
    sampling = {
        "bias": Sampling(0.5, logit_bias={1: -1.0}),
        "presence": Sampling(0.5, presence_penalty=1.0),
        "frequency": Sampling(0.5, frequency_penalty=0.5),
    }[kind]
    drawn = Counter(
        draws(
            Sampler(it, sampling, {} if kind == "bias" else {1: 2 if kind == "frequency" else 5}),
            kind,
        )
    )
    wanted = DRAWS / (1 + math.exp(2))  # the odds are e^(-1 / 0.5); e^-1 if temperature came first
    assert abs(drawn[1] - wanted) < 6 * math.sqrt(wanted)


@pytest.mark.parametrize("bias", [-3, -0.5, 0.5, 1, 3])
def test_bias_multiplies_the_odds_by_its_exponential_at_temperature_1(bias):
    it = toy({1: 0.3, 2: 0.7})
    share = draws(Sampler(it, Sampling(1, logit_bias={1: bias}), {}), bias).count(1) / DRAWS
    expected = 3 / 7 * math.exp(bias)
    assert share / (1 - share) == pytest.approx(
        expected, rel=6 * math.sqrt((1 + expected) ** 2 / expected / DRAWS)
    )


@pytest.mark.parametrize(
    ("presence", "frequency", "factor"),
    [(1, 0, -1), (0, 1, -3), (0.5, 0.25, -1.25), (-1, 0, 1), (0, -0.5, 1.5), (2, 2, -8)],
)
def test_penalties_subtract_presence_once_and_frequency_each_time(presence, frequency, factor):
    it = toy({1: 0.6, 2: 0.4})
    share = (
        draws(Sampler(it, Sampling(1, 1, presence, frequency), {1: 3, 7: 2}), factor).count(1)
        / DRAWS
    )
    expected = 1.5 * math.exp(factor)
    assert share / (1 - share) == pytest.approx(
        expected, rel=6 * math.sqrt((1 + expected) ** 2 / expected / DRAWS)
    )


def test_a_token_counted_zero_times_is_not_penalised():
    it = toy({1: 0.6, 2: 0.4})
    assert_drawn_from(draws(Sampler(it, Sampling(1, 1, 2, 2), {1: 0}), 1), dense(it))


@pytest.mark.parametrize("temperature", [1e-300, 1e-9, 1e-3, 0.01])
@pytest.mark.parametrize("top_p", [1, 0.5])
def test_very_low_temperatures_are_argmax_and_nothing_overflows(distribution, temperature, top_p):
    it = distribution("start")
    sampling = Sampling(temperature, top_p, logit_bias={198: 100.0})
    assert set(draws(Sampler(it, Sampling(temperature, top_p), {}), 1, 100)) == {
        it.most_likely(1)[0][0]
    }
    assert set(draws(Sampler(it, sampling, {}), 1, 100)) == {198}


# -- text that the model makes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(0),
        Sampling(0, 1, 0, 2),
        Sampling(0, 1, 2, 0),
        Sampling(0, 0.5, 1, 1, {IM_END: -100}),
        Sampling(0, 1, -2, -2, {IM_END: -100}),
        Sampling(0, 1, 0.3, 0.2, {7_000: 3, 279: -6}),
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["languages-world", "poem-rain"])
def test_greedy_text_equals_a_dense_recomputation_step_by_step(assistant, topics, sampling, name):
    topic, context, given = topics[name], (IM_SEP,), Counter()
    for (token, reported), _ in zip(
        assistant.model.generate(topic, sampling, random.Random(1).random), range(40), strict=False
    ):
        expected, _ = sampled(dense(assistant.model.distribution(topic, context)), sampling, given)
        assert (token, reported) == (int(np.argmax(expected)), context)
        if token == IM_END:
            break
        given[token] += 1
        context = (*context, token)[-model_module.MAX_CONTEXT :]


def test_two_tokens_come_as_often_as_their_logprobs_say(assistant, topics):
    topic, uniform = topics["languages-world"], random.Random(5).random
    pairs, sums = Counter(), {}
    for _ in range(DRAWS):
        (first, before), (second, between) = (
            pair
            for pair, _ in zip(
                assistant.model.generate(topic, Sampling(1.0), uniform), range(2), strict=False
            )
        )
        pairs[first, second] += 1
        if (first, second) not in sums:
            distributions = (
                assistant.model.distribution(topic, before),
                assistant.model.distribution(topic, between),
            )
            sums[first, second] = distributions[0].logprob(first) + distributions[1].logprob(second)
    common = [(pair, times) for pair, times in pairs.most_common() if times >= 100]
    assert len(common) >= 3
    for pair, times in common:
        assert math.log(times / DRAWS) == pytest.approx(sums[pair], abs=6 / math.sqrt(times)), pair


@pytest.mark.parametrize("temperature", [0.7, 1, 1.5])
def test_first_tokens_of_many_seeds_have_the_computed_frequencies(
    ask, assistant, topics, temperature
):
    """Through the whole request: a seed gives a fair draw."""
    drawn = []
    for seed in range(1500):
        answer = ask(LANGUAGES, temperature=temperature, seed=seed, max_tokens=1, logprobs=True)
        (choice,) = answer["choices"]
        content = choice["logprobs"]["content"]  # empty where the answer ends at once
        raw = bytes(content[0]["bytes"]) if content else token_bytes(IM_END)
        drawn.append(encoding().encode_single_token(raw))
    expected, edge = sampled(
        dense(assistant.model.distribution(topics["languages-world"], (IM_SEP,))),
        Sampling(temperature),
    )
    assert_drawn_from(drawn, expected, edge)


def test_preferred_answer_of_every_topic_comes_word_for_word_at_temperature_0(assistant, topics):
    assert len(topics) == len(BY_MANNER)
    wrong = []
    for (id, manner), texts in BY_MANNER.items():
        said = []
        topic = topics[f"{id}/{manner}" if manner else id]
        for token, _ in assistant.model.generate(topic, Sampling(0), random.Random(1).random):
            if token == IM_END or len(said) > 2000:
                break
            said.append(token)
        if encoding().decode(said) != texts[0]:
            wrong.append((id, manner))
    assert not wrong


def begins_like(text: str, known, count: int) -> bool:
    return text.split()[:count] in [answer.split()[:count] for answer in known]


def test_answers_vary_at_the_usual_temperature_and_begin_like_known_ones(say):
    said = [say(LANGUAGES, temperature=0.7, seed=seed) for seed in range(20)]
    assert len(set(said)) >= 5
    assert [
        text for text in said if not begins_like(text, QUESTIONS["languages-world"].answers, 3)
    ] == []


def test_answers_are_no_known_ones_at_temperature_2(say):
    known = {answer for texts in BY_MANNER.values() for answer in texts}
    said = [say(LANGUAGES, temperature=2, seed=seed, max_tokens=40) for seed in range(20)]
    assert len(set(said)) == 20
    assert not known & set(said)
    assert sum(begins_like(text, QUESTIONS["languages-world"].answers, 6) for text in said) <= 4


def test_higher_temperatures_wander_further(ask):
    """The mean log-probability of what is said falls."""
    means = []
    for temperature in (0, 0.7, 1, 1.5, 2):
        items = []
        for seed in range(1 if temperature == 0 else 10):
            answer = ask(
                LANGUAGES, temperature=temperature, seed=seed, max_tokens=40, logprobs=True
            )
            items += [item["logprob"] for item in answer["choices"][0]["logprobs"]["content"]]
        means.append(np.mean(items))
    assert means == sorted(means, reverse=True)
    assert means[0] > -0.6 > means[-1]


# -- logit_bias, penalties, seed and n in requests ---------------------------------------------------------------------


@cache
def unseen_token(leading_blank: bool) -> int:
    """A word of the vocabulary that no answer has."""
    seen = {token for texts in BY_MANNER.values() for text in texts for token in encode(text)}
    for token in range(30_000, 100_000):
        raw = token_bytes(token)
        if (
            token not in seen
            and raw[:1].isspace() == leading_blank
            and raw.strip().isalpha()
            and raw.isascii()
        ):
            return token
    raise AssertionError


@pytest.mark.parametrize("temperature", [0, 0.7, 1, 2])
@pytest.mark.parametrize("leading_blank", [False, True])
def test_bias_of_100_forces_a_token_even_one_that_no_answer_has(say, temperature, leading_blank):
    token = unseen_token(leading_blank)
    said = say(LANGUAGES, temperature=temperature, seed=1, max_tokens=5, logit_bias={token: 100})
    assert said == token_bytes(token).decode() * 5
    assert said[0].isspace() == leading_blank


@pytest.mark.parametrize("temperature", [0, 0.7, 1, 2])
def test_bias_of_minus_100_bans_a_token(say, temperature):
    about = encode(" about")[0]
    seeds = range(1 if temperature == 0 else 12)
    free = [say(LANGUAGES, temperature=temperature, seed=seed, max_tokens=40) for seed in seeds]
    banned = [
        say(LANGUAGES, temperature=temperature, seed=seed, max_tokens=40, logit_bias={about: -100})
        for seed in seeds
    ]
    assert any(" about" in text for text in free)
    assert [text for text in banned if about in encode(text)] == []


def test_banning_the_closing_token_goes_on_until_max_tokens(ask):
    answer = ask(LANGUAGES, temperature=0, max_tokens=200, logit_bias={IM_END: -100})
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 200
    assert answer["choices"][0]["message"]["content"].startswith(
        QUESTIONS["languages-world"].answers[0]
    )


def test_penalties_count_what_was_generated_not_the_prompt(say):
    spoken = QUESTIONS["languages-world"].answers[0]
    prompts = [[("user", LANGUAGES)], [("system", spoken), ("user", LANGUAGES)]]
    prompts.append([("user", LANGUAGES), ("assistant", spoken), ("user", LANGUAGES)])
    for penalties in (
        {"presence_penalty": 2, "frequency_penalty": 2},
        {"presence_penalty": 1.5},
        {"frequency_penalty": 1},
    ):
        assert len({say(prompt, temperature=1, seed=3, **penalties) for prompt in prompts}) == 1


def test_frequency_penalty_repeats_less_and_a_negative_one_more(ask):
    def repeated(penalty: float) -> float:
        texts = [
            ask(
                "Write a chant about the sea",
                temperature=1,
                seed=seed,
                max_tokens=100,
                frequency_penalty=penalty,
            )
            for seed in range(4)
        ]
        said = [encode(answer["choices"][0]["message"]["content"]) for answer in texts]
        return sum(len(set(text)) for text in said) / sum(map(len, said))

    assert repeated(-2) < repeated(0) < repeated(2)


def test_same_seed_gives_the_same_answer(ask):
    for seed in (0, 1, -5, 123456789012):
        first, second = (ask(LANGUAGES, temperature=1.5, seed=seed)["choices"] for _ in range(2))
        assert first == second


def test_different_seeds_give_different_answers(say):
    assert (
        len({say(LANGUAGES, temperature=1.5, seed=seed, max_tokens=60) for seed in range(20)}) >= 18
    )


def test_no_seed_gives_varying_answers(say):
    assert len({say(LANGUAGES, temperature=2, max_tokens=30) for _ in range(5)}) > 1


def test_choices_with_a_seed_differ_but_can_be_had_again(ask):
    first, second = (ask(LANGUAGES, temperature=1.5, seed=4, n=5)["choices"] for _ in range(2))
    assert first == second
    assert [choice["index"] for choice in first] == [0, 1, 2, 3, 4]
    assert len({choice["message"]["content"] for choice in first}) == 5


def test_usage_counts_all_choices(ask):
    answer = ask(LANGUAGES, temperature=1, seed=4, n=4, logprobs=True, max_tokens=50)
    counts = [
        len(c["logprobs"]["content"]) + (c["finish_reason"] == "stop") for c in answer["choices"]
    ]
    assert {c["finish_reason"] for c in answer["choices"]} == {"stop", "length"}
    prompt = count_prompt([("user", LANGUAGES)])
    assert answer["usage"] == {
        "prompt_tokens": prompt,
        "completion_tokens": sum(counts),
        "total_tokens": prompt + sum(counts),
    }


def test_streamed_choices_equal_whole_ones(ask, stream):
    parameters = {"temperature": 1.2, "seed": 8, "n": 3}
    whole = ask(LANGUAGES, **parameters)
    events = stream(LANGUAGES, **parameters, stream_options={"include_usage": True})
    for choice in whole["choices"]:
        pieces = [c for event in events for c in event["choices"] if c["index"] == choice["index"]]
        assert (
            "".join(piece["delta"]["content"] for piece in pieces) == choice["message"]["content"]
        )
        assert pieces[-1]["finish_reason"] == choice["finish_reason"]
    assert events[-1]["usage"] == whole["usage"]


# -- log-probabilities in answers --------------------------------------------------------------------------------------

PLAIN = {"temperature": 1}


@pytest.mark.parametrize(
    "parameters",
    [
        PLAIN,
        {"temperature": 0},
        {"temperature": 2, "max_tokens": 12},
        {"temperature": 0.7, "top_p": 0.2},
        {
            "temperature": 1,
            "logit_bias": {"15823": 6, "922": -100},
            "max_tokens": 20,
        },  # " languages", " about"
        {"temperature": 1, "presence_penalty": 2, "frequency_penalty": 2},
    ],
    ids=str,
)
def test_logprobs_are_the_models_own_whatever_the_sampling(ask, topics, text, parameters):
    topic = topics["languages-world"]
    (choice,) = ask(LANGUAGES, seed=11, logprobs=True, top_logprobs=5, **parameters)["choices"]
    context = (IM_SEP,)
    for item in choice["logprobs"]["content"][:12]:
        token = encoding().encode_single_token(bytes(item["bytes"]))
        logprobs = np.log(text.probabilities(topic, context))
        assert item["logprob"] == pytest.approx(logprobs[token], abs=1e-9)
        order = np.argsort(-logprobs, kind="stable")[:5]
        assert [bytes(top["bytes"]) for top in item["top_logprobs"]] == [
            token_bytes(int(token)) for token in order
        ]
        assert [top["logprob"] for top in item["top_logprobs"]] == pytest.approx(
            logprobs[order].tolist(), abs=1e-9
        )
        context = (*context, token)[-model_module.MAX_CONTEXT :]


@pytest.mark.parametrize("count", [0, 1, 7, 20])
def test_top_logprobs_are_sorted_and_as_many_as_asked_for(ask, count):
    (choice,) = ask(LANGUAGES, temperature=0, logprobs=True, top_logprobs=count)["choices"]
    for item in choice["logprobs"]["content"]:
        top = [entry["logprob"] for entry in item["top_logprobs"]]
        assert len(top) == count and top == sorted(top, reverse=True)
        assert sum(map(math.exp, top)) <= 1 + 1e-9
        if count:  # at temperature 0 the token itself is the most likely
            assert item["top_logprobs"][0] == {
                key: item[key] for key in ("token", "logprob", "bytes")
            }


@pytest.mark.parametrize("count", [-1, 21])
def test_top_logprobs_beyond_0_to_20_are_refused(ask, count):
    with pytest.raises(HTTPError) as refusal:
        ask(LANGUAGES, logprobs=True, top_logprobs=count)
    assert refusal.value.status == 400


def test_no_logprobs_unless_asked_for(ask):
    assert ask(LANGUAGES, temperature=0)["choices"][0]["logprobs"] is None
    (choice,) = ask(LANGUAGES, temperature=0, logprobs=True)["choices"]
    assert all(item["top_logprobs"] == [] for item in choice["logprobs"]["content"])


@pytest.mark.parametrize(
    "question", [LANGUAGES, "How do you say good morning in Japanese?", "thank you greek"]
)
@pytest.mark.parametrize("temperature", [0, 1, 2])
def test_bytes_of_the_tokens_joined_equal_the_text(ask, question, temperature):
    for seed in range(5):
        (choice,) = ask(
            question,
            temperature=temperature,
            seed=seed,
            max_tokens=80,
            logprobs=True,
            top_logprobs=2,
        )["choices"]
        items = choice["logprobs"]["content"]
        assert (
            b"".join(bytes(item["bytes"]) for item in items).decode("utf-8", "replace")
            == choice["message"]["content"]
        )
        for entry in [entry for item in items for entry in (item, *item["top_logprobs"])]:
            assert entry["token"] == bytes(entry["bytes"]).decode("utf-8", "replace")


def test_streamed_logprobs_equal_whole_ones(ask, stream):
    parameters = {
        "temperature": 1,
        "seed": 2,
        "logprobs": True,
        "top_logprobs": 3,
        "stop": [" exact number"],
    }
    whole = ask(LANGUAGES, **parameters)["choices"][0]["logprobs"]["content"]
    pieces = [
        choice["logprobs"]
        for event in stream(LANGUAGES, **parameters)
        for choice in event["choices"]
    ]
    assert [item for piece in pieces if piece for item in piece["content"]] == whole


# -- stop, max_tokens, finish reasons ----------------------------------------------------------------------------------

PREFERRED = QUESTIONS["languages-world"].answers[0]


def cut(text: str, *stops: str) -> str:
    """The text before the first of the stop sequences."""
    return text[: min((text.index(stop) for stop in stops if stop in text), default=len(text))]


@pytest.mark.parametrize(
    "stop",
    [
        "000 languages in the w",  # begins and ends inside tokens
        ["ct numb"],
        [" is hard", "world today"],
        ["zzz", "not there", "down"],
        "There",
        "T",
        PREFERRED[:40],
        PREFERRED[-1],
        PREFERRED[-30:],
        ["ages of", "ages in"],
        ["ages", "ang"],  # both in one token
        ["ang", "ages"],
        ["dialect is not blunt", "dialect is not s"],
        "dozen languages. And",  # begins as the text ends
        "zzz",
        [],
        "",
        [""],
    ],
    ids=str,
)
def test_stop_sequences_end_the_text_before_them(ask, stream, stop):
    expected = cut(
        PREFERRED, *[stop for stop in ([stop] if isinstance(stop, str) else stop) if stop]
    )
    answer = ask(LANGUAGES, temperature=0, stop=stop)
    assert answer["choices"][0]["message"]["content"] == expected
    assert answer["choices"][0]["finish_reason"] == "stop"
    events = stream(LANGUAGES, temperature=0, stop=stop, stream_options={"include_usage": True})
    assert streamed(events) == (expected, "stop")
    assert events[-1]["usage"] == answer["usage"]


def test_any_part_of_any_answer_can_be_a_stop_sequence(ask, say, stream):
    chance = random.Random(6)
    for seed in range(25):
        parameters = {"temperature": 1.5, "seed": seed, "max_tokens": 120}
        free = say(LANGUAGES, **parameters)
        start = chance.randrange(len(free) - 1)
        stop = free[start : start + chance.randrange(1, 20)]
        answer = ask(LANGUAGES, **parameters, stop=stop)["choices"][0]
        assert (answer["message"]["content"], answer["finish_reason"]) == (cut(free, stop), "stop")
        assert streamed(stream(LANGUAGES, **parameters, stop=stop)) == (cut(free, stop), "stop")


def test_generation_ends_with_the_token_that_completes_the_stop_sequence(ask):
    stop = "7,000 lang"
    ids = encode(PREFERRED)
    needed = next(count for count in range(len(ids)) if stop in encoding().decode(ids[:count]))
    assert ask(LANGUAGES, temperature=0, stop=stop)["usage"]["completion_tokens"] == needed
    answer = ask(LANGUAGES, temperature=0, stop=stop, max_tokens=needed)
    assert answer["choices"][0]["finish_reason"] == "stop"
    answer = ask(
        LANGUAGES, temperature=0, stop=stop, max_tokens=needed - 1
    )  # half of it is there: kept
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["choices"][0]["message"]["content"] == encoding().decode(ids[: needed - 1])


@pytest.mark.parametrize("limit", [1, 2, 7, 40])
def test_max_tokens_gives_exactly_that_many_tokens(ask, stream, limit):
    expected = encoding().decode(encode(PREFERRED)[:limit])
    answer = ask(LANGUAGES, temperature=0, max_tokens=limit, logprobs=True)
    (choice,) = answer["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == (expected, "length")
    assert len(choice["logprobs"]["content"]) == answer["usage"]["completion_tokens"] == limit
    assert streamed(stream(LANGUAGES, temperature=0, max_tokens=limit)) == (expected, "length")


def test_completion_tokens_count_the_closing_token(ask):
    length = len(encode(PREFERRED))
    full = ask(LANGUAGES, temperature=0)
    assert (full["usage"]["completion_tokens"], full["choices"][0]["finish_reason"]) == (
        length + 1,
        "stop",
    )
    exact = ask(LANGUAGES, temperature=0, max_tokens=length + 1)
    assert (exact["usage"]["completion_tokens"], exact["choices"][0]["finish_reason"]) == (
        length + 1,
        "stop",
    )
    short = ask(
        LANGUAGES, temperature=0, max_tokens=length
    )  # all the text, but the model has not closed its turn
    assert (short["usage"]["completion_tokens"], short["choices"][0]["finish_reason"]) == (
        length,
        "length",
    )
    assert short["choices"][0]["message"]["content"] == PREFERRED


@pytest.mark.parametrize(
    ("server", "v1", "limit"),
    [(INFERENCE, False, None), (INFERENCE, True, None), (SERVE, False, 256), (SERVE, True, None)],
)
def test_max_tokens_defaults_to_what_the_context_holds_unless_the_server_sends_256(
    assistant, server, v1, limit
):
    long = [
        ("system", "word " * 15_000),
        ("user", LANGUAGES),
    ]  # leaves little room, so that filling it is quick
    body = request_body(long, temperature=0, logit_bias={str(IM_END): -100, "198": 100})
    usage = assistant.answer(call_of(body, server, v1)).body()["usage"]
    room = tokens.CONTEXT_LENGTH - usage["prompt_tokens"]
    assert usage["completion_tokens"] == (limit or room)


SPLIT = {  # question -> its answer at temperature 0, which has characters that are several tokens
    QUESTIONS["thank-you-greek"].ask[0]: QUESTIONS["thank-you-greek"].answers[0],
    "Repeat: 鹿鳴館の鯨は躍る 👩‍🚀!": "鹿鳴館の鯨は躍る 👩‍🚀!",
}


def is_partial(token: int) -> bool:
    return "\ufffd" in token_bytes(token).decode("utf-8", "replace")


@pytest.mark.parametrize("question", SPLIT)
@pytest.mark.parametrize("temperature", [0, 0.7])
@pytest.mark.parametrize(
    "extras", [{}, {"logprobs": True}, {"stop": ["zzz", "πzz", "鳴zz"]}], ids=str
)
def test_characters_split_over_tokens_arrive_whole(ask, stream, question, temperature, extras):
    assert any(map(is_partial, encode(SPLIT[question])))
    parameters = {"temperature": temperature, "seed": 1, **extras}
    said = ask(question, **parameters)["choices"][0]["message"]["content"]
    assert said == SPLIT[question] or temperature
    assert not said.isascii() and "\ufffd" not in said
    pieces = [
        choice["delta"]["content"]
        for event in stream(question, **parameters)
        for choice in event["choices"]
    ]
    assert "".join(pieces) == said and not any("\ufffd" in piece for piece in pieces)


@pytest.mark.parametrize(("question", "answer"), SPLIT.items())
def test_a_stop_sequence_can_be_a_character_split_over_tokens(ask, stream, question, answer):
    stop = next(letter for letter in answer if any(map(is_partial, encode(letter))))
    assert ask(question, temperature=0, stop=stop)["choices"][0]["message"]["content"] == cut(
        answer, stop
    )
    assert streamed(stream(question, temperature=0, stop=stop)) == (cut(answer, stop), "stop")


@pytest.mark.parametrize(("question", "answer"), SPLIT.items())
def test_a_character_cut_in_two_by_max_tokens_shows_as_a_replacement(ask, stream, question, answer):
    ids = encode(answer)
    limit = next(place for place, token in enumerate(ids) if is_partial(token)) + 1
    said = ask(question, temperature=0, max_tokens=limit)["choices"][0]["message"]["content"]
    assert said == encoding().decode(ids[:limit]) and said.endswith("\ufffd")
    assert streamed(stream(question, temperature=0, max_tokens=limit)) == (said, "length")


def test_json_mode_gives_nothing_but_newlines_until_max_tokens(ask, stream):
    for temperature in (0, 0.7, 2):
        parameters = {
            "temperature": temperature,
            "max_tokens": 30,
            "response_format": {"type": "json_object"},
        }
        answer = ask("Describe Paris as JSON.", **parameters)
        (choice,) = answer["choices"]
        assert (choice["message"]["content"], choice["finish_reason"]) == ("\n" * 30, "length")
        assert answer["usage"]["completion_tokens"] == 30
        assert streamed(stream("Describe Paris as JSON.", **parameters)) == ("\n" * 30, "length")


def test_response_format_text_changes_nothing(say):
    assert say(LANGUAGES, response_format={"type": "text"}) == PREFERRED


# -- tokens ------------------------------------------------------------------------------------------------------------


def test_the_articles_prompt_counts_25_tokens(ask):
    messages = [("system", "You are a helpful assistant."), ("user", LANGUAGES)]
    assert count_prompt(messages) == 25
    assert ask(messages, temperature=0)["usage"]["prompt_tokens"] == 25
    special = encoding().encode(tokens.prompt_text(messages), allowed_special="all")
    assert len(special) == 25  # counted in the template itself


def test_vocabulary_is_the_published_one():
    content = tokens.VOCABULARY.read_bytes()
    assert (
        hashlib.sha256(content).hexdigest()
        == "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7"
    )
    assert len(content.splitlines()) == 100_256


@pytest.mark.parametrize(
    "damage",
    [lambda content: content[:-1], lambda content: b"", lambda content: b"x" + content[1:]],
)
def test_damaged_vocabulary_gives_a_clear_error(monkeypatch, tmp_path, damage):
    damaged = tmp_path / "cl100k_base.tiktoken"
    damaged.write_bytes(damage(tokens.VOCABULARY.read_bytes()))
    monkeypatch.setattr(tokens, "VOCABULARY", damaged)
    with pytest.raises(
        ValueError, match=r"cl100k_base\.tiktoken is damaged.*SHA-256.*git checkout"
    ):
        tokens.encoding.__wrapped__()


def test_special_tokens_written_in_a_message_are_ordinary_text():
    assert IM_END not in encode("<|im_end|>")
    assert encoding().decode(encode("<|im_end|>")) == "<|im_end|>"


# -- recognition -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "asked",
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
def test_a_question_is_recognised_however_it_is_written(say, asked):
    assert say(asked) == PREFERRED


@pytest.mark.parametrize(
    ("asked", "id"),
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
def test_other_questions_are_recognised_however_they_are_written(assistant, asked, id):
    assert topic_asked(assistant, asked) == id


@pytest.mark.parametrize(
    "asked",
    [
        "What did the mayor of Reykjavik have for breakfast in 1987?",
        "Which sauce goes best with grilled halloumi?",
        "asdf qwer zxcv",
        "Who won the chess championship of Uruguay?",
        "¿?",
        "🙂",
        "",
    ],
)
def test_an_unknown_question_gets_an_honest_answer(say, asked):
    said = say(asked)
    assert said == QUESTIONS["unknown"].answers[0]
    assert "simulat" in said and "AZURE_INFERENCE_ENDPOINT" in said and "don't know" in said


def test_every_known_form_is_recognised_as_its_question(assistant):
    wrong = [
        (question.id, form, found)
        for question in QUESTIONS.values()
        for form in question.ask
        if (found := topic_asked(assistant, form)) != question.id
    ]
    assert not wrong, "\n".join(map(str, wrong))


def test_every_follow_up_is_understood_after_any_question_of_its_family(assistant):
    wrong = [
        (before.id, question.id, form, found)
        for question in QUESTIONS.values()
        for form in question.follow
        for before in QUESTIONS.values()
        if before.family == question.family
        and (found := topic_asked(assistant, before.ask[0], ("assistant", before.answers[0]), form))
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
        (
            "What is the capital of Japan?",
            "What about India?",
            "capital-india",
        ),  # the same words, another question before
    ],
)
def test_a_follow_up_refers_to_the_question_before_it(say, before, follow, expected):
    conversation = [("user", before), ("assistant", say(before)), ("user", follow)]
    assert say(conversation) == QUESTIONS[expected].answers[0]


def test_follow_ups_can_follow_one_another(assistant):
    assert (
        topic_asked(assistant, LANGUAGES, "And in France?", "And in India?", "And in Europe?")
        == "languages-europe"
    )


def test_a_follow_up_without_a_question_before_it_is_unknown(assistant):
    assert topic_asked(assistant, "And in France?") == "unknown"


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
    assert say([("system", system), ("user", LANGUAGES)]) == BY_MANNER["languages-world", manner][0]


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
    assert say(conversation) == BY_MANNER["languages-world", manner][0]


def test_a_manner_stays_until_another_is_asked_for(assistant):
    system = ("system", "You talk like a pirate.")
    assert topic_asked(assistant, system, LANGUAGES, "And in France?") == "languages-france/pirate"
    assert topic_asked(assistant, system, LANGUAGES, "Shorter, please.") == "languages-world/short"


def test_a_question_can_name_its_manner(assistant):
    assert (
        topic_asked(assistant, "How many languages are in the world? Answer in one sentence.")
        == "languages-world/short"
    )


def test_every_phrase_for_a_manner_is_understood_in_a_system_message(assistant):
    wanted = {
        phrase: f"languages-world/{manner}"
        for manner, phrases in load_manners().items()
        for phrase in phrases
    }
    assert {
        phrase: topic_asked(assistant, ("system", f"Answer {phrase}."), LANGUAGES)
        for phrase in wanted
    } == wanted


# -- answers that are worked out ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "answer"),
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
def test_small_arithmetic(say, asked, answer):
    assert say(asked) == answer


@pytest.mark.parametrize(
    "asked", ["7 divided by 0", "What is 7 / 0?", "7:0", "seven divided by zero", "7 / 0.0"]
)
def test_division_by_zero_has_no_answer(say, asked):
    assert say(asked) == "7 divided by 0 has no answer: division by zero is not defined."


@pytest.mark.parametrize(
    "asked", ["2 + 2 + 2", "12 monkeys + 3 cats", "0 ** 0", "5000 ** 30", "1234567890123456 * 2"]
)
def test_other_sums_are_not_pretended(say, asked):
    assert say(asked) == QUESTIONS["unknown"].answers[0]


def test_arithmetic_is_spoken_by_the_model_like_any_answer(ask):
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
    "asked", ["What is my name?", "Do you remember my name?", "what's my name"]
)
def test_the_name_told_earlier_is_remembered(say, asked):
    told = [
        ("user", "Hello, my name is Ada."),
        ("assistant", "Hello."),
        ("user", LANGUAGES),
        ("assistant", PREFERRED),
    ]
    assert say([*told, ("user", asked)]) == "Your name is Ada."
    assert "Ada" not in say(asked)  # nothing is remembered from one request to another
    assert "not told me your name" in say(asked)


def test_the_last_name_told_counts(say):
    assert (
        say([("user", "My name is Ada."), ("user", "Call me Zoë"), ("user", "What is my name?")])
        == "Your name is Zoë."
    )


# -- the data files ----------------------------------------------------------------------------------------------------


def test_there_are_enough_questions_with_enough_answers():
    assert sum(len(question.answers) >= 3 for question in QUESTIONS.values()) >= 80


def test_question_ids_are_unique():
    assert [
        id
        for id, count in Counter(question.id for question in load_questions()).items()
        if count > 1
    ] == []


def test_no_text_of_the_data_files_is_empty_or_has_loose_blanks():
    texts = [
        text
        for q in QUESTIONS.values()
        for group in (q.ask, q.follow, q.answers, *q.styles.values())
        for text in group
    ]
    assert [text for text in texts if not text or text != text.strip()] == []
    assert [key for key, answers in BY_MANNER.items() if not answers] == []


def test_answers_of_a_question_differ():
    assert [key for key, answers in BY_MANNER.items() if len(set(answers)) < len(answers)] == []


def test_no_form_asks_two_questions():
    forms = Counter(
        (form.casefold(), id) for id, question in QUESTIONS.items() for form in question.ask
    )
    asked = Counter(form for form, _ in forms)
    assert [form for form, count in asked.items() if count > 1] == []


def test_every_question_but_the_unknown_one_can_be_asked_and_every_manner_exists():
    assert [id for id, question in QUESTIONS.items() if not question.ask] == ["unknown"]
    assert {manner for question in QUESTIONS.values() for manner in question.styles} <= set(
        load_manners()
    )


def test_every_answer_comes_back_from_its_tokens():
    broken = [
        key
        for key, answers in BY_MANNER.items()
        for answer in answers
        if encoding().decode(encode(answer)) != answer
    ]
    assert not broken


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


def test_wide_samplers_are_not_kept(assistant):
    kept = assistant.model._sampler.cache_info().currsize
    tokens = assistant.model.generate(
        assistant._conversation.topics[0], Sampling(2.0, 0.95), random.Random(1).random
    )
    assert len([token for token, _ in zip(tokens, range(5), strict=False)]) == 5
    assert assistant.model._sampler.cache_info().currsize == kept
