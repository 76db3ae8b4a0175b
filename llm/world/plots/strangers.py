"""Stories about strangers, whose names nobody has heard before, and who are named again and again.

What is asked in them was told before: who has the glove, who wanted the soup, who was in front.
"""

from __future__ import annotations

import itertools

from llm.world.telling import Story

ROLES = "abcd"
ORDERS = ("{a}, {b}, {c} and {d}", "{c}, {a}, {d} and {b}", "{b}, {d}, {a} and {c}", "{d}, {c}, {b} and {a}")
LOSSES = ("glove", "comb", "whistle", "map", "spoon", "button")
DISHES = ("soup", "pie", "porridge", "dumplings", "fish", "pancakes", "bread", "cabbage")
INSTRUMENTS = ("fiddle", "flute", "drum", "horn", "harp", "trumpet", "bell", "comb")


def over_the_bridge(tell: Story) -> None:
    """Four travellers come, lose and find something, and go on."""
    _cast(tell)
    tell.choose("thing", *LOSSES)
    _all(
        tell,
        "Four strangers came over the bridge: {all}.",
        "{when}, {all} came over the bridge, and nobody knew them.",
        "Over the bridge came {all}, with dust on their shoes.",
    )
    if tell.chance.happens():
        tell.say(
            '"And who are you?" asked the miller. "I am {b}," said {b}. "And this is {d}."',
            '"Who are you?" the ducks seemed to ask. "I am {c}," said {c}, "and here come {a} and {b}."',
            '"What is your name?" asked the postman. "{d}," said {d}, "and this is {a}."',
        )
    tell.say(
        "{a} lost a {thing} on the way, and {b} picked it up.",
        "{a} dropped a {thing} in the grass, where {b} found it.",
        "{a} laid a {thing} on a stone, and {b} put it into a pocket.",
    )
    _acts(
        tell,
        "{x} and {y} sat down on a stone.",
        "{x} drank from the river, and so did {y}.",
        "{x} took off a boot, and {y} laughed.",
        "{x} told {y} about the road.",
        "{x} shared [an apple|a bun|a pear|an onion] with {y}.",
    )
    tell.say(
        '"Where is my {thing}?" asked {a}. "{b} has it," said {c}.',
        '"Who has my {thing}?" {a} asked {c}. "It must be {b}," said {c}.',
        '"My {thing} is gone," said {a}. "Ask {b}," said {d}.',
    )
    tell.say(
        "So {b} gave it back to {a}.",
        '"I kept it warm for you," said {b} to {a}.',
        "{b} gave it back, and {a} thanked {b} twice.",
    )
    _all(tell, "In the evening {all} went on.", "Then {all} went over the hill, and it was quiet again.")


def at_the_inn(tell: Story) -> None:
    """Four guests have supper, and the innkeeper mixes up their plates."""
    _cast(tell)
    tell.several("for_a for_b for_c for_d", DISHES)
    _all(
        tell,
        "There were four guests at the inn: {all}.",
        "{when}, {all} sat down at the long table of the inn.",
        "The innkeeper had never seen {all} before.",
    )
    tell.say(
        "{a} wanted {for_a}, {b} wanted {for_b}, {c} wanted {for_c}, and {d} wanted {for_d}.",
        "{b} asked for {for_b}, {d} for {for_d}, {a} for {for_a}, and {c} for {for_c}.",
    )
    asked = tell.chance.several(ROLES, 2)
    for guest, other in ((asked[0], asked[1]), (asked[1], asked[0])):
        dish = f"{{for_{guest}}}"
        tell.say(
            f'"Who wanted {dish}?" asked the innkeeper. "{{{guest}}} did," said {{{other}}}.',
            f'"{dish}!" called the innkeeper. "That is for {{{guest}}}," said {{{other}}}.',
            f"The plate with the {dish} stood before {{{other}}}, who pushed it across to {{{guest}}}.",
        )
    _acts(
        tell,
        '"More, please," said {x}, and {y} nodded.',
        "{x} told {y} a joke, and {y} [laughed|yawned|coughed].",
        "{x} spilled the milk, and {y} hummed.",
        '"Is it good?" asked {x}. "Very," said {y}.',
    )
    payer = tell.chance.pick(ROLES)
    tell.say(
        f"And {{{payer}}} paid for everyone.",
        f'"Who is going to pay?" asked the innkeeper. They all looked at {{{payer}}}.',
    )
    _all(tell, "The beds were short, but {all} slept well.", "At midnight {all} were still singing.")


