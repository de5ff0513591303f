// Not executed, only parsed: for Azure.AI.Inference 1.0.0-beta.5, 23 November 2026.
// Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
using Azure;
using Azure.AI.Inference;
using Azure.Core;

var clientOptions = new AzureAIInferenceClientOptions();
clientOptions.Retry.MaxRetries = 5;
var client = new ChatCompletionsClient(
    new Uri(Environment.GetEnvironmentVariable("AZURE_INFERENCE_ENDPOINT")!),
    new AzureKeyCredential(Environment.GetEnvironmentVariable("AZURE_INFERENCE_CREDENTIAL")!),
    clientOptions);

var options = new ChatCompletionsOptions
{
    Messages = { new ChatRequestUserMessage("What is the capital of France?") },
    Temperature = 0,
};
try
{
    Console.WriteLine(client.Complete(options).Value.Content);
    options.Temperature = 1.5f; // out of range, to show an error
    client.Complete(options);
}
catch (RequestFailedException error)
{
    Console.WriteLine($"Status {error.Status} {error.GetRawResponse()?.Content}");
}
