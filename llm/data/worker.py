"""`python -m llm.data.worker`: a process that scans or tokenises pieces, one after the other.

It reads a task a line from standard input, as JSON, and answers with a line of JSON, of which "bytes" says how many
bytes of token ids follow it. It ends with its input, and so with the process that started it.
"""

from __future__ import annotations

import hashlib
import json
import signal
import sys
from typing import Any

import numpy as np

from llm.data.pieces import Piece, decode, read_bytes
from llm.tokenizers import Tokenizer, load_tokenizer


def scan(piece: Piece) -> dict[str, Any]:
    """What is to be known of a piece before it is tokenised: its hash, its length, and which characters it has."""
    content = read_bytes(piece)
    text = decode(piece, content)
    present = np.zeros(sys.maxunicode + 1, dtype=bool)
    present[np.frombuffer(text.encode("utf-32-le"), dtype="<u4")] = True
    alphabet = "".join(map(chr, present.nonzero()[0].tolist()))
    return {"sha256": hashlib.sha256(content).hexdigest(), "characters": len(text), "alphabet": alphabet}


def tokenise(piece: Piece, sha256: str, ends_document: bool, tokenizer: Tokenizer, dtype: str) -> bytes:
    """The ids of a piece; the end-of-text token, if the tokenizer has one, where a document ends with the piece.

    Raises ValueError if the piece is not the one that was scanned.
    """
    content = read_bytes(piece)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ValueError(f"{piece.path} was changed while it was tokenised: start again")
    ids = tokenizer.encode_array(decode(piece, content))
    if ends_document and tokenizer.end_of_text is not None:
        ids = np.append(ids, np.int32(tokenizer.end_of_text))
    return ids.astype(dtype).tobytes()


def main() -> None:
    """Answer every task."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group: the process that started it decides
    tokenizers: dict[str, Tokenizer] = {}
    for line in sys.stdin.buffer:
        task = json.loads(line)
        piece, tokens = Piece(*task["piece"]), b""
        try:
            answer: dict[str, Any] = {}
            if "tokenizer" in task:
                folder = task["tokenizer"]
                tokenizer = tokenizers.setdefault(folder, tokenizers.get(folder) or load_tokenizer(folder))
                tokens = tokenise(piece, task["sha256"], task["ends_document"], tokenizer, task["dtype"])
            else:
                answer = scan(piece)
        except (ValueError, OSError, MemoryError) as error:
            answer = {"error": str(error) or "There is not enough memory to tokenise the text"}
        sys.stdout.buffer.write(json.dumps(answer | {"bytes": len(tokens)}).encode() + b"\n" + tokens)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
