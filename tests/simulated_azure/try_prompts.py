import pathlib
import re
import sys
import tomllib

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from chat_requests import call_of, request_body

from simulated_azure.inference.completions import Assistant

A = Assistant("m")
D = re.compile(
    r"don.t know|do not know|not told me|outside what|does not say|not in the text", re.I
)


def run(e):
    ms = [("system", e["system"])] if "system" in e else []
    for t in e["user"]:
        ms.append(("user", t))
        b = A.answer(call_of(request_body(ms, temperature=0, max_tokens=300))).body()
        text = b["choices"][0]["message"]["content"]
        ms.append(("assistant", text))
    return text, b["system_fingerprint"]


if __name__ == "__main__":
    held = "held" in sys.argv
    n = ok = 0
    for e in tomllib.loads((pathlib.Path(__file__).parent / "skill_prompts.toml").read_text())[
        "prompt"
    ]:
        if bool(e.get("held_out")) != held:
            continue
        text, fp = run(e)
        n += 1
        good = (
            bool(D.search(text))
            if e.get("declines")
            else bool(re.fullmatch(e["answer"], text, re.I | re.S))
        )
        ok += good
        if not good or "all" in sys.argv:
            print(
                "OK " if good else "BAD",
                e["user"][-1][:90].replace("\n", "/"),
                "->",
                text[:160].replace("\n", "/"),
                fp[10:],
            )
    print(ok, "of", n)
