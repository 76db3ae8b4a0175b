"""`python -m llm.world FILE [SEED [SIZE]]`: write the story world's text to a file."""

import sys
from pathlib import Path

from llm.world.stories import DEFAULT_SEED, DEFAULT_SIZE, generate

if not 2 <= len(sys.argv) <= 4:
    sys.exit("usage: python -m llm.world FILE [SEED [SIZE]]")
seed = int(sys.argv[2]) if len(sys.argv) > 2 else DEFAULT_SEED
size = int(sys.argv[3]) if len(sys.argv) > 3 else DEFAULT_SIZE
Path(sys.argv[1]).write_bytes(generate(seed, size).encode("ascii"))
