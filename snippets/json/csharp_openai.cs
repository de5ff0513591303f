// Not executed, only parsed: for .NET 10 with OpenAI 2.15.0, 29 November 2026.
// Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL; reads AZURE_INFERENCE_MODEL.
#:package OpenAI@2.15.0
using System.ClientModel;
using System.Text.Json;
using OpenAI;
using OpenAI.Chat;

string endpoint = Environment.GetEnvironmentVariable("AZURE_INFERENCE_ENDPOINT")!;
var key = new ApiKeyCredential(Environment.GetEnvironmentVariable("AZURE_INFERENCE_CREDENTIAL")!);
string model = Environment.GetEnvironmentVariable("AZURE_INFERENCE_MODEL") ?? "Phi-4";
var limits = new OpenAIClientOptions { Endpoint = new Uri(endpoint + "/v1"), NetworkTimeout = TimeSpan.FromSeconds(60) };
var client = new ChatClient(model, key, limits);

List<ChatMessage> messages = [new UserChatMessage("Give me JSON about Paris.")];
for (int attempt = 1; attempt <= 3; attempt++)
{
    ChatCompletion reply = client.CompleteChat(messages, new() { Temperature = 0 });
    if (reply.FinishReason != ChatFinishReason.Stop)
        throw new InvalidOperationException($"the answer is not whole: {reply.FinishReason}");
    string answer = reply.Content[0].Text;
    try
    {
        using JsonDocument document = JsonDocument.Parse(answer);
        Console.WriteLine(document.RootElement.GetProperty("city"));
        return;
    }
    catch (Exception error) when (error is JsonException or KeyNotFoundException or InvalidOperationException) { }
    messages.Add(new AssistantChatMessage(answer));
    messages.Add(new UserChatMessage("I cannot use that answer. Reply with the JSON object only."));
}
Console.WriteLine("No valid JSON in three attempts.");
