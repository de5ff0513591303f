// Not executed, only parsed: for .NET 10 with Azure.AI.Inference 1.0.0-beta.5 and Azure.Identity 1.21.0, 29 November 2026.
// Needs AZURE_INFERENCE_ENDPOINT, and to be signed in: az login, or a managed identity; reads AZURE_INFERENCE_MODEL.
#:package Azure.AI.Inference@1.0.0-beta.5
#:package Azure.Identity@1.21.0
using Azure;
using Azure.AI.Inference;
using Azure.Identity;

var limits = new AzureAIInferenceClientOptions { Retry = { NetworkTimeout = TimeSpan.FromSeconds(60) } };
var client = new ChatCompletionsClient(
    new Uri(Environment.GetEnvironmentVariable("AZURE_INFERENCE_ENDPOINT")!),
    new DefaultAzureCredential(), limits);

Response<ChatCompletions> response = client.Complete(new ChatCompletionsOptions
{
    Messages = { new ChatRequestUserMessage("What is the capital of France?") },
    Model = Environment.GetEnvironmentVariable("AZURE_INFERENCE_MODEL"), // null: the server has one
    Temperature = 0,
});
Console.WriteLine(response.Value.Content);
if (response.Value.FinishReason != CompletionsFinishReason.Stopped)
    throw new InvalidOperationException($"the answer is not whole: {response.Value.FinishReason}");
