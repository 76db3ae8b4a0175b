"""What a rule of the doctor found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, could be better (a hint), or is fine."""

    rule: str  # the name of the function that found it
    kind: Literal["wrong", "hint", "fine"]
    what: str  # a sentence
    evidence: str  # the numbers that show it
    advice: str = ""  # the one thing to try; empty where nothing needs to be done

    def __str__(self) -> str:
        return " ".join(filter(None, (self.what, self.evidence, self.advice)))
