"""What config.json says of a new run: settings, text, baselines, and the conditions under which it trains."""

from __future__ import annotations

import dataclasses
import hashlib
from datetime import datetime
from typing import Any

from llm.config import TrainingConfig
from llm.data import DATA_ORDER, Split, TextData
from llm.data.token_cache import COUNTED_TOKENS, MEASURED_CHARACTERS, TokenCache
from llm.data.whole_text import Corpus, WholeText
from llm.model import Transformer
from llm.runtime.code_version import code_version
from llm.runtime.conditions import current_conditions
from llm.runtime.device import choose_device, choose_precision
from llm.runtime.processes import Processes
from llm.runtime.text import readable_name
from llm.training.baselines import measure_baselines
from llm.training.evaluators import sample_prompts
from llm.training.jobs import job_id
from llm.training.novelty import seen_in_training


def text_sha256(text: str) -> str:
    """The hash by which a run knows its text."""
    return hashlib.sha256(text.encode()).hexdigest()


def moment() -> str:
    """Now, as config.json writes it."""
    return datetime.now().astimezone().isoformat(timespec="seconds")


def describe_run(
    model: Transformer,
    training: TrainingConfig,
    corpus: Corpus,
    data: TextData,
    text_name: str,
    processes: Processes,
) -> dict[str, Any]:
    """The contents of a run's config.json."""
    device, tokenizer = choose_device(training.device), corpus.tokenizer
    precision = choose_precision(training.precision, device)
    return {
        "model": dataclasses.asdict(model.config),
        "training": dataclasses.asdict(training),
        "tokenizer": {"kind": tokenizer.kind, "d_vocab": tokenizer.d_vocab},
        "implementation": model.implementation,
        "text": {
            "name": readable_name(text_name),
            "train_tokens": len(data.train),
            "validation_tokens": len(data.validation.tokens),
            **(_describe_cache(corpus) if isinstance(corpus, TokenCache) else _describe_text(corpus)),
        },
        "prompt": sample_prompts(tokenizer, data, training)[0],
        **(_baselines(data, training, tokenizer.d_vocab) if data.masking is None else {}),  # they predict next tokens
        "data_order": {"scheme": DATA_ORDER, "seed": training.seed},
        "conditions": dataclasses.asdict(current_conditions(device, precision, processes.count)),
        "code": code_version(),
        "job": job_id(),
        "created": moment(),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
    }


def _baselines(data: TextData, training: TrainingConfig, d_vocab: int) -> dict[str, Any]:
    passages = data.validation
    choices = [passages.evenly_spaced(count) for count in (training.eval_windows, len(passages))]
    on_chosen, on_all = measure_baselines(data.counted, passages, choices, d_vocab)
    return {"baselines": dataclasses.asdict(on_chosen), "baselines_of_all": dataclasses.asdict(on_all)}


def _describe_text(whole: WholeText) -> dict[str, Any]:
    parts = whole.parts
    validation_seen, test_seen = seen_in_training(parts.train, parts.validation, parts.test)
    return {
        "sha256": text_sha256(whole.text),
        "characters": len(whole.text),
        "validation_characters": len(parts.validation),
        "test_characters": len(parts.test),
        "split": dataclasses.asdict(whole.whole.split),
        **({"documents": whole.whole.documents} if whole.several_documents else {}),
        "sentences_seen_in_training": {"validation": validation_seen, "test": test_seen},
    }


def _describe_cache(cache: TokenCache) -> dict[str, Any]:
    characters = cache.about["characters"]
    return {
        "sha256": cache.about["content"],
        "characters": sum(characters.values()),
        "validation_characters": characters["validation"],
        "test_characters": characters["test"],
        "split": cache.about.get("split") or dataclasses.asdict(Split()),
        "measured_characters": MEASURED_CHARACTERS,
        "counted_tokens": COUNTED_TOKENS,
        "files": [readable_name(file) for file in cache.about["files"]],
        "cache": {"folder": cache.path.name, "sha256": cache.about["sha256"]},
    }
