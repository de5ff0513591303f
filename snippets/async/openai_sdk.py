# Last run with openai 3.54.0 on 24 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
import asyncio
import os

from openai import AsyncOpenAI


async def capital(client, country):
    ask = [{"role": "user", "content": f"What is the capital of {country}?"}]
    response = await client.chat.completions.create(model="Phi-4", messages=ask, temperature=0)
    return response.choices[0].message.content


async def main():
    async with AsyncOpenAI(
        base_url=os.environ["AZURE_INFERENCE_ENDPOINT"] + "/v1",
        api_key=os.environ["AZURE_INFERENCE_CREDENTIAL"],
    ) as client:
        print(*await asyncio.gather(capital(client, "France"), capital(client, "Japan")), sep="\n")


asyncio.run(main())  # in a notebook: await main()
