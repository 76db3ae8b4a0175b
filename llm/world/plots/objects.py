"""Stories about things: lost, found, lent, swapped and delivered."""

from __future__ import annotations

from llm.world.telling import Story
from llm.world.words import ANIMAL, JOBS, NEEDS, PERSON, PROWLERS, THINGS

SMALL = [thing for thing in THINGS if thing.small]
SHINY = [thing for thing in THINGS if thing.shiny]
SLEEPERS = [ANIMAL[kind] for kind in ("goat", "dog", "cat", "hen", "donkey", "duck", "pig", "sheep")]


def lost_and_found(tell: Story) -> None:
    """Someone loses a thing, asks around, and it turns up."""
    tell.person("hero")
    tell.person("friend", unlike="hero")
    ending = tell.chance.pick([_in_the_nest, _in_the_pocket, _under_an_animal, _in_good_hands])
    tell.thing("thing", SHINY if ending is _in_the_nest else SMALL if ending is _in_the_pocket else THINGS)
    tell.say(
        "{when}, {hero.full} lost a {thing.full}.",
        "{when}, {hero.full} could not find {hero.his} {thing}.",
        "{when}, {hero.full} reached for {hero.his} {thing}, and it was gone.",
        "There was once a {thing.full} that belonged to {hero.full}, until it vanished.",
    )
    tell.maybe(
        "It had been a present from {hero.his} grandmother.",
        "{hero.he} had owned it since {hero.he} was four.",
        "It was not worth much, but {hero.he} loved it.",
        "{hero.he} never went anywhere without it.",
    )
    tell.about("hero")
    tell.say(
        "{hero.he} looked under the [bed|table|stairs], and behind the [door|stove|curtains].",
        "{hero.he} emptied every [drawer|cupboard|box], and found only [dust|string|an old sock|half a biscuit].",
        "{hero.he} walked all the way to {hero.place.the} and back, looking at the ground.",
        "First {hero.he?pronouns} searched the kitchen, then the yard, then the kitchen again.",
    )
    tell.say(
        '"Have you seen my {thing?objects}?" {hero.he?pronouns} asked {friend}.',
        '{hero.he} ran to {friend}. "My {thing} is lost," {hero.he} said. "Did you see it?"',
        '"I cannot find my {thing}," {hero.he} said to {friend}. "Have you seen it?"',
    )
    ending(tell)


def _in_the_nest(tell: Story) -> None:
    tell.say(
        '"No," said {friend?names}, "but I saw Inkwell the crow with something bright."',
        '"I have not," said {friend}. "Does it shine? Then ask Inkwell the crow."',
    )
    tell.say(
        "They went to the tall elm and looked up.",
        "So they walked to the tall elm, where the crow had his nest.",
    )
    tell.say(
        "There in the nest lay the {thing?objects}, between a [coin|nail|bead] "
        "and a [fish hook|bottle top|broken watch].",
        "{friend} climbed up, and there it was, as clean as new.",
    )
    tell.say(
        "{hero} gave the crow a handful of cherries for it, and both were content.",
        '"Caw," said Inkwell, and he looked the other way.',
        "They left the crow a piece of glass, which shone even more.",
    )


def _in_the_pocket(tell: Story) -> None:
    tell.say(
        '"No," said {friend}. "When did you have it last?"',
        '"Not today," said {friend}. "Where were you yesterday?"',
    )
    tell.say(
        '"Yesterday, {hero.place.at}," said {hero}, and put {hero.his} hands in {hero.his} pockets.',
        '"I was {hero.place.at}," said {hero}, "with my hands in my pockets, like this."',
    )
    tell.say(
        "Then {hero.he} went very red, for {hero.his} fingers had found something.",
        "{hero.he} stopped. Something small and hard was in the left one.",
    )
    tell.say("It was the {thing?objects}.", "Out came a {thing.full}.")
    tell.say(
        '"How clever of you to hide it so well," said {friend}.',
        "They laughed until {friend} had to sit down.",
        '"The last place is always the nearest," said {friend}.',
    )


def _under_an_animal(tell: Story) -> None:
    tell.animal("pet", unlike="hero", pool=SLEEPERS)
    tell.say(
        '"No," said {friend}, "but {pet.full} has not moved all day."',
        '"Not I," said {friend}. "Have you looked under {pet}?"',
    )
    tell.say("{pet.full} lay {pet.bed} and kept {pet.his} eyes shut.", "They found {pet.full} {pet.bed}, fast asleep.")
    tell.say(
        '"Up you get," said {hero}, and held out some {pet.food}.',
        "{hero} put a little of {pet.his} favourite food down, some {pet.food}, and waited.",
    )
    tell.say(
        "{pet} got up, and there was the {thing?objects}, still warm.",
        "{pet} rose slowly, and under {pet.him?pronouns} lay the {thing?objects}.",
    )
    tell.say(
        "{pet} {pet.sound} once, as if to say that finders are keepers.",
        '"Thank you for keeping it warm," said {hero}.',
        "From that day, {hero} always looked there first.",
    )


