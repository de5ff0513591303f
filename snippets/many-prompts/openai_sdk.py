# Last run with openai 3.54.0 on 29 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL; reads AZURE_INFERENCE_MODEL.
import asyncio
import os
import sys

from openai import APIError, APIStatusError, AsyncOpenAI

AT_ONCE = 4  # requests under way; more than the deployment computes at once only bring 429
COUNTRIES = ["France", "Japan", "Italy", "Spain", "Germany", "Portugal"]
PROMPTS = [f"What is the capital of {country}?" for country in COUNTRIES]


async def ask(client, model, prompt, places):
    """Return (answer, error): one of them is None."""
    messages = [{"role": "user", "content": prompt}]
    async with places:  # a place stays taken during the waits after 429, so that all slow down
        try:
            response = await client.chat.completions.create(model=model, messages=messages, temperature=0)
        except APIError as error:  # kept, so that the other answers are not lost
            return None, f"{type(error).__name__}: {error}"
    choice = response.choices[0]
    if choice.finish_reason != "stop":
        return None, f"the answer is not whole: {choice.finish_reason}"
    return choice.message.content, None


def show_progress(done, total):
    """Draw the progress bar on stderr, so that stdout holds the answers only."""
    bar = "#" * (30 * done // total)
    print(f"\r[{bar:30}] {done}/{total}", end="\n" if done == total else "", file=sys.stderr, flush=True)


async def main():
    """Ask all prompts, a few at a time, and print the results in the order of the prompts."""
    endpoint, key = os.environ["AZURE_INFERENCE_ENDPOINT"], os.environ["AZURE_INFERENCE_CREDENTIAL"]
    # After 429, 5xx and time-outs the client asks again by itself: after the seconds of Retry-After
    # (if they are 60 at most), else after half a second, doubled each time up to eight.
    async with AsyncOpenAI(base_url=endpoint + "/v1", api_key=key, timeout=60, max_retries=8) as client:
        try:
            model = os.environ.get("AZURE_INFERENCE_MODEL") or (await client.models.list()).data[0].id
        except APIStatusError:  # a server without this list takes any name
            model = "Phi-4"
        places = asyncio.Semaphore(AT_ONCE)
        tasks = [asyncio.create_task(ask(client, model, prompt, places)) for prompt in PROMPTS]
        for done, task in enumerate(asyncio.as_completed(tasks), 1):
            await task
            show_progress(done, len(tasks))
    results = [task.result() for task in tasks]
    for prompt, (answer, error) in zip(PROMPTS, results, strict=True):
        print(f"{prompt} {answer if error is None else f'FAILED: {error}'}")
    return sum(error is not None for _, error in results)


failures = asyncio.run(main())  # in a notebook: await main()
if failures:
    sys.exit(f"{failures} of {len(PROMPTS)} prompts failed")
