"""The options of the command ``python -m simulated_azure`` that choose an upstream."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from ..upstream.settings import (
    KEY,
    MODEL,
    URL,
    UpstreamSettingsError,
    check_keys_differ,
    read_upstream,
)

if TYPE_CHECKING:
    from ..upstream.upstream import Upstream


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose an upstream."""
    parser.add_argument(
        "--upstream",
        default=os.environ.get(URL, ""),
        metavar="URL",
        help="let another server write the answers: any with OpenAI's routes, such as Ollama, "
        "Foundry Local, llama.cpp, vLLM or a deployment. Its root, or its address ending in /v1 "
        f"(default: the variable {URL}, or else the tiny language model). If it needs a key, put "
        f"that into the variable {KEY}",
    )
    parser.add_argument(
        "--upstream-model",
        default=os.environ.get(MODEL, ""),
        metavar="NAME",
        help=f"which of its models (default: the variable {MODEL}, or else its only one)",
    )


def upstream_of(options: argparse.Namespace) -> Upstream | None:
    """Return the upstream that the options name; None if they name none.

    An upstream that does not answer yet is a warning, since it may be started later. Raises
    UpstreamSettingsError for what only another setting can mend: an address or a key that cannot
    work, several models and none named.
    """
    if not options.upstream.strip():
        return None
    key = os.environ.get(KEY, "")
    from ..upstream.failures import Failure
    from ..upstream.upstream import Upstream  # with the libraries of the engine, which take a while
    from .upstream import UpstreamClient

    settings = read_upstream(options.upstream, options.upstream_model, key)
    check_keys_differ(settings.key, options.key)
    upstream = Upstream(UpstreamClient(settings), _print)
    try:
        problem = upstream.check()
    except Failure as failure:
        upstream.close()
        raise UpstreamSettingsError(failure.advice or failure.reason) from None
    if problem:
        _print(f"Warning: {problem}")
    if settings.key and settings.base_url.startswith("http://") and not settings.is_local:
        _print("Warning: the upstream's key goes over http, so it can be read on its way.")
    return upstream


def describe(upstream: Upstream) -> str:
    """Return where answers come from, in a sentence for the operator; it contains no key."""
    model = upstream.model or "a model that is not known yet"
    return f"Answers are written by {model} at {upstream.settings.place}."


def _print(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
