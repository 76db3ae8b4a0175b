"""The run doctor: what is wrong with a run, or fine, the numbers that show it, and the one thing to try.

import llm
for finding in llm.diagnose("checkpoints/20260131120000").findings: print(finding)

It reads config.json and metrics.jsonl alone, so that a run can be asked about while it trains.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from llm.doctor.data_rules import DATA_RULES
from llm.doctor.finding import Finding
from llm.doctor.record import read_record
from llm.doctor.training_rules import TRAINING_RULES
from llm.doctor.validation_rules import VALIDATION_RULES

RULES = (*TRAINING_RULES, *VALIDATION_RULES, *DATA_RULES)
ORDER = ("wrong", "hint", "fine")


@dataclass(frozen=True)
class Diagnosis:
    """What the rules found: what is wrong first, then hints, then what is fine."""

    run: str
    step: int  # the last that was measured
    steps: int  # of the whole run
    findings: tuple[Finding, ...]

    @property
    def advice(self) -> str:
        """The one thing to try first; empty where there is nothing."""
        return next((finding.advice for finding in self.findings if finding.advice), "")


def diagnose(run: Path | str) -> Diagnosis:
    """Ask every rule about the run in this folder.

    Raises:
        FileNotFoundError: there is no run.
        ValueError: it is damaged.
    """
    record = read_record(Path(run))
    found = [finding for rule in RULES if (finding := rule(record)) is not None]
    found.sort(key=lambda finding: ORDER.index(finding.kind))
    return Diagnosis(record.id, record.step, record.config.training.steps, tuple(found))
