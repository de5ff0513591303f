"""Run llama.cpp's own server on a GGUF file: ``python llama_server.py MODEL PORT [KEY]``.

The package xllamacpp brings llama.cpp as a wheel, with its HTTP server.
"""

from __future__ import annotations

import sys
import time

import xllamacpp


def main() -> None:
    parameters = xllamacpp.CommonParams()
    parameters.model.path, parameters.port = sys.argv[1], int(sys.argv[2])
    parameters.model_alias = {"tiny-phi"}
    # It refuses an n above its number of slots, which share the context here.
    parameters.n_ctx, parameters.n_parallel, parameters.kv_unified = 16384, 64, True
    parameters.api_keys = sys.argv[3:]
    # The model knows the last token only: at temperature 0 it would go in circles.
    parameters.sampling.penalty_repeat, parameters.sampling.penalty_last_n = 1.3, 256
    parameters.n_predict = 400  # in case it does so all the same
    parameters.use_jinja = True
    server = xllamacpp.Server(parameters)
    print(server.listening_address, flush=True)
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    main()
