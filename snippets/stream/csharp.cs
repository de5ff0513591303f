// Not executed, only parsed: for .NET 10 with Azure.AI.Inference 1.0.0-beta.5, 29 November 2026.
// Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL; reads AZURE_INFERENCE_MODEL.
#:package Azure.AI.Inference@1.0.0-beta.5
using Azure;
using Azure.AI.Inference;

var limits = new AzureAIInferenceClientOptions { Retry = { NetworkTimeout = TimeSpan.FromSeconds(60) } };
var client = new ChatCompletionsClient(
    new Uri(Environment.GetEnvironmentVariable("AZURE_INFERENCE_ENDPOINT")!),
    new AzureKeyCredential(Environment.GetEnvironmentVariable("AZURE_INFERENCE_CREDENTIAL")!), limits);

var options = new ChatCompletionsOptions
{
    Messages =
    {
        new ChatRequestSystemMessage("You are a helpful assistant."),
        new ChatRequestUserMessage("How many languages are in the world?"),
    },
    Model = Environment.GetEnvironmentVariable("AZURE_INFERENCE_MODEL"), // null: the server has one
    Temperature = 0,
    NucleusSamplingFactor = 1,
    MaxTokens = 2048,
};
CompletionsFinishReason? reason = null;
using StreamingResponse<StreamingChatCompletionsUpdate> stream = await client.CompleteStreamingAsync(options);
await foreach (StreamingChatCompletionsUpdate update in stream)
{
    Console.Write(update.ContentUpdate);
    reason = update.FinishReason ?? reason;
    if (update.Usage is not null)
    {
        Console.WriteLine($"\n{update.Usage.CompletionTokens} tokens");
    }
}
if (reason != CompletionsFinishReason.Stopped)
    throw new InvalidOperationException($"the answer is not whole: {reason}");
