# Last run with azure-ai-ml 1.35.2, azure-identity 1.27.0 and requests 2.34.2 on 29 November 2026.
# Needs AZURE_SUBSCRIPTION_ID, AZURE_RESOURCE_GROUP, AZURE_ML_WORKSPACE and AZURE_MAX_USD_PER_HOUR (what you agree to pay).
import os

import requests
from azure.ai.ml import MLClient
from azure.ai.ml.entities import ManagedOnlineDeployment, ManagedOnlineEndpoint, OnlineRequestSettings, ProbeSettings
from azure.core.exceptions import ResourceNotFoundError
from azure.identity import DefaultAzureCredential

NAME = "my-phi4"  # choose your own: no two endpoints of a region may have the same, whoever owns them
SIZE = "Standard_NC24ads_A100_v4"
names = "AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP", "AZURE_ML_WORKSPACE"
subscription, group, workspace = (os.environ[name] for name in names)
limit = float(os.environ["AZURE_MAX_USD_PER_HOUR"])
ml = MLClient(DefaultAzureCredential(), subscription_id=subscription, resource_group_name=group, workspace_name=workspace)

# The price comes from Azure's public list, of which AZURE_RETAIL_PRICES_URL may name a simulated one.
region = ml.workspaces.get(workspace).location
query = (
    f"serviceName eq 'Virtual Machines' and armRegionName eq '{region}' and armSkuName eq '{SIZE}' and priceType eq 'Consumption'"
)
url = os.environ.get("AZURE_RETAIL_PRICES_URL", "https://prices.azure.com/api/retail/prices")
rows, parameters = [], {"$filter": query}
while url:
    page = requests.get(url, params=parameters, timeout=60).json()
    rows += page["Items"]
    url, parameters = page["NextPageLink"], None
usual = [row for row in rows if not any(word in f"{row}" for word in ("Spot", "Low Priority", "Windows"))]
price = max((row["retailPrice"] for row in usual), default=None)  # US dollars per hour
if price is None or not price <= limit:
    raise SystemExit(f"Nothing was made. {SIZE} in {region} costs {price} US dollars an hour, and you agreed to {limit}.")
if NAME in [endpoint.name for endpoint in ml.online_endpoints.list()]:
    raise SystemExit(f"Nothing was made. {workspace} has an endpoint {NAME} already: choose another name.")

print(f"{SIZE} in {region}: {price} US dollars an hour, until the endpoint is deleted")
try:
    endpoint = ManagedOnlineEndpoint(name=NAME, auth_mode="key", tags={"course": "phi4"})
    endpoint = ml.online_endpoints.begin_create_or_update(endpoint).result()
    deployment = ManagedOnlineDeployment(
        name="blue",
        endpoint_name=NAME,
        model="azureml://registries/azureml/models/Phi-4/versions/8",
        instance_type=SIZE,
        instance_count=1,
        request_settings=OnlineRequestSettings(request_timeout_ms=180_000, max_concurrent_requests_per_instance=16),
        liveness_probe=ProbeSettings(initial_delay=600),  # Phi-4 takes minutes to load; with the
        readiness_probe=ProbeSettings(initial_delay=600),  # default of 10 seconds Azure gives up too early
    )
    ml.online_deployments.begin_create_or_update(deployment).result()  # 15 to 20 minutes
    endpoint.traffic = {"blue": 100}
    endpoint = ml.online_endpoints.begin_create_or_update(endpoint).result()
except BaseException as error:  # also Ctrl+C, which ends this program, but not what Azure has begun
    print(f"\n{type(error).__name__}: {error}")
    exists = f"endpoint {NAME}"
    try:
        for made in ml.online_deployments.list(NAME):
            exists += f", deployment {made.name} ({getattr(made.provisioning_state, 'value', made.provisioning_state)})"
    except ResourceNotFoundError:
        exists = "no endpoint, but look again in a minute"
    except Exception:
        exists += " (perhaps: Azure does not answer)"
    raise SystemExit(f"Exists now: {exists}. To delete it and stop the bill: python delete/azure_ai_ml.py {NAME}") from None
print("\nAZURE_INFERENCE_ENDPOINT=" + endpoint.scoring_uri.removesuffix("/score"))
# The key, AZURE_INFERENCE_CREDENTIAL, is ml.online_endpoints.get_keys(NAME).primary_key
