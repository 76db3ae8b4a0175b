"""The server: `uv run streamlit run main.py` serves pages/navigation.py, and the routes that feed its live pictures."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module

from streamlit import App

from components.routes import ROUTES
from llm.config import TrainingConfig
from llm.runtime import compute
from llm.world.asking import SKILLS, first_probes


@asynccontextmanager
async def lifespan(_: App) -> AsyncIterator[None]:
    """Prepare a run while a person still looks for the browser; at the end keep a snapshot of what is training."""
    compute.submit(import_module, "llm.background.trainings")
    compute.submit(import_module, "torch._dynamo")  # else the first optimizer imports it, seconds after Start
    for skill in SKILLS:  # and the first evaluation draws these
        compute.submit(first_probes, skill, TrainingConfig.skill_pairs)
    yield
    from llm.background import trainings  # by now it is there

    trainings.stop_all()


app = App("pages/navigation.py", lifespan=lifespan, routes=ROUTES)
