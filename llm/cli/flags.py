"""Command-line flags from configs: one flag per field, with the field's help.

`parse` hands a command only the flags that the user passed. So a preset knows which of its fields to override, and a
resumed run which flags to reject; default values are defined by the configs alone.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import math
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Literal, TypedDict, get_args, get_origin

import tyro
from typing_extensions import Doc
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

from llm.config import INT_LIMIT, LONGEST_SHOWN, describe, shortened

ParsedFlags = dict[str, Any]  # the flags that the user passed, by name
_NUMBER_NAMES = {int: "an integer", float: "a number"}
SIGNS = ("--", "--no-")  # of a flag without a value
_registry = ConstructorRegistry()


class UsageError(ValueError):
    """The command line is not valid."""


@dataclasses.dataclass(frozen=True)
class Command:
    """A sub-command: what it does, the flags it takes by name (see `flag`), and the function that runs it.

    `flags` is called when a command line is parsed, so that the choices are those of the registries at that time.
    """

    about: str
    flags: Callable[[], Mapping[str, Any]]
    run: Callable[[ParsedFlags], int]  # returns the exit code
    repeated: str = ""  # the flag of several values that may be passed more than once: all its values count
    # the flag, or flags in their order, that may be left out before the value: `llm reproduce RUN`, `llm fill RUN TEXT`
    subject: str = ""


def flag(kind: Any, about: str, default: object = dataclasses.MISSING, choices: Sequence[str] = ()) -> Any:
    """One flag's type and help. The default is only shown: a command sees just the flags that the user passed."""
    values = Literal[tuple(choices)] if choices else kind
    hint = "(required)" if default is dataclasses.MISSING else f"(default: {_shown(default)})"
    return Annotated[values, Doc(about), tyro.conf.arg(help_behavior_hint=hint)]


def config_flags(config: type, default: str | None = None, leave_out: Sequence[str] = ()) -> dict[str, Any]:
    """A flag for every field of a config; `default`, if given, is shown instead of each field's own."""
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


def parse(commands: Mapping[str, Command], about: str, arguments: Sequence[str]) -> Callable[[], int]:
    """The chosen command, ready to run with its flags.

    The word after a flag is its value even if it begins with a dash (`--prompt -Yes`), unless it is itself a flag of
    the command (then `--prompt=--seed`).

    Raises:
        UsageError: the arguments are not valid; the message says why in one sentence.
        SystemExit: help was requested and has been printed.
    """
    printed = io.StringIO()
    try:
        with contextlib.redirect_stderr(printed):
            chosen: Callable[[], int] = tyro.extras.subcommand_cli_from_dict(
                {name: _bind(name, command) for name, command in commands.items()},
                prog="llm",
                description=about,
                args=_attach_values(commands, arguments),
                registry=_registry,
            )
            return chosen
    except SystemExit as ending:
        if not ending.code:
            raise
        raise UsageError(_sentence(printed.getvalue(), arguments)) from None


def fields_of(config: type, flags: ParsedFlags) -> ParsedFlags:
    """Those of the flags that are fields of this config."""
    return {name: flags[name] for name in describe(config) if name in flags}


def require_flag(flags: ParsedFlags, name: str, meaning: str) -> str:
    """The value of a flag that has no default; `meaning` completes the error message."""
    if name not in flags:
        raise UsageError(f"--{name} is required: {meaning}")
    return str(flags[name])


def reject_combination(flags: ParsedFlags, name: str, reason: str, allowed: Sequence[str]) -> None:
    """Raise UsageError if any flag but those `allowed` was passed together with `name`: none is silently ignored."""
    others = [f"--{other.replace('_', '-')}" for other in flags if other != name and other not in allowed]
    if others:
        raise UsageError(f"--{name} cannot be combined with {', '.join(others)}: {reason}")


