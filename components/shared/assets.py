"""Scripts, styles and pictures under components/: served as files to the app, inlined in an exported page.

Scripts are ES modules that import each other by relative paths. The URL of a file contains a hash of all files, so that
a browser can cache it forever and still fetches it again after an edit.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import posixpath
import re
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

COMPONENTS = Path(__file__).parents[1]
MEDIA_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
ASSETS_URL = "/assets/{version}/{path:path}"

# `import … from "./grid.js"`, on one or more lines: the only form of import that the scripts use
IMPORT = re.compile(r'^(import\s[^"\';]*?from\s+)"(\.[^"]+)"', re.MULTILINE)


Stamps = dict[str, tuple[int, int]]  # path below components/, with slashes → time of the last change, and size in bytes

_current: tuple[str, Stamps] = ("", {})  # the last version, and the files that it was computed from


def stamps() -> Stamps:
    """Every file that is served, with its stamp."""
    stamps_by_path: Stamps = {}
    for folder, folders, names in os.walk(COMPONENTS):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        for name in sorted(names):
            if Path(name).suffix in MEDIA_TYPES:
                path = Path(folder, name)
                stamps_by_path[path.relative_to(COMPONENTS).as_posix()] = _stamp(path)
    return stamps_by_path


def version() -> str:
    """A hash of all files as they are now."""
    global _current
    current = stamps()
    if current != _current[1]:
        content = hashlib.sha256()
        for path in current:
            content.update((COMPONENTS / path).read_bytes())
        _current = (content.hexdigest()[:16], current)
    return _current[0]


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size


def asset(request: Request) -> Response:
    """Serve one file; the browser may cache it forever if its version is the current one."""
    name = request.path_params["path"]
    path = (COMPONENTS / name).resolve()
    if path.suffix not in MEDIA_TYPES or not path.is_relative_to(COMPONENTS.resolve()) or not path.is_file():
        raise HTTPException(404, "There is no such file")
    known, files = _current
    unchanged = request.path_params["version"] == known and files.get(name) == _stamp(path)
    caching = "public, max-age=31536000, immutable" if unchanged else "no-store"
    return Response(path.read_bytes(), media_type=MEDIA_TYPES[path.suffix], headers={"Cache-Control": caching})


def modules(script: str) -> dict[str, str]:
    """The source of a script and of its imports, by path below components/; each module after those it imports."""
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
    """The styles beside a script and beside its imports."""
    paths = [(COMPONENTS / path).with_suffix(".css") for path in modules(script)]
    return "\n".join(path.read_text("utf-8") for path in paths if path.exists())


def import_map(script: str) -> str:
    """An import map that contains a script and its imports, as JSON; `bare_name` gives the name of each."""
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
    """Resolve an import in the script at `path` to a path below components/. Raises ValueError for one outside."""
    resolved = posixpath.normpath(posixpath.join(posixpath.dirname(path), specifier))
    if resolved.startswith(".."):
        raise ValueError(f"{path} imports {specifier}, which is outside components/")
    return resolved
