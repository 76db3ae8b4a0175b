"""What a run was trained on: its text.txt or, if the text is large, a token cache beside the runs."""

from __future__ import annotations

import re
from dataclasses import replace

from llm.data.split import PARTS, Split, SplitText
from llm.data.token_cache import FOLDER, TokenCache, TokenCacheError, tokenizer_hash
from llm.data.whole_text import Corpus, WholeText
from llm.runs.config import RunConfig
from llm.runs.errors import DamagedCheckpointError
from llm.runs.folder import RunFolder
from llm.tokenizers import Tokenizer

# an older run has no test part: its best weights were chosen on all that it was not trained on
WITHOUT_TEST = Split(validation_fraction=0.1, test_fraction=0.0)
CACHE_NAME = re.compile(r"[0-9a-f]{16}")  # no path that leads elsewhere


class NoTextError(ValueError):
    """A run was imported from another project, without the text that it was trained on."""


def run_corpus(folder: RunFolder, tokenizer: Tokenizer) -> Corpus:
    """The text of a run whose tokenizer this is.

    Raises:
        NoTextError: the run was imported, and its text is not here.
        DamagedCheckpointError: text.txt or what config.json says of the cache is damaged.
        TokenCacheError: the cache is gone, damaged or another one.
    """
    config = folder.config()
    if config.about(dict, "imported") is not None:
        raise NoTextError(f"Run {folder.id} was imported: the text that its model was trained on is not here")
    if "cache" not in (config.about(dict, "text") or {}):
        return WholeText(_whole(folder.text(), config, folder), tokenizer)
    name, sha256 = config.about(str, "text", "cache", "folder"), config.about(str, "text", "cache", "sha256")
    if name is None or sha256 is None or not CACHE_NAME.fullmatch(name):
        raise DamagedCheckpointError(folder.path / "config.json", "it does not say which token cache the run has")
    path = folder.path.parent / FOLDER / name
    files = config.about(list, "text", "files") or []
    try:
        cache = TokenCache.open(path, sha256)
    except TokenCacheError as error:
        remake = f"uv run llm train --resume {folder.path}"
        raise TokenCacheError(
            f"{error}. Run {folder.id} needs it; `{remake}` makes it again from {', '.join(map(str, files))[:300]}"
        ) from None
    if tokenizer.mask_token is None:
        same = tokenizer_hash(folder.path) == cache.about["tokenizer"]
    else:  # which the run has added
        cache = replace(cache, tokenizer=cache.tokenizer.with_mask_token())
        same = tokenizer.files() == cache.tokenizer.files()
    if not same:
        raise DamagedCheckpointError(
            folder.path / "tokenizer.json", f"it is not the tokenizer of the token cache {path}"
        )
    return cache


def tokenizer_text(folder: RunFolder, tokenizer: Tokenizer) -> str:
    """The text that a run's tokenizer learned from; of a large text, the beginning of its training part.

    Raises as `run_corpus`.
    """
    return run_corpus(folder, tokenizer).excerpt("train")


def recorded_split(config: RunConfig) -> Split:
    """How the run's text was split. Raises ValueError if config.json says it with values that cannot be."""
    if config.about(int, "text", "test_characters") is None:
        return WITHOUT_TEST
    try:
        return Split(**(config.about(dict, "text", "split") or {}))
    except TypeError as error:  # a field that no split has
        raise ValueError(str(error)) from None


def _whole(text: str, config: RunConfig, folder: RunFolder) -> SplitText:
    """The run's text in the parts that config.json records; in an older run they follow from the text alone."""
    try:
        split = recorded_split(config)
    except ValueError as error:
        raise DamagedCheckpointError(
            folder.path / "config.json", f"it does not say how the text is split ({error})"
        ) from None
    documents = tuple(config.about(list, "text", "documents") or [0])
    rising = all(type(begin) is int for begin in documents) and list(documents) == sorted(set(documents))
    if not rising or documents[0] != 0 or documents[-1] >= max(1, len(text)):
        raise DamagedCheckpointError(folder.path / "config.json", "the documents of its text are not within it")
    if split.split_by == "characters":
        return replace(SplitText.by_characters(text, split), documents=documents)
    validation, test = (config.about(int, "text", f"{part}_characters") or 0 for part in PARTS[1:])
    if not 0 < validation <= validation + max(test, 0) < len(text) or test < 0:
        raise DamagedCheckpointError(folder.path / "config.json", "the parts of its text are not within it")
    return SplitText(text, len(text) - validation - test, len(text) - test, split, documents)


def text_limits(config: RunConfig) -> str:
    """On how much of a large text figures are computed, in words; empty for a run that has all of its text."""
    measured, counted = config.about(int, "text", "measured_characters"), config.about(int, "text", "counted_tokens")
    if measured is None or counted is None:
        return ""
    return (
        f"Validation and test are measured on the first {measured:,} characters of their parts, and baselines count "
        f"the first {counted:,} training tokens, where there are more."
    )
