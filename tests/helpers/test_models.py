"""Test that the data about the Phi-4 family is complete, has sources, and agrees with the kit."""

from __future__ import annotations

import re
import tomllib

import pytest

from helpers.models import DATA, Fact, phi4_family, phi4_shape
from simulated_azure.inference.endpoint import INFO
from simulated_azure.inference.tokens import CONTEXT_LENGTH

FIELDS = [
    "parameters",
    "context",
    "max_output",
    "vocabulary",
    "reads",
    "tool_calling",
    "licence",
    "released",
]


@pytest.fixture(params=phi4_family())
def facts(request) -> dict[str, Fact]:
    return phi4_family()[request.param]


def test_every_model_has_the_same_fields(facts):
    assert list(facts) == FIELDS


def test_every_fact_has_a_source_with_a_date(facts):
    assert all(re.search(r"20\d\d-\d\d", fact.source) for fact in facts.values())


def test_every_source_is_used():
    sources = tomllib.loads(DATA.read_text(encoding="utf-8"))["sources"]
    used = {fact.source for facts in phi4_family().values() for fact in facts.values()}
    assert used == set(sources.values())


def test_a_fact_without_a_value_says_why(facts):
    assert [field for field, fact in facts.items() if fact.value is None and not fact.unsure] == []


def test_values_have_plausible_sizes(facts):
    assert 3 < facts["parameters"].value < 15
    assert 16_384 <= facts["context"].value <= 131_072
    assert facts["max_output"].value is None or facts["max_output"].value <= facts["context"].value
    assert facts["vocabulary"].value in (100_352, 200_064)
    assert re.fullmatch(r"202[45]-\d\d", facts["released"].value)


def test_the_simulated_model_enforces_the_context_that_the_data_has():
    assert phi4_family()[INFO["model_name"]]["context"].value == CONTEXT_LENGTH


def test_the_shape_gives_the_known_cache_size_per_token():
    shape = phi4_shape()
    assert shape["heads"] * shape["head_dimension"] == shape["hidden"]
    assert 2 * shape["layers"] * shape["key_value_heads"] * shape["head_dimension"] * 2 == 204_800


@pytest.mark.parametrize(
    ("fact", "text"),
    [
        (Fact(16_384, "s"), "16,384"),
        (Fact(3.8, "s"), "3.8"),
        (Fact(True, "s"), "yes"),
        (Fact(False, "s", "the card says yes"), "no ?"),
        (Fact("MIT", "s"), "MIT"),
        (Fact(None, "s", "not listed"), "-"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_fact_as_text(fact, text):
    assert str(fact) == text
