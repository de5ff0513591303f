// Not executed, only parsed: for .NET 10 with Azure.AI.Inference 1.0.0-beta.5, 29 November 2026.
// Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL; reads AZURE_INFERENCE_MODEL.
#:package Azure.AI.Inference@1.0.0-beta.5
using System.Text.Json;
using Azure;
using Azure.AI.Inference;

var limits = new AzureAIInferenceClientOptions { Retry = { NetworkTimeout = TimeSpan.FromSeconds(60) } };
var client = new ChatCompletionsClient(
    new Uri(Environment.GetEnvironmentVariable("AZURE_INFERENCE_ENDPOINT")!),
    new AzureKeyCredential(Environment.GetEnvironmentVariable("AZURE_INFERENCE_CREDENTIAL")!), limits);

var options = new ChatCompletionsOptions
{
    Messages = { new ChatRequestUserMessage("Give me JSON about Paris.") },
    Model = Environment.GetEnvironmentVariable("AZURE_INFERENCE_MODEL"), // null: the server has one
    Temperature = 0,
};
for (int attempt = 1; attempt <= 3; attempt++)
{
    ChatCompletions reply = client.Complete(options).Value;
    if (reply.FinishReason != CompletionsFinishReason.Stopped)
        throw new InvalidOperationException($"the answer is not whole: {reply.FinishReason}");
    string answer = reply.Content;
    try
    {
        using JsonDocument document = JsonDocument.Parse(answer);
        Console.WriteLine(document.RootElement.GetProperty("city"));
        return;
    }
    catch (Exception error) when (error is JsonException or KeyNotFoundException or InvalidOperationException) { }
    options.Messages.Add(new ChatRequestAssistantMessage(answer));
    options.Messages.Add(new ChatRequestUserMessage("I cannot use that answer. Reply with the JSON object only."));
}
Console.WriteLine("No valid JSON in three attempts.");
