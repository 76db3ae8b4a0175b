"""Covering arrays: few rows in which every combination of any two (or three) options' values occurs.

A fault of a program that composes options mostly needs no more than two or three of them together, so a covering array
finds what the full product finds, with a fraction of its rows (Kuhn, Wallace & Gallo 2004, doi:10.1109/TSE.2004.24).
"""

import itertools
import random
from collections.abc import Mapping, Sequence
from typing import Any

Row = dict[str, Any]
ATTEMPTS = 20


def covering_rows(options: Mapping[str, Sequence[Any]], strength: int = 2) -> list[Row]:
    """Rows in which each combination of values of any `strength` options occurs; always the same rows."""
    return min((_attempt(options, strength, random.Random(seed)) for seed in range(ATTEMPTS)), key=len)


def combinations(options: Mapping[str, Sequence[Any]], strength: int) -> set[frozenset[tuple[str, Any]]]:
    """Every combination of values of any `strength` options."""
    return {
        frozenset(zip(names, values, strict=True))
        for names in itertools.combinations(options, strength)
        for values in itertools.product(*(options[name] for name in names))
    }


def _attempt(options: Mapping[str, Sequence[Any]], strength: int, rng: random.Random) -> list[Row]:
    """In-parameter-order growth (Lei & Tai 1998, doi:10.1109/HASE.1998.731623): one option after another joins.

    The rows begin as the product of the options with the most values. A joining option gives each row the value that
    brings the most new combinations; what is still missing then gets rows of its own.
    """
    names = sorted(options, key=lambda name: -len(options[name]))
    first = names[:strength]
    rows = [dict(zip(first, values, strict=True)) for values in itertools.product(*(options[name] for name in first))]
    for number, name in enumerate(names[strength:], strength):
        earlier = {other: options[other] for other in names[:number]}
        others = {
            tuple(zip(chosen, values, strict=True))
            for chosen in itertools.combinations(earlier, strength - 1)
            for values in itertools.product(*(options[other] for other in chosen))
        }
        missing = {value: set(others) for value in options[name]}
        rng.shuffle(rows)
        for row in rows:
            present = set(itertools.combinations(row.items(), strength - 1))
            values = rng.sample(options[name], len(options[name]))
            row[name] = max(values, key=lambda value, present=present: len(present & missing[value]))
            missing[row[name]] -= present
        while any(missing.values()):
            row = {}
            uncovered = [(*pairs, (name, value)) for value, left in missing.items() for pairs in left]
            for combination in sorted(uncovered, key=lambda pairs: sorted(map(repr, pairs))):
                if all(row.get(option, value) == value for option, value in combination):
                    row |= dict(combination)
            row = {option: row.get(option, values[0]) for option, values in earlier.items()} | {name: row[name]}
            rows.append(row)
            missing[row[name]] -= set(itertools.combinations(list(row.items())[:-1], strength - 1))
    return rows
