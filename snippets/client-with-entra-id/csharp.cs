// Not executed, only parsed: for Azure.AI.Inference 1.0.0-beta.5 and Azure.Identity, 24 November 2026.
// Needs AZURE_INFERENCE_ENDPOINT, and to be signed in: az login, or a managed identity.
using Azure;
using Azure.AI.Inference;
using Azure.Identity;

var client = new ChatCompletionsClient(
    new Uri(Environment.GetEnvironmentVariable("AZURE_INFERENCE_ENDPOINT")!),
    new DefaultAzureCredential());

Response<ChatCompletions> response = client.Complete(new ChatCompletionsOptions
{
    Messages = { new ChatRequestUserMessage("What is the capital of France?") },
    Temperature = 0,
});
Console.WriteLine(response.Value.Content);
