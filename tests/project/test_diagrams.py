"""The diagrams of the lessons: what the program writes is what is saved, and what it says of it."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from tools.diagrams import DIAGRAMS, IMAGES, WIDTH

SVG = "{http://www.w3.org/2000/svg}"
SMALLEST_TEXT = 18  # pixels at full width


@pytest.fixture(params=DIAGRAMS)
def name(request) -> str:
    return request.param


def test_the_saved_diagrams_are_what_the_program_draws(name):
    assert (IMAGES / name).read_text(encoding="utf-8") == DIAGRAMS[name]()


def test_there_is_no_other_diagram():
    assert {path.name for path in IMAGES.iterdir()} == {*DIAGRAMS}


def test_a_screen_reader_finds_a_title_and_a_description(name):
    root = ElementTree.fromstring(DIAGRAMS[name]())
    ids = root.get("aria-labelledby").split()
    assert [root.find(f"{SVG}{tag}").get("id") for tag in ("title", "desc")] == ids
    assert all(len(root.find(f"{SVG}{tag}").text) > 15 for tag in ("title", "desc"))


def test_diagrams_load_nothing_and_their_text_is_large(name):
    source = DIAGRAMS[name]()
    assert not re.search(r"href|@import|url\(|<script|font-family", source)
    sizes = [int(size) for size in re.findall(r"font(?:-size)?:(\d+)px", source)]
    assert min(sizes) >= SMALLEST_TEXT
    assert ElementTree.fromstring(source).get("width") == str(WIDTH)


def test_each_kind_of_shape_has_a_colour_for_dark_pages_too(name):
    light, dark = DIAGRAMS[name]().split("@media (prefers-color-scheme:dark)")
    style, shapes = dark.split("</style>")
    used = {word for names in re.findall(r'class="([\w ]+)"', shapes) for word in names.split()}
    without_colour = {"big", "bold", "code"}  # text, whose colour is that of all text
    assert [word for word in used - without_colour if f".{word}" not in style] == []
    assert [word for word in used if f".{word}" not in light] == []
