# Last run with azure-ai-ml 1.35.2 and azure-identity 1.27.0 on 24 November 2026.
# Needs AZURE_SUBSCRIPTION_ID, AZURE_RESOURCE_GROUP and AZURE_ML_WORKSPACE.
import os

from azure.ai.ml import MLClient
from azure.identity import DefaultAzureCredential

names = "AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP", "AZURE_ML_WORKSPACE"
subscription, group, workspace = (os.environ[name] for name in names)
ml = MLClient(DefaultAzureCredential(), subscription_id=subscription, resource_group_name=group, workspace_name=workspace)

ml.online_endpoints.begin_delete("my-phi4").result()  # its deployments go with it: this stops the bill
print("\nleft:", [endpoint.name for endpoint in ml.online_endpoints.list()])
