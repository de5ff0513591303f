"""The bodies of management requests, checked with pydantic.

The shapes are those of the resource provider Microsoft.MachineLearningServices.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic.alias_generators import to_camel

from .refusals import bad_request, refusal
from .subscription import MAX_INSTANCES_PER_DEPLOYMENT

MAX_REQUEST_TIMEOUT = timedelta(seconds=180)


class Schema(BaseModel):
    """Base of the request models. Unknown fields are ignored, as in Azure."""

    model_config = ConfigDict(alias_generator=to_camel, extra="ignore")


AnySchema = TypeVar("AnySchema", bound=Schema)
Percent = Annotated[int, Field(ge=0, le=100)]


class EndpointProperties(Schema):
    auth_mode: str
    traffic: dict[str, Percent] | None = None
    mirror_traffic: dict[str, Percent] | None = None
    properties: dict[str, str | None] | None = None
    description: str | None = None
    public_network_access: Literal["Enabled", "Disabled"] = "Enabled"

    @field_validator("public_network_access", mode="before")
    @classmethod
    def capitalize(cls, value: object) -> object:
        """Return a text as Azure writes it, whatever case it is in."""
        return value.capitalize() if isinstance(value, str) else value


class Identity(Schema):
    type: str = "SystemAssigned"


class EndpointRequest(Schema):
    location: str | None = None
    tags: dict[str, str] | None = None
    identity: Identity = Identity()
    properties: EndpointProperties


class RequestSettings(Schema):
    request_timeout: Annotated[timedelta, Field(gt=timedelta(0), le=MAX_REQUEST_TIMEOUT)] = (
        timedelta(seconds=5)
    )
    max_concurrent_requests_per_instance: Annotated[int, Field(ge=1)] = 1
    max_queue_wait: timedelta = timedelta(seconds=0.5)


class ScaleSettings(Schema):
    scale_type: Literal["Default"] = "Default"


class Probe(Schema):
    initial_delay: timedelta = timedelta(seconds=10)
    period: timedelta = timedelta(seconds=10)
    timeout: timedelta = timedelta(seconds=2)
    success_threshold: int = 1
    failure_threshold: int = 30


class DeploymentProperties(Schema):
    endpoint_compute_type: str
    model: str
    environment_id: str | None = None
    instance_type: str
    request_settings: RequestSettings | None = None
    scale_settings: ScaleSettings | None = None
    description: str | None = None
    app_insights_enabled: bool = False
    environment_variables: dict[str, str | None] | None = None
    liveness_probe: Probe | None = None
    readiness_probe: Probe | None = None
    properties: dict[str, str | None] | None = None


class Sku(Schema):
    name: str = "Default"
    # There is no scaling to zero.
    capacity: Annotated[int, Field(ge=1, le=MAX_INSTANCES_PER_DEPLOYMENT)] = 1


class DeploymentRequest(Schema):
    location: str | None = None
    tags: dict[str, str] | None = None
    sku: Sku = Sku()
    properties: DeploymentProperties


class LogRequest(Schema):
    tail: Annotated[int, Field(ge=1, le=10_000)] | None = None


class KeyRequest(Schema):
    key_type: str
    key_value: str | None = None


def read(schema: type[AnySchema], body: bytes) -> AnySchema:
    """Return a request body, checked.

    Raise HTTPError (400), which names each field that is wrong.
    """
    return check(schema, read_object(body))


def check(schema: type[AnySchema], content: dict) -> AnySchema:
    """Return JSON content, checked.

    Raise HTTPError (400), which names each field that is wrong.
    """
    try:
        return schema.model_validate(content)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()
        )
        raise bad_request(f"The request is invalid. {problems}") from None


def read_object(body: bytes) -> dict:
    """Return the JSON object in a request body. Raise HTTPError (400) if there is none."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        message = (
            "The request content was invalid and could not be deserialized: expected a JSON object."
        )
        raise refusal(400, "InvalidRequestContent", message)
    return content


def read_tags(body: bytes) -> dict[str, str]:
    """Return the tags in a request body, {} if it has none.

    Raise HTTPError (400) if they are not texts.
    """
    tags = read_object(body).get("tags") or {}
    if not isinstance(tags, dict) or not all(isinstance(value, str) for value in tags.values()):
        raise bad_request("tags: expected an object of strings.")
    return tags