def _in_good_hands(tell: Story) -> None:
    tell.person("helper", unlike="hero")
    tell.say(
        '"No, but ask {helper}," said {friend?names}. "Lost things often end up there."',
        '"I have not," said {friend}, "but {helper} may know."',
    )
    tell.say("So {hero} went to see {helper}.", "{helper} was {helper.place.at}, hard at work.")
    tell.say(
        '"Is this yours?" asked {helper?names}, and held up the {thing?objects}.',
        "{helper} opened a drawer and took out the {thing?objects}.",
    )
    tell.say(
        '"I found it {helper.place.at}, and it needed a good clean," {helper.he} said.',
        '"It was lying in the road, so I took care of it," said {helper}.',
    )
    tell.say(
        "{hero} was so glad that {hero.he} danced all the way home.",
        '"Then I shall bring you a [cake|pie|jar of honey]," said {hero}, and so {hero.he} did.',
        "{hero} thanked {helper.him} and tied the {thing} to {hero.his} belt.",
    )


def swap(tell: Story) -> None:
    """A chain of trades: each one needs what the last one gave."""
    needed = [thing for thing in THINGS if thing.noun in NEEDS]
    tell.child("hero")
    tell.person("a", unlike="hero")
    tell.person("b", unlike="a")
    tell.thing("first", needed)
    tell.thing("second", needed)
    tell.thing("third")
    tell.say(
        "{when}, {hero.full} set out with a {first.full} and no plan at all.",
        "{hero.full} had a {first.full} but wished for something else.",
        "{when}, {hero.full} found a {first.full} that nobody wanted.",
    )
    tell.about("hero")
    tell.say(
        "{a.place.at}, {hero.he} met {a.full}.",
        "The first person on the road was {a.full}.",
        "Soon {hero.he} met {a.full}, who looked sad.",
    )
    tell.say('"{first.need}," said {a}. "I could use that {first}."', '"A {first}!" cried {a}. "{first.need}."')
    tell.say(
        "So {hero} gave {a.him} the {first}, and {a} gave {hero} a {second.full}.",
        '"Take my {second} for it," said {a}, and {hero} took the {second}.',
        "They swapped, and {hero} walked on with a {second.full}.",
    )
    tell.say(
        "Next came {b.full}.",
        "A little later, {b.full} came round the corner.",
        "Then {b.full} called from across the street.",
    )
    tell.say(
        '"Is that a {second}?" asked {b}. "{second.need}. Would you swap it?"',
        '"{second.need}," {b.he} said. "Would you part with your {second}?"',
    )
    tell.say(
        "So the {second} went to {b}, and {hero} got a {third.full}.",
        '"Gladly," said {hero}. {b} took the {second} and handed over a {third.full}.',
    )
    tell.say(
        "In the end the {first} was with {a?holder_one:b}, the {second} with {b}, and the {third} with {hero}.",
        "So the {second} was now with {b?holder_two:a}, the {first} with {a}, and the {third} with {hero}.",
        "That evening three people were happy, and nobody had spent a penny.",
        '"I left with a {first} and came home with a {third}," said {hero} at supper.',
        "{hero} put the {third} beside {hero.his} bed and looked at it until {hero.he} fell asleep.",
    )


def parcel(tell: Story) -> None:
    """The postman has a parcel without a name."""
    tell.put("edgar", PERSON["Edgar"])
    tell.person("a")
    tell.person("b")
    tell.thing("thing")
    rained = tell.chance.happens(0.25)
    if rained:
        tell.say("{when}, the rain washed the name off a parcel, and Edgar did not know whose it was.")
    else:
        tell.say(
            "Edgar the postman turned a parcel over and over, and found no name on it.",
            "At the bottom of Edgar's bag lay a parcel without a name.",
            "{when}, Edgar the postman had a parcel with no name on it.",
        )
    tell.maybe(
        "It was [long|flat] and [light|heavy], and it rattled.",
        "It smelled of [soap|oranges|paint].",
        "It was [square|lumpy|wobbly].",
        "It smelled of [cinnamon|leather|lavender|pepper|smoke|vinegar|almonds|varnish|mothballs|rosemary|glue|"
        "ginger|peppermint|wax|turpentine|resin|nutmeg].",
    )
    tell.say(
        '"Is it yours?" he asked {a.full}.',
        'He took it to {a.full}. "Did you order something?" he asked.',
        'The first door was that of {a.full}. "Is it yours?" asked Edgar.',
    )
    tell.say(
        '"No," said {a?names}. "I am waiting for a [letter|chair|new broom]."',
        '"I wish it were," said {a}, and gave it back.',
        '"No," said {a}. "I am waiting for a [mirror|saddle|trumpet|parrot|hammock|'
        'compass|carpet|wheelbarrow|wardrobe|harp|globe|bathtub|violin|piano|sledge|canoe|lampshade|typewriter|sofa|cello]."',
    )
    ending = tell.chance.pick([_for_edgar, _claimed, _alive])
    ending(tell)
    if ending is _claimed:
        tell.say(
            "Edgar went home and wrote a note. It said: buy better ink."
            if rained
            else "Edgar went home and wrote a note. It said: ask for the name first.",
            "{b} gave him a bun for it, and Edgar ate it on the bridge.",
        )


