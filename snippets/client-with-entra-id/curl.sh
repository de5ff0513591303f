# Last run with curl 7.88.1 on 29 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT, IDENTITY_ENDPOINT and IDENTITY_HEADER (Azure sets the last two).

# The token comes from the managed identity of App Service or Functions. On your own computer (not executed):
# token=$(az account get-access-token --resource https://ml.azure.com --query accessToken --output tsv)
reply=$(curl --silent --show-error --fail-with-body --max-time 60 --header "X-IDENTITY-HEADER: $IDENTITY_HEADER" \
  "$IDENTITY_ENDPOINT?api-version=2019-08-01&resource=https://ml.azure.com") ||
  { echo "$reply" >&2; exit 1; }
token=$(echo "$reply" | sed 's/.*"access_token" *: *"\([^"]*\)".*/\1/')

curl --silent --show-error --fail-with-body --max-time 60 --write-out '\n' \
  "$AZURE_INFERENCE_ENDPOINT/chat/completions?api-version=2024-05-01-preview" \
  --header "Authorization: Bearer $token" \
  --json '{
    "messages": [{"role": "user", "content": "What is the capital of France?"}],
    "temperature": 0
  }'
