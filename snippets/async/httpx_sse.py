# Last run with httpx 0.28.1 on 23 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL.
import asyncio
import os

import httpx


async def capital(client, country):
    ask = [{"role": "user", "content": f"What is the capital of {country}?"}]
    reply = await client.post("/chat/completions", json={"messages": ask, "temperature": 0})
    reply.raise_for_status()
    return reply.json()["choices"][0]["message"]["content"]


async def main():
    async with httpx.AsyncClient(
        base_url=os.environ["AZURE_INFERENCE_ENDPOINT"],
        params={"api-version": "2024-05-01-preview"},
        headers={"Authorization": "Bearer " + os.environ["AZURE_INFERENCE_CREDENTIAL"]},
        timeout=60,
    ) as client:
        print(*await asyncio.gather(capital(client, "France"), capital(client, "Japan")), sep="\n")


asyncio.run(main())  # in a notebook: await main()
