"""From configs to command-line flags: one flag a field, with the field's own help.

A flag that was not given is absent from what `parse` hands to a command. So a preset can tell what to override, and a
resumed run what to refuse; defaults stay with the configs alone.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict

import tyro
from typing_extensions import Doc
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

from llm.config import describe

Given = dict[str, Any]  # the flags that were given, by name
_READABLE = {int: "a whole number", float: "a number"}
TEXT, CHECKPOINTS = "training.txt", "checkpoints"
_registry = ConstructorRegistry()


class UsageError(ValueError):
    """A command line that cannot be understood."""


@dataclasses.dataclass(frozen=True)
class Command:
    """A sub-command: what it does, the flags it takes by name (see `flag`), and who does it with those given."""

    about: str
    flags: Mapping[str, Any]
    run: Callable[[Given], int]


def flag(kind: Any, about: str, default: object = dataclasses.MISSING, choices: Sequence[str] = ()) -> Any:
    """One flag's type and help. What it says of a default is only shown: a command sees the flags that were given."""
    values = Literal[tuple(choices)] if choices else kind
    hint = "(required)" if default is dataclasses.MISSING else f"(default: {_shown(default)})"
    return Annotated[values, Doc(about), tyro.conf.arg(help_behavior_hint=hint)]


def flags(config: type, default: str | None = None, leave_out: Sequence[str] = ()) -> dict[str, Any]:
    """A flag for every field of a config; `default`, if given, is shown in place of each field's own."""
    return {
        name: flag(
            kind=_kind(field.kind, field.optional),
            about=field.help,
            default=field.default if default is None else default,
            choices=field.choices,
        )
        for name, field in describe(config).items()
        if name not in leave_out
    }


def parse(commands: Mapping[str, Command], about: str, arguments: Sequence[str] | None) -> Callable[[], int]:
    """The chosen command, ready to run with its flags; the arguments of the process if None.

    Raises:
        UsageError: what is wrong with them, in a sentence.
        SystemExit: help was asked for and has been printed.
    """
    printed = io.StringIO()
    try:
        with contextlib.redirect_stderr(printed):
            chosen: Callable[[], int] = tyro.extras.subcommand_cli_from_dict(
                {name: _bind(name, command) for name, command in commands.items()},
                prog="llm",
                description=about,
                args=arguments,
                registry=_registry,
            )
            return chosen
    except SystemExit as ending:
        if not ending.code:
            raise
        raise UsageError(_sentence(printed.getvalue())) from None


def fields_of(config: type, given: Given) -> Given:
    """Those of the given flags that are fields of this config."""
    return {name: given[name] for name in describe(config) if name in given}


def needed(given: Given, name: str, what: str) -> str:
    """A flag without a default; `what` says what it is for."""
    if name not in given:
        raise UsageError(f"--{name} is missing: {what}")
    return str(given[name])


def refuse_beside(given: Given, name: str, reason: str, allowed: Sequence[str]) -> None:
    """Nothing that was given is silently ignored."""
    others = [f"--{other.replace('_', '-')}" for other in given if other != name and other not in allowed]
    if others:
        raise UsageError(f"--{name} does not go with {', '.join(others)}: {reason}")


def run_folder(run: str, checkpoints_dir: str = CHECKPOINTS) -> Path:
    """The folder that a path or a run's id means."""
    by_id = Path(checkpoints_dir, run)
    return by_id if by_id.exists() and not Path(run).exists() else Path(run)


def _bind(name: str, command: Command) -> Callable[..., Callable[[], int]]:
    """A function whose signature tyro reads: one parameter, a dictionary in which every flag may be missing."""
    make: Any = TypedDict  # made at run time, which type checkers do not follow

    def choose(given: Given) -> Callable[[], int]:
        return partial(command.run, given)

    choose.__doc__ = command.about
    flags = make(f"{name} flags", dict(command.flags), total=False)
    choose.__annotations__ = {"given": Annotated[flags, tyro.conf.arg(name="")]}  # unnamed: flags without a prefix
    return choose


def _kind(kind: type, optional: bool) -> Any:
    if kind is tuple:
        return tuple[str, ...]
    return kind | None if optional else kind


def _shown(default: object) -> str:
    if isinstance(default, bool):
        return "yes" if default else "no"
    if default in ("", ()):
        return "none"
    return str(default)


@_registry.primitive_rule
def _number(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Any] | None:
    """How int, float, and either with None are read, so that what cannot be read is told in everyday words."""
    kind = next((kind for kind in _READABLE if info.type in (kind, kind | None)), None)
    if kind is None:
        return None
    optional = info.type is not kind

    def read(words: list[str]) -> Any:
        if optional and words[0].lower() == "none":
            return None
        try:
            return kind(words[0])
        except ValueError:
            raise ValueError(f"{words[0]!r} is not {_READABLE[kind]}") from None

    return PrimitiveConstructorSpec(
        nargs=1,
        metavar="N" if kind is int else "X",
        instance_from_str=read,
        is_instance=lambda value: isinstance(value, kind) or (optional and value is None),
        str_from_instance=lambda value: [str(value)],
    )


def _sentence(box: str) -> str:
    """The message in the box that tyro prints: what stands before the second rule, and the flag that was meant."""
    lines = re.sub("\x1b\\[[0-9;]*m|[│╭╮╰╯]", "", box).splitlines()[1:]  # without the title
    paragraphs = [part.strip() for part in re.split("[─-]{10,}", " ".join(lines))]
    message = next(filter(None, paragraphs), "The command line cannot be understood")
    sentence = re.sub(r"\s+", " ", message).removeprefix("Error parsing ").rstrip(".")
    if meant := re.search(r"Perhaps you meant:\s+(--[\w-]+)", " ".join(lines)):
        sentence += f" (perhaps you meant {meant[1]}?)"
    return sentence
