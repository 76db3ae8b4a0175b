"""No request, however wrong, makes an error of the server, or changes a file."""

import asyncio
import random
from pathlib import Path

from asked_routes import addresses, ask
from counts import REQUESTS
from mutations import mutated

from components.routes import ROUTES

METHODS = ["GET"] * 8 + ["HEAD", "POST"]


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@REQUESTS
def test_a_mutated_request_is_answered_or_refused(home, count):
    asked = addresses(home)
    before = contents(home / "checkpoints")
    found: dict[int, int] = {}

    async def ask_all() -> None:
        for number in range(count * len(ROUTES)):
            chance = random.Random(number)
            address = "?".join(chance.choice(asked)).encode()
            path, _, query = mutated("", address, chance).partition(b"?")
            status = await ask(path.decode(errors="replace"), query, chance.choice(METHODS))
            assert status < 500, (number, path, query)
            found[status] = found.get(status, 0) + 1

    asyncio.run(ask_all())
    assert contents(home / "checkpoints") == before
    print(f"answers by status: {found}")  # shown with -s
