// Not executed, only parsed: for .NET 10 with Azure.AI.Inference 1.0.0-beta.5, 29 November 2026.
// Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
#:package Azure.AI.Inference@1.0.0-beta.5
using Azure;
using Azure.AI.Inference;

var limits = new AzureAIInferenceClientOptions { Retry = { NetworkTimeout = TimeSpan.FromSeconds(60) } };
var client = new ChatCompletionsClient(
    new Uri(Environment.GetEnvironmentVariable("AZURE_INFERENCE_ENDPOINT")!),
    new AzureKeyCredential(Environment.GetEnvironmentVariable("AZURE_INFERENCE_CREDENTIAL")!), limits);

Response<ModelInfo> info = client.GetModelInfo();
Console.WriteLine($"Model name: {info.Value.ModelName}");
Console.WriteLine($"Model type: {info.Value.ModelType}");
Console.WriteLine($"Model provider name: {info.Value.ModelProviderName}");
