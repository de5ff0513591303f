// Not executed, only parsed: for .NET 10 with OpenAI 2.15.0, 29 November 2026.
// Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL; reads AZURE_INFERENCE_MODEL.
#:package OpenAI@2.15.0
using System.ClientModel;
using OpenAI;
using OpenAI.Chat;

string endpoint = Environment.GetEnvironmentVariable("AZURE_INFERENCE_ENDPOINT")!;
var key = new ApiKeyCredential(Environment.GetEnvironmentVariable("AZURE_INFERENCE_CREDENTIAL")!);
string model = Environment.GetEnvironmentVariable("AZURE_INFERENCE_MODEL") ?? "Phi-4";
var limits = new OpenAIClientOptions { Endpoint = new Uri(endpoint + "/v1"), NetworkTimeout = TimeSpan.FromSeconds(60) };
var client = new ChatClient(model, key, limits);

ChatCompletion response = client.CompleteChat([new UserChatMessage("What is the capital of France?")], new() { Temperature = 0 });
Console.WriteLine(response.Content[0].Text);
if (response.FinishReason != ChatFinishReason.Stop)
    throw new InvalidOperationException($"the answer is not whole: {response.FinishReason}");
