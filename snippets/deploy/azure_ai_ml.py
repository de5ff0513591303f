# Last run with azure-ai-ml 1.35.2 on 23 November 2026.
# Needs AZURE_SUBSCRIPTION_ID, AZURE_RESOURCE_GROUP, AZURE_ML_WORKSPACE and AZURE_MAX_USD_PER_HOUR (what you agree to pay).
import os

from azure.ai.ml import MLClient
from azure.ai.ml.entities import ManagedOnlineDeployment, ManagedOnlineEndpoint, OnlineRequestSettings
from azure.identity import DefaultAzureCredential

price = 3.673  # US dollars per hour, East US, November 2026: from now until the endpoint is deleted
assert float(os.environ["AZURE_MAX_USD_PER_HOUR"]) >= price, "not agreed to pay that much"
names = [os.environ[name] for name in ("AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP", "AZURE_ML_WORKSPACE")]
ml = MLClient(DefaultAzureCredential(), *names, enable_telemetry=False)

endpoint = ManagedOnlineEndpoint(name="my-phi4", auth_mode="key", tags={"course": "phi4"})
endpoint = ml.online_endpoints.begin_create_or_update(endpoint).result()
deployment = ManagedOnlineDeployment(
    name="blue",
    endpoint_name="my-phi4",
    model="azureml://registries/azureml/models/Phi-4/versions/8",
    instance_type="Standard_NC24ads_A100_v4",
    instance_count=1,
    request_settings=OnlineRequestSettings(request_timeout_ms=180_000, max_concurrent_requests_per_instance=16),
)
ml.online_deployments.begin_create_or_update(deployment).result()  # 15 to 20 minutes
endpoint.traffic = {"blue": 100}
endpoint = ml.online_endpoints.begin_create_or_update(endpoint).result()
print("\nAZURE_INFERENCE_ENDPOINT=" + endpoint.scoring_uri.removesuffix("/score"))
