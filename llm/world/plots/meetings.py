"""Stories in which two meet: on a bridge, over supper, at an egg, in the dark."""

from __future__ import annotations

from llm.world.tables import numbers
from llm.world.telling import Story
from llm.world.words import ANIMAL, PROWLERS, THINGS

TWO_COLOURS = numbers(
    first=("red", "blue", "green", "yellow", "white"),
    second=("red", "blue", "green", "yellow", "white"),
    where=lambda first, second: first != second,
)
SPOTS = (
    "beside the door", "under the bed", "by the window", "in the corner", "behind the curtain",
    "at the foot of the bed",
)  # fmt: skip
CROSSERS = [ANIMAL[kind] for kind in ("goat", "donkey", "pig", "duck", "hen", "sheep", "dog")]
EGG_FINDERS = [ANIMAL[kind] for kind in ("frog", "mouse", "pig", "hedgehog", "cat", "sheep", "dog")]


def narrow_bridge(tell: Story) -> None:
    """Two meet in the middle, and neither will go back."""
    if tell.chance.happens():
        tell.adult("a")
        tell.adult("b", unlike="a")
    else:
        tell.animal("a", pool=CROSSERS)
        tell.animal("b", unlike="a", pool=CROSSERS)
    tell.child("child")
    tell.say(
        "The little bridge is so narrow that only one can cross at a time.",
        "There is a plank over the brook, and it is no wider than a hat.",
    )
    tell.say(
        "{when}, {a.full} came from the left and {b.full} from the right.",
        "{when}, {a.full} and {b.full} met in the very middle of it.",
    )
    tell.say('"Go back," said {a}. "I was here first."', '"Let me pass," said {a}. "I am in a hurry."')
    tell.say(
        '"No, you go back," said {b}. "I was here before you."', '"I am in more of a hurry," said {b}, and sat down.'
    )
    tell.say(
        "So they stood there [all morning|until the sun was high|and looked at the water].",
        "Neither moved, and the fish came to watch.",
    )
    ending = tell.chance.number(0, 3)
    if ending == 0:
        tell.say(
            '"Where are you going?" asked {child.full} from the bank.',
            '{child.full} was fishing below. "Where are you both going?" {child.he} asked.',
        )
        tell.say(
            '"To see {b}," said {a}. "To see {a}," said {b}.',
            '"I want to visit {b}," said {a}. "And I want to visit {a}," said {b}.',
        )
        tell.say(
            "Then they both began to laugh, and had their visit on the bridge.",
            '"Then you have arrived," said {child}.',
        )
    elif ending == 1:
        tell.say("Then the plank began to creak.", "Then there was a loud crack.")
        tell.say(
            "They held each other tight, and a moment later both were in the water.",
            "Splash! There they sat, up to the neck in the brook.",
        )
        tell.say(
            '"After you," said {a}. "No, after you," said {b}.',
            "It was {child.full} who pulled them out, one on each side.",
        )
    elif ending == 2:
        tell.say('"If you lie down, I can step over you," said {a} at last.')
        tell.say('"And tomorrow it is your turn to lie down," said {b}. "Agreed," said {a}.')
        tell.say("They have done so ever since, and never been late again.", "And that is what they did.")
    else:
        tell.say(
            '"Shall we count to three and both turn round?" asked {b}.',
            '"Can you dance?" asked {b}. "A little," said {a}.',
        )
        tell.say(
            "So they held on to each other and turned slowly, like two dancers.",
            "They leaned on each other and made half a turn, as if it were a dance.",
        )
        tell.say(
            "Now each of them was on the right side, and they went on their way.",
            "Then each went on, and both were in time for dinner.",
        )


