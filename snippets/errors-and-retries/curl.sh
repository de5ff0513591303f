# Last run with curl 7.88.1 on 23 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.

# 1.5 is out of range, to show an error; 408, 429 and 5xx are tried again
for temperature in 0 1.5; do
  curl --silent --show-error --fail-with-body --retry 5 --retry-delay 1 --max-time 60 \
    --write-out '\nStatus %{http_code}\n' \
    "$AZURE_INFERENCE_ENDPOINT/chat/completions?api-version=2024-05-01-preview" \
    --header "Authorization: Bearer $AZURE_INFERENCE_CREDENTIAL" \
    --json '{
      "messages": [{"role": "user", "content": "What is the capital of France?"}],
      "temperature": '$temperature'
    }' || echo "curl ended with $?"
done
