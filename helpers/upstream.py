"""The server that writes the answers of the simulated Azure, if SIMULATED_UPSTREAM names one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from helpers.settings import ConnectionSettingsError

if TYPE_CHECKING:
    from simulated_azure.upstream.upstream import Upstream


def find_upstream(
    variables: Mapping[str, str], former: Upstream | None
) -> tuple[Upstream | None, str]:
    """Return (the upstream that variables name, what is wrong with it or "").

    former: the upstream in use, which stays if the variables still name it. The upstream is None if
    they name none. One that does not answer is returned, too: it may be started later. Raises
    ConnectionSettingsError if nothing but another setting can mend it.
    """
    from simulated_azure.upstream.settings import UpstreamSettingsError, settings_in

    try:
        settings = settings_in(variables)
    except UpstreamSettingsError as error:
        raise ConnectionSettingsError(str(error)) from None
    if settings is None:
        return None, ""
    from simulated_azure.transports.upstream import UpstreamClient  # few people need it
    from simulated_azure.upstream.failures import Failure
    from simulated_azure.upstream.upstream import Upstream

    upstream = former
    if upstream is None or upstream.settings != settings:
        upstream = Upstream(UpstreamClient(settings))
    try:
        return upstream, upstream.check()
    except Failure as failure:
        if upstream is not former:
            upstream.close()
        raise ConnectionSettingsError(failure.advice or failure.reason) from None


def describe_upstream(upstream: Upstream, server: str) -> str:
    """Return in a few words who answers. server: the published server that is simulated."""
    model = upstream.model or "a model that is not known yet"
    behind = "" if server == "inference" else f", behind the server {server}"
    cost = " What Azure bills for it, you pay." if upstream.settings.is_on_azure else ""
    return (
        f"a simulated Azure on this computer{behind}; answers are written by {model} at "
        f"{upstream.settings.place}.{cost}"
    )
