"""The two published servers of managed compute, and where they differ.

Both stand between a client and the engine (vLLM). Which one a deployment of Phi-4 gets is not
public, so both are simulated: ``python -m simulated_azure --server serve``.

Sources: the package ``llm-optimized-inference`` (0.2.61) and the image ``foundation-model-serve``
(its folder in Azure/azureml-assets), both read; the request classes of the first were also run,
which ``tests/oracle`` repeats.
"""

from __future__ import annotations

from dataclasses import dataclass

HEADER = "x-simulated-server"  # chooses the server for one request
MODEL_FOLDER = "/var/azureml-app/azureml-models/{name}/{version}/mlflow_model_folder/model"


@dataclass(frozen=True)
class Server:
    """One published server: what it does with a request before, and in place of, the engine.

    name: the short name here. image: of the environment that has it. sends_defaults: True if it
    sends the defaults of its request class (temperature 0.7, max_tokens 256, ...) to the engine;
    otherwise the engine's own apply. extras_without_header: what becomes of extra parameters
    without the header ``extra-parameters``: "error" or "pass-through". refuses_tools: True if it
    refuses ``tools`` and ``tool_choice`` itself. checks_v1: True if it checks requests under /v1;
    otherwise they go to the engine as they are, and so do the engine's answers. keeps_model: True
    if the model's name reaches the engine, which refuses a wrong one; otherwise it is replaced.
    has_info: True if GET /info answers. has_models: the same for GET /v1/models. streams: True if a
    stream arrives piece by piece; otherwise the whole of it at its end.
    """

    name: str
    image: str
    sends_defaults: bool
    extras_without_header: str
    refuses_tools: bool
    checks_v1: bool
    keeps_model: bool
    has_info: bool
    has_models: bool
    streams: bool

    def checks(self, is_v1: bool) -> bool:
        """Return True if this server, not the engine, checks requests to a route."""
        return self.checks_v1 or not is_v1


INFERENCE = Server(
    name="inference",
    image="foundation-model-inference",
    sends_defaults=False,
    extras_without_header="error",
    refuses_tools=True,
    checks_v1=True,
    keeps_model=False,
    has_info=True,
    has_models=False,
    streams=True,
)
SERVE = Server(
    name="serve",
    image="foundation-model-serve",
    sends_defaults=True,
    extras_without_header="pass-through",
    refuses_tools=False,
    checks_v1=False,
    keeps_model=True,
    has_info=False,
    has_models=True,
    streams=False,
)
SERVERS = {server.name: server for server in (INFERENCE, SERVE)}
NAMES = " or ".join(SERVERS)


def server_in(environment: str) -> Server | None:
    """Return the server whose image the id of an environment names, None if it names neither.

    >>> server_in("azureml://registries/azureml/environments/foundation-model-serve/versions/1").name
    'serve'
    """
    return next((server for server in SERVERS.values() if server.image in environment), None)
