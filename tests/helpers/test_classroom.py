"""A learner's computer and the endpoint of a class: ``connect()`` and what the lessons see."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.ai.inference import ChatCompletionsClient
from azure.ai.inference.models import UserMessage
from azure.core.credentials import AzureKeyCredential
from azure.identity import DefaultAzureCredential
from page_text import whole_lines

from helpers import classroom
from helpers.connect import Connection, ConnectionSettingsError
from helpers.exercises.clients import chat_client, last_request, requests_of
from helpers.preflight import endpoint as check_endpoint
from helpers.settings import AZURE_HOST
from helpers.wire import requests_received, show_last_request
from simulated_azure.classroom.room import Classroom
from simulated_azure.classroom.seats import ClassFile, Seat
from simulated_azure.transports.sockets import Simulator

ENDPOINT, CREDENTIAL = "AZURE_INFERENCE_ENDPOINT", "AZURE_INFERENCE_CREDENTIAL"
FINGERPRINT = "SIMULATED_CA_SHA256"
MINE, OTHER = Seat("07", "my-key-4f0c81b2", requests=50), Seat("08", "other-key-a9e64b7d")
QUESTION = [UserMessage("What is the capital of France?")]
ANSWER = "The capital of France is Paris."
ON_THIS_COMPUTER = "Deployments (lessons 01 and 08) are simulated on this computer."


@pytest.fixture(scope="module")
def room(assistant, tmp_path_factory) -> Iterator[Simulator]:
    """The endpoint of a class."""
    path = tmp_path_factory.mktemp("class") / "class.toml"
    group = ClassFile("Monday morning", (MINE, OTHER), path)
    running = Simulator(assistant=assistant, classroom=Classroom(group))
    yield running
    running.stop()
    assert not running.errors, "\n".join(running.errors)


@pytest.fixture(scope="module")
def local(assistant) -> Iterator[Simulator]:
    """The simulated Azure on the learner's own computer."""
    running = Simulator(assistant=assistant)
    yield running
    running.stop()


@pytest.fixture
def slip(room) -> dict[str, str]:
    """The variables on the slip of a seat."""
    fingerprint = room.variables({})[FINGERPRINT]
    return {ENDPOINT: room.url, CREDENTIAL: MINE.key, FINGERPRINT: fingerprint}


class Learner:
    """Somebody who sets variables and calls connect()."""

    def __init__(self, local: Simulator, folder: Path, capsys: pytest.CaptureFixture):
        self.variables: dict[str, str] = {}
        self.connection = Connection(self.variables, folder, lambda: local)
        self._capsys = capsys

    def connect(self, **variables: str) -> list[str]:
        self.variables.update(variables)
        self.connection.connect()
        return whole_lines(self._capsys.readouterr().out)


@pytest.fixture
def learner(local, tmp_path, capsys) -> Learner:
    return Learner(local, tmp_path, capsys)


@pytest.fixture
def joined(learner, slip, monkeypatch) -> Learner:
    """A learner who has joined the class; the variables are those of this process."""
    learner.connect(**slip)
    for name, text in learner.variables.items():
        monkeypatch.setenv(name, text)
    return learner


def test_with_a_slip_the_class_answers_and_nothing_is_said_of_costs(learner, slip):
    left = learner.connect(**slip)
    assert left[0] == (
        "Answers come from: your class's endpoint: Monday morning, seat 07, with a tiny language "
        "model."
    )
    assert left[1].startswith("Your seat has 50 requests left.")
    assert left[2:] == [ON_THIS_COMPUTER]
    assert learner.variables[ENDPOINT] == slip[ENDPOINT]
    assert learner.variables["NO_PROXY"].split(",")[0] == "127.0.0.1"


def test_a_budget_that_is_used_is_told_with_the_next_call(learner, slip, joined):
    with ChatCompletionsClient(slip[ENDPOINT], AzureKeyCredential(MINE.key)) as client:
        client.complete(messages=QUESTION, max_tokens=1)
    (line,) = [line for line in learner.connect(**slip) if "left" in line]
    assert line != "Your seat has 50 requests left."


def test_the_real_clients_trust_the_class_and_lessons_see_their_own_requests(
    joined, slip, room, capsys
):
    key = AzureKeyCredential(MINE.key)
    with ChatCompletionsClient(slip[ENDPOINT], key) as client:
        assert client.complete(messages=QUESTION, temperature=0).choices[0].message.content == (
            ANSWER
        )
    show_last_request()
    shown = capsys.readouterr().out
    assert shown.startswith("POST /chat/completions?")
    assert MINE.key not in shown
    bundle = os.environ["REQUESTS_CA_BUNDLE"]
    with ChatCompletionsClient(
        slip[ENDPOINT], AzureKeyCredential(OTHER.key), connection_verify=bundle
    ) as other:
        result, requests = requests_of(
            lambda: (other.get_model_info(), chat_client().complete(messages=QUESTION))
        )
    assert result.error is None
    assert [request["path"] for request in requests] == ["/chat/completions"]
    assert last_request()["body"]["temperature"] == 0
    assert "/info" not in [request["path"] for request in requests_received(50)]


