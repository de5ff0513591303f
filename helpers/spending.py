"""Check what a deployment will cost before it starts, list what is running, and delete it."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

from helpers.cost import Price, cost_usd
from helpers.prices import NotListedError, PricesError, retail_price
from helpers.settings import MAX_USD_PER_HOUR, format_usd, parse_usd_per_hour

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.core.credentials import TokenCredential
    from azure.core.exceptions import HttpResponseError


class PriceNotAcceptedError(RuntimeError):
    """You have not agreed to the price of a deployment. No instance was started."""


@dataclass(frozen=True)
class RunningDeployment:
    """A deployment that exists and is billed.

    ``minutes`` counts whole minutes since the deployment was created. ``usd`` is what they cost in
    US dollars, at today's list price and today's number of instances, because Azure does not tell
    earlier ones; it is None if there is no known price.
    """

    workspace: str
    resource_group: str
    endpoint: str
    deployment: str
    instance_type: str
    instances: int
    state: str
    minutes: int
    usd: float | None

    def __str__(self) -> str:
        """Return two lines for a list of deployments.

        >>> size = "Standard_NC24ads_A100_v4"
        >>> print(RunningDeployment("w", "group", "phi4", "blue", size, 1, "Failed", 125, 7.65))
        phi4/blue in w: 1 x Standard_NC24ads_A100_v4
            Failed, 2 h 5 min, 7.65 US dollars so far
        """
        cost = "no price known" if self.usd is None else f"{self.usd:,.2f} US dollars so far"
        return (
            f"{self.endpoint}/{self.deployment} in {self.workspace}: "
            f"{self.instances} x {self.instance_type}\n"
            f"    {self.state}, {self.minutes // 60} h {self.minutes % 60} min, {cost}"
        )


def accept_price(
    instance_type: str,
    instance_count: int = 1,
    region: str = "eastus",
    *,
    guide: Price | None = None,
) -> float:
    """Check that you have agreed to the price of a deployment, print the price, and return it.

    Call this before anything that starts a machine. You agree by setting the environment variable
    AZURE_MAX_USD_PER_HOUR to the most that one deployment may cost per hour.

    The result is in US dollars per hour for all instances. The price per instance is that of
    ``helpers.prices.retail_price``: what Azure lists today, or without a network the kit's dated
    table.

    guide: the price to use if there is none for that size and region, such as the price in another
        region, or of a size that certainly costs more. The printed text says so.

    Raises PriceNotAcceptedError if AZURE_MAX_USD_PER_HOUR is not set, or below the price. Raises
    ValueError if there is no price and no guide, or if the variable is not a number. Raises
    ``helpers.prices.PricesError`` if the price list cannot be read or trusted.
    """
    note = ""
    try:
        price = retail_price(instance_type, region)
    except NotListedError as error:
        if guide is None:
            raise ValueError(
                f"There is no known price of {instance_type} in {region}, so no instance was "
                f"started. {error}"
            ) from None
        price = guide
        note = f"There is no known price of {instance_type} in {region}. Using another price:\n"
    per_hour = cost_usd(price, instance_count, hours=1)
    offer = (
        f"{note}{instance_count} x {price.sku} in {price.region} "
        f"costs {per_hour:,.2f} US dollars an hour"
    )
    text = os.environ.get(MAX_USD_PER_HOUR, "")
    if not text:
        raise PriceNotAcceptedError(
            f"{offer}.\nIf you agree, set {MAX_USD_PER_HOUR} to that amount or more. "
            "No instance was started."
        )
    limit = parse_usd_per_hour(text)
    if round(per_hour, 2) > limit:  # rounded as in the printed offer
        raise PriceNotAcceptedError(
            f"{offer},\nbut {MAX_USD_PER_HOUR} allows {format_usd(limit)}. No instance was started."
        )
    print(
        f"{offer} until it is deleted\n"
        f"({price.source}, {price.date}; {MAX_USD_PER_HOUR} allows {format_usd(limit)})."
    )
    return per_hour


def why_refused(error: HttpResponseError) -> str:
    """Return why Azure refused an endpoint or a deployment: the innermost message of the error.

    When managed compute refuses something, the error has details, a detail has a text, the text
    ends in JSON, and that JSON has lists of messages under "errors". (Public reports show this; in
    some of them all braces are doubled.) For other errors, returns the error's own message.
    """
    if error.error is None:
        return error.message
    for detail in error.error.details or []:
        if messages := _messages_in(detail.message or ""):
            return " ".join(messages)
    return error.error.message or error.message


def _messages_in(text: str) -> list[str]:
    """Return all messages under "errors" in the JSON at the end of a text, or []."""
    inner = "".join(text.partition("{")[1:])
    if inner.startswith("{{"):
        inner = inner.replace("{{", "{").replace("}}", "}")
    try:
        messages = [message for row in json.loads(inner)["errors"].values() for message in row]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []
    return messages if all(isinstance(message, str) for message in messages) else []


def running(credential: TokenCredential, subscription_id: str) -> list[RunningDeployment]:
    """Return all online deployments in the subscription that you may see, most expensive first.

    Failed deployments are included, because their machines may be billed. Deployments without a
    known price come first.

    Asks the control plane, real or simulated, that the environment variables name, and
    ``helpers.prices.retail_price`` once for each size and region. Raises
    azure.core.exceptions.HttpResponseError as azure-ai-ml does.
    """
    from azure.ai.ml import MLClient  # imported here because it takes more than a second

    price_of = cache(_price_or_none)
    rows = []
    subscription = MLClient(credential, subscription_id, enable_telemetry=False)
    for workspace in subscription.workspaces.list(scope="subscription"):
        group = workspace.resource_group
        ml = MLClient(credential, subscription_id, group, workspace.name, enable_telemetry=False)
        for endpoint in ml.online_endpoints.list():
            for deployment in ml.online_deployments.list(endpoint.name):
                age = datetime.now(UTC) - deployment.creation_context.created_at
                minutes = max(0, math.floor(age.total_seconds() / 60))
                instances = deployment.instance_count
                price = price_of(deployment.instance_type, endpoint.location)
                usd = None if price is None else cost_usd(price, instances, minutes / 60)
                state = deployment.provisioning_state
                rows.append(
                    RunningDeployment(
                        workspace=workspace.name,
                        resource_group=group,
                        endpoint=endpoint.name,
                        deployment=deployment.name,
                        instance_type=deployment.instance_type,
                        instances=instances,
                        state=str(getattr(state, "value", state)),
                        minutes=minutes,
                        usd=usd,
                    )
                )
    return sorted(rows, key=lambda row: math.inf if row.usd is None else row.usd, reverse=True)


def delete_others(ml: MLClient, endpoint_name: str, *, keep: str) -> None:
    """Delete all deployments of an endpoint but one, with their instances. Print their names.

    Raises azure.core.exceptions.HttpResponseError as azure-ai-ml does.
    """
    for deployment in ml.online_deployments.list(endpoint_name):
        if deployment.name != keep:
            ml.online_deployments.begin_delete(deployment.name, endpoint_name).result()
            print("", deployment.name, "is deleted")


def _price_or_none(instance_type: str, region: str) -> Price | None:
    try:
        return retail_price(instance_type, region)
    except (PricesError, ValueError):
        return None
