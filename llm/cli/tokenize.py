"""`uv run llm tokenize`: the tokens of a text, how they come about, the vocabulary, and what languages cost."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from llm import tokenizers
from llm.cli.flags import Command, ParsedFlags, UsageError, flag, reject_combination, require_flag
from llm.cli.shared_flags import DEFAULT_TEXT, choice, d_vocab_flag, run_folder, tokenizer_flag
from llm.cli.terminal import visible
from llm.runtime.text import decode_utf8, normalize_text
from llm.tokenizers import Tokenizer, load_tokenizer
from llm.tokenizers.languages import language_costs
from llm.tokenizers.replay import Replay, replay_encoding, replay_training
from llm.tokenizers.vocabulary import SORTS, search, vocabulary

SHOWN = {
    "tokens": "the tokens of --text.",
    "merges": "--text encoded merge by merge.",
    "training": "merges learned from --text alone, one by one; no other tokenizer is used.",
    "vocabulary": "every token, with its count in the training text.",
    "languages": "the tokens of the same message in several languages.",
}
Row = dict[str, Any]


class Source(NamedTuple):
    """A tokenizer, and how to get the text that it learned from."""

    tokenizer: Tokenizer
    training_text: Callable[[], str]


def tokenize(flags: ParsedFlags) -> int:
    """Print lines for people or, with --json, one JSON object per line."""
    shown = flags.get("show", "tokens")
    if lone := [f"--{name}" for name in ("search", "sort") if name in flags and shown != "vocabulary"]:
        raise UsageError(f"{', '.join(lone)} must be used with --show vocabulary")
    if "text" in flags and shown in ("vocabulary", "languages"):
        raise UsageError(f"--text cannot be combined with --show {shown}, which is about no text")
    for line, row in _lines(shown, flags):
        if not flags.get("json"):
            print(visible(line))
        elif row is not None:
            print(json.dumps(row, ensure_ascii=False))
    return 0


def _lines(shown: str, flags: ParsedFlags) -> Iterator[tuple[str, Row | None]]:
    """Each line for people, with its row for scripts, if it is more than a heading."""
    if shown == "training":
        reject_combination(flags, "show", "it learns from --text alone", ["text", "json"])
        return _replayed(replay_training(_text(flags)))
    if shown in ("tokens", "merges"):
        require_flag(flags, "text", "the text to tokenize, or - for standard input")
    source = _source(flags)
    if shown == "merges":
        counts = source.tokenizer.merge_counts(source.training_text())
        return _replayed(replay_encoding(source.tokenizer, _text(flags), counts))
    if shown == "vocabulary":
        return _vocabulary(source, flags)
    return _languages(source.tokenizer) if shown == "languages" else _tokens(source.tokenizer, _text(flags))


def _tokens(tokenizer: Tokenizer, text: str) -> Iterator[tuple[str, Row | None]]:
    tokens = tokenizer.encode(text)
    yield f"{len(tokens):,} tokens for {len(text):,} characters ({tokenizer.kind}, d_vocab={tokenizer.d_vocab:,})", None
    for token in tokens:
        text = tokenizer.token_text(token)
        yield (
            f"{token:>7}  {_quoted(text)}",
            {"id": token, "text": text, "bytes": tokenizer.token_bytes(token).hex(" ")},
        )


def _replayed(replay: Replay) -> Iterator[tuple[str, Row]]:
    """Each step: the pieces, and the merge that comes next with its counts."""
    text_of = replay.tokenizer.token_text
    for number, step in enumerate(replay.steps):
        pieces = [text_of(token) for token in step.tokens]
        row: Row = {"step": number, "pieces": pieces, "merge": None}
        line = f"{number:>4}  {' '.join(map(_quoted, pieces))}"
        if step.merge is not None:
            pair = step.pairs[0]
            names = {name: text_of(token) for name, token in step.merge._asdict().items()}
            row["merge"] = names | {
                "number": pair.merge,
                "occurrences": pair.occurrences,
                "training_count": pair.training_count,
            }
            trained = "" if pair.training_count is None else f", {pair.training_count:,} in the training text"
            line += f"\n      merge {pair.merge}: {_quoted(names['left'])} + {_quoted(names['right'])}"
            line += f" ({pair.occurrences} here{trained})"
        yield line, row


def _vocabulary(source: Source, flags: ParsedFlags) -> Iterator[tuple[str, Row]]:
    """Each token that --search leaves, in the order of --sort."""
    tokens = vocabulary(source.tokenizer, source.training_text())
    for token in search(tokens, flags.get("search", ""), flags.get("sort", "id")):
        parents = " + ".join(_quoted(tokens[parent].text) for parent in token.parents or ())
        line = f"{token.id:>7}  {_quoted(token.text):<24} {token.frequency:>9,} times  {token.bytes}"
        yield f"{line}  = {parents}" if parents else line, token._asdict()


def _languages(tokenizer: Tokenizer) -> Iterator[tuple[str, Row | None]]:
    yield f"{'':10} {'tokens':>7} {'per character':>14} {'per byte':>9}", None
    for cost in language_costs(tokenizer):
        row = cost._asdict() | {"per_character": cost.per_character, "per_byte": cost.per_byte}
        if cost.tokens is None:
            yield f"{cost.language:10} {len(cost.unknown)} of its characters are not in the vocabulary", row
        else:
            yield f"{cost.language:10} {cost.tokens:>7} {cost.per_character:>14.2f} {cost.per_byte:>9.2f}", row


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _text(flags: ParsedFlags) -> str:
    text = require_flag(flags, "text", "the text to tokenize, or - for standard input")
    return decode_utf8(sys.stdin.buffer.read(), "Standard input") if text == "-" else normalize_text(text)


def _source(flags: ParsedFlags) -> Source:
    """The tokenizer of a run, or one trained now."""
    if "checkpoint" in flags:
        allowed = ["text", "show", "search", "sort", "json"]
        reject_combination(flags, "checkpoint", "a run has its own tokenizer", allowed)
        return _source_of_run(load_tokenizer(run_folder(flags["checkpoint"])), flags["checkpoint"])
    from llm.data import read_text, split_text, train_tokenizer

    text = read_text(flags.get("data", DEFAULT_TEXT))
    kind = flags.get("tokenizer", tokenizers.DEFAULT_TOKENIZER)
    return Source(train_tokenizer(kind, text, flags.get("d_vocab")), lambda: split_text(text).train or text)


def _source_of_run(tokenizer: Tokenizer, run: str) -> Source:
    def training_text() -> str:
        from llm.checkpoints import RunFolder
        from llm.runs.corpus import tokenizer_text

        return tokenizer_text(RunFolder(run_folder(run)), tokenizer)

    return Source(tokenizer, training_text)


def command_flags() -> dict[str, Any]:
    """The flags of the command."""
    return {
        "text": flag(str, "Text to tokenize; - reads standard input.", "none"),
        "show": choice("What to show.", SHOWN, "tokens"),
        "search": flag(str, "With --show vocabulary: tokens that contain this, or the token of this id.", "all"),
        "sort": flag(str, "With --show vocabulary: the order; the longest or most frequent first.", "id", SORTS),
        "json": flag(bool, "Print one JSON object per line, for scripts.", False),
        "checkpoint": flag(str, "Run whose tokenizer to use: a folder or a run id.", "trained on --data"),
        "tokenizer": tokenizer_flag(),
        "data": flag(str, "Text on whose training part the tokenizer is trained: a UTF-8 file.", DEFAULT_TEXT),
        "d_vocab": d_vocab_flag(),
    }


COMMAND = Command("Show the tokens of a text, or how a tokenizer works.", command_flags, tokenize)
