# Last run with azure-ai-ml 1.35.2 and azure-identity 1.27.0 on 29 November 2026.
# Needs AZURE_SUBSCRIPTION_ID, AZURE_RESOURCE_GROUP and AZURE_ML_WORKSPACE. Run: python azure_ai_ml.py my-phi4
import argparse
import os
import sys

from azure.ai.ml import MLClient
from azure.core.exceptions import HttpResponseError
from azure.identity import DefaultAzureCredential

parser = argparse.ArgumentParser(description="Delete an endpoint with its deployments, which stops the bill.")
parser.add_argument("endpoint", help="its name")
parser.add_argument("--yes", action="store_true", help="do not ask for the name again")
options = parser.parse_args()
names = "AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP", "AZURE_ML_WORKSPACE"
subscription, group, workspace = (os.environ[name] for name in names)
ml = MLClient(DefaultAzureCredential(), subscription_id=subscription, resource_group_name=group, workspace_name=workspace)

existing = [endpoint.name for endpoint in ml.online_endpoints.list()]
if options.endpoint not in existing:
    raise SystemExit(f"Nothing was deleted. {workspace} has no endpoint {options.endpoint}, only these: {existing}")
print(f"To be deleted: endpoint {options.endpoint} in workspace {workspace}, with these deployments:")
for deployment in ml.online_deployments.list(options.endpoint):
    state = getattr(deployment.provisioning_state, "value", deployment.provisioning_state)
    print(f"  {deployment.name}: {deployment.instance_count} x {deployment.instance_type}, {state}")
if not options.yes:
    print("Type the endpoint's name to delete it: ", end="", flush=True)
    if sys.stdin.readline().strip() != options.endpoint:
        raise SystemExit("\nNothing was deleted, and the bill goes on.")
try:
    ml.online_endpoints.begin_delete(options.endpoint).result()
except HttpResponseError as error:
    raise SystemExit(f"NOT deleted, and the bill goes on. Try again in a few minutes. {error.message}") from None
print("\nleft:", [endpoint.name for endpoint in ml.online_endpoints.list()])
