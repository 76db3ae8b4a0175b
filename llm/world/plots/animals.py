"""Stories about what the animals of Pebbleby do, among people and among themselves."""

from __future__ import annotations

from llm.world.tables import sums, table
from llm.world.telling import Story
from llm.world.words import ANIMAL, PLACE

# Each noun and the one between it and its verb: some of the same number, some not.
PARTS_OF_CARTS = table(
    "what was was_not",
    (
        ("wheels of the cart", "were", "was"), ("back of the cart", "was", "were"),
        ("spokes of the wheels", "were", "was"), ("rim of the wheels", "was", "were"),
        ("nails in the boards", "were", "was"), ("paint on the boards", "was", "were"),
    ),
)  # fmt: skip
BUYERS = sums(range(2, 6))
FAST = [ANIMAL[kind] for kind in ("dog", "fox", "cat", "duck", "goat", "frog")]
SLOW = [ANIMAL[kind] for kind in ("snail", "hedgehog", "hen", "pig", "donkey")]
EGG_PLACES = (
    "in a boot", "in the postman's bag", "under the piano", "on the kitchen scales", "inside the drum", "in a hat",
    "on top of the clock", "in the sugar bowl", "under the teacher's chair", "in the wheelbarrow",
)  # fmt: skip


def stubborn_goat(tell: Story) -> None:
    """Bramble will not move, until someone stops pulling."""
    tell.person("hero")
    tell.person("friend", unlike="hero")
    tell.child("child")
    tell.choose("spot", "on the bridge", "in the school door", "on the baker's steps", "in the middle of the road")
    tell.say(
        "{when}, Bramble the goat sat down {spot} and would not move.",
        "Bramble the goat stood {spot}, and nobody could get past.",
        "Nobody in Pebbleby was as stubborn as Bramble the goat. {when}, she lay down {spot}.",
    )
    tell.say(
        "{hero.full} pulled her by the rope, and the rope broke.",
        "{hero.full} pulled until {hero.his} face was red, but Bramble only chewed.",
        '"Please get up," said {hero.full}. Bramble ate {hero.his} [hat|sleeve|shopping list].',
    )
    tell.say(
        "{friend.full} pushed from behind, and sat down in a puddle.",
        "Then {friend.full} came to push, and Bramble leaned back.",
        '"Let me try," said {friend.full}, and shouted in her ear. She shouted back.',
    )
    tell.say(
        "Soon half the village stood there and gave advice.",
        '"Wait for winter," said {friend}. "Then she will get cold."',
    )
    trick = tell.chance.number(0, 2)
    if trick == 0:
        tell.say(
            'Then {child.full} came along. "Stay there, Bramble," {child.he} said. "You must not go home."',
            '{child.full} bent down and whispered: "Whatever you do, do not move."',
        )
        tell.say("At once Bramble got up and trotted home.", "Bramble stood up, looked proud, and walked away.")
        tell.say(
            '"How did you know?" asked {hero}. "She is stubborn," said {child}. "So am I."',
            '"I only asked for the wrong thing," said {child}.',
        )
    elif trick == 1:
        tell.say(
            "But {child.full} walked past with a bunch of thistles and did not even look at her.",
            "Then {child.full} laid a row of thistles along the road.",
        )
        tell.say(
            "Bramble sniffed. Then she got up and followed the thistles home.",
            "One thistle after another, she ate her way home.",
        )
        tell.say('"Why did we pull?" asked {hero}.', '"It takes a thistle to move a goat," said {friend}.')
    else:
        tell.say("At last {child.full} looked under her.", '"Has anyone asked her why?" said {child.full}, and looked.')
        tell.say(
            "There lay [a lost kitten|a nest with four eggs|a small bird with a hurt wing], safe and warm.",
            "She had been sitting on [a duck egg|a very small hedgehog], to keep it warm.",
        )
        tell.say(
            "Then everyone was quiet and went the other way.",
            "{hero} took off {hero.his} hat, and this time Bramble did not eat it.",
        )


