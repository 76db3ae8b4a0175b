"""What of a tokenizer.json from elsewhere is handed to the package `tokenizers`, which is not made for hostile files.

It ends the whole process for some (a damaged table of characters), and fills the memory for others (each letter
replaced by a thousand). So its steps are looked at first, and what only decoding, padding and special tokens need,
which are done here, is left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

NORMALIZERS = {
    "NFC", "NFD", "NFKC", "NFKD", "Lowercase", "Strip", "StripAccents", "Nmt", "BertNormalizer", "ByteLevel", "Prepend",
    "Replace",
}  # fmt: skip
MOST_STEPS = 8  # of a kind: each can make the text a few times as long
HIDDEN = "\U0010ffff"  # a noncharacter, which no text is meant to have
LONGEST_ADDED = 8  # characters that a step can put in


def read_settings(content: bytes) -> dict[str, Any]:
    """The file as a JSON object. Raises ValueError for one that is not, or that has steps which are not run here."""
    settings = json.loads(content)
    if not isinstance(settings, dict):
        raise ValueError("not a JSON object")
    for step in _counted(settings, "normalizer", "normalizers"):
        kind = step.get("type")
        if kind not in NORMALIZERS:
            raise ValueError(f"it normalises by {kind!s:.40}, which is not known here")
        if kind == "Prepend":
            _require_short(step.get("prepend"))
        if kind == "Replace":
            _require_short(step.get("content"))
    for _ in _counted(settings, "pre_tokenizer", "pretokenizers"):
        pass
    model = settings.get("model")
    for name in ("continuing_subword_prefix", "end_of_word_suffix"):
        _require_short(model.get(name) if isinstance(model, dict) else None)
    return settings


def for_encoding(settings: dict[str, Any]) -> str:
    """The part of the file that decides which ids a text has.

    The special tokens have names that begin with HIDDEN, so that no text has their ids, even where the model would look
    whole words up or knows them as pieces. The token for what is unknown keeps its name, by which the model finds it.
    """
    hidden = settings | dict.fromkeys(("truncation", "padding", "post_processor", "decoder"))
    model, added = settings.get("model"), settings.get("added_tokens")
    if not isinstance(model, dict) or not isinstance(added, list):
        return json.dumps(hidden)
    special = {str(token.get("content")) for token in added if isinstance(token, dict) and token.get("special")}
    vocabulary, merges = model.get("vocab"), model.get("merges")
    unknown = model.get("unk_id")
    if isinstance(vocabulary, list) and isinstance(unknown, int) and 0 <= unknown < len(vocabulary):
        special.discard(str(vocabulary[unknown][0]))
    special.discard(str(model.get("unk_token")))
    renamed = {text: HIDDEN + text for text in special}
    if isinstance(vocabulary, dict):
        model = model | {"vocab": {renamed.get(text, text): token for text, token in vocabulary.items()}}
    elif isinstance(vocabulary, list):
        model = model | {"vocab": [[renamed.get(text, text), score] for text, score in vocabulary]}
    if isinstance(merges, list):
        pairs = [merge.split(" ", 1) if isinstance(merge, str) else merge for merge in merges]
        model = model | {"merges": [pair for pair in pairs if special.isdisjoint([*pair, "".join(pair)])]}
    tokens = [token | {"content": renamed.get(token.get("content"), token.get("content"))} for token in added]
    return json.dumps(hidden | {"model": model, "added_tokens": tokens})


def steps(found: Any, inner: str) -> Iterator[dict[str, Any]]:
    """The steps of a part of the file: one, or a sequence of some under the name `inner`."""
    if isinstance(found, dict):
        sequence = found.get(inner)
        if found.get("type") == "Sequence" and isinstance(sequence, list):
            for step in sequence:
                yield from steps(step, inner)
        else:
            yield found


def _counted(settings: dict[str, Any], part: str, inner: str) -> Iterator[dict[str, Any]]:
    for number, step in enumerate(steps(settings.get(part), inner)):
        if number == MOST_STEPS:
            raise ValueError(f"its {part} has more than {MOST_STEPS} steps")
        yield step


def _require_short(added: Any) -> None:
    if isinstance(added, str) and len(added) > LONGEST_ADDED:
        raise ValueError(f"a step of it adds more than {LONGEST_ADDED} characters at once")
