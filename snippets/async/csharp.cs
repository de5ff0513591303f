// Not executed, only parsed: for Azure.AI.Inference 1.0.0-beta.5, 24 November 2026.
// Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
using Azure;
using Azure.AI.Inference;

var client = new ChatCompletionsClient(
    new Uri(Environment.GetEnvironmentVariable("AZURE_INFERENCE_ENDPOINT")!),
    new AzureKeyCredential(Environment.GetEnvironmentVariable("AZURE_INFERENCE_CREDENTIAL")!));

async Task<string> Capital(string country)
{
    Response<ChatCompletions> response = await client.CompleteAsync(new ChatCompletionsOptions
    {
        Messages = { new ChatRequestUserMessage($"What is the capital of {country}?") },
        Temperature = 0,
    });
    return response.Value.Content;
}

foreach (string answer in await Task.WhenAll(Capital("France"), Capital("Japan")))
{
    Console.WriteLine(answer);
}
