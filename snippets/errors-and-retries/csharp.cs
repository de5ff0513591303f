// Not executed, only parsed: for .NET 10 with Azure.AI.Inference 1.0.0-beta.5, 29 November 2026.
// Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL; reads AZURE_INFERENCE_MODEL.
#:package Azure.AI.Inference@1.0.0-beta.5
using Azure;
using Azure.AI.Inference;

// Tried again: after 408, 429, 500, 502, 503 and 504, after time-outs, and where there is no connection.
var retries = new AzureAIInferenceClientOptions { Retry = { MaxRetries = 5, NetworkTimeout = TimeSpan.FromSeconds(60) } };
var client = new ChatCompletionsClient(
    new Uri(Environment.GetEnvironmentVariable("AZURE_INFERENCE_ENDPOINT")!),
    new AzureKeyCredential(Environment.GetEnvironmentVariable("AZURE_INFERENCE_CREDENTIAL")!), retries);

var options = new ChatCompletionsOptions
{
    Messages = { new ChatRequestUserMessage("What is the capital of France?") },
    Model = Environment.GetEnvironmentVariable("AZURE_INFERENCE_MODEL"), // null: the server has one
    Temperature = 0,
};
try
{
    ChatCompletions reply = client.Complete(options).Value;
    Console.WriteLine(reply.Content);
    if (reply.FinishReason != CompletionsFinishReason.Stopped)
        throw new InvalidOperationException($"the answer is not whole: {reply.FinishReason}");
}
catch (RequestFailedException error)
{
    Console.WriteLine($"Status {error.Status} {error.GetRawResponse()?.Content}");
}
catch (AggregateException error)
{
    Console.WriteLine($"No answer at all: {error.InnerException?.Message}");
}
