"""A run as it trains: tiles, loss curves with their baselines, and samples."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import streamlit as st
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from components.shared import folders
from components.shared.browser import BrowserComponent
from components.shared.export import csv_text
from components.shared.parameters import int_param
from components.shared.plotly import PLOTLY_URL
from components.shared.run_names import run_name
from components.shared.session import Address, Session, keep
from llm.background import trainings
from llm.checkpoints import RUN_ID, RunConfig, RunFolder
from llm.comparison.expected import expected
from llm.comparison.tables import LOSS_FIELDS, loss_rows
from llm.config import TrainingConfig
from llm.runtime import compute
from llm.world.asking import EASY, PLAIN_NAMES, SKILLS, first_probes
from llm.world.entropy import floor as entropy_floor

_live = BrowserComponent("live", "views/training_run/view.js")

EXAMPLE_CHARACTERS = 160  # of a context
BASELINES = {
    "uniform": "every token equally likely",
    "unigram": "how often each token occurs",
    "bigram": "how often each token follows another",
    "trigram": "how often each token follows two others",
}


def watch(run_id: str, config: RunConfig, state: str) -> None:
    """Show the run `run_id` live; `state` is the state that the page shows.

    The page is rerun when the state changes, so that its buttons follow.
    """
    key = Session.TRAIN_LIVE.of(run_id)
    floor = entropy_floor(config.about(str, "text", "sha256")) if config.model.causal else None
    band = expected(config)
    _live.mount(
        key=key,
        data={
            "url": f"/live/run/{run_id}",
            "plotly": PLOTLY_URL,
            "state": state,
            "losses": {
                "title": f"Loss of {run_name(run_id)}",
                "steps": config.training.steps,
                "baselines": _baselines(config),
                "floor": floor and {"bits": floor.bits_per_character, "error": floor.standard_error},
                "expected": band
                and {
                    "seeds": band.seeds,
                    "steps": [point.step for point in band.points],
                    "low": [point.nats_low for point in band.points],
                    "high": [point.nats_high for point in band.points],
                },
                "logarithmic": st.query_params.get(Address.LOG, ""),
                "export": {"name": f"loss-{run_id}", "csv": f"/live/run/{run_id}/losses.csv"},
            },
            "withoutSamples": "" if config.model.causal else "This model fills in blanks, and writes no samples.",
            "skills": {
                "pairs": config.training.skill_pairs,
                "examples": "/live/skills/examples",
                "about": {
                    skill: {"name": PLAIN_NAMES[skill], "about": about, "easy": skill in EASY}
                    for skill, about in SKILLS.items()
                },
            },
        },
        on_state_change=lambda: None,
        on_logarithmic_change=lambda: keep(Address.LOG, st.session_state[key]["logarithmic"]),
    )


def _baselines(config: RunConfig) -> list[dict[str, Any]]:
    """The horizontal lines under the curve."""
    measured = {name: config.about(float, "baselines", name) for name in BASELINES}
    return [
        {"name": name, "label": f"{name}: {BASELINES[name]}", "loss": loss}
        for name, loss in measured.items()
        if loss is not None and math.isfinite(loss)
    ]


def progress(request: Request) -> JSONResponse:
    """The state of a run, and its metrics from byte `from` of metrics.jsonl on."""
    folder = _folder(request)
    chunk = folder.read_metrics(int_param(request.query_params, "from", digits=15))
    here = trainings.get(folder.id)
    state, message = trainings.state_of(folder)
    return JSONResponse(
        {
            "state": state,
            "message": message,
            "here": here is not None and here.active,
            "reset": chunk.reset,
            "next": chunk.next_offset,
            # what is of each layer is many numbers: other views request it
            "rows": [
                {"loss": None} | {name: _finite(row[name]) for name in row if name not in ("grad_norms", "experts")}
                for row in chunk.rows
            ],
        }
    )


def losses(request: Request) -> Response:
    """The curves of a run as a CSV file: every step, the smoothed curve, and what was measured on validation text."""
    folder = _folder(request)
    content = csv_text(LOSS_FIELDS, ([*row.values()] for row in loss_rows(folder)), ("curve",))
    disposition = {"Content-Disposition": f'attachment; filename="loss-{folder.id}.csv"'}
    return Response(content, media_type="text/csv", headers=disposition)


def _folder(request: Request) -> RunFolder:
    """The run in the address. Raises HTTPException if there is none."""
    run_id = request.path_params["key"]
    path = folders.checkpoints() / run_id
    if not RUN_ID.fullmatch(run_id) or not path.is_dir():
        raise HTTPException(404, "There is no such run")
    return RunFolder(path)


def examples(request: Request) -> JSONResponse:
    """Two pairs of each skill, with the end of their context."""
    return JSONResponse(
        {
            skill: [
                dataclasses.asdict(dataclasses.replace(pair, context=pair.context[-EXAMPLE_CHARACTERS:]))
                for pair in compute.run(first_probes, skill, TrainingConfig.skill_pairs)[:2]
            ]
            for skill in SKILLS
        }
    )


def _finite(value: Any) -> Any:
    """None in place of infinity, which JSON lacks."""
    numbers = value.values() if isinstance(value, dict) else [value]
    return None if any(type(number) is float and math.isinf(number) for number in numbers) else value


LIVE = {"run": progress, "run/losses.csv": losses, "skills": examples}