def band(tell: Story) -> None:
    """Four musicians play in the square, one after the other."""
    _cast(tell)
    tell.several("with_a with_b with_c with_d", INSTRUMENTS)
    _all(
        tell,
        "{when}, a band came to the square: {all}.",
        "The band had four players, {all}.",
        "Nobody slept that night, for {all} had come with their music.",
    )
    tell.say(
        "{a} had a {with_a}, {b} a {with_b}, {c} a {with_c}, and {d} a {with_d}.",
        "{c} brought a {with_c}, {a} a {with_a}, {d} a {with_d}, and {b} a {with_b}.",
    )
    turns = tell.chance.several(ROLES, 3)
    for before, player in itertools.pairwise(turns):
        tell.say(
            f"After {{{before}}} it was the turn of {{{player}}}, who played the {{with_{player}}}.",
            f"{{{before}}} danced while {{{player}}} played the {{with_{player}}}.",
            f"{{{before}}} stopped, and then {{{player}}} played the {{with_{player}}}.",
        )
    _acts(
        tell,
        '"Louder!" cried {x}. "Not so loud!" cried {y}.',
        "{x} whistled, and {y} sang.",
        "{x} played too fast, and {y} too slowly.",
        "{x} bowed to {y}, and {y} bowed to {x}.",
    )
    asked = tell.chance.pick(ROLES)
    tell.say(
        f'"Whose is the {{with_{asked}}}?" asked a child. "It belongs to {{{asked}}}," said the others.',
        f'"I liked the {{with_{asked}}} best," said the mayor, and {{{asked}}} blushed.',
    )
    _all(tell, "Everyone clapped for {all}.", "Only the cats were glad when {all} stopped.")


def race_on_the_ice(tell: Story) -> None:
    """Four skaters overtake one another, and the judge asks who has won."""
    _cast(tell)
    _all(
        tell,
        "When the pond froze, {all} came to race on it.",
        "One cold morning, four skaters stood on the ice: {all}.",
        "The ice was thick enough for {all}.",
    )
    order = tell.chance.several(ROLES, len(ROLES))  # the first one is in front
    first, second, third, last = (f"{{{role}}}" for role in order)
    tell.say(f"{first} was in front, and {second} came next.", f"At first {first} was just ahead of {second}.")
    tell.say(f"{third} was third, and {last} was last.", f"Behind them came {third}, and then {last}.")
    for _ in range(tell.chance.number(2, 4)):
        place = tell.chance.number(1, len(order) - 1)
        slow, fast = (f"{{{role}}}" for role in order[place - 1 : place + 1])
        order[place - 1 : place + 1] = order[place], order[place - 1]
        tell.say(
            f"Then {fast} overtook {slow}.",
            f'"Make way!" cried {fast}, and passed {slow}.',
            f"{slow} [stumbled|sneezed|waved], and {fast} slid past {slow}.",
            f'"Wait for me!" cried {slow} when {fast} went past.',
        )
    first, second, third, last = (f"{{{role}}}" for role in order)
    tell.say(
        f'"Who won?" asked the judge. "{first} did," said {second}.',
        f'"Who was the first?" asked the judge. "It was {first}," said {last}.',
        f"So {first} won the race, and {second} was second.",
    )
    _all(tell, "Soon after, {all} ended up in one heap.", "The judge gave {all} a bun each.")


def _cast(tell: Story) -> None:
    for role in ROLES:
        tell.stranger(role)


def _all(tell: Story, *frames: str) -> None:
    """Tell one of these frames, in which `{all}` stands for the four of them, in some order."""
    order = tell.chance.pick(ORDERS)
    tell.say(*(frame.replace("{all}", order) for frame in frames))


def _acts(tell: Story, *frames: str) -> None:
    """Tell one of the first, third … frames and one of the others, each about two of them, `{x}` and `{y}`."""
    for some in (frames[::2], frames[1::2]):
        x, y = tell.chance.several(ROLES, 2)
        tell.say(*(frame.replace("{x}", f"{{{x}}}").replace("{y}", f"{{{y}}}") for frame in some))
