"""`python -m llm.world entropy [STORIES]`: the entropy of the generated text, in bits per character."""

import sys

from llm.world.entropy import entropy

if len(sys.argv) not in (2, 3) or sys.argv[1] != "entropy" or not all(value.isdecimal() for value in sys.argv[2:]):
    sys.exit("usage: python -m llm.world entropy [STORIES]")
found = entropy(*(int(value) for value in sys.argv[2:]))
print(
    f"{found.bits_per_character:.4f} bits per character at most: {found.bits_per_story:.1f} bits per story, "
    f"over {found.stories:,} stories of {found.characters / found.stories:.0f} characters"
)
