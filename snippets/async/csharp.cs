// Not executed, only parsed: for .NET 10 with Azure.AI.Inference 1.0.0-beta.5, 29 November 2026.
// Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL; reads AZURE_INFERENCE_MODEL.
#:package Azure.AI.Inference@1.0.0-beta.5
using Azure;
using Azure.AI.Inference;

var limits = new AzureAIInferenceClientOptions { Retry = { NetworkTimeout = TimeSpan.FromSeconds(60) } };
var client = new ChatCompletionsClient(
    new Uri(Environment.GetEnvironmentVariable("AZURE_INFERENCE_ENDPOINT")!),
    new AzureKeyCredential(Environment.GetEnvironmentVariable("AZURE_INFERENCE_CREDENTIAL")!), limits);

async Task<string> Capital(string country)
{
    Response<ChatCompletions> response = await client.CompleteAsync(new ChatCompletionsOptions
    {
        Messages = { new ChatRequestUserMessage($"What is the capital of {country}?") },
        Model = Environment.GetEnvironmentVariable("AZURE_INFERENCE_MODEL"), // null: the server has one
        Temperature = 0,
    });
    if (response.Value.FinishReason != CompletionsFinishReason.Stopped)
        throw new InvalidOperationException($"the answer is not whole: {response.Value.FinishReason}");
    return response.Value.Content;
}

foreach (string answer in await Task.WhenAll(Capital("France"), Capital("Japan")))
{
    Console.WriteLine(answer);
}
