"""A new run: what it is made of, and how that becomes a model, its data and a run folder."""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch

from llm.config import Implementation, ModelConfig, TrainingConfig
from llm.data import SplitText, TextData, train_tokenizer
from llm.data.masking import Masking
from llm.data.token_cache import TokenCache
from llm.data.whole_text import Corpus, WholeText
from llm.model import Transformer
from llm.runs.config import RunConfig
from llm.runs.folder import RunFolder
from llm.runs.labels import model_name
from llm.runtime import compute
from llm.runtime.processes import Processes
from llm.tokenizers import Tokenizer
from llm.training.description import describe_run
from llm.training.machine import SMALLER, check_machine, require_memory
from llm.training.recorded import as_recorded
from llm.training.trainer import Trainer


@dataclass(frozen=True)
class NewRun:
    """What a new run is made of."""

    model: ModelConfig  # its d_vocab is replaced by that of the tokenizer
    training: TrainingConfig
    tokenizer_kind: str
    text: str | SplitText | TokenCache  # a string is split as usual; a cache has a tokenizer of its own
    text_name: str
    checkpoints_dir: Path | str = "checkpoints"
    d_vocab_requested: int | None = None  # None: the tokenizer's default
    architecture: str | None = None  # this name and the next are only recorded
    size: str | None = None
    implementation: Implementation = "fused"
    tokenizer: Tokenizer | None = None  # None: one is trained on the text

    @property
    def title(self) -> str:
        """The run in one line, before there is one."""
        config = RunConfig(
            self.model, as_recorded(self.training, self.model), {"architecture": self.architecture, "size": self.size}
        )
        return f"{model_name(config)}, {self.training.steps:,} steps · {self.tokenizer_kind} · {self.text_name}"

    def corpus(self) -> Corpus:
        """The text with its tokenizer, which is trained unless there is one."""
        corpus: Corpus
        if isinstance(self.text, TokenCache):
            corpus = self.text
        else:
            whole = SplitText.by_characters(self.text) if isinstance(self.text, str) else self.text
            tokenizer = self.tokenizer or train_tokenizer(self.tokenizer_kind, whole, self.d_vocab_requested)
            if self.training.separate_documents:
                tokenizer = copy.deepcopy(tokenizer)  # another run may use it without the token between documents
                tokenizer.add_end_of_text()
            else:
                whole = dataclasses.replace(whole, documents=(0,))
            corpus = WholeText(whole, tokenizer)
        if self.model.causal:
            return corpus
        return dataclasses.replace(corpus, tokenizer=corpus.tokenizer.with_mask_token())

    def start(self) -> Trainer:
        """A trainer at step 0 with a new run folder. Raises as `prepare_run`."""
        return compute.run(Trainer, *prepare_run(self))


def training_data(corpus: Corpus, model: ModelConfig, training: TrainingConfig) -> TextData:
    """The tokens to train on, masked if the model is to fill them in.

    Raises ValueError if there are too few, or the tokenizer has no mask token for such a model.
    """
    data = corpus.data(model.n_ctx)
    if model.causal:
        return data
    if corpus.tokenizer.mask_token is None:
        raise ValueError(f"a model with mask={model.mask!r} needs a tokenizer with a mask token, and this one has none")
    return dataclasses.replace(data, masking=Masking(corpus.tokenizer.mask_token, training.masked_fraction))


class Prepared(NamedTuple):
    """What a trainer is made of, in the order of its arguments."""

    model: Transformer
    tokenizer: Tokenizer
    data: TextData
    config: TrainingConfig
    folder: RunFolder


def prepare_run(new: NewRun, processes: Processes | None = None) -> Prepared:
    """What a trainer of a new run is made of, with its run folder.

    Raises:
        ValueError: a device, tokenizer, text or prompt that cannot work together, or more memory than this machine has.
            Then nothing has been written.
    """
    processes = processes or Processes()
    check_machine(new.training, new.model, processes)
    corpus = new.corpus()
    if new.training.separate_documents and not corpus.several_documents:
        raise ValueError(
            "separate_documents must be off with this text, which is one document: several files, or the rows of a "
            "table, are several"
        )
    tokenizer = corpus.tokenizer
    training = as_recorded(new.training, new.model)
    tokenizer.encode(training.sample_prompt)  # unknown characters are reported before a folder is made
    model_config = dataclasses.replace(new.model, d_vocab=tokenizer.d_vocab)
    require_memory(model_config, training, new.implementation, processes, SMALLER)

    def build() -> Prepared:
        data = training_data(corpus, model_config, training)
        torch.manual_seed(training.seed)
        model = Transformer(model_config, new.implementation)
        about = describe_run(model, training, corpus, data, new.text_name, processes)
        about["tokenizer"]["d_vocab_requested"] = new.d_vocab_requested
        about |= {"architecture": new.architecture, "size": new.size}
        text = corpus.text if isinstance(corpus, WholeText) else None
        folder = RunFolder.create(new.checkpoints_dir, about, tokenizer, text)
        return Prepared(model, tokenizer, data, training, folder)

    return compute.run(build)
