"""Tables: what is chosen together. A row gives several roles at once, so that a riddle keeps its own answer.

Numbers that depend on each other are a table too: every way to choose the free ones, with what follows from them.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterable, Sequence
from functools import cache

from llm.world.words import DAYS

Row = dict[str, object]
Table = tuple[Row, ...]


def table(columns: str, rows: Iterable[Sequence[object]]) -> Table:
    """Rows of values under these column names, separated by spaces."""
    names = columns.split()
    return tuple(dict(zip(names, row, strict=True)) for row in rows)


def numbers(where: Callable[..., bool] | None = None, **columns: Iterable[object] | Callable[..., object]) -> Table:
    """Every combination of the listed columns, with the columns computed from earlier ones.

    numbers(x=range(2, 4), y=(1, 5), sum=lambda x, y: x + y) has four rows. `where` says which rows may stay.
    """
    free = {name: tuple(values) for name, values in columns.items() if not callable(values)}
    computed = {name: (formula, _needs(formula)) for name, formula in columns.items() if callable(formula)}
    wanted = _needs(where) if where else []
    rows = []
    for values in itertools.product(*free.values()):
        row: Row = dict(zip(free, values, strict=True))
        for name, (formula, needs) in computed.items():
            row[name] = formula(*(row[need] for need in needs))
        if where is None or where(*(row[need] for need in wanted)):
            rows.append(row)
    return tuple(rows)


def sums(of: range) -> Table:
    """Every two of these numbers: x, y, their sum, and a likely wrong sum."""
    return numbers(x=of, y=of, sum=lambda x, y: x + y, slip=lambda sum: mistaken(sum))


def mistaken(number: int) -> int:
    """The wrong number for this one: 2 for 3 and 3 for 2, so that each is right as often as wrong."""
    return number + 1 if number % 2 == 0 else number - 1


@cache
def days_in_a_row(count: int) -> Table:
    """`count` consecutive days of a week: d1, d2 and so on."""
    names = " ".join(f"d{day}" for day in range(1, count + 1))
    return table(names, (DAYS[start : start + count] for start in range(len(DAYS) - count + 1)))


def _needs(formula: Callable[..., object]) -> list[str]:
    return list(inspect.signature(formula).parameters)
