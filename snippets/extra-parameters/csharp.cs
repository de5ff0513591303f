// Not executed, only parsed: for .NET 10 with Azure.AI.Inference 1.0.0-beta.5, 29 November 2026.
// Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL; reads AZURE_INFERENCE_MODEL.
#:package Azure.AI.Inference@1.0.0-beta.5
using System.Text.Json.Nodes;
using Azure;
using Azure.AI.Inference;

var limits = new AzureAIInferenceClientOptions { Retry = { NetworkTimeout = TimeSpan.FromSeconds(60) } };
var client = new ChatCompletionsClient(
    new Uri(Environment.GetEnvironmentVariable("AZURE_INFERENCE_ENDPOINT")!),
    new AzureKeyCredential(Environment.GetEnvironmentVariable("AZURE_INFERENCE_CREDENTIAL")!), limits);

Response<ChatCompletions> response = client.Complete(new ChatCompletionsOptions
{
    Messages = { new ChatRequestUserMessage("What is the capital of France?") },
    Model = Environment.GetEnvironmentVariable("AZURE_INFERENCE_MODEL"), // null: the server has one
    Temperature = 0,
    AdditionalProperties = { { "logprobs", BinaryData.FromString("true") } },
});
Console.WriteLine(response.Value.Content);

// The type ChatCompletions has no log-probabilities: they are read from the reply as it came. Some servers leave them out.
JsonNode? reply = JsonNode.Parse(response.GetRawResponse().Content.ToString());
foreach (JsonNode? item in reply?["choices"]?[0]?["logprobs"]?["content"]?.AsArray() ?? new JsonArray())
{
    Console.WriteLine($"{item!["logprob"]!.GetValue<double>(),8:F4}  {item["token"]}");
}
if (response.Value.FinishReason != CompletionsFinishReason.Stopped)
    throw new InvalidOperationException($"the answer is not whole: {response.Value.FinishReason}");
