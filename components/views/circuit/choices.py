"""What the user chooses: an example, the two heads, the other piece, and a one-layer run to compare with."""

from __future__ import annotations

from dataclasses import dataclass, replace

from components.shared.parameters import Query, parse_indices
from components.shared.selection import Selection
from components.shared.session import Address
from llm.checkpoints import RUN_ID
from llm.interpret.ablation import Head
from llm.interpret.copying_test import Repetition, last_repetition

NO_REPETITION = (
    "In this text no token occurs a second time, so there is nothing to copy: let it begin to repeat a word that came "
    "more than three tokens before"
)


@dataclass(frozen=True)
class Choices:
    """The choices, checked against the model."""

    repetition: Repetition
    previous: Head
    copying: Head
    other: int
    control: str | None  # a run with one layer

    def query(self) -> dict[str, str]:
        """The same as parameters of an address."""
        chosen = {
            Address.PREVIOUS.value: "{}.{}".format(*self.previous),
            Address.COPYING.value: "{}.{}".format(*self.copying),
            Address.OTHER.value: str(self.other),
        }
        return chosen | ({Address.CONTROL.value: self.control} if self.control else {})

    def control_selection(self, selection: Selection) -> Selection:
        """The one-layer run at its end, on the same tokens."""
        assert self.control is not None
        return replace(selection, run_id=self.control, step=None, own=0)


def choices_from(selection: Selection, query: Query) -> Choices:
    """Parse the parameters of an address. Raises ValueError for a text without repetition, or invalid parameters."""
    config, repetition = selection.run().config, last_repetition(selection.tokens)
    if repetition is None or len(repetition.prompt) != len(selection.tokens):
        raise ValueError(NO_REPETITION)
    heads = {name: parse_indices(query.get(name, ""), (config.n_layers, config.n_heads))
             for name in (Address.PREVIOUS, Address.COPYING)}  # fmt: skip
    previous, copying = heads[Address.PREVIOUS], heads[Address.COPYING]
    if previous is None or copying is None or previous[0] >= copying[0]:
        raise ValueError(
            "previous and copying must each be a layer and a head of this model, such as 0.2, and copying's layer the "
            f"later one, got {query.get(Address.PREVIOUS, '')[:20]!r} and {query.get(Address.COPYING, '')[:20]!r}"
        )
    other = parse_indices(query.get(Address.OTHER, ""), (config.d_vocab,))
    if other is None or other[0] == repetition.piece:
        raise ValueError(
            f"other must be a token id below {config.d_vocab} that is not the piece to be copied, got "
            f"{query.get(Address.OTHER, '')[:20]!r}"
        )
    control = query.get(Address.CONTROL) or None
    if control is not None and not RUN_ID.fullmatch(control):
        raise ValueError(f"control must be the name of a run, got {control[:40]!r}")
    return Choices(repetition, (previous[0], previous[1]), (copying[0], copying[1]), other[0], control)
