# Last run with azure-ai-ml 1.35.2 and azure-identity 1.27.0 on 24 November 2026.
# Needs AZURE_SUBSCRIPTION_ID, AZURE_RESOURCE_GROUP, AZURE_ML_WORKSPACE and AZURE_MAX_USD_PER_HOUR (what you agree to pay).
import os

from azure.ai.ml import MLClient
from azure.ai.ml.entities import ManagedOnlineDeployment, ManagedOnlineEndpoint, OnlineRequestSettings
from azure.identity import DefaultAzureCredential

price = 3.673  # US dollars per hour, East US, November 2026: from now until the endpoint is deleted
if not price <= float(os.environ["AZURE_MAX_USD_PER_HOUR"]):
    raise SystemExit(f"Nothing was made: you have not agreed to pay {price} US dollars per hour.")
names = "AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP", "AZURE_ML_WORKSPACE"
subscription, group, workspace = (os.environ[name] for name in names)
ml = MLClient(DefaultAzureCredential(), subscription_id=subscription, resource_group_name=group, workspace_name=workspace)

# Choose your own name: no two endpoints of a region, in whatever subscription, may have the same.
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
# The key, AZURE_INFERENCE_CREDENTIAL, is ml.online_endpoints.get_keys("my-phi4").primary_key