def fox_and_supper(tell: Story) -> None:
    """Russet the fox wants someone's supper and talks to get it."""
    tell.animal("a", pool=[ANIMAL[kind] for kind in ("duck", "mouse", "crow", "donkey", "dog")])
    tell.choose("dish", "supper", "dinner", "lunch")
    tell.say(
        "{a.full} had a fine heap of {a.food}, and Russet the fox had nothing.",
        "{when}, Russet the fox saw {a.full} with a plate of {a.food}.",
    )
    tell.about("a")
    tell.say(
        "Foxes are clever, and Russet was the cleverest of them.", "Russet never stole when she could ask a question."
    )
    tell.say(
        '"Is it true that you can [sing|whistle|dance] better than anyone?" she asked.',
        '"They say you can [stand on one leg|count to a hundred|hold your breath] all night. Is it so?" she asked.',
    )
    tell.say('"Of course it is true," said {a}.', '"Who says so?" asked {a}. "Everyone," said the fox.')
    if tell.chance.happens():
        tell.say("And {a} showed her, with both eyes shut.", "So {a} shut {a.his} eyes and began.")
        tell.say("When {a.he} opened them, the plate was empty.", "When it was over, there was no fox and no {a.food}.")
        tell.say(
            "But on the plate lay a note: you really are the best.",
            '"Well," said {a}, "at least she liked it."',
            "The next day {a} ate first and showed off later.",
        )
    else:
        tell.say(
            "But {a} kept one foot on the plate.",
            '"But first I will finish my {dish}," {a.he} added, and went on eating.',
        )
        tell.say(
            '"You are clever too," said Russet, and sighed.',
            "The fox had to laugh, for she had met someone like herself.",
        )
        tell.say(
            '"Sit down," said {a}. "There is enough for two, if you ask."',
            "Then {a} gave her half, because she looked so thin.",
        )
        tell.say("It was the first supper she had ever been given.", "After that they ate together every Sunday.")


def found_egg(tell: Story) -> None:
    """A lost egg is handed round: whose is it, and what comes out?"""
    for role in ("a", "b"):
        tell.animal(role, pool=EGG_FINDERS)
    tell.animal("mother", pool=[ANIMAL[kind] for kind in ("hen", "owl")])
    tell.say(
        "{when}, {a.full} found an egg in the grass.",
        "There was an egg on the path, and {a.full} nearly fell over it.",
        "{a.full} sat down on something round, and it was an egg.",
    )
    tell.about("a")
    tell.say(
        '"Is this your egg?" {a.he?pronouns} asked {b.full}.',
        '{a.he} rolled it to {b.full}. "Did you lay this?" {a.he?pronouns} asked.',
    )
    tell.say(
        '"No," said {b?names:a}. "I have never laid anything."',
        '"Certainly not," said {b?names:a}. "It would not fit."',
        '"No," said {b}. "Ask a [turtle|swan|penguin|pelican|lizard|crocodile|ostrich|eagle|peacock|tortoise|'
        'flamingo|salamander|chameleon|stork|heron]."',
    )
    tell.say("So they both sat beside it and kept it warm.", "They took turns at keeping it warm, which tickled.")
    tell.chance.pick([_hatched, _hatched, _no_egg])(tell)


def _hatched(tell: Story) -> None:
    tell.say("In the evening it began to tap.", "Then something inside it began to knock.")
    tell.say("Out came a small wet bird and looked at {a?names:b}.", "The shell broke, and a tiny head came out.")
    tell.maybe(
        '"Mother?" said the bird. "I am afraid not," said {a}.',
        '"Are you my mother?" it asked {a}. "I only found you," said {a}.',
    )
    tell.say(
        'Just then {mother.full} came hurrying up. "There you are!" she cried.',
        "But here came {mother.full}, who had been looking everywhere.",
        "Then they heard a cry, and there stood {mother.full}.",
    )
    tell.say(
        "So the little one had a mother and two friends, and it was not an hour old.",
        "{mother} thanked them both and named the chick after {a}.",
        "The chick said peep, and nobody could say anything against that.",
    )


def _no_egg(tell: Story) -> None:
    tell.say("For three days it did not move.", "A week went by, and it stayed as it was.")
    tell.say(
        'Then {mother.full} knocked on it. "This is a [stone|turnip|ball]," she said.',
        'Then {mother.full} came by. "What a fine [stone|turnip|ball]!" she said.',
    )
    tell.say(
        '"It was a very good egg all the same," said {a}.',
        '"Then we can stop sitting on it," said {b?names:a}.',
        "They kept it, because it was warm by now.",
    )


