// Not executed, only parsed: for Azure.AI.Inference 1.0.0-beta.5, 24 November 2026.
// Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
using System.Text.Json;
using Azure;
using Azure.AI.Inference;

var client = new ChatCompletionsClient(
    new Uri(Environment.GetEnvironmentVariable("AZURE_INFERENCE_ENDPOINT")!),
    new AzureKeyCredential(Environment.GetEnvironmentVariable("AZURE_INFERENCE_CREDENTIAL")!));

var options = new ChatCompletionsOptions
{
    Messages = { new ChatRequestUserMessage("Give me JSON about Paris.") },
    Temperature = 0,
};
for (int attempt = 1; attempt <= 3; attempt++)
{
    string answer = client.Complete(options).Value.Content;
    try
    {
        using JsonDocument document = JsonDocument.Parse(answer);
        Console.WriteLine(document.RootElement.GetProperty("city"));
        return;
    }
    catch (Exception error) when (error is JsonException or KeyNotFoundException or InvalidOperationException) { }
    options.Messages.Add(new ChatRequestAssistantMessage(answer));
    options.Messages.Add(new ChatRequestUserMessage("That was not valid JSON. Reply with the JSON object only."));
}
Console.WriteLine("No valid JSON in three attempts.");
