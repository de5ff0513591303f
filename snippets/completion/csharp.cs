// Not executed, only parsed: for .NET 10 with Azure.AI.Inference 1.0.0-beta.5, 29 November 2026.
// Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL; reads AZURE_INFERENCE_MODEL.
#:package Azure.AI.Inference@1.0.0-beta.5
using Azure;
using Azure.AI.Inference;

var limits = new AzureAIInferenceClientOptions { Retry = { NetworkTimeout = TimeSpan.FromSeconds(60) } };
var client = new ChatCompletionsClient(
    new Uri(Environment.GetEnvironmentVariable("AZURE_INFERENCE_ENDPOINT")!),
    new AzureKeyCredential(Environment.GetEnvironmentVariable("AZURE_INFERENCE_CREDENTIAL")!), limits);

Response<ChatCompletions> response = client.Complete(new ChatCompletionsOptions
{
    Messages =
    {
        new ChatRequestSystemMessage("You are a helpful assistant."),
        new ChatRequestUserMessage("How many languages are in the world?"),
    },
    Model = Environment.GetEnvironmentVariable("AZURE_INFERENCE_MODEL"), // null: the server has one
    Temperature = 0,
});
Console.WriteLine($"Response: {response.Value.Content}");
Console.WriteLine($"Model: {response.Value.Model}");
Console.WriteLine($"Prompt tokens: {response.Value.Usage.PromptTokens}");
Console.WriteLine($"Completion tokens: {response.Value.Usage.CompletionTokens}");
if (response.Value.FinishReason != CompletionsFinishReason.Stopped)
    throw new InvalidOperationException($"the answer is not whole: {response.Value.FinishReason}");
