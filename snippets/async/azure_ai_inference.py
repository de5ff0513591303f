# Last run with azure-ai-inference 1.0.0b9 and aiohttp 3.14.5 on 29 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
import asyncio
import os

from azure.ai.inference.aio import ChatCompletionsClient
from azure.ai.inference.models import UserMessage
from azure.core.credentials import AzureKeyCredential

endpoint = os.environ["AZURE_INFERENCE_ENDPOINT"]
key = os.environ["AZURE_INFERENCE_CREDENTIAL"]


async def capital(client, country):
    ask = [UserMessage(f"What is the capital of {country}?")]
    response = await client.complete(messages=ask, temperature=0)
    choice = response.choices[0]
    if choice.finish_reason != "stop":
        raise RuntimeError(f"the answer is not whole: {choice.finish_reason}")
    return choice.message.content


async def main():
    async with ChatCompletionsClient(endpoint, AzureKeyCredential(key), read_timeout=60) as client:
        print(*await asyncio.gather(capital(client, "France"), capital(client, "Japan")), sep="\n")


asyncio.run(main())  # in a notebook: await main()
