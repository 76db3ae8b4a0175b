"""SentencePiece's unigram model: starts from many candidate pieces and keeps those that make the text most likely.

Kudo 2018, "Subword regularization: improving neural network translation models with multiple subword candidates";
Kudo and Richardson 2018, "SentencePiece". Training and encoding are done by the package of that name.

The package expects clean sentences: it drops line ends and treats some characters as special. Here every text must be
restored exactly, so these characters are replaced by private-use code points that the text does not contain.
"""

from __future__ import annotations

import io
import json
import math
import re
import struct
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import sentencepiece

from llm.tokenizers.base import Tokenizer, UnknownCharacterError, require_valid_unicode

if TYPE_CHECKING:
    import numpy as np

# Line ends; the package's own separators (NUL, unit separator or, in earlier versions, tab); its symbol for a space, ▁;
# its symbol for unknown characters, ▅. All other code points up to U+10FFFF were seen to pass unchanged (0.2.3).
RESERVED = "\n\r\0\x1f\t▁▅"
PRIVATE_USE = range(0xF0000, 0xFFFFE)
# Beyond 1,000 characters (4,000 bytes) a line is cut: the package would leave out longer ones in training, and adds up
# float32 scores in encoding.
LONGEST_SENTENCE = 1000
SENTENCES_AT_ONCE = 1000  # that are encoded: their ids are Python numbers for a moment


class SentencePieceTokenizer(Tokenizer):
    """A unigram model over characters. It knows the characters of its training text and alphabet only."""

    kind = "sentencepiece"

    def __init__(self, model: bytes, stand_ins: dict[str, str]) -> None:
        """`model`: the package's own file; `stand_ins`: the character that replaces each reserved one."""
        self._model = model
        self._stand_ins = stand_ins
        reserved, replacements = "".join(stand_ins), "".join(stand_ins.values())
        self._to_stand_ins = str.maketrans(reserved, replacements)
        from_stand_ins = str.maketrans("▁" + replacements, " " + reserved)
        self._processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        # The package's piece 0 is "unknown". We report unknown characters instead, so our token t is its piece t + 1.
        pieces = [self._processor.id_to_piece(piece) for piece in range(1, self._processor.vocab_size())]
        texts = [piece.translate(from_stand_ins) for piece in pieces]
        self._characters = {text for text in texts if len(text) == 1}
        super().__init__([text.encode() for text in texts])

    @classmethod
    def train(cls, text: str, d_vocab: int, alphabet: str = "") -> Self:
        """Learn from a text; each further character of `alphabet` gets a token too.

        The vocabulary is smaller than d_vocab if the text has too few repeated pieces.
        """
        for part in (text, alphabet):
            require_valid_unicode(cls.kind, part)
        characters = set(text) | set(alphabet)
        if d_vocab < len(characters):
            raise ValueError(
                f"d_vocab must be {len(characters)} or more with sentencepiece, the number of distinct characters in "
                f"this text, got {d_vocab}"
            )
        free = (chr(code) for code in PRIVATE_USE if chr(code) not in characters)
        stand_ins = dict(zip(RESERVED, free, strict=False))
        to_stand_ins = str.maketrans("".join(stand_ins), "".join(stand_ins.values()))
        sentences = (sentence.translate(to_stand_ins) for sentence in _sentences(text))
        model = io.BytesIO()
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=sentences,
                model_writer=model,
                model_type="unigram",
                vocab_size=d_vocab + 1,  # and the unknown piece
                hard_vocab_limit=False,  # fewer where the text does not give as many
                character_coverage=1.0,
                required_chars="".join(sorted(characters - set(text))).translate(to_stand_ins),
                # Take the text as it is: no normalisation, no space put before it, no white space dropped.
                normalization_rule_name="identity",
                add_dummy_prefix=False,
                remove_extra_whitespaces=False,
                allow_whitespace_only_pieces=True,
                # No special pieces: "<s>" in a text is three characters. The unknown piece cannot be left out, and the
                # package would skip its name in the text, so its name is a character that the text does not contain.
                unk_id=0,
                unk_piece=next(free),
                bos_id=-1,
                eos_id=-1,
                pad_id=-1,
                num_threads=2,  # fixed, as sums over threads decide the last digits
                minloglevel=4,  # silent; errors still raise
            )
        except RuntimeError as error:  # "no pieces are loaded", if the whole text is one repeated character
            raise ValueError(
                "sentencepiece finds no pieces in this text: it is too uniform. Use char or bpe"
            ) from error
        return cls(model.getvalue(), stand_ins)

    def encode(self, text: str) -> list[int]:
        """Ids of the likeliest pieces. Raises UnknownCharacterError for a character that the training text lacks."""
        return list(self._ids(text))

    def encode_array(self, text: str) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
        """The same ids; there are few Python numbers at a time."""
        import numpy as np

        return np.fromiter(self._ids(text), dtype=np.int32)

    def _ids(self, text: str) -> Iterator[int]:
        if unknown := set(text) - self._characters:
            raise UnknownCharacterError(self.kind, unknown)
        sentences = (sentence.translate(self._to_stand_ins) for sentence in _sentences(text))
        while some := list(islice(sentences, SENTENCES_AT_ONCE)):
            for pieces in self._processor.encode(some, num_threads=1):
                yield from (piece - 1 for piece in pieces)

    def piece_scores(self) -> list[float]:
        """The log probability of each piece, in the order of their ids."""
        return [self._processor.get_score(piece) for piece in range(1, self._processor.vocab_size())]

    def settings(self) -> dict[str, Any]:
        """The stand-ins of the reserved characters."""
        return {"stand_ins": self._stand_ins}

    def model_file(self) -> bytes:
        """The package's own file."""
        return self._model

    @classmethod
    def restore(cls, settings: dict[str, Any], model: bytes) -> Self:
        """Build from `settings()` and `model_file()`."""
        stand_ins = settings.get("stand_ins")
        if not isinstance(stand_ins, dict) or not all(
            character in RESERVED and isinstance(stand_in, str) and len(stand_in) == 1
            for character, stand_in in stand_ins.items()
        ):
            raise ValueError("its stand_ins are not pairs of characters")
        if not model:
            raise ValueError("its tokenizer.model is missing or empty")
        try:
            return cls(model, stand_ins)
        except RuntimeError as error:  # what the package raises for any file it cannot read
            raise ValueError("its tokenizer.model is not a SentencePiece model") from error


