"""Stories in which things change hands or places, and someone has to know where they are."""

from __future__ import annotations

from llm.world.telling import Story
from llm.world.words import JOBS, NEEDS, THINGS

SPOTS = (
    "under the stairs", "on the top shelf", "behind the stove", "in the blue cupboard", "on the window sill",
    "in the wash tub", "beside the door", "under the pillow", "in the old chest", "on the kitchen table",
)  # fmt: skip
NEEDED = tuple(thing for thing in THINGS if thing.noun in NEEDS)
BORROWED = tuple(thing for thing in THINGS if thing.noun in JOBS)
SKILL = {1: "holder_one", 2: "holder_two", 3: "holder_three"}


def _hand_over(tell: Story, giver: str, taker: str) -> None:
    """The thing goes from one to the other; either of them may be named first."""
    g, t = f"{{{giver}}}", f"{{{taker}}}"
    tell.say(
        f"{g} gave the {{thing}} to {t}.",
        f"{t} asked for the {{thing}}, and {g} handed it over.",
        f"Then {t} got the {{thing}} from {g}.",
        f"Soon after, {g} passed the {{thing}} on to {t}.",
        f'"Take good care of it," said {g}, and {t} put the {{thing}} under {{{taker}.his}} arm.',
    )


def pass_it_on(tell: Story) -> None:
    """A thing goes through one, two or three hands, and its owner wants it back."""
    times = tell.chance.number(1, 3)
    for role in "abcd"[: times + 1]:
        tell.person(role)
    tell.thing("thing", NEEDED)
    tell.say(
        "{when}, {a.full} had a {thing.full} and no use for it.",
        "{a.full} owned a {thing.full}, and everyone knew it.",
        "There was only one {thing} in the whole street, and it belonged to {a.full}.",
    )
    tell.say(
        '"{thing.need}," said {b.full}.',
        "{b.full} came by and could not stop looking at it.",
        "Before long, {b.full} knocked at the door.",
    )
    _hand_over(tell, "a", "b")
    if times > 1:
        tell.say(
            "The next day, {c.full} was in need of one too.",
            '{c.full} looked over the fence. "What a fine {thing}!" {c.he?pronouns} said.',
        )
        _hand_over(tell, "b", "c")
    if times > 2:
        tell.say(
            "And that was not the end of it, for there was still {d.full}.", "On Friday it was the turn of {d.full}."
        )
        _hand_over(tell, "c", "d")
    last, before = "abcd"[times], "abcd"[times - 1]
    holder = f"{{{last}?{SKILL[times]}:{before}}}"
    if tell.chance.happens():
        tell.say(
            "Then it began to rain.",
            "At the end of the week, a letter came.",
            "But one morning, everything was different.",
        )
        tell.say("{a} needed the {thing} after all.", "Now {a} wished to see the {thing} again.")
    tell.say(
        f'"Who has the {{thing?objects}} now?" {{a}} asked. "{holder} has it," said the neighbours.',
        f'"Where is my {{thing?objects}}?" asked {{a}}. Everyone pointed at {holder}.',
        f"And if you look for the {{thing?objects}} today, you must ask {holder}.",
    )
    tell.say(
        f'"You may keep it," said {{a}} to {{{last}}}, "but let me visit it."',
        f"{{{last}}} shook {{a}}'s hand, and they both held the {{thing}} for a while.",
        f'"Things like to travel," said {{{last}}}, and smiled.',
        f"{{a}} laughed, because {{{last}}} had tied a red bow around it.",
    )


def round_present(tell: Story) -> None:
    """A present that nobody wants is given away again and again, and comes home."""
    for role in ("a", "b", "c"):
        tell.person(role)
    tell.thing("thing")
    tell.say(
        "For {a}'s birthday, {a.his} aunt sent {a.him} a {thing.full}.",
        "{a.full} got a {thing.full} for {a.his} birthday, and {a.he} had one already.",
    )
    tell.say(
        '"How lovely," said {a}, and hid it behind the coal.',
        '{a} turned it round twice. "It would suit somebody else," {a.he} thought.',
    )
    tell.say(
        "So {b.full} found it on the step on New Year's Day.", "When {b.full} had a cold, {a} brought it as a present."
    )
    tell.say(
        "But {b} did not know what to do with it, and gave it to {c.full}.",
        '{b} thanked {a.him} twice and took it straight to {c.full}. "I thought of you," {b.he} said.',
    )
    tell.say(
        "Now {c} had the {thing?objects}, and {c.he?pronouns} had no room for it.",
        "{c} looked at the {thing?objects}, and the {thing} looked at {c}.",
    )
    if tell.chance.happens():
        tell.say("The {thing?objects} stayed with {c?holder_two:b}, and in the end {c.he?pronouns} grew fond of it.")
        tell.say('"Whatever happened to my present?" {a} asked a year later.', "A year later, {a} came to tea.")
        tell.say(
            'There it hung above the fire. "It was a very good present," said {c}.',
            '"What a fine {thing?objects}!" {a} said. "I had one just like it."',
        )
    else:
        tell.say(
            "So {c} wrapped it in blue paper and carried it to {a}.",
            '{c} knocked at {a}\'s door. "For you," {c.he} said.',
        )
        tell.say(
            "And so the {thing?objects} came back to {a?holder_three:b}.",
            "When the paper was off, the {thing?objects} belonged to {a?holder_three:c} once more.",
        )
        tell.say(
            "This time {a} kept it, since it so clearly wished to stay.",
            '"Just what I wanted," said {a}, and this time it was almost true.',
        )


def tidy_house(tell: Story) -> None:
    """Someone puts everything in its place and is asked for it later."""
    tell.person("hero")
    tell.person("friend", unlike="hero")
    for role in ("x", "y", "z"):
        tell.thing(role)
    tell.several("at_x at_y at_z", SPOTS)
    tell.say(
        "{when}, {hero.full} could not find the floor any more, and so {hero.he} tidied the house.",
        '"From now on, everything has its place," said {hero.full}.',
        "{hero.full} tidied up once a year, and {when} {hero.he} did it.",
    )
    tell.about("hero")
    tell.say(
        "The {x} went {at_x}, the {y} {at_y}, and the {z} {at_z}.",
        "{hero} put the {x} {at_x}, the {y} {at_y} and the {z} {at_z}.",
        "{hero.he} laid the {x} {at_x}. The {y} came {at_y}, and the {z} {at_z}.",
    )
    tell.say(
        "Not a thing was left lying about.", "When it was done, {hero} could hear {hero.his} own steps.",
        "Then {hero.he?pronouns} sat down and admired it.",
    )  # fmt: skip
    tell.say("The next day {friend.full} came in a hurry.", '"May I come in?" called {friend.full} through the window.')
    asked = tell.chance.pick(["x", "y", "z"])
    other = "y" if asked != "y" else "x"
    spot = f"{{at_{asked}?places:at_{other}}}"
    tell.say(
        f'"Where is the {{{asked}}}?" {{friend.he}} asked. "It is {spot}," said {{hero}}.',
        f'"I need to borrow the {{{asked}}}," said {{friend}}. "You will find it {spot}," said {{hero}}.',
    )
    tell.say(
        f"And there was the {{{asked}?objects:{other}}}, for the first time in years.",
        f"{{friend}} went to look, and came back with the {{{asked}?objects:{other}}}.",
    )
    tell.say(
        '"How do you do it?" asked {friend}. "Ask me again in a week," said {hero}.',
        "A week later nothing was in its place, but the floor had been seen.",
        "{friend} was so impressed that {friend.he} went home and looked for {friend.his} own table.",
    )