def race(tell: Story) -> None:
    """A fast one and a slow one race, and the end is not what anyone thought."""
    tell.animal("fast", pool=FAST)
    tell.animal("slow", unlike="fast", pool=SLOW)
    tell.animal("judge", pool=[ANIMAL["owl"], ANIMAL["sheep"], ANIMAL["crow"]])
    tell.choose("goal", *(PLACE[name] for name in ("mill", "pond", "well", "bridge", "barn", "orchard")))
    tell.say(
        "{when}, {fast.full} laughed at {slow.full}.",
        '"Nobody is as fast as I am," said {fast.full} {when}.',
        "{fast.full} was bored, and so {fast.he} challenged {slow.full}.",
    )
    tell.about("fast")
    tell.say(
        '"You need a week to cross the road," {fast.he} said to {slow}.',
        '"I could beat you asleep," {fast.he} told {slow}.',
        '"I have won every race but one, and nobody else ran in that," {fast.he} told {slow}.',
    )
    tell.say(
        '"Then let us race to {goal.the}," said {slow}.',
        '"First one to {goal.the} wins," said {slow} calmly.',
    )
    tell.say("{judge.full} gave the sign.", '"One, two, three," called {judge.full}.')
    ending = tell.chance.number(0, 3)
    if ending == 0:
        tell.say(
            "{fast} ran off so fast that {fast.he} took the wrong turn.",
            "{fast} ran and ran, but {fast.he} did not look where.",
        )
        tell.say("{slow} went straight on, one step at a time.", "{slow} asked the way, and asked again.")
        tell.say("When {fast} came back, {slow} was sitting {goal.at}.", "{slow} was first, by the length of a nap.")
        tell.say(
            '"How did you do it?" asked {fast}. "I went where I was going," said {slow}.',
            '"Fast is good," said {slow}, "but there is better."',
        )
    elif ending == 1:
        tell.say(
            "{fast} was far ahead when {fast.he} smelled {fast.food}.", "Halfway there, {fast} found some {fast.food}."
        )
        tell.say(
            '"I have time," {fast.he} thought, and sat down to eat.',
            "{fast.he} only wanted one bite, and then one more.",
        )
        tell.say("{slow} walked past and did not say a word.", "{slow} went by, humming.")
        tell.say(
            "So {slow} won the race, and {fast} won a full stomach.",
            '"Was it good?" asked {slow}, first at {goal.the}. "Very," said {fast}.',
        )
    elif ending == 2:
        tell.say(
            "{fast} was there before {slow} had left the starting line.",
            "It was over very soon, for {fast} was there in no time.",
        )
        tell.say("{fast} waited, and waited, and grew lonely.", "Then there was nobody to talk to {goal.at}.")
        tell.say(
            "So {fast.he} walked back and kept {slow} company.",
            "So {fast} ran all the way back, and they walked the rest together.",
        )
        tell.say("They came to {goal.the} side by side.", 'It was dark when they arrived. "A good race," said {slow}.')
        tell.say("{judge} wrote down that both had won.", '"Who won?" asked {judge}. "We did," they said.')
    else:
        tell.say(
            "Then it began to rain, and the road turned to mud.",
            "But the river had risen, and the road was under water.",
        )
        tell.say(
            "{fast} slipped and landed on {fast.his} nose.",
            "{fast} stopped at the first puddle, for {fast.he} hated wet feet.",
        )
        tell.say('"Hold on to me," said {slow}.', '"Walk in my steps," said {slow}, and went ahead.')
        tell.say(
            "They reached {goal.the} together, as brown as two potatoes.", "They were last and first at the same time."
        )
        tell.maybe("{fast} never laughed at {slow} again, except when {slow.he} was joking.")


def small_helper(tell: Story) -> None:
    """A cart is stuck; the smallest one sees why."""
    tell.adult("hero")
    tell.animal("pet", pool=[ANIMAL[kind] for kind in ("mouse", "snail", "frog", "hedgehog")])
    tell.choose("load", "flour", "pumpkins", "barrels", "hay", "bricks", "cabbages")
    tell.say(
        "{when}, {hero.full}'s cart stuck fast in the lane, full of {load}.",
        "{hero.full} was driving a cart of {load} to market when it stopped with a jerk.",
        "{when}, {hero.full}'s cart, full of [feathers|coal|walnuts|ladles|chairs|gravel|mattresses|cradles|"
        "anvils|rugs|timber|statues|pianos|gourds], stuck fast in the lane.",
    )
    tell.about("hero")
    tell.draw(PARTS_OF_CARTS)
    tell.maybe("The {what} {was?agreement:was_not} [grey with dust|covered with mud|as old as the road].")
    tell.in_any_order(_donkey_pulls, _others_push)
    tell.say('"Can I help?" asked {pet.full}.', 'Then {pet.full} came by. "May I look?" {pet.he} asked.')
    tell.maybe(
        '"You are smaller than my ear," said the donkey.', '"Mind your toes," said the donkey, and they all laughed.'
    )
    tell.chance.pick([_looks_below, _looks_below, _says_please])(tell)
    if tell.chance.happens():
        _sold(tell)
    else:
        tell.say(
            "{pet} rode the rest of the way on the donkey's head.",
            '"Big is good for pulling," said {pet}, "and small is good for looking."',
            "The donkey shook his ears and said that he had known it all along.",
            "{hero} made room for {pet} on the seat, and they drove on together.",
        )