def _attach_values(commands: Mapping[str, Command], arguments: Sequence[str]) -> list[str]:
    """The arguments with each value attached to its flag, as in `--prompt=-Yes`: tyro takes a dash in this form only.

    Several values of one flag are joined by a zero byte, which no argument contains; those after the first do not
    begin with two dashes, so that a mistyped flag is still reported.
    """
    if not arguments or arguments[0] not in commands:
        return list(arguments)
    kinds = {f"--{name.replace('_', '-')}": get_args(kind)[0] for name, kind in commands[arguments[0]].flags().items()}
    switches = {"-h", "--help"} | {sign + name[2:] for name, kind in kinds.items() if kind is bool for sign in SIGNS}
    subjects = commands[arguments[0]].subject.split()
    attached, waiting = [arguments[0]], ""  # the flag that waits for a value
    for word in arguments[1:]:
        name, first = word.partition("=")[0].replace("_", "-"), attached[-1] == waiting
        if waiting and name not in kinds and name not in switches and (first or not word.startswith("--")):
            attached[-1] += f"={word}" if first else f"\0{word}"
            waiting = waiting if get_origin(kinds[waiting.replace("_", "-")]) is tuple else ""
        elif subjects and not word.startswith("-"):
            name = f"--{subjects.pop(0)}"
            attached.append(f"{name}={word}")
            waiting = name if get_origin(kinds[name]) is tuple else ""
        else:
            attached.append(word)
            waiting = word if name == word.replace("_", "-") and kinds.get(name, bool) is not bool else ""
    repeated = commands[arguments[0]].repeated
    return _joined_repeats(attached, repeated) if repeated else attached


def _joined_repeats(words: list[str], name: str) -> list[str]:
    """The words with all values of the flag `name` together."""
    sign = f"--{name}="
    values = [word.removeprefix(sign) for word in words if word.startswith(sign)]
    others = [word for word in words if not word.startswith(sign)]
    return [*others, sign + "\0".join(values)] if values else others


def _bind(name: str, command: Command) -> Callable[..., Callable[[], int]]:
    """A function with the signature that tyro needs: one parameter, a dictionary in which every flag may be missing."""
    typed_dict: Any = TypedDict  # created at run time, which type checkers cannot follow

    def bound(flags: ParsedFlags) -> Callable[[], int]:
        return partial(command.run, flags)

    bound.__doc__ = command.about
    accepted = typed_dict(f"{name} flags", dict(command.flags()), total=False)
    bound.__annotations__ = {"flags": Annotated[accepted, tyro.conf.arg(name="")]}  # no name: flags without a prefix
    return bound


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
    """Parse int, float, and either with None, with error messages in plain words."""
    kind = next((kind for kind in _NUMBER_NAMES if info.type in (kind, kind | None)), None)
    if kind is None:
        return None
    optional = info.type is not kind

    def read(words: list[str]) -> Any:
        (word,) = words
        if optional and word.lower() == "none":
            return None
        try:
            number = kind(word)
        except ValueError:
            if not re.fullmatch("[+-]?[0-9]+", word):
                raise ValueError(f"must be {_NUMBER_NAMES[kind]}, got {word!r}") from None
            number = INT_LIMIT  # Python converts at most 4,300 digits
        if kind is int and abs(number) >= INT_LIMIT:
            raise ValueError(f"must be below 2^63, got {word!r}")
        if math.isinf(number) and re.search("[0-9]", word):
            raise ValueError(f"must be below {sys.float_info.max:.2g}, got {word!r}")
        return number

    return PrimitiveConstructorSpec(
        nargs=1,
        metavar="N" if kind is int else "X",
        instance_from_str=read,
        is_instance=lambda value: isinstance(value, kind) or (optional and value is None),
        str_from_instance=lambda value: [str(value)],
    )


@_registry.primitive_rule
def _strings(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Any] | None:
    """Parse several strings, as `_attach_values` joins them."""
    if get_origin(info.type) is not tuple:
        return None
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar="STR [STR ...]",
        instance_from_str=lambda words: tuple(words[0].split("\0")),
        is_instance=lambda value: isinstance(value, tuple),
        str_from_instance=list,
    )


def _sentence(box: str, arguments: Sequence[str]) -> str:
    """The message in the box that tyro prints: the text before the second rule, and the flag that tyro suggests.

    A long argument, which tyro breaks into lines, is shown by its beginning.
    """
    lines = re.sub("\x1b\\[[0-9;]*m|[│╭╮╰╯]", "", box).splitlines()[1:]  # without the title
    paragraphs = [part.strip() for part in re.split("[─-]{10,}", " ".join(lines))]
    message = next(filter(None, paragraphs), "The command line is not valid")
    sentence = re.sub(r"\s+", " ", message).removeprefix("Error parsing ").rstrip(".")
    sentence = sentence.replace(": must be ", " must be ", 1)  # "--steps: must be …" reads as one sentence
    if suggested := re.search(r"Perhaps you meant:\s+(--[\w-]+)", " ".join(lines)):
        sentence += f" (did you mean {suggested[1]}?)"
    for word in arguments:
        text = repr(word.partition("=")[2] or word)[1:-1]
        if len(text) > LONGEST_SHOWN:
            sentence = shortened(text).join(re.split(" ?".join(map(re.escape, text)), sentence))
    return sentence
