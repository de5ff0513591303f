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
limits.AddPolicy(new PassThrough(), PipelinePosition.PerCall); // or some servers ignore the request for usage
var client = new ChatClient(model, key, limits);

List<ChatMessage> messages =
[
    new SystemChatMessage("You are a helpful assistant."),
    new UserChatMessage("How many languages are in the world?"),
];
var options = new ChatCompletionOptions { Temperature = 0, TopP = 1, MaxOutputTokenCount = 2048 };
ChatFinishReason? reason = null;
await foreach (StreamingChatCompletionUpdate update in client.CompleteChatStreamingAsync(messages, options))
{
    foreach (ChatMessageContentPart part in update.ContentUpdate) Console.Write(part.Text);
    if (update.Usage is not null) Console.WriteLine($"\n{update.Usage.OutputTokenCount} tokens");
    reason = update.FinishReason ?? reason;
}
if (reason != ChatFinishReason.Stop)
    throw new InvalidOperationException($"the answer is not whole: {reason}");

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
