"""Stories about strangers, whose names nobody has heard before, and who are named again and again."""

from __future__ import annotations

from collections.abc import Sequence

from llm.world.telling import Story

ROLES = "abcd"
ALL = "{a}, {b}, {c} and {d}"


def over_the_bridge(tell: Story) -> None:
    """Four travellers come, rest, and go on."""
    _strangers(
        tell,
        (
            f"Four strangers came over the bridge: {ALL}.",
            f"{{when}}, {ALL} came over the bridge, and nobody knew them.",
            f"Over the bridge came {ALL}, with dust on their shoes.",
        ),
        (
            "{x} [sat down on a stone|drank from the river|took off a boot|asked the way].",
            "{x} [waited|slept|listened|nodded|sighed].",
            "Then {x} [counted the ducks|found a penny|lost a glove].",
            '"I am {x}," said {x}.',
        ),
        (f"In the evening {ALL} went on.", f"Then {ALL} went over the hill, and it was quiet again."),
    )


def at_the_inn(tell: Story) -> None:
    """Four guests have supper."""
    _strangers(
        tell,
        (
            f"There were four guests at the inn: {ALL}.",
            f"{{when}}, {ALL} sat down at the long table.",
            f"The innkeeper had never seen {ALL} before.",
        ),
        (
            "{x} [wanted soup|wanted bread|wanted more pie|ate an onion].",
            "{x} [laughed|yawned|hummed|coughed].",
            '"More, please," said {x}.',
            "And {x} [paid for everyone|told a joke|spilled the milk].",
        ),
        (f"The beds were short, but {ALL} slept well.", f"At midnight {ALL} were still singing."),
    )


def band(tell: Story) -> None:
    """Four musicians play in the square."""
    _strangers(
        tell,
        (
            f"{{when}}, a band played in the square: {ALL}.",
            f"The band had four players, {ALL}.",
            f"Nobody slept that night, for {ALL} had come with their drums.",
        ),
        (
            "{x} [drummed|sang|whistled|danced].",
            "{x} played [the fiddle|the flute|a comb|too fast].",
            "Now it was the turn of {x}.",
            '"Louder!" cried {x}.',
        ),
        (f"Everyone clapped for {ALL}.", f"Only the cats were glad when {ALL} stopped."),
    )


def race_on_the_ice(tell: Story) -> None:
    """Four skaters, and who is in front."""
    _strangers(
        tell,
        (
            f"When the pond froze, {ALL} came to race on it.",
            f"{{when}}, four skaters stood on the ice: {ALL}.",
            f"The ice was thick enough for {ALL}.",
        ),
        (
            "{x} [fell over|slid|jumped|stumbled].",
            "Now {x} was [in front|behind|the fastest].",
            '"Wait for me!" cried {x}.',
            "{x} went round [once|twice] and [waved|sneezed|smiled].",
        ),
        (f"In the end {ALL} fell into one heap.", f"The judge gave a bun each to {ALL}."),
    )


def _strangers(tell: Story, arrivals: Sequence[str], acts: Sequence[str], farewells: Sequence[str]) -> None:
    """They arrive, do something one by one in any order, and leave; `{x}` in an act is one of them."""
    for role in ROLES:
        tell.stranger(role)
    tell.say(*arrivals)
    left = [(role, act) for role in ROLES for act in acts]
    last = ""
    for _ in range(tell.chance.number(6, 9)):
        role, act = tell.chance.pick([pair for pair in left if pair[0] != last])
        left.remove((role, act))
        tell.say(act.replace("{x}", f"{{{role}}}"))
        last = role
    tell.say(*farewells)
