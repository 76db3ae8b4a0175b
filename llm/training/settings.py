"""The settings of a new run by name, as the command line's flags and `llm.train` take them, checked.

Nothing is read and torch is not imported before `RunSettings.new_run`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from llm import tokenizers
from llm.config import Implementation, ModelConfig, TrainingConfig, describe
from llm.data.split import Split, SplitText, arrange
from llm.presets import DERIVED, changed_fields, preset

if TYPE_CHECKING:
    from llm.data.token_cache import TokenCache
    from llm.training.new_run import NewRun

DEFAULT_TEXT = "training.txt"
DEFAULT_CHECKPOINTS_DIR = "checkpoints"
LARGE_BYTES = 32 * 2**20  # from which on a text is tokenised into a token cache, and not kept in the run folder
OTHERS = (
    "data",
    "column",
    "architecture",
    "size",
    "tokenizer",
    "implementation",
    "checkpoints_dir",
)  # beside the configs' fields

# From the files of a large text, the kind of tokenizer, its requested size, the folder of runs and how the text is
# split to the token cache.
MakeCache = Callable[[Sequence[Path], str, int | None, Path, Split], "TokenCache"]


@dataclass(frozen=True)
class RunSettings:
    """The settings of a new run; its text has not been read yet."""

    model: ModelConfig  # its d_vocab will be that of the tokenizer
    training: TrainingConfig
    data: tuple[Path, ...]
    column: str  # of a table; empty: the usual one
    split: Split
    architecture: str
    size: str
    tokenizer: str
    d_vocab: int | None
    implementation: Implementation
    checkpoints_dir: Path

    @classmethod
    def from_names(cls, given: Mapping[str, Any]) -> RunSettings:
        """The settings given by name; any other has its default, a field of the model that of its preset.

        Raises:
            ValueError: a setting that does not exist or cannot work.
        """
        for name in given:
            require_setting(name)
        kind, d_vocab = given.get("tokenizer", tokenizers.DEFAULT_TOKENIZER), given.get("d_vocab")
        implementation = given.get("implementation", "fused")
        if implementation not in get_args(Implementation):
            choices = ", ".join(get_args(Implementation))
            raise ValueError(f"implementation must be one of {choices}, got {implementation!r:.80}")
        if d_vocab is not None and tokenizers.REGISTRY[kind].default_d_vocab is None:
            sized = " and ".join(tokenizers.with_a_size())
            raise ValueError(
                f"d_vocab must be left out with the {kind} tokenizer, got {d_vocab}: only {sized} have a choice"
            )
        architecture, size = given.get("architecture", "gpt"), given.get("size", "small")
        training = TrainingConfig(**{name: given[name] for name in describe(TrainingConfig) if name in given})
        fields = {name: given[name] for name in describe(ModelConfig) if name in given}
        model = preset(architecture, size, **fields | {"d_vocab": 1 if d_vocab is None else d_vocab})
        data = given.get("data", DEFAULT_TEXT)
        return cls(
            model,
            training,
            tuple(Path(file) for file in ([data] if isinstance(data, str | Path) else data)),
            given.get("column", ""),
            Split(**{name: given[name] for name in describe(Split) if name in given}),
            architecture,
            size,
            kind,
            d_vocab,
            implementation,
            Path(given.get("checkpoints_dir", DEFAULT_CHECKPOINTS_DIR)),
        )

    def new_run(self, make_cache: MakeCache | None = None) -> NewRun:
        """Read the text; of several files that are taken as they are, or a large one, have a token cache made.

        Raises:
            OSError: there is no such file.
            ValueError: a text that cannot be used, or a tokenizer that cannot be trained on it.
        """
        from llm.data.files.reading import is_converted, read_files
        from llm.data.files.text_file import collection_name
        from llm.training.new_run import NewRun

        text: SplitText | TokenCache
        if self.column or any(map(is_converted, self.data)) or (len(self.data) == 1 and not _is_large(self.data[0])):
            text = arrange(read_files(self.data, self.column), self.split)
            name = collection_name([path.name for path in self.data])
        else:
            make_cache = make_cache or token_cache_beside
            text = make_cache(self.data, self.tokenizer, self.d_vocab, self.checkpoints_dir, self.split)
            name = text.about["name"]
        return NewRun(
            self.model, self.training, self.tokenizer, text, name, self.checkpoints_dir, self.d_vocab,
            self.architecture, self.size, self.implementation,
        )  # fmt: skip


def names_of(new: NewRun) -> dict[str, Any]:
    """The settings by name from which `RunSettings.from_names` makes such a run: those that are not the defaults."""
    usual = TrainingConfig(optimizer=new.training.optimizer).for_model(new.model)
    names: dict[str, Any] = {
        "architecture": new.architecture,
        "size": new.size,
        "tokenizer": new.tokenizer_kind,
        "implementation": new.implementation,
    }
    if new.d_vocab_requested is not None:
        names["d_vocab"] = new.d_vocab_requested
    if (split := getattr(new.text, "split", None)) is not None:
        names |= {name: getattr(split, name) for name, field in describe(Split).items()
                  if getattr(split, name) != field.default}  # fmt: skip
    names |= _fields_to_name(new)
    return names | {
        name: getattr(new.training, name)
        for name, field in describe(TrainingConfig).items()
        if getattr(new.training, name) != field.default
        and not (name == "learning_rate" and new.training.learning_rate == usual.learning_rate)
    }


def _fields_to_name(new: NewRun) -> dict[str, Any]:
    """The model's fields that are not those of its preset, and the widths that would follow them if not named."""
    changed = changed_fields(new.model, new.architecture or "", new.size or "")
    if {"d_model", "n_heads", "activation"} & changed.keys():
        changed |= {name: getattr(new.model, name) for name in DERIVED}
    return changed


def require_setting(name: str) -> None:
    """Raise ValueError unless a new run has a setting of this name."""
    names = [*OTHERS, *describe(Split), *describe(ModelConfig), *describe(TrainingConfig)]
    if name not in names:
        similar = difflib.get_close_matches(name, names, 1)
        hint = f" (did you mean {similar[0]}?)" if similar else ""
        raise ValueError(f"{name:.80} is not a setting of a run{hint}: `uv run llm train --help` lists them all")


def token_cache_beside(
    paths: Sequence[Path], kind: str, d_vocab: int | None, checkpoints_dir: Path, split: Split
) -> TokenCache:
    """The token cache of these files, in its folder beside the runs. Raises as `llm.data.tokenise.token_cache`."""
    from llm.data.token_cache import FOLDER
    from llm.data.tokenise import token_cache

    cache: TokenCache = token_cache(paths, kind, d_vocab, checkpoints_dir / FOLDER, split=split)
    return cache


def _is_large(path: Path) -> bool:
    """Whether a text is too large to be read whole."""
    return path.is_file() and path.stat().st_size >= LARGE_BYTES
