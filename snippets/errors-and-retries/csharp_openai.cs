// Not executed, only parsed: for .NET 10 with OpenAI 2.15.0, 29 November 2026.
// Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL; reads AZURE_INFERENCE_MODEL.
#:package OpenAI@2.15.0
using System.ClientModel;
using System.ClientModel.Primitives;
using OpenAI;
using OpenAI.Chat;

// Tried again: after 408, 429, 500, 502, 503 and 504, after time-outs, and where there is no connection.
string endpoint = Environment.GetEnvironmentVariable("AZURE_INFERENCE_ENDPOINT")!;
var key = new ApiKeyCredential(Environment.GetEnvironmentVariable("AZURE_INFERENCE_CREDENTIAL")!);
string model = Environment.GetEnvironmentVariable("AZURE_INFERENCE_MODEL") ?? "Phi-4";
var limits = new OpenAIClientOptions { Endpoint = new Uri(endpoint + "/v1"), NetworkTimeout = TimeSpan.FromSeconds(60) };
limits.RetryPolicy = new ClientRetryPolicy(5);
var client = new ChatClient(model, key, limits);

try
{
    ChatCompletion reply = client.CompleteChat([new UserChatMessage("What is the capital of France?")], new() { Temperature = 0 });
    Console.WriteLine(reply.Content[0].Text);
    if (reply.FinishReason != ChatFinishReason.Stop)
        throw new InvalidOperationException($"the answer is not whole: {reply.FinishReason}");
}
catch (ClientResultException error) when (error.Status != 0)
{
    Console.WriteLine($"Status {error.Status} {error.GetRawResponse()?.Content}");
}
catch (Exception error) when (error is AggregateException or ClientResultException or TaskCanceledException)
{
    Console.WriteLine($"No answer at all: {error.InnerException?.Message}");
}
