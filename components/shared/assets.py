"""Scripts, styles and pictures under components/: served as files to the app, inlined in a page that stands alone.

Scripts are ES modules that import each other by relative paths. The address of a file holds a hash of them all, so that
a browser may keep it for ever and still asks anew after an edit.
"""

from __future__ import annotations

import base64
import hashlib
import json
import posixpath
import re
from functools import lru_cache
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

COMPONENTS = Path(__file__).parents[1]
MEDIA_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
ASSETS_URL = "/assets/{version}/{path:path}"

# `import … from "./grid.js"`, over several lines or not; the only form that the scripts use
IMPORT = re.compile(r'^(import\s[^"\';]*?from\s+)"(\.[^"]+)"', re.MULTILINE)


def files() -> dict[str, Path]:
    """Every file that is served, by its path below components/, with slashes."""
    return {
        path.relative_to(COMPONENTS).as_posix(): path
        for path in sorted(COMPONENTS.rglob("*.*"))
        if path.suffix in MEDIA_TYPES
    }


def version() -> str:
    """A hash of all files as they are now."""
    stamps = [(path, path.stat()) for path in files().values()]
    return _version(tuple((path, stat.st_mtime_ns, stat.st_size) for path, stat in stamps))


@lru_cache(4)
def _version(stamps: tuple[tuple[Path, int, int], ...]) -> str:
    content = hashlib.sha256()
    for path, _, _ in stamps:
        content.update(path.read_bytes())
    return content.hexdigest()[:16]


def asset(request: Request) -> Response:
    """One file; kept for ever by a browser that asked for the files as they are now."""
    path = files().get(request.path_params["path"])
    if path is None:
        raise HTTPException(404, "There is no such file")
    current = request.path_params["version"] == version()
    caching = "public, max-age=31536000, immutable" if current else "no-store"
    return Response(path.read_bytes(), media_type=MEDIA_TYPES[path.suffix], headers={"Cache-Control": caching})


def modules(script: str) -> dict[str, str]:
    """The source of a script and of all that it imports, by path below components/; each after what it imports."""
    seen: set[str] = set()
    collected: dict[str, str] = {}

    def visit(path: str) -> None:
        if path in seen:
            return
        seen.add(path)
        source = (COMPONENTS / path).read_text("utf-8")
        for _, specifier in IMPORT.findall(source):
            visit(_resolve(path, specifier))
        collected[path] = source

    visit(script)
    return collected


def style(script: str) -> str:
    """The styles beside a script and beside all that it imports."""
    paths = [(COMPONENTS / path).with_suffix(".css") for path in modules(script)]
    return "\n".join(path.read_text("utf-8") for path in paths if path.exists())


def import_map(script: str) -> str:
    """An import map that holds a script and all that it imports, as JSON; `bare_name` gives the name of each."""
    return json.dumps(
        {
            "imports": {
                bare_name(
                    path
                ): f"data:text/javascript;base64,{base64.b64encode(_with_bare_names(path, source)).decode()}"
                for path, source in modules(script).items()
            }
        }
    )


def bare_name(path: str) -> str:
    """What a module is called in an import map: a module in a data: URL cannot import by relative paths."""
    return f"components/{path}"


def _with_bare_names(path: str, source: str) -> bytes:
    return IMPORT.sub(lambda match: f'{match[1]}"{bare_name(_resolve(path, match[2]))}"', source).encode()


def _resolve(path: str, specifier: str) -> str:
    """The path below components/ that a script at `path` means. Raises ValueError for one outside."""
    found = posixpath.normpath(posixpath.join(posixpath.dirname(path), specifier))
    if found.startswith(".."):
        raise ValueError(f"{path} imports {specifier}, which is outside components/")
    return found
