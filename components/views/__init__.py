"""The views, one folder each; pages, routes and exports find them here, so that adding a folder adds a view.

The package in each folder declares `VIEW`, or `LIVE`: the handlers of `/live/{kind}/{key}`, by kind. Both functions
import all views, and torch with them.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

if TYPE_CHECKING:
    from components.shared.view import View


def views(page: str) -> dict[str, View]:
    """The views of a page, by name, in order."""
    all_views: list[View] = [module.VIEW for module in _packages() if hasattr(module, "VIEW")]
    return {
        view.name: view for view in sorted(all_views, key=lambda view: (view.order, view.name)) if view.page == page
    }


def live_routes() -> dict[str, Callable[[Request], Response]]:
    """The handlers of the routes below /live, by kind, such as "run" or "code/layer"."""
    return {kind: answer for module in _packages() for kind, answer in getattr(module, "LIVE", {}).items()}


def _packages() -> Iterator[ModuleType]:
    for module in pkgutil.iter_modules(__path__):
        if module.ispkg:
            yield importlib.import_module(f"{__name__}.{module.name}")