def _sentences(text: str) -> Iterator[str]:
    """The text in parts that end with a line or after LONGEST_SENTENCE characters; no token crosses them."""
    return (
        match.group()
        for match in re.finditer(rf"[^\n]{{0,{LONGEST_SENTENCE - 1}}}\n|[^\n]{{1,{LONGEST_SENTENCE}}}", text)
    )


class StandaloneTokenizer:
    """SentencePiece's unigram model: of all ways to cut a line into pieces, the one with the highest sum of scores."""

    def __init__(self, folder: Path) -> None:
        settings = json.loads((folder / "tokenizer.json").read_text("utf-8"))
        # spaces, line ends and a few more characters are replaced by others in the pieces
        original = {stand_in: character for character, stand_in in settings["stand_ins"].items()} | {"▁": " "}
        entries = _fields((folder / "tokenizer.model").read_bytes())
        pieces = [dict(_fields(entry)) for field, entry in entries if field == 1][1:]  # the first stands for "unknown"
        texts = [piece[1].decode().translate(str.maketrans(original)) for piece in pieces]
        scores = [struct.unpack("<f", piece[2])[0] for piece in pieces]
        self.vocabulary = texts + (["<|endoftext|>"] if "end_of_text" in settings else [])
        self.vocabulary += ["<|mask|>"] if "mask_token" in settings else []
        self.pieces = {text: (token, scores[token]) for token, text in enumerate(texts)}
        self.longest = max(map(len, texts))

    def encode(self, text: str) -> list[int]:
        """Token ids of a text. A piece never crosses the end of a line, nor of 1,000 characters."""
        lines = re.findall(r"[^\n]{0,999}\n|[^\n]{1,1000}", text)
        return [token for line in lines for token in self.best_path(line)]

    def best_path(self, line: str) -> list[int]:
        """Viterbi's algorithm: for each index the best score of a path to it, and the piece that it ends with."""
        best: list[tuple[float, int, int]] = [(0.0, 0, 0)] + [(-math.inf, 0, -1)] * len(line)  # score, start, token
        for start in range(len(line)):
            for end in range(start + 1, min(start + self.longest, len(line)) + 1):
                token, score = self.pieces.get(line[start:end], (-1, -math.inf))
                if best[start][0] + score > best[end][0]:
                    best[end] = (_rounded(best[start][0] + score), start, token)
        ids: list[int] = []
        index = len(line)
        while index > 0:
            _, index, token = best[index]
            if token < 0:
                raise ValueError("This text has a character that the training text lacks")
            ids.append(token)
        return ids[::-1]

    def decode(self, ids: list[int]) -> str:
        """Text of token ids."""
        return "".join(self.vocabulary[token] for token in ids)


def _rounded(number: float) -> float:
    """The nearest number of 32 bits: SentencePiece adds up its scores in these."""
    return struct.unpack("<f", struct.pack("<f", number))[0]


def _fields(message: bytes) -> list[tuple[int, bytes]]:
    """Number and bytes of each field of a message in the format protobuf, in which SentencePiece keeps its model."""
    result, index = [], 0

    def number() -> int:  # seven bits a byte, the lowest first; the eighth says whether more follow
        nonlocal index
        value, shift, more = 0, 0, True
        while more:
            byte, index = message[index], index + 1
            value, shift, more = value | (byte & 127) << shift, shift + 7, byte > 127
        return value

    while index < len(message):
        field, kind = divmod(number(), 8)
        size = number() if kind in (0, 2) else {1: 8, 5: 4}[kind]  # kind 0 is a number, whose value nobody needs here
        result.append((field, b"" if kind == 0 else message[index : index + size]))
        index += 0 if kind == 0 else size
    return result
