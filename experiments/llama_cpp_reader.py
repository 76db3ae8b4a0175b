"""What llama.cpp computes with a GGUF file, for `llama_cpp.py`: a process without torch, beside which it hangs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import cyllama.llama.llama_cpp as llama_cpp


def in_llama_cpp(path: Path, expected: dict[str, Any]) -> dict[str, Any]:
    """Ids, logits and greedy tokens for the same text, with keys and values in float32."""

    class Model(llama_cpp.LlamaModel):
        n_vocab = property(lambda self: self.get_vocab().n_vocab)  # which reading logits asks for

    count = len(expected["written"])
    settings = llama_cpp.LlamaModelParams()
    settings.n_gpu_layers = 0
    model = Model(str(path), settings, verbose=False)
    settings = llama_cpp.LlamaContextParams()
    settings.n_ctx = settings.n_batch = settings.n_ubatch = count
    settings.n_threads = settings.n_threads_batch = 1
    settings.type_k = settings.type_v = settings.flash_attn_type = 0
    context = llama_cpp.LlamaContext(model, settings, verbose=False)
    batch = llama_cpp.LlamaBatch(n_tokens=count, embd=0, n_seq_max=1)

    def logits_of(tokens: list[int], start: int) -> list[list[float]]:
        batch.set_batch(tokens, start, True)
        context.decode(batch)
        return [list(context.get_logits_ith(index)) for index in range(len(tokens))]

    ids = list(model.get_vocab().tokenize(expected["prompt"], True, False))
    logits = logits_of(expected["ids"], 0)
    written, last = list(expected["ids"]), logits[-1]
    while len(written) < count:
        written.append(max(range(len(last)), key=last.__getitem__))
        last = logits_of(written[-1:], len(written) - 1)[0] if len(written) < count else last
    return {"ids": ids, "logits": logits, "written": written}


if __name__ == "__main__":
    print(json.dumps(in_llama_cpp(Path(sys.argv[1]), json.load(sys.stdin))))