def test_an_access_token_of_the_simulated_identity_opens_the_class(joined, slip):
    with ChatCompletionsClient(slip[ENDPOINT], DefaultAzureCredential()) as client:
        assert client.complete(messages=QUESTION, temperature=0).choices[0].message.content == (
            ANSWER
        )
    assert requests_received()[0]["headers"]["authorization"] == "Bearer ***"


def test_deployments_go_to_the_learners_own_computer(joined, local, slip):
    assert os.environ["ARM_CLOUD_METADATA_URL"].startswith(local.url)
    assert os.environ["AZURE_SUBSCRIPTION_ID"] == local.azure.subscription_id
    token = DefaultAzureCredential().get_token("https://management.azure.com/.default").token
    assert token != MINE.key
    assert MINE.key in local.azure._secrets()  # so it is never shown there


def test_a_workspace_of_ones_own_is_left_alone(learner, slip):
    own = {
        "AZURE_SUBSCRIPTION_ID": "1234",
        "AZURE_RESOURCE_GROUP": "my-group",
        "AZURE_ML_WORKSPACE": "my-workspace",
    }
    lines = learner.connect(**slip, **own)
    assert lines[-1].startswith("Deployments go to your own workspace my-workspace")
    assert "ARM_CLOUD_METADATA_URL" not in learner.variables


def test_without_the_slips_variables_the_simulation_is_back(learner, slip, local):
    learner.connect(**slip)
    for name in slip:
        del learner.variables[name]
    assert learner.connect()[0].startswith("Answers come from: a simulated Azure on this computer")
    assert learner.variables[ENDPOINT] == local.url
    assert local.azure.guard.endpoint_token == ""


def test_a_key_that_the_class_does_not_know_is_pointed_out(learner, slip):
    lines = learner.connect(**slip | {CREDENTIAL: "seen-on-another-slip"})
    assert lines[0] == (
        "Answers come from: your class's endpoint: Monday morning. It does not know your key: "
        "compare AZURE_INFERENCE_CREDENTIAL with your slip."
    )


@pytest.mark.parametrize(
    "change, message",
    [
        ({FINGERPRINT: "8f3a-91c2"}, "is not a fingerprint \\(9 characters, not shown\\)"),
        ({FINGERPRINT: "8f3a-91c2-77de-0b14-6a5f"}, "Your key was not sent"),
        ({ENDPOINT: "https://127.0.0.1:9"}, "does not answer.* Is this computer in the same"),
    ],
)
def test_a_slip_that_was_copied_wrong_stops_connect_before_the_key_is_sent(
    learner, slip, room, change, message
):
    with pytest.raises(ConnectionSettingsError, match=message):
        learner.connect(**slip | change)
    assert "REQUESTS_CA_BUNDLE" not in learner.variables


def test_without_a_fingerprint_the_note_says_what_is_missing(learner, slip, monkeypatch):
    monkeypatch.setattr(classroom, "_is_remote_ip", lambda host: True)
    del slip[FINGERPRINT]
    lines = learner.connect(**slip)
    assert lines[0].startswith("Note: this computer does not trust the certificate")
    assert FINGERPRINT in lines[0]


def test_over_http_the_class_answers_with_a_warning(learner, slip, room):
    lines = learner.connect(**slip | {ENDPOINT: room.http_url})
    assert "others in this network can read" in lines[0]
    assert "Monday morning, seat 07" in lines[1]


def test_endpoints_on_azure_are_never_asked(learner, slip, monkeypatch):
    monkeypatch.setattr(classroom, "_get", lambda *_: pytest.fail("it was asked"))
    for url in (
        "https://my-phi4.eastus2.inference.ml.azure.com",
        "https://my-phi4.services.ai.azure.com/models",
    ):
        assert AZURE_HOST.fullmatch(url.split("/")[2])
        assert "your own endpoint" in learner.connect(**slip | {ENDPOINT: url})[0]


def test_an_endpoint_that_is_no_class_gets_todays_words(learner, local, monkeypatch):
    monkeypatch.setattr(classroom, "_is_remote_ip", lambda host: True)
    variables = {ENDPOINT: local.http_url, CREDENTIAL: "any-word"}
    learner.connection.simulator = None
    lines = learner.connect(**variables)
    assert lines[0].endswith("on this computer, as AZURE_INFERENCE_ENDPOINT says.")
    assert learner.variables == variables


def test_preflight_names_the_class(joined, monkeypatch):
    monkeypatch.setattr(sys.modules["helpers.connect"], "_connection", joined.connection)
    assert check_endpoint().detail.startswith("your class's endpoint: Monday morning, seat 07")
