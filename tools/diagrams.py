"""Write the diagrams of the lessons to notebooks/images.

    python -m uv run python -m tools.diagrams

Each diagram lies on a card of its own, because a page and its pictures may disagree about dark
mode. Text and card take their colours from the same rules, so the text is always readable. Shapes
differ in lightness, outline and label, never in colour alone. Fonts are the generic families.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from math import log
from pathlib import Path

from helpers.cost import core_hours
from helpers.sampling import softmax
from helpers.tokens import count_prompt, encode_prompt, encoding, prompt_text

IMAGES = Path(__file__).parent.parent / "notebooks" / "images"
WIDTH = 960  # of all diagrams, in units of the picture
STYLE = """
.card{fill:#f6f8fb;stroke:#8a94a3}
.plain{fill:#ffffff;stroke:#3d4757;stroke-width:2}
.soft{fill:#d5e3f5;stroke:#1d4f91;stroke-width:2}
.warm{fill:#f0c987;stroke:#8a4b00;stroke-width:2}
.open{fill:none;stroke:#3d4757;stroke-width:2;stroke-dasharray:7 5}
.strong{fill:#1d4f91;stroke:#1d4f91;stroke-width:2}
.line{fill:none;stroke:#3d4757;stroke-width:3}
.thin{fill:none;stroke:#8a94a3;stroke-width:1.5}
.first{fill:none;stroke:#1d4f91;stroke-width:5}
.second{fill:none;stroke:#8a4b00;stroke-width:5;stroke-dasharray:14 7}
.head{fill:#3d4757}
text{font:20px sans-serif;fill:#151b24}
.big{font-size:24px;font-weight:bold}
.bold{font-weight:bold}
.small{font-size:18px;fill:#414b5a}
.code{font:18px monospace;white-space:pre}
@media (prefers-color-scheme:dark){
.card{fill:#1b212b;stroke:#7c8798}
.plain{fill:#29313e;stroke:#c3ccd9}
.soft{fill:#1f3a5f;stroke:#8fbdf5}
.warm{fill:#7a5516;stroke:#f2b560}
.open,.line{stroke:#c3ccd9}
.strong{fill:#8fbdf5;stroke:#8fbdf5}
.thin{stroke:#7c8798}
.first{stroke:#8fbdf5}
.second{stroke:#f2b560}
.head{fill:#c3ccd9}
text{fill:#f0f3f8}
.small{fill:#d8dfe9}
}"""

# Shapes. Positions and sizes are in units of the picture; y grows downwards.


def text(x: float, y: float, content: str, style: str = "", anchor: str = "start") -> str:
    """Return a line of text. Its anchor (start, middle or end) lies at x, its base line at y."""
    attributes = f' class="{style}"' if style else ""
    if anchor != "start":
        attributes += f' text-anchor="{anchor}"'
    return f'<text x="{x:g}" y="{y:g}"{attributes}>{escape(content, quote=False)}</text>'


def box(
    x: float, y: float, width: float, height: float, style: str = "plain", round_by: float = 7
) -> str:
    """Return a rectangle. (x, y) is its upper left corner; round_by is the radius of all four."""
    size = f'width="{width:g}" height="{height:g}"'
    return f'<rect x="{x:g}" y="{y:g}" {size} rx="{round_by:g}" class="{style}"/>'


def path(points: Sequence[tuple[float, float]], style: str = "line") -> str:
    """Return straight lines through the points."""
    places = " ".join(f"{x:g},{y:g}" for x, y in points)
    return f'<polyline points="{places}" class="{style}"/>'


def arrow(*points: tuple[float, float]) -> str:
    """Return lines through the points, with a head at the last one.

    The last line has to be horizontal or vertical.
    """
    (x0, y0), (x, y) = points[-2:]
    along = ((x > x0) - (x < x0), (y > y0) - (y < y0))
    back = (x - 14 * along[0], y - 14 * along[1])
    side = (7 * along[1], 7 * along[0])
    corners = [
        (x, y),
        (back[0] + side[0], back[1] + side[1]),
        (back[0] - side[0], back[1] - side[1]),
    ]
    head = " ".join(f"{a:g},{b:g}" for a, b in corners)
    return path([*points[:-1], back]) + f'<polygon points="{head}" class="head"/>'


def picture(height: float, title: str, description: str, shapes: Sequence[str]) -> str:
    """Return an SVG file. Screen readers read the title and the description."""
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" '
            f'width="{WIDTH}" height="{height:g}" role="img" aria-labelledby="title description">',
            f'<title id="title">{escape(title, quote=False)}</title>',
            f'<desc id="description">{escape(description, quote=False)}</desc>',
            f"<style>{STYLE}\n</style>",
            f'<rect x="1" y="1" width="{WIDTH - 2}" height="{height - 2:g}" rx="12" class="card"/>',
            *shapes,
            "</svg>\n",
        ]
    )


# Diagrams


def round_trip() -> str:
    """Return the way of a request from the program to the model, and of the reply back."""
    shapes = []
    for x, name, work in [
        (16, "program", ("your", "cells")),
        (138, "client", ("writes", "HTTP,", "reads", "HTTP")),
        (720, "endpoint", ("checks", "key and", "body")),
        (842, "model", ("writes", "the", "answer")),
    ]:
        shapes += [box(x, 64, 102, 436, "soft"), text(x + 51, 102, name, "bold", "middle")]
        for number, word in enumerate(work):
            shapes.append(text(x + 51, 262 + 26 * number, word, "small", "middle"))
    shapes += [
        text(128, 42, "your computer", "big", "middle"),
        text(832, 42, "server", "big", "middle"),
        text(480, 42, "the network", "big", "middle"),
    ]
    for y, to_right in ((190, True), (420, False)):
        for left, right in ((118, 138), (240, 278), (682, 720), (822, 842)):
            shapes.append(
                arrow((left, y), (right, y)) if to_right else arrow((right, y), (left, y))
            )
    request = [
        ("method, path", ["POST /chat/completions"]),
        ("headers", ["api-key: ...", "content-type:", "  application/json"]),
        ("body", ['{"messages": [...],', ' "temperature": 0}']),
    ]
    reply = [
        ("status", ["200 OK"]),
        ("headers", ["content-type:", "  application/json"]),
        ("body", ['{"choices": [...],', ' "usage": {...}}']),
    ]
    shapes += sheet(64, "request", request, "plain") + sheet(310, "reply", reply, "warm")
    return picture(
        516,
        "The round trip of a request",
        "Your program calls the client. The client sends a request over the network: a line with "
        "the method POST and a path, headers with the key, and a body with the messages as JSON. "
        "The endpoint checks it and asks the model, which writes the answer. The reply comes back "
        "the same way: a status such as 200 OK, headers, and a body with choices and usage.",
        shapes,
    )


def sheet(y: float, name: str, parts: list[tuple[str, list[str]]], style: str) -> list[str]:
    """Return the shapes of a message on the network: its name, and each part with its lines."""
    lines = sum(len(content) for _, content in parts)
    shapes = [box(278, y, 404, 42 + 24 * lines + 8 * len(parts), style)]
    shapes.append(text(294, y + 28, name, "bold"))
    y += 38
    for label, content in parts:
        shapes.append(path([(278, y), (682, y)], "thin"))
        shapes.append(text(294, y + 22, label, "small"))
        for line in content:
            shapes.append(text(424, y + 22, line, "code"))
            y += 24
        y += 8
    return shapes


def history() -> str:
    """Return three requests of one conversation: each sends all that was said before."""
    talk = [
        ("user", "The capital of France?"),
        ("assistant", "Paris."),
        ("user", "And of Italy?"),
        ("assistant", "Rome."),
        ("user", "Which is larger?"),
        ("assistant", "Rome is larger."),
    ]
    shapes = []
    for number, count in enumerate((1, 3, 5)):
        x = 24 + 310 * number
        messages = [{"role": role, "content": content} for role, content in talk[:count]]
        shapes.append(text(x, 44, f"Request {number + 1}", "big"))
        for place, (role, content) in enumerate(talk[: count + 1]):
            style = "open" if place == count else "plain" if role == "user" else "warm"
            y = 66 + 78 * place
            shapes.append(box(x, y, 272, 66, style))
            label = "reply (assistant)" if place == count else role
            shapes += [text(x + 14, y + 26, label, "small"), text(x + 14, y + 53, content)]
        if count < 5:
            shapes.append(arrow((x + 272, y + 33), (x + 310, y + 33)))
        noun = "message" if count == 1 else "messages"
        shapes.append(text(x, y + 100, f"sends {count} {noun},", "bold"))
        shapes.append(text(x, y + 126, f"{count_prompt(messages)} tokens", "bold"))
    return picture(
        610,
        "The growing history of a conversation",
        "Three requests side by side. The first sends one message. The second sends that message, "
        "the reply to it and a new message. The third sends all of these, the second reply and a "
        "third message. Each reply is appended to the list, so each request has more tokens.",
        shapes,
    )


def chat_template() -> str:
    """Return how two messages become one text, and the text becomes tokens."""
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello!"},
    ]
    first, second = (str(message).replace("'", '"') for message in messages)
    lines = prompt_text(messages).replace("<|im_end|>", "<|im_end|>\n").split("\n")
    count = count_prompt(messages)
    shapes = []
    for y, heading, content in (
        (42, "1. Messages", [f"[{first},", f" {second}]"]),
        (180, "2. One text (the chat template)", lines),
    ):
        height = 20 + 30 * len(content)
        shapes += [text(24, y, heading, "big"), box(24, y + 16, 908, height)]
        for number, line in enumerate(content):
            shapes.append(text(40, y + 46 + 30 * number, line, "code"))
        shapes.append(arrow((480, y + height + 20), (480, y + height + 54)))
    shapes.append(text(24, 348, f"3. {count} tokens", "big"))
    x, y = 24, 364
    for token in encode_prompt(prompt_text(messages)):
        piece = encoding().decode([token])
        if piece == "<|im_start|>" and x > 24:
            x, y = 24, y + 74
        style = "soft" if piece.startswith("<|") else "warm" if piece in ROLES else "plain"
        width = 11 * max(len(piece), len(str(token))) + 24
        middle = x + width / 2
        shapes += [
            box(x, y, width, 62, style),
            text(middle, y + 26, piece.replace(" ", "\u2423"), "code", "middle"),
            text(middle, y + 51, str(token), "small", "middle"),
        ]
        x += width + 8
    shapes.append(text(x + 14, y + 38, "The model goes on from here."))
    for number, (style, label) in enumerate(
        [("soft", "special token"), ("warm", "role"), ("plain", "content; \u2423 is a space")]
    ):
        left = 24 + 240 * number
        shapes += [box(left, 596, 34, 26, style), text(left + 46, 616, label)]
    return picture(
        642,
        "From messages to tokens",
        "Two messages, a system message and a user message, become one text: the chat template "
        "puts special tokens and the role around the content of each, and opens the turn of the "
        f"assistant. The text is then cut into {count} tokens, each a number.",
        shapes,
    )


ROLES = ("system", "user", "assistant")


def peaked_and_flat() -> str:
    """Return one distribution of eight tokens at two temperatures."""
    others = ("Red", "Green", "Yellow", "Brown", "Purple", "Orange", "Tur")
    logprobs = {"Blue": log(0.3)} | {name: log(0.1) for name in others}
    shapes = []
    for left, temperature, shape in ((70, 0.3, "peaked"), (540, 1.0, "flat")):
        shapes.append(text(left, 40, f"temperature {temperature:g}: {shape}", "big"))
        for percent in (0, 50, 100):
            y = 390 - 3 * percent
            shapes.append(path([(left, y), (left + 392, y)], "thin"))
            shapes.append(text(left - 8, y + 6, f"{percent}", "small", "end"))
        for number, (name, share) in enumerate(softmax(logprobs, temperature).items()):
            x, height = left + 8 + 48 * number, round(300 * share)
            middle = x + 19
            style = "strong" if name == "Blue" else "soft"
            shapes.append(box(x, 390 - height, 38, height, style, 0))
            shapes.append(text(middle, 382 - height, f"{share:.0%}".rstrip("%"), "bold", "middle"))
            turn = f'transform="rotate(-60 {middle + 6:g} 412)"'
            label = text(middle + 6, 412, name, "", "end")
            shapes.append(label.replace("<text ", f"<text {turn} "))
        shapes.append(path([(left, 390), (left + 392, 390)]))
    shapes.append(text(480, 510, "the next token, and its probability in %", "", "middle"))
    return picture(
        530,
        "A peaked and a flat distribution",
        "Two bar charts of the probabilities of eight tokens, one of which is three times as "
        "likely as each other. At temperature 0.3 it has 85 % and each other 2 %: the distribution "
        "is peaked. At temperature 1 it has 30 % and each other 10 %: the distribution is flatter.",
        shapes,
    )


def week() -> str:
    """Return the core hours of a week: of one instance that stays, and of one that is deleted."""
    sku = "Standard_NC24ads_A100_v4"
    left, bottom, per_day = 100, 430, 100

    def place(hour: float, running: float) -> tuple[float, float]:
        used = core_hours(sku, 1, running)
        return round(left + per_day * hour / 24, 1), round(bottom - 0.09 * used, 1)

    shapes = [text(24, 40, "Core hours of one instance with 24 cores", "big")]
    for used in (0, 1000, 2000, 3000, 4000):
        y = bottom - 0.09 * used
        shapes.append(path([(left, y), (left + 7 * per_day, y)], "thin"))
        shapes.append(text(left - 10, y + 7, f"{used:,}", "", "end"))
    for number, day in enumerate(("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")):
        x = left + per_day * number
        shapes.append(path([(x, bottom), (x, bottom + 8)], "thin"))
        shapes.append(text(x + per_day / 2, bottom + 32, day, "", "middle"))
    steps = [place(0, 0)]
    for day in range(5):
        steps += [place(24 * day + 9, 8 * day), place(24 * day + 17, 8 * day + 8)]
    steps.append(place(168, 40))
    shapes += [
        path([place(0, 0), place(168, 168)], "first"),
        path(steps, "second"),
        path([(left, bottom), (left + 7 * per_day, bottom)]),
    ]
    for hours, words in (
        (168, ("never", "deleted")),
        (40, ("deleted", "each evening,", "9 to 17 only")),
    ):
        x, y = place(168, hours)
        shapes.append(text(x + 12, y + 4, f"{core_hours(sku, 1, hours):,.0f}", "bold"))
        for number, word in enumerate(words):
            shapes.append(text(x + 12, y + 30 + 24 * number, word, "small"))
    return picture(
        484,
        "Core hours over a week",
        "Two lines from Monday to Sunday, for one instance with 24 cores. The instance that nobody "
        "deletes uses core hours day and night, 4,032 in the week. The instance that runs from 9 "
        "to 17 on five days and is deleted each evening uses 960. Requests change neither line.",
        shapes,
    )


DIAGRAMS: Mapping[str, Callable[[], str]] = {
    "round-trip.svg": round_trip,
    "history.svg": history,
    "chat-template.svg": chat_template,
    "peaked-and-flat.svg": peaked_and_flat,
    "week.svg": week,
}


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    for name, draw in DIAGRAMS.items():
        (IMAGES / name).write_text(draw(), encoding="utf-8", newline="\n")
        print(f"wrote notebooks/images/{name}")
