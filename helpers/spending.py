"""Deployments and their price: what you have agreed to pay, and what is still running."""

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
    from azure.core.credentials import TokenCredential
    from azure.core.exceptions import HttpResponseError


class PriceNotAcceptedError(RuntimeError):
    """A deployment would cost more than was agreed to. No instance has been started."""


@dataclass(frozen=True)
class Running:
    """A deployment that exists and is billed. ``minutes``: whole ones since it was created. ``usd``: what they cost by
    today's list price at today's number of instances, since Azure tells no earlier one; None if no price is known."""

    workspace: str
    resource_group: str
    region: str
    endpoint: str
    deployment: str
    instance_type: str
    instances: int
    state: str
    minutes: int
    usd_per_hour: float | None
    usd: float | None

    def __str__(self) -> str:
        """One line that says it all.

        >>> row = "phi4-workspace", "phi4-lessons", "eastus2", "my-phi4", "blue", "Standard_NC24ads_A100_v4", 1, "Succeeded"
        >>> print(Running(*row, 125, 3.673, 7.65))
        my-phi4/blue in phi4-workspace: 1 x Standard_NC24ads_A100_v4, Succeeded, 2 h 5 min, 7.65 US dollars so far
        """
        price = "no price known" if self.usd is None else f"{self.usd:,.2f} US dollars so far"
        return (
            f"{self.endpoint}/{self.deployment} in {self.workspace}: {self.instances} x {self.instance_type}, {self.state}, "
            f"{self.minutes // 60} h {self.minutes % 60} min, {price}"
        )


def accept_price(instance_type: str, instance_count: int = 1, region: str = "eastus", *, guide: Price | None = None) -> float:
    """Says what a deployment will cost per hour, and returns it in US dollars, if you have agreed to pay as much.

    The price is that of helpers.prices.retail_price: what Azure lists today, or the kit's dated table without a network.
    guide: the price to take if the list has none of that size in that region, such as that of another region, or of a size
    that is sure to cost more; what is printed says so.

    You agree by setting AZURE_MAX_USD_PER_HOUR to the most that one deployment may cost per hour. Raises
    PriceNotAcceptedError if it is not set, or too low; ValueError if no price is known and there is no guide, or if the
    variable holds no number; PricesError if the list cannot be trusted. Call it before anything that starts a machine.
    """
    try:
        price, note = retail_price(instance_type, region), ""
    except NotListedError as error:
        if guide is None:
            raise ValueError(f"no price is known of {instance_type} in {region}: {error}\nNo instance was started.") from None
        price, note = guide, f"No price is known of {instance_type} in {region}. Taken is that of another:\n"
    per_hour = cost_usd(price, instance_count, hours=1)
    offer = f"{note}{instance_count} x {price.sku} in {price.region} costs {per_hour:,.2f} US dollars an hour"
    agreed = os.environ.get(MAX_USD_PER_HOUR, "")
    if not agreed:
        raise PriceNotAcceptedError(
            f"{offer}.\nIf you agree, set {MAX_USD_PER_HOUR} to that amount or more. No instance was started."
        )
    limit = parse_usd_per_hour(agreed)
    if round(per_hour, 2) > limit:  # to the cent, as it is said
        raise PriceNotAcceptedError(f"{offer},\nbut {MAX_USD_PER_HOUR} allows {format_usd(limit)}. No instance was started.")
    print(f"{offer} until it is deleted\n({price.source}, {price.date}; {MAX_USD_PER_HOUR} allows {format_usd(limit)}).")
    return per_hour


def why_refused(error: HttpResponseError) -> str:
    """What Azure says of a deployment or an endpoint that it refused: the message inside the message.

    Such a refusal is an error with details, which hold a text, which ends in JSON, which has lists of messages under
    "errors". (So public reports show it; in some the braces are doubled.) Of any other error it is the message.
    """
    if error.error is None:
        return error.message
    for detail in error.error.details or []:
        text = detail.message or ""
        inner = text[text.find("{") :] if "{" in text else ""
        if inner.startswith("{{"):
            inner = inner.replace("{{", "{").replace("}}", "}")
        try:
            messages = [message for each in json.loads(inner)["errors"].values() for message in each]
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
        if messages and all(isinstance(message, str) for message in messages):
            return " ".join(messages)
    return error.error.message or error.message


def running(credential: TokenCredential, subscription_id: str) -> list[Running]:
    """All online deployments in all workspaces of a subscription that you may see: the most expensive first.

    It asks the control plane, real or simulated, as the environment says, and helpers.prices.retail_price for each size in
    each region. Failed deployments are listed too, since their machines may be billed. Raises
    azure.core.exceptions.HttpResponseError as azure-ai-ml does.
    """
    from azure.ai.ml import MLClient  # takes more than a second

    price_of = cache(_price_or_none)  # of this moment: each is asked once
    found = []
    subscription = MLClient(credential, subscription_id, enable_telemetry=False)
    for workspace in subscription.workspaces.list(scope="subscription"):
        ml = MLClient(credential, subscription_id, workspace.resource_group, workspace.name, enable_telemetry=False)
        for endpoint in ml.online_endpoints.list():
            for deployment in ml.online_deployments.list(endpoint.name):
                minutes = math.floor((datetime.now(UTC) - deployment.creation_context.created_at).total_seconds() / 60)
                price = price_of(deployment.instance_type, endpoint.location)
                per_hour = None if price is None else cost_usd(price, deployment.instance_count, hours=1)
                row = Running(
                    workspace.name,
                    workspace.resource_group,
                    endpoint.location,
                    endpoint.name,
                    deployment.name,
                    deployment.instance_type,
                    deployment.instance_count,
                    str(getattr(deployment.provisioning_state, "value", deployment.provisioning_state)),
                    minutes,
                    per_hour,
                    None if per_hour is None else per_hour * minutes / 60,
                )
                found.append(row)
    return sorted(found, key=lambda row: math.inf if row.usd is None else row.usd, reverse=True)


def _price_or_none(instance_type: str, region: str) -> Price | None:
    try:
        return retail_price(instance_type, region)
    except (PricesError, ValueError):
        return None
