# Last run with httpx 0.28.1 on 29 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
import asyncio
import os

import httpx

url = os.environ["AZURE_INFERENCE_ENDPOINT"] + "/chat/completions?api-version=2024-05-01-preview"
headers = {"Authorization": "Bearer " + os.environ["AZURE_INFERENCE_CREDENTIAL"]}


async def capital(client, country):
    ask = [{"role": "user", "content": f"What is the capital of {country}?"}]
    reply = await client.post(url, json={"messages": ask, "temperature": 0})
    reply.raise_for_status()
    choice = reply.json()["choices"][0]
    if choice["finish_reason"] != "stop":
        raise RuntimeError(f"the answer is not whole: {choice['finish_reason']}")
    return choice["message"]["content"]


async def main():
    async with httpx.AsyncClient(headers=headers, timeout=60) as client:
        print(*await asyncio.gather(capital(client, "France"), capital(client, "Japan")), sep="\n")


asyncio.run(main())  # in a notebook: await main()
