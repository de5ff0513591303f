// Not executed, only parsed: for .NET 10 with OpenAI 2.15.0 and Azure.Identity 1.21.0, 29 November 2026.
// Needs AZURE_INFERENCE_ENDPOINT, and to be signed in: az login, or a managed identity; reads AZURE_INFERENCE_MODEL.
#:package OpenAI@2.15.0
#:package Azure.Identity@1.21.0
using System.ClientModel.Primitives;
using Azure.Identity;
using OpenAI;
using OpenAI.Chat;

#pragma warning disable OPENAI001 // the constructor that takes a policy may still change
string endpoint = Environment.GetEnvironmentVariable("AZURE_INFERENCE_ENDPOINT")!;
string model = Environment.GetEnvironmentVariable("AZURE_INFERENCE_MODEL") ?? "Phi-4";
var token = new BearerTokenPolicy(new DefaultAzureCredential(), "https://ml.azure.com/.default");
var limits = new OpenAIClientOptions { Endpoint = new Uri(endpoint + "/v1"), NetworkTimeout = TimeSpan.FromSeconds(60) };
var client = new ChatClient(model, token, limits);

ChatCompletion response = client.CompleteChat([new UserChatMessage("What is the capital of France?")], new() { Temperature = 0 });
Console.WriteLine(response.Content[0].Text);
if (response.FinishReason != ChatFinishReason.Stop)
    throw new InvalidOperationException($"the answer is not whole: {response.FinishReason}");
