"""Stories about weather, seasons, light and time."""

from __future__ import annotations

from llm.world.sayings import CALLS
from llm.world.tables import days_in_a_row, table
from llm.world.telling import Story
from llm.world.words import ADULTS, ANIMAL, PERSON, THINGS

PLANTS = table(
    "seed plant half end",
    (
        ("bean", "bean", "as tall as a chair", "climbed the wall"),
        ("pumpkin seed", "pumpkin", "as round as a fist", "filled the wheelbarrow"),
        ("sunflower seed", "sunflower", "as high as the fence", "looked over the roof"),
        ("pea", "pea", "as long as a finger", "reached the window"),
    ),
)
CULPRITS = table(
    "culprit doing",
    (
        ("a bat", "was asleep on the big wheel"),
        ("an owl", "had built a nest behind the bell"),
        ("a mouse", "was running in the smallest wheel"),
        ("a spider", "had tied the two hands together"),
    ),
)


def storm(tell: Story) -> None:
    """A storm at night; a light shows the way."""
    tell.adult("hero")
    tell.adult("guest", unlike="hero")
    tell.animal("pet", pool=[ANIMAL[kind] for kind in ("dog", "cat", "hen")])
    tell.say(
        "One night the wind rose, and the sea came up to the harbour wall.",
        "All day the sky had been yellow, and in the evening the storm came.",
        "The storm broke just after dark.",
    )
    tell.say(
        "It blew the tiles off the [school|forge|mill] and the hat off the scarecrow.",
        "The rain fell so hard that the [ducks|frogs] went indoors.",
        "Thunder rolled over Pebbleby like barrels over a bridge.",
    )
    tell.say(
        "{hero.full} lit a lamp and put it in the window.",
        "{hero.full} could not sleep, so {hero.he} lit every lamp in the house.",
    )
    tell.about("hero")
    tell.say(
        '"Who would be out on a night like this?" {hero.he} said to {pet.full}.',
        "{pet.full} {pet.sound} and crept under {hero.his} chair.",
    )
    tell.say("Then there was a knock at the door.", "Knock, knock! It was not the wind this time.")
    tell.say(
        "Outside stood {guest.full}, as wet as a fish.",
        "It was {guest.full}, with water in both shoes.",
    )
    tell.say(
        '"I lost the road, and then I saw your light," said {guest}.',
        '"May I come in?" asked {guest}. "Your lamp is the only star tonight."',
    )
    tell.say(
        "{hero} gave {guest.him} dry socks and a bowl of [onion|bean|pumpkin|fish] soup.",
        '"Come in and sit by the fire," said {hero}, and filled the kettle.',
    )
    tell.say(
        "They told stories until the thunder was tired.",
        "They played cards until morning, and {pet} won.",
        "In the morning the sky was as clean as a plate.",
    )
    tell.maybe(
        "Since then there is a lamp in that window whenever the wind blows.",
        "{guest} came back the next day and mended the roof.",
    )


def fog(tell: Story) -> None:
    """Fog hides the village; a sound brings everyone home."""
    tell.child("hero")
    tell.person("lost", unlike="hero", pool=[adult for adult in ADULTS if adult.name not in ("Edgar", "Otto", "Jonas")])
    tell.say(
        "{when}, a fog came up from the river, as thick as porridge.",
        "The fog was so thick that the hens walked into the school.",
        "{when}, nobody in Pebbleby could see their own feet.",
    )
    tell.say(
        "Edgar the postman gave the same letter to the pump twice.",
        "Otto the clockmaker said good morning to a post.",
        "Jonas the cobbler went home and found that he was at the mill.",
        "The ducks on the pond bumped into each other and said sorry.",
    )
    tell.say("{lost.full} was still out, and evening came.", "Only {lost.full} did not come home.")
    tell.say(
        '"How will {lost.he} find the way?" asked {hero.full}.',
        '"{lost.he} cannot see us," said {hero.full}, "but {lost.he} can hear us."',
    )
    tell.say(
        "So {hero} climbed the bell tower, rang the bell and called.",
        "{hero} took a drum to the square, beat it and sang.",
        "{hero} stood by the well and sang as loud as {hero.he} could.",
    )
    tell.verse(CALLS)
    tell.say("After an hour, steps came slowly through the grey.", "And then, very far away, somebody sang back.")
    tell.say(
        '"I followed the noise," said {lost}. "It was a terrible noise, and I loved it."',
        "{lost} came out of the fog and shook {hero}'s hand.",
    )
    tell.say(
        "The next day was clear, and {hero} had no voice left.",
        "They still sing it when the fog comes.",
    )


