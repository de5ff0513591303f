# Last run with curl 7.88.1 on 29 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
curl --silent --show-error --fail-with-body --max-time 60 --write-out '\n' \
  "$AZURE_INFERENCE_ENDPOINT/chat/completions?api-version=2024-05-01-preview" \
  --header "Authorization: Bearer $AZURE_INFERENCE_CREDENTIAL" \
  --header "extra-parameters: pass-through" \
  --json '{
    "messages": [{"role": "user", "content": "What is the capital of France?"}],
    "temperature": 0,
    "logprobs": true
  }'