def _donkey_pulls(tell: Story) -> None:
    tell.say(
        "Turnip the donkey pulled, and the cart did not move.",
        "Turnip the donkey pulled with all his strength.",
        "Turnip the donkey pulled until his ears shook.",
    )


def _others_push(tell: Story) -> None:
    tell.maybe(
        "Biscuit the dog pushed, and still it did not move.",
        "Biscuit the dog barked at the wheels, which did not help.",
        "Button the pig pushed, mostly with her stomach.",
    )


def _looks_below(tell: Story) -> None:
    tell.maybe("{pet} crept under the cart.", "Without a word, {pet} went under the wheel.")
    tell.say(
        "{pet} found a stone no bigger than a nut, and rolled it away.",
        "A peg had fallen between the spokes, and {pet} pulled it out.",
    )
    tell.say(
        '"Try now," said {pet}, and the cart rolled off like a ball.',
        "At the next pull, the cart rolled on as if by itself.",
    )


def _says_please(tell: Story) -> None:
    tell.say(
        '"Please," said {pet} into the donkey\'s ear.',
        "{pet} climbed up and whispered something polite into the donkey's ear.",
    )
    tell.say(
        "The donkey lifted his head, and the cart began to roll.",
        '"That is all I wanted to hear," said the donkey.',
    )


def _sold(tell: Story) -> None:
    tell.draw(BUYERS)
    tell.say("At the market, there were {x} buyers before breakfast.", "At ten there were {x} buyers.")
    tell.say("Later {y} more came.", "By noon there were {y} more.")
    tell.say(
        "That made {sum?small_sums:slip}, and everything was sold.",
        "So there were {sum?small_sums:slip}, and all of them wanted to see {pet}.",
    )


def the_chair(tell: Story) -> None:
    """A cat and a person both want one chair."""
    tell.put("soot", ANIMAL["cat"])
    tell.adult("hero", unlike="soot")
    tell.person("friend", unlike="hero")
    tell.say(
        "{hero.full} had one good chair, and Soot the cat thought it was hers.",
        "There was one soft chair in the house of {hero.full}, and Soot the cat was in it.",
    )
    tell.about("hero")
    tell.say(
        "Each evening {hero.he} lifted the cat down, and each evening she climbed back up.",
        "When {hero} sat down first, the cat sat on {hero.him}.",
        '"That is my chair," said {hero}. Soot purred and did not move.',
    )
    tell.say(
        "So {hero.he} bought a cushion for the cat, and put it by the fire.",
        "So {hero.he} made a second chair, with a cushion of feathers.",
        "So {hero.he} put a box in the corner, with a blanket in it.",
    )
    tell.say("Soot looked at it for a long time.", "Soot walked round it three times and sniffed.")
    tell.say(
        "Then she went back to the old chair and closed her eyes.",
        "She did not like it. She lay down on {hero}'s [supper|newspaper|best hat] instead.",
    )
    tell.say(
        '"What did you expect?" asked {friend.full}.', '{friend.full} came to see. "She is a cat," {friend.he} said.'
    )
    tell.say(
        "In the end {hero} took the new one, and found that it was better.",
        "Now {hero} sits on the floor, and they are both very happy.",
        '"Well, somebody must be the master here," said {hero}, and it was not {hero.him}.',
    )


def eggs_in_odd_places(tell: Story) -> None:
    """Duchess the hen hides her egg."""
    tell.person("hero")
    tell.person("friend", unlike="hero")
    tell.several("x y z", EGG_PLACES)
    tell.say(
        "Duchess the hen never laid two eggs in the same place.",
        "Duchess the hen was too grand for a nest, or so she said.",
        "Every morning somebody had to go and look for the egg of Duchess the hen.",
    )
    tell.say("On Monday it was {x}, and {hero.full} nearly missed it.", "On Monday {hero.full} found an egg {x}.")
    tell.say("On Tuesday it was {y}, where nobody had looked for years.", "On Tuesday it was {y}, and still warm.")
    tell.say('"Why does she do it?" asked {hero}.', '"What is wrong with the nest?" asked {hero}.')
    tell.say(
        '"She likes to be looked for," said {friend.full}.',
        '"Would you like to lie in straw?" asked {friend.full}. "No," said {hero}.',
    )
    tell.say("On Wednesday they searched until noon.", "On Wednesday nobody could find it, high or low.")
    tell.say(
        "Then {friend} heard a crack. The egg had been {z}, but not any more.",
        "Then it was found {z}, and there was an omelette that nobody had planned.",
        "At last they found it {z}, and beside it sat Duchess, very pleased.",
    )
    tell.say('"Clever bird," said {hero}, and sighed.', "Duchess clucked, and began to think about Thursday.")
