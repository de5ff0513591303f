# Last run with curl 7.88.1 on 29 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.

# 408, 429, most 5xx and time-outs are tried again; the file holds the last reply only
reply=$(mktemp)
trap 'rm "$reply"' EXIT
curl --silent --show-error --fail-with-body --retry 5 --max-time 60 \
  --output "$reply" --write-out 'Status %{http_code}\n' \
  "$AZURE_INFERENCE_ENDPOINT/chat/completions?api-version=2024-05-01-preview" \
  --header "Authorization: Bearer $AZURE_INFERENCE_CREDENTIAL" \
  --json '{
    "messages": [{"role": "user", "content": "What is the capital of France?"}],
    "temperature": 0
  }'
ended=$?
cat "$reply"
echo
exit $ended
