"""The server: `uv run streamlit run main.py` serves pages/navigation.py, and the routes that feed its live views."""

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module

from streamlit import App

from components.guard import guard
from components.routes import ROUTES
from llm.config import TrainingConfig
from llm.runtime import compute
from llm.runtime.process import STOP_SIGNALS
from llm.world.asking import SKILLS, first_probes


@asynccontextmanager
async def lifespan(_: App) -> AsyncIterator[None]:
    """Import what a first run needs while the browser opens; at shutdown, save a snapshot of each run that trains.

    Every signal that can be caught is such a shutdown.
    """
    for number in STOP_SIGNALS:
        if signal.getsignal(number) is signal.SIG_DFL:  # a closed terminal; Ctrl-C and SIGTERM are the server's own
            signal.signal(number, lambda *_: signal.raise_signal(signal.SIGTERM))
    compute.submit(import_module, "llm.background.trainings")
    for skill in SKILLS:  # the first evaluation uses these
        compute.submit(first_probes, skill, TrainingConfig.skill_pairs)
    yield
    from llm.background import trainings  # imported at startup

    trainings.stop_all()


app = App("pages/navigation.py", lifespan=lifespan, routes=ROUTES, middleware=[guard()])
