# Last run with azure-ai-ml 1.35.2 on 23 November 2026.
# Needs AZURE_SUBSCRIPTION_ID, AZURE_RESOURCE_GROUP and AZURE_ML_WORKSPACE.
import os

from azure.ai.ml import MLClient
from azure.identity import DefaultAzureCredential

names = [os.environ[name] for name in ("AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP", "AZURE_ML_WORKSPACE")]
ml = MLClient(DefaultAzureCredential(), *names, enable_telemetry=False)

ml.online_endpoints.begin_delete("my-phi4").result()  # its deployments go with it: this stops the bill
print("\nleft:", [endpoint.name for endpoint in ml.online_endpoints.list()])
