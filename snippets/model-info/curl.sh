# Last run with curl 7.88.1 on 29 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.

# An inference server knows /info, a serve server only /v1/models.
get() {
  curl --silent --show-error --fail-with-body --max-time 60 --write-out '\n' \
    "$AZURE_INFERENCE_ENDPOINT/$1" --header "Authorization: Bearer $AZURE_INFERENCE_CREDENTIAL"
}
info=$(get "info?api-version=2024-05-01-preview" 2>&1) && echo "$info" || get v1/models
