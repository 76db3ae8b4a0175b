"""A run as it trains: tiles, loss curves with their baselines, and samples."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from components.shared import folders
from components.shared.browser import BrowserComponent
from components.shared.parameters import int_param
from components.shared.plotly import PLOTLY_URL
from components.shared.session import Session
from llm.background import trainings
from llm.checkpoints import RUN_ID, RunConfig, RunFolder
from llm.config import TrainingConfig
from llm.runtime import compute
from llm.world.asking import EASY, PLAIN_NAMES, SKILLS, first_probes

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
    measured = {name: config.about(float, "baselines", name) for name in BASELINES}
    _live.mount(
        key=Session.TRAIN_LIVE.of(run_id),
        data={
            "url": f"/live/run/{run_id}",
            "plotly": PLOTLY_URL,
            "steps": config.training.steps,
            "state": state,
            "skills": {
                "pairs": config.training.skill_pairs,
                "examples": "/live/skills/examples",
                "about": {
                    skill: {"name": PLAIN_NAMES[skill], "about": about, "easy": skill in EASY}
                    for skill, about in SKILLS.items()
                },
            },
            "baselines": [
                {"name": name, "label": f"{name}: {BASELINES[name]}", "loss": loss}
                for name, loss in measured.items()
                if loss is not None and math.isfinite(loss)
            ],
        },
        on_state_change=lambda: None,
    )


def progress(request: Request) -> JSONResponse:
    """The state of a run, and its metrics from byte `from` of metrics.jsonl on."""
    run_id = request.path_params["key"]
    folder_path = folders.checkpoints() / run_id
    if not RUN_ID.fullmatch(run_id) or not folder_path.is_dir():
        raise HTTPException(404, "There is no such run")
    folder = RunFolder(folder_path)
    chunk = folder.read_metrics(int_param(request.query_params, "from", digits=15))
    here = trainings.get(run_id)
    state, message = trainings.state_of(folder)
    return JSONResponse(
        {
            "state": state,
            "message": message,
            "here": here is not None and here.active,
            "reset": chunk.reset,
            "next": chunk.next_offset,
            # the norms of each layer are many numbers: another view requests them
            "rows": [
                {"loss": None} | {name: _finite(row[name]) for name in row if name != "grad_norms"}
                for row in chunk.rows
            ],
        }
    )


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


LIVE = {"run": progress, "skills": examples}
