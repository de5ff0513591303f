"""An image: sent as the multimodal model expects it, and refused by Phi-4 in words."""

from __future__ import annotations

import base64
import json

import pytest
from snippet_runs import as_usual, for_questions, refusing, serving

from simulated_azure.http import Response

FILE = "images/openai_sdk.py"
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJggg=="
)


@for_questions
def seeing(visit, request, handle):
    """Answer as a model that reads images."""
    message = {"role": "assistant", "content": "A red square."}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    body = {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
    return Response(200, json.dumps(body).encode(), {"content-type": "application/json"})


@for_questions
def behind_azure(visit, request, handle):
    """Refuse as managed compute does: it puts 424 in the place of the server's own status."""
    response = handle(request)
    return Response(424, response.body, response.headers)


@pytest.fixture
def picture(tmp_path):
    """Return the path of a picture."""
    path = tmp_path / "photo.png"
    path.write_bytes(PNG)
    return path


def test_the_picture_goes_with_the_question(run_snippet, picture):
    done = run_snippet(FILE, seeing, options=[str(picture)])
    assert (done.code, done.stdout, done.stderr) == (0, "A red square.\n", "")
    (question,) = done.visit.questions()
    (message,) = question.body()["messages"]
    text, image = message["content"]
    assert text == {"type": "text", "text": "What is in this picture?"}
    url = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    assert image == {"type": "image_url", "image_url": {"url": url}}


@pytest.mark.parametrize("manner", [as_usual, serving, behind_azure])
def test_phi_4_refuses_the_picture_and_the_snippet_says_which_model_reads_it(
    run_snippet, picture, manner
):
    done = run_snippet(FILE, manner, options=[str(picture)])
    assert (done.code, done.stdout) == (1, "")
    assert done.stderr.startswith(
        "This endpoint takes no pictures. Only Phi-4-multimodal-instruct reads pictures."
    )
    assert "At most 0 image(s) may be provided in one request" in done.stderr
    assert len(done.visit.questions()) == 1


def test_another_refusal_is_not_blamed_on_the_picture(run_snippet, picture):
    done = run_snippet(FILE, refusing, options=[str(picture)])
    assert done.code == 1
    assert "AuthenticationError" in done.stderr
    assert "takes no pictures" not in done.stderr


@pytest.mark.parametrize("name", ["notes.txt", "picture"])
def test_what_is_no_picture_is_not_sent(run_snippet, tmp_path, name):
    (tmp_path / name).write_bytes(PNG)
    done = run_snippet(FILE, options=[str(tmp_path / name)])
    assert (done.code, done.visit.arrivals) == (1, [])
    assert done.stderr.startswith(f"{name} is of the type ")


def test_without_a_picture_the_snippet_says_how_to_run_it(run_snippet):
    done = run_snippet(FILE)
    assert (done.code, done.visit.arrivals) == (1, [])
    assert done.stderr.startswith("Run it with the path of a picture")
