"""Another server that writes the answers, in place of the tiny language model.

Any server with OpenAI's routes under ``/v1`` may be the upstream: Ollama, Foundry Local,
llama.cpp, vLLM, Foundry, a deployment on managed compute. The simulated Azure checks keys and
requests, plays faults and remembers requests as always. What passes its door goes to the upstream,
where a published server would send it to its engine.
"""
