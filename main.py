"""The server: `uv run streamlit run main.py` serves pages/navigation.py, and the routes that feed its live views."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module

from streamlit import App

from components.guard import guard
from components.routes import ROUTES
from llm.config import TrainingConfig
from llm.runtime import compute
from llm.world.asking import SKILLS, first_probes


@asynccontextmanager
async def lifespan(_: App) -> AsyncIterator[None]:
    """Import what a first run needs while the browser opens; at shutdown, save a snapshot of each run that trains."""
    compute.submit(import_module, "llm.background.trainings")
    for skill in SKILLS:  # the first evaluation uses these
        compute.submit(first_probes, skill, TrainingConfig.skill_pairs)
    yield
    from llm.background import trainings  # imported at startup

    trainings.stop_all()


app = App("pages/navigation.py", lifespan=lifespan, routes=ROUTES, middleware=[guard()])
