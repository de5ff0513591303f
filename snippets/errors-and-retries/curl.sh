# Last run with curl 7.88.1 on 24 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.

# 1.5 is out of range, to show an error; 408, 429, most 5xx and time-outs are tried again
reply=$(mktemp)
trap 'rm "$reply"' EXIT
for temperature in 0 1.5; do
  curl --silent --show-error --fail-with-body --retry 5 --max-time 60 \
    --output "$reply" --write-out 'Status %{http_code}\n' \
    "$AZURE_INFERENCE_ENDPOINT/chat/completions?api-version=2024-05-01-preview" \
    --header "Authorization: Bearer $AZURE_INFERENCE_CREDENTIAL" \
    --json '{
      "messages": [{"role": "user", "content": "What is the capital of France?"}],
      "temperature": '$temperature'
    }'
  ended=$?
  cat "$reply"
  echo
  [ $ended = 0 ] || exit $ended
done