def _tries_another(tell: Story) -> None:
    tell.say(
        "Then Edgar carried it over the bridge, where {b.full} shook it gently.",
        "So Edgar tried {b.full} next.",
    )


def _for_edgar(tell: Story) -> None:
    _tries_another(tell)
    tell.say('"Not mine," said {b?names:a}. "Why not look inside?"', '"Open it and see," said {b?names:a}.')
    tell.say("Edgar cut the string, and out came a {thing}.", "Inside was a {thing.full}, and a card.")
    tell.say(
        '"For Edgar, from Edgar," said the card. He had bought it himself and forgotten.',
        "Then he remembered. He had ordered it for his own birthday.",
    )
    tell.say(
        "{b} laughed, and then Edgar laughed too.",
        "He wrote his name on it at once, twice.",
        '"I always send the best presents," said Edgar.',
    )


def _claimed(tell: Story) -> None:
    _tries_another(tell)
    tell.say(
        '"At last!" cried {b?names:a}. "That is my {thing}."',
        '"My {thing}!" said {b?names:a}. "I waited three weeks."',
    )
    tell.say(
        "And when {b.he?pronouns} cut the string, there was the {thing?objects}, without a scratch.",
        "{b.he?pronouns} tore off the paper, and it really was a {thing.full}.",
    )


def _alive(tell: Story) -> None:
    tell.animal("pet", pool=PROWLERS)
    tell.say("Just then the parcel sneezed.", "Just then something inside it began to scratch.")
    tell.say("Edgar cut the string, and out climbed {pet.full}.", "The lid flew up, and there sat {pet.full}.")
    tell.say('"I only wanted to see the world," said {pet}.', '"Are we there yet?" asked {pet}.')
    tell.say(
        "Ever since, {pet} has travelled on top of the bag and rung the doorbells.",
        "Edgar put two stamps on {pet}, to be on the safe side.",
    )


def borrowing(tell: Story) -> None:
    """A borrowed thing is passed on and on, and comes back by itself."""
    tell.adult("owner")
    tell.person("a", unlike="owner")
    tell.person("b", unlike="a")
    tell.thing("thing", [thing for thing in THINGS if thing.noun in JOBS])
    tell.say(
        "{owner.full} owned the best {thing} in Pebbleby.",
        "{when}, {owner.full} bought a {thing.full}, and everyone admired it.",
    )
    tell.about("owner")
    tell.say(
        '"May I borrow your {thing} until Friday?" asked {a.full}. "I want to {thing.job}."',
        '{a.full} came to the door. "I need to {thing.job}," {a.he} said. "May I have your {thing} until Friday?"',
    )
    tell.say('"Of course," said {owner}, "but bring it back."', '"Yes, if you take good care of it," said {owner}.')
    tell.say(
        "But then {a} lent the {thing} to {b.full}.",
        "{a} used it once and passed it on to {b.full}.",
    )
    tell.say(
        "Friday came, and the {thing} did not.",
        "A week went by, and still the {thing} was not back.",
    )
    tell.say(
        '"Where is my {thing?objects}?" asked {owner}. "{b} has it," said {a?names}.',
        '{owner} went to {a}. "I gave it to {b?holder_two:owner}," {a.he} said, and looked at {a.his} shoes.',
    )
    tell.say(
        "{b} had it in {b.his} hand and was just about to {thing.job}.",
        "They found {b}, who had hung it on the wall and forgotten it.",
    )
    tell.say(
        "{b} gave it back, with a jar of [honey|jam|pickles] beside it.",
        '"I am sorry," said {b}, and gave the {thing} back at once.',
    )
    tell.say(
        "After that, {owner} painted {owner.his} name on it in large white letters.",
        '"Next time, borrow it together," said {owner?names}, and they did.',
        "That night the {thing} was back in its place, and {owner} slept well.",
    )
