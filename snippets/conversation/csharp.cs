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
};
Response<ChatCompletions> first = client.Complete(options);
Console.WriteLine(first.Value.Content);

options.Messages.Add(new ChatRequestAssistantMessage(first.Value.Content));
options.Messages.Add(new ChatRequestUserMessage("And in France?"));
Response<ChatCompletions> second = client.Complete(options);
Console.WriteLine(second.Value.Content);
