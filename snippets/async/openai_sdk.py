# Last run with openai 3.54.0 on 29 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL; reads AZURE_INFERENCE_MODEL.
import asyncio
import os

from openai import AsyncOpenAI

endpoint, key = os.environ["AZURE_INFERENCE_ENDPOINT"], os.environ["AZURE_INFERENCE_CREDENTIAL"]
model = os.environ.get("AZURE_INFERENCE_MODEL", "Phi-4")  # a serve server takes only the name that model-info prints


async def capital(client, country):
    ask = [{"role": "user", "content": f"What is the capital of {country}?"}]
    response = await client.chat.completions.create(model=model, messages=ask, temperature=0)
    choice = response.choices[0]
    if choice.finish_reason != "stop":
        raise RuntimeError(f"the answer is not whole: {choice.finish_reason}")
    return choice.message.content


async def main():
    async with AsyncOpenAI(base_url=endpoint + "/v1", api_key=key, timeout=60) as client:
        print(*await asyncio.gather(capital(client, "France"), capital(client, "Japan")), sep="\n")


asyncio.run(main())  # in a notebook: await main()