def noise_in_the_night(tell: Story) -> None:
    """Something goes bump; a child or a grown-up goes to look."""
    tell.person("hero")
    tell.person("friend")
    plate = tell.chance.happens(0.25)
    if plate:
        tell.say("The house was dark when {hero.full} heard a plate fall.")
    else:
        tell.say(
            "Late at night, {hero.full} heard a noise.",
            "Bump, it went, and {hero.full} sat up in bed.",
            "At midnight, {hero.full} heard something move in the kitchen.",
        )
    tell.about("hero")
    tell.say(
        '"Did you hear that?" {hero.he?pronouns} whispered. "I did," said {friend.full}, who was staying the night.',
        "{hero} knocked on the wall. At once {friend.full} came over in a nightshirt.",
    )
    tell.maybe(
        '"It is a ghost," said {friend}. "Ghosts do not drop plates," said {hero?names:friend}.'
        if plate
        else '"It is a ghost," said {friend}. "Ghosts make no noise," said {hero?names:friend}.',
        '"It is only the wind," said {friend}. "The wind does not chew," said {hero?names:friend}.',
        '"It is a [burglar|dragon|pirate|troll|witch|bandit|badger|vampire|smuggler|weasel|goblin|giant|wolf|'
        'dwarf]," said {friend}.',
    )
    tell.several("at_x at_y", SPOTS)
    if tell.chance.happens():
        tell.say("There was a candle {at_x}.", "A candle stood {at_x}.")
        tell.say("The broom was {at_y}.", "They had left the broom {at_y}.")
        tell.say(
            "{hero} found the candle {at_x?places:at_y} and lit it.",
            "{hero} found the broom {at_y?places:at_x} and held it tight.",
        )
    tell.say(
        "Then they crept down the stairs.",
        "They went down together, one in front and one behind.",
        "Neither of them wished to go first, but they went.",
    )
    tell.chance.pick([_under_the_blanket, _under_the_blanket, _nobody_there])(tell)


def _under_the_blanket(tell: Story) -> None:
    tell.animal("pet", pool=PROWLERS)
    tell.thing("thing", [thing for thing in THINGS if thing.noun in ("basket", "hat", "blanket")])
    tell.say(
        "In the kitchen, a {thing} was walking across the floor.",
        "There was a {thing} in the corner, and it shook.",
    )
    tell.maybe('"Who is there?" asked {hero}.', "{hero} lifted it up, very slowly.")
    tell.say(
        "Under it sat {pet.full}, in a heap of crumbs.",
        "It was {pet.full}, who had crept in to look for supper.",
        "Out came {pet.full}, with a crust.",
    )
    tell.maybe("{pet} swallowed and looked ashamed.", '"So that was the noise," said {friend}.')
    tell.say(
        "They all had a midnight supper of [toast|pudding|gingerbread], and then there was no more noise but snoring.",
        "Then they went back to bed, and {pet} went along.",
        '"Next time, knock," said {hero}.',
        "In the morning there were crumbs all the way to the door.",
        "So they all sat down to [noodles|crackers|waffles|sardines|muffins|custard|scones|lentils|"
        "marmalade|celery|gherkins|omelette|chowder|macaroni|spinach|beetroot|rhubarb|trifle|meringues|radishes|biscuits|semolina].",
    )


def _nobody_there(tell: Story) -> None:
    tell.say(
        "But nobody was in the kitchen, and only a shutter swung in the wind.",
        "It was only the tap, which dripped.",
    )
    tell.say('"So much noise for so little," said {friend}.', "{hero} laughed until the windows rang.")
    tell.say(
        'But the pie was gone. "And who ate it?" asked {friend}. Then they heard a second noise.',
        "From then on it was {friend} who could not sleep.",
    )


def two_colours(tell: Story) -> None:
    """Two people cannot agree about a colour; both are right."""
    tell.person("a")
    tell.person("b", unlike="a")
    tell.adult("c")
    tell.choose("what", "door", "boat", "cart", "gate", "wall")
    tell.draw(TWO_COLOURS)
    tell.say(
        '"I have seen {c}\'s new {what}," said {a.full} {when}.', "{when}, {a.full} began to speak of {c}'s new {what}."
    )
    tell.say('"It is {first}, I saw it this morning," said {a}.', '"I like it in {first}," said {a}.')
    tell.say(
        '"It is {second}," said {b.full}. "I have eyes in my head."',
        '"In {first}?" asked {b.full}. "It is as {second} as can be."',
    )
    tell.say("They argued all the way across the square.", "They grew so loud that the pigeons left.")
    tell.say('"Let us go and look," said {b} at last.', '"There is one way to find out," said {a}.')
    tell.say(
        "{c.full} stood there with a brush and two pots.", "They found {c.full} beside it, with paint on {c.his} nose."
    )
    tell.say(
        '"I ran out of {first}," said {c}, "so the other side is {second}."',
        '"I could not choose," said {c}. "This side is {first}, and that one is {second}."',
    )
    tell.say(
        "Then {a} walked round to the left, and {b} to the right, and both were quiet.",
        '"Then we were both right," said {a}. "And both wrong," said {b}.',
    )
    tell.maybe('"I still like mine better," said {b}.', "They bought each other a bun and spoke of other things.")
