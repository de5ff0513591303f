// Not executed, only parsed: for .NET 10 with OpenAI 2.15.0, 29 November 2026.
// Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL; reads AZURE_INFERENCE_MODEL.
#:package OpenAI@2.15.0
using System.ClientModel;
using System.ClientModel.Primitives;
using OpenAI;
using OpenAI.Chat;

string endpoint = Environment.GetEnvironmentVariable("AZURE_INFERENCE_ENDPOINT")!;
var key = new ApiKeyCredential(Environment.GetEnvironmentVariable("AZURE_INFERENCE_CREDENTIAL")!);
string model = Environment.GetEnvironmentVariable("AZURE_INFERENCE_MODEL") ?? "Phi-4";
var limits = new OpenAIClientOptions { Endpoint = new Uri(endpoint + "/v1"), NetworkTimeout = TimeSpan.FromSeconds(60) };
limits.AddPolicy(new PassThrough(), PipelinePosition.PerCall); // or some servers ignore logprobs
var client = new ChatClient(model, key, limits);

ChatCompletion response = client.CompleteChat([new UserChatMessage("What is the capital of France?")], new() { Temperature = 0, IncludeLogProbabilities = true });
Console.WriteLine(response.Content[0].Text);
foreach (ChatTokenLogProbabilityDetails item in response.ContentTokenLogProbabilities ?? []) // some servers leave them out
{
    Console.WriteLine($"{item.LogProbability,8:F4}  {item.Token}");
}
if (response.FinishReason != ChatFinishReason.Stop)
    throw new InvalidOperationException($"the answer is not whole: {response.FinishReason}");

class PassThrough : PipelinePolicy
{
    public override void Process(PipelineMessage message, IReadOnlyList<PipelinePolicy> pipeline, int index)
    {
        message.Request.Headers.Set("extra-parameters", "pass-through");
        ProcessNext(message, pipeline, index);
    }

    public override ValueTask ProcessAsync(PipelineMessage message, IReadOnlyList<PipelinePolicy> pipeline, int index)
    {
        message.Request.Headers.Set("extra-parameters", "pass-through");
        return ProcessNextAsync(message, pipeline, index);
    }
}
