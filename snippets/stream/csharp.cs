// Not executed, only parsed: for Azure.AI.Inference 1.0.0-beta.5, 24 November 2026.
// Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
using Azure;
using Azure.AI.Inference;

var client = new ChatCompletionsClient(
    new Uri(Environment.GetEnvironmentVariable("AZURE_INFERENCE_ENDPOINT")!),
    new AzureKeyCredential(Environment.GetEnvironmentVariable("AZURE_INFERENCE_CREDENTIAL")!));

var options = new ChatCompletionsOptions
{
    Messages =
    {
        new ChatRequestSystemMessage("You are a helpful assistant."),
        new ChatRequestUserMessage("How many languages are in the world?"),
    },
    Temperature = 0,
    NucleusSamplingFactor = 1,
    MaxTokens = 2048,
};
using StreamingResponse<StreamingChatCompletionsUpdate> stream = await client.CompleteStreamingAsync(options);
await foreach (StreamingChatCompletionsUpdate update in stream)
{
    Console.Write(update.ContentUpdate);
    if (update.Usage is not null)
    {
        Console.WriteLine($"\n{update.Usage.CompletionTokens} tokens");
    }
}
