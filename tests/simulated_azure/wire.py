"""Management requests without sockets, and the names that tests of the control plane share."""

from __future__ import annotations

import json

from simulated_azure.azure import SimulatedAzure
from simulated_azure.http import Request

PHI_4 = "azureml://registries/azureml/models/Phi-4/versions/8"
A100 = "Standard_NC24ads_A100_v4"
TWO_A100 = "Standard_NC48ads_A100_v4"
H100 = "Standard_NC40ads_H100_v5"
A100_FAMILY, H100_FAMILY = "standardNCADSA100v4Family", "standardNCADSH100v5Family"
PROVIDER = "Microsoft.MachineLearningServices"
WORKSPACE, UK_WORKSPACE = "phi4-workspace", "phi4-workspace-uksouth"
ROOT = "https://localhost:1"
CHAT = "/chat/completions"
QUESTION, ANSWER = "What is the capital of France?", "The capital of France is Paris."
TO_BLUE = {"azureml-model-deployment": "blue"}
# Without the tokens that end an answer, it goes on for 400 tokens.
NEVER_ENDS = {"logit_bias": {"100257": -100, "100265": -100}, "max_tokens": 400}

# A response: (status, JSON content or the bytes of another body).
Answer = tuple[int, object]


class Wire:
    """Sends the requests of somebody who has signed in to a simulated Azure, without sockets."""

    def __init__(self, azure: SimulatedAzure):
        self.azure, self.response = azure, None
        self.subscription = azure.control_plane.subscription
        self.token = self.sign_in("https://management.azure.com")
        subscription = f"/subscriptions/{azure.subscription_id}"
        self.provider = f"{subscription}/providers/{PROVIDER}"
        self.group = f"{subscription}/resourceGroups/{azure.resource_group}/providers/{PROVIDER}"

    def sign_in(self, resource: str) -> str:
        """Return an access token for a resource."""
        headers = {"x-identity-header": self.azure.identity_header}
        request = Request("GET", "/msi/token", f"resource={resource}", headers)
        return json.loads(self.azure.handle(request).body)["access_token"]

    def send(
        self,
        method: str,
        path: str,
        body: object = None,
        query: str = "api-version=2025-06-01",
        **headers: str,
    ) -> Answer:
        """Send a request and return the answer; ``response`` is the whole of it.

        A PUT of an object gets the location of the workspace, unless it has one.
        """
        if method == "PUT" and isinstance(body, dict):
            body = {"location": "uksouth" if "uksouth" in path else "eastus2"} | body
        always = {"host": "localhost:1", "content-type": "application/json"}
        all_headers = {"authorization": f"Bearer {self.token}"} | always | headers
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        self.response = self.azure.handle(Request(method, path, query, all_headers, body or b""))
        self.response.on_close()  # as a transport does when it has sent a response
        is_json = self.response.headers.get("content-type") == "application/json"
        return self.response.status, json.loads(
            self.response.body
        ) if is_json else self.response.body

    def get(self, path: str) -> dict:
        """Return a resource that exists."""
        status, content = self.send("GET", path)
        assert status == 200, content
        return content

    def poll(self, path: str, times: int) -> list[Answer]:
        """Return the answers to the same GET, again and again."""
        return [self.send("GET", path) for _ in range(times)]

    # Endpoints and deployments

    def endpoints_path(self, workspace: str = WORKSPACE) -> str:
        return f"{self.group}/workspaces/{workspace}/onlineEndpoints"

    def endpoint_path(self, name: str, workspace: str = WORKSPACE) -> str:
        return f"{self.endpoints_path(workspace)}/{name}"

    def put_endpoint(self, path: str, **properties: object) -> Answer:
        return self.send("PUT", path, {"properties": {"authMode": "Key", **properties}})

    def create_endpoint(
        self, name: str = "one", workspace: str = WORKSPACE, **properties: object
    ) -> str:
        """Create an endpoint, wait for it and return its path."""
        path = self.endpoint_path(name, workspace)
        status, content = self.put_endpoint(path, **properties)
        assert status == 201, content
        assert self.finish_operation()[0] == "Succeeded"
        return path

    def put_deployment(
        self, endpoint: str, name: str = "blue", size: str = A100, instances: int = 1, **properties
    ) -> Answer:
        """Ask for a deployment of an endpoint, which is given by its path."""
        required = {"endpointComputeType": "Managed", "model": PHI_4, "instanceType": size}
        body = {
            "sku": {"name": "Default", "capacity": instances},
            "properties": {**required, **properties},
        }
        return self.send("PUT", f"{endpoint}/deployments/{name}", body)

    def deploy(self, endpoint: str, name: str = "blue", **settings: object) -> str:
        """Create or change a deployment, wait for it and return its path."""
        status, content = self.put_deployment(endpoint, name, **settings)
        assert status in (200, 201), content
        assert self.finish_operation()[0] == "Succeeded"
        return f"{endpoint}/deployments/{name}"

    def set_traffic(self, endpoint: str, **traffic: int) -> Answer:
        """Set the traffic of an endpoint, and wait if it is accepted."""
        answer = self.put_endpoint(endpoint, traffic=traffic)
        if answer[0] == 200:
            self.finish_operation()
        return answer

    def log(self, deployment: str) -> str:
        """Return the log of a deployment, which is given by its path."""
        return self.send("POST", f"{deployment}/getLogs", {"tail": 200})[1]["content"]

    def usage(self, region: str = "eastus2", family: str = A100_FAMILY) -> tuple[int, int]:
        """Return (cores in use, cores allowed)."""
        rows = self.get(f"{self.provider}/locations/{region}/usages")["value"]
        return next(
            (row["currentValue"], row["limit"]) for row in rows if row["name"]["value"] == family
        )

    # Operations

    def operation_path(self) -> str:
        """Return the path at which the operation is polled that the last request started."""
        headers = self.response.headers
        url = headers.get("Azure-AsyncOperation") or headers["Location"]
        return url.removeprefix(ROOT).partition("?")[0]

    def finish_operation(self, path: str | None = None) -> tuple[str, object]:
        """Poll an operation until it is done. Return (its state, the last content).

        path: by default that of the operation that the last request started.
        """
        path = path or self.operation_path()
        for status, content in (self.send("GET", path) for _ in range(50)):
            if status == 204:
                return "Succeeded", {}
            if status == 200 and content["status"] != "InProgress":
                return content["status"], content
        raise AssertionError("the operation did not end")

    # Deployed endpoints

    def primary_key(self, endpoint: str) -> str:
        return self.send("POST", f"{endpoint}/listKeys")[1]["primaryKey"]

    def call(self, endpoint: str, route: str = "/info", body: object = None, **headers) -> Answer:
        """Send a request to a deployed endpoint, with its key."""
        scoring_uri = self.get(endpoint)["properties"]["scoringUri"]
        path = scoring_uri.removesuffix("/score").removeprefix("https://localhost") + route
        key = {"authorization": f"Bearer {self.primary_key(endpoint)}"}
        return self.send("POST" if body else "GET", path, body, **{**key, **headers})


def code_of(answer: Answer) -> tuple[int, str]:
    """Return (status, code of the error)."""
    return answer[0], answer[1]["error"]["code"]


def text_of(answer: Answer) -> str:
    """Return the content of an answer as a text to search in."""
    return json.dumps(answer[1])
