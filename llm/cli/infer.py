"""`uv run llm infer`: generate text with a trained model."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any, get_args

from llm.cli.flags import Command, ParsedFlags, UsageError, config_flags, fields_of, flag, require_flag
from llm.cli.shared_flags import run_folder
from llm.cli.terminal import visible, write
from llm.config import Device, SamplingConfig, TrainingConfig, describe, shortened
from llm.runtime.text import normalize_text


def infer(flags: ParsedFlags) -> int:
    """Write the prompt and its continuation to standard output, token by token, or all about them as JSON."""
    path = run_folder(require_flag(flags, "checkpoint", "the run whose model generates the text"))
    sampling = SamplingConfig(**fields_of(SamplingConfig, flags))
    choices = dict(map(_choice, flags.get("choose", ())))

    from llm.checkpoints import load_run
    from llm.int8 import quantised
    from llm.runtime import compute
    from llm.runtime.device import choose_device
    from llm.sampling import stream, text_record, with_seed

    device = choose_device(flags.get("device", "auto"))
    run = compute.run(load_run, path, flags.get("step"), "fused", device)
    model = compute.run(quantised, run.model) if flags.get("int8") else run.model
    prompt = normalize_text(flags.get("prompt", ""))
    sampling = with_seed(sampling)
    tokens = compute.iterate(stream(model, run.tokenizer, prompt, sampling, choices=choices))
    if flags.get("json"):
        record = text_record(run.folder.id, run.step, prompt, sampling, choices, list(tokens))
        record["int8"] = flags.get("int8", False)
        write(json.dumps(record, ensure_ascii=False) + "\n")
        return 0
    # a terminal would obey control characters that a model generated; a file gets the text as it is
    shown: Callable[[str], str] = visible if sys.stdout.isatty() else str
    write(shown(prompt))
    for token in tokens:
        write(shown(token.text))
    write("\n")
    return 0


def _choice(text: str) -> tuple[int, int]:
    """A position and a token. Raises UsageError."""
    position, colon, token = text.partition(":")
    if not (colon and all(part.isascii() and part.isdigit() and len(part) < 10 for part in (position, token))):
        raise UsageError(f"--choose must be POSITION:TOKEN, two integers such as 12:345, got {shortened(text)}")
    return int(position), int(token)


def command_flags() -> dict[str, Any]:
    """The flags of the command."""
    return {
        "checkpoint": flag(str, "Run whose model to use: a folder or a run id."),
        "step": flag(int, "Step of the snapshot to use.", "the final weights, else the best, else the newest"),
        "prompt": flag(str, "Text to continue.", ""),
        "int8": flag(
            bool, "Round the weights to integers of 8 bits first: `llm evaluate RUN --int8` tells its cost.", False
        ),
        "choose": flag(
            tuple[str, ...],
            "Tokens to take in place of those that are drawn, each as POSITION:TOKEN, such as 12:345: "
            "position in the new text from 0 on, and id.",
            (),
        ),
        "json": flag(
            bool,
            "Print one JSON object, for scripts: the text, every setting, and for each token its alternatives and "
            "their probabilities after each filter.",
            False,
        ),
        "device": flag(str, describe(TrainingConfig)["device"].help, "auto", get_args(Device)),
        **config_flags(SamplingConfig),
    }


COMMAND = Command("Generate text with a trained model. Only the text goes to standard output.", command_flags, infer)
