# Last run with curl 7.88.1 on 24 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
curl --silent --show-error --fail-with-body --write-out '\n' \
  "$AZURE_INFERENCE_ENDPOINT/info?api-version=2024-05-01-preview" \
  --header "Authorization: Bearer $AZURE_INFERENCE_CREDENTIAL"