def snow_figure(tell: Story) -> None:
    """A figure of snow is lent some clothes."""
    tell.child("a")
    tell.child("b", unlike="a")
    tell.adult("owner")
    tell.thing("thing", [thing for thing in THINGS if thing.noun in ("hat", "scarf", "umbrella", "basket")])
    tell.choose("nose", "a carrot", "a pear", "half a parsnip", "a wooden peg")
    tell.choose("eyes", "two buttons", "two plums", "two nuts", "two coins")
    tell.say(
        "It had snowed all night, and {a} and {b} were the first outside.",
        "One winter morning, {a} and {b} built a man of snow.",
    )
    tell.say(
        "They rolled three balls: a large one, a smaller one, and a small one for the head.",
        "He had {nose} for a nose and {eyes} for eyes.",
    )
    tell.say('"He looks cold," said {b}.', '"Something is missing," said {a}.')
    tell.say("So they gave him {owner.full}'s {thing}.", "So {b} ran and borrowed a {thing.full} from {owner.full}.")
    tell.say(
        '"Where is my {thing}?" asked {owner} the next day. "On loan," said {a}.',
        "{owner} looked for {owner.his} {thing} all evening, until {owner.he} looked out of the window.",
    )
    tell.say(
        "Then the wind turned, and the snow began to drip.",
        "Each day the sun stayed longer, and each day he grew thinner.",
    )
    tell.say(
        "One morning there was only a puddle, with the {thing} in it.",
        "At last nothing was left but {nose}, {eyes}, and a wet {thing}.",
    )
    tell.say(
        '"He has given it back," said {b}. "He was honest."',
        '"Where did he go?" asked {b}. "Down to the river," said {a}, "to see the sea."',
        "{owner} hung the {thing} by the stove, and it dripped there like a tear.",
    )


def seeds(tell: Story) -> None:
    """Someone plants a seed and has to wait."""
    tell.child("hero")
    tell.adult("friend", unlike="hero")
    tell.draw(PLANTS)
    tell.choose("spring", "one day in April", "one morning in March", "early in spring", "when the snow was gone")
    tell.draw(days_in_a_row(3))
    tell.say(
        "{spring}, {friend.full} gave {hero.full} a {seed}.",
        "{spring}, {hero.full} found a {seed} and showed it to {friend.full}.",
    )
    tell.about("hero")
    tell.say(
        "On {d1} {hero} planted it, watered it and sat down to wait.",
        "On {d1} {hero} put it in a pot and told it a story.",
    )
    tell.say("On {d2?days} nothing happened.", "On {d2?days} there was only earth.")
    tell.say('On {d3?days} {hero} asked: "Is it broken?"', "On {d3?days} {hero} wanted to dig it up and look.")
    tell.say(
        '"It is busy," said {friend}. "You cannot see it, but it is."',
        '"Seeds do not like to be hurried," said {friend}.',
    )
    tell.say(
        "After two weeks, a green tip came out, no bigger than an ant.",
        "Then one morning there was a leaf, and then there were two.",
    )
    tell.say("In June it was {half}.", "By midsummer it was {half}.")
    tell.say("In August it {end}.", "By the end of summer it {end}.")
    tell.say(
        '"You see," said {friend}. "And who did all the work?" "We did," said {hero}, "the {plant} and I."',
        "{hero} kept one seed of it, and you can guess what for.",
        '"Was it worth the wait?" asked {friend}. "I have forgotten the wait," said {hero}.',
    )


def the_clock(tell: Story) -> None:
    """The clock goes wrong, and the village with it."""
    tell.put("otto", PERSON["Otto"])
    tell.person("a", unlike="otto")
    tell.person("b")
    tell.choose("struck", *range(13, 20))
    tell.draw(CULPRITS)
    tell.say(
        "At midnight, the clock in the bell tower struck {struck}.",
        "One night the clock of Pebbleby struck {struck}, and everyone sat up.",
    )
    tell.say(
        '"{struck}!" cried {a.full}. "I am late, or very early."', "{a.full} got up and had breakfast in the dark."
    )
    tell.say(
        "{b.full} put on two hats, to be on the safe side.",
        "{b.full} went to work, met nobody, and went to bed again.",
        "{b.full} ate breakfast twice, which {b.he} did not mind at all.",
    )
    tell.say(
        "Otto the clockmaker climbed the stairs with a lantern.",
        "Otto the clockmaker was ashamed, and ran up the tower in his slippers.",
    )
    tell.say(
        "Up there, {culprit} {doing}.", "He looked behind the clock, and there he saw the reason: {culprit} {doing}."
    )
    tell.say('"I see," said Otto. "And what time do you make it?"', "Otto did not have the heart to be angry.")
    tell.say(
        "He moved the little guest to a box with a cloth in it.",
        "He made a small door in the wall, so that it could come and go.",
    )
    tell.say(
        "Since then the clock has been right, except on nights with a full moon.",
        "The next time, it struck twelve at twelve, and people were almost sorry.",
    )
