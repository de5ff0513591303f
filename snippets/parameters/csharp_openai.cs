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
limits.AddPolicy(new PassThrough(), PipelinePosition.PerCall); // or some servers ignore max_completion_tokens
var client = new ChatClient(model, key, limits);

var options = new ChatCompletionOptions
{
    PresencePenalty = 0.1f,
    FrequencyPenalty = 0.8f,
    MaxOutputTokenCount = 2048, // sent as max_completion_tokens
    StopSequences = { "<|endoftext|>" },
    Temperature = 0,
    TopP = 1,
    ResponseFormat = ChatResponseFormat.CreateTextFormat(),
};
ChatCompletion response = client.CompleteChat([new UserChatMessage("How many languages are in the world?")], options);
Console.WriteLine(response.Content[0].Text);
Console.WriteLine($"Finish reason: {response.FinishReason}");

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
