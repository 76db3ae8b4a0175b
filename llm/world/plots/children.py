"""Stories about children's days and nights: games, growing, a birthday, falling asleep."""

from __future__ import annotations

from llm.world.tables import days_in_a_row, table
from llm.world.telling import Story
from llm.world.words import THINGS

COUNTING = range(2, 6)
MEMORIES = table(
    "now then",
    (
        ("laughs", "laughed"), ("talks", "talked"), ("dreams", "dreamed"), ("sings", "sang"), ("boasts", "boasted"),
        ("wonders", "wondered"),
    ),
)  # fmt: skip

SPOTS = (
    "behind the water barrel",
    "under the cart",
    "in the hay",
    "up in the apple tree",
    "inside the flour sack",
    "behind the bell",
    "under the stairs",
    "in the empty tub",
    "between the haystacks",
    "behind the tall beans",
)


def kite_in_the_tree(tell: Story) -> None:
    """Something light is stuck in a tree, and someone has an idea."""
    tell.person("hero")
    tell.person("helper")
    tell.person("friend")
    tell.thing("thing", [thing for thing in THINGS if thing.noun in ("kite", "hat", "scarf", "ribbon", "umbrella")])
    tell.choose("tree", "oak", "elm", "pear tree", "willow", "cherry tree")
    tell.say(
        "{when}, the wind took {hero.full}'s {thing} and hung it in the {tree}.",
        "{when}, {hero.full} looked up and saw a very familiar {thing} at the top of the {tree}.",
        "A gust came over the hill, and off went {hero.full}'s {thing} into the {tree}.",
        "{hero.full} let go for a moment, and the {tree} had a new {thing}.",
    )
    tell.about("hero")
    tell.in_any_order(_hero_tries, _friend_tries)
    ending = tell.chance.pick([_fetched, _fetched, _pecked_loose, _waited_for])
    ending(tell)
    ends = (
        "It had a small hole in it, and {hero} liked it better than before.",
        '"Trees have enough to carry," said {hero}.',
        "All night the tree looked a little sad.",
    )
    if ending is not _waited_for or tell.chance.happens():
        _carried_home(tell)
        tell.say(*ends, "The wind tried again on the way, but this time everyone was ready.")
    else:
        tell.say(*ends)


def _hero_tries(tell: Story) -> None:
    tell.maybe(
        "{hero} jumped, but the tree was taller.",
        "{hero} threw a shoe at it, and now the shoe was up there too.",
        "{hero} shook the trunk, and nothing fell but [leaves|a surprised beetle|an old nest|acorns].",
        "{hero} shook the trunk, and down came [twigs|bark|blossoms|cobwebs|caterpillars|moss|a squirrel|a glove|"
        "a raven|icicles|pollen|sparrows|a sandal|pinecones|a mitten|ladybirds|feathers|a magpie].",
    )


def _friend_tries(tell: Story) -> None:
    tell.say(
        "{friend} stood on a barrel, and that was still not enough.",
        "{friend} came with a broom, but the broom was too short.",
        "{friend} spoke kindly to the tree, and it only rustled.",
    )


def _fetched(tell: Story) -> None:
    tell.say(
        '"What are you doing?" asked {helper.full}. "Reaching for the {thing?objects}," said {hero?names:helper}.',
        '"Wait," said {helper.full}, who was passing by. "Let me think."',
        "Then {helper.full} came and walked once round the tree.",
    )
    tell.say(
        "{helper} fetched a ladder and held it still.",
        "{helper} tied a broom to a fishing rod and reached up.",
    )
    tell.say(
        "Up went {hero}, one step at a time, and down came the {thing?objects}.",
        "One push, and the {thing?objects} sailed down into the grass.",
    )


def _pecked_loose(tell: Story) -> None:
    tell.say(
        "On a branch sat Inkwell the crow and watched them.",
        "Just then Inkwell the crow flew by and landed beside it.",
    )
    tell.say(
        '"Bring it down, and you get a [plum|cherry|bun]," called {helper.full}.',
        "{helper.full} held up a shiny spoon and waited.",
    )
    tell.say(
        "The crow pulled twice, and down came the {thing?objects}.",
        "The crow gave the {thing?objects} a push with his beak.",
    )
    tell.say("{helper} gave him what he had earned.", "Then the crow flew off with his prize.")


def _waited_for(tell: Story) -> None:
    tell.say(
        '"What goes up comes down," said {helper.full}, and sat down to wait.',
        '"The wind will turn," said {helper.full}, and lay down in the grass.',
    )
    tell.say(
        "In the evening the wind turned round and dropped the {thing?objects} at {hero}'s feet.",
        "When the moon rose, the {thing?objects} slid down all by itself.",
    )


def _carried_home(tell: Story) -> None:
    first, second = tell.chance.pick([("friend", "helper"), ("helper", "friend")])
    tell.say(f'"Let me hold it for a while," said {{{first}}}.', f"{{{first}}} took hold of it first.")
    holder = f"{{{first}?holder_one:{second}}}"
    if tell.chance.happens():
        tell.say(
            f'"Now let me," said {{{second}}} at the bridge.',
            f"At the bridge, {{{first}}} handed it to {{{second}}}.",
        )
        holder = f"{{{second}?holder_two:{first}}}"
    tell.say(
        f"So it was {holder} who brought the {{thing?objects}} home.",
        f"So {holder} carried the {{thing?objects}} all the way home.",
    )


def hide_and_seek(tell: Story) -> None:
    """Three hide and one seeks; the last one is hard to find, for a good reason."""
    tell.child("seeker")
    for role in ("a", "b", "c"):
        tell.child(role)
    tell.several("spot_a spot_b spot_c", SPOTS)
    tell.choose("most", 10, 20, 30, 50)
    tell.say(
        "{when}, {seeker}, {a}, {b} and {c} played hide and seek.",
        "It was {seeker}'s turn to seek, so {a}, {b} and {c} ran off to hide.",
    )
    tell.say("{seeker} shut {seeker.his} eyes and counted to {most}.", '"I am coming!" called {seeker} at {most}.')
    tell.say(
        "{a} hid {spot_a}, {b} {spot_b}, and {c} {spot_c}.",
        "{a} was {spot_a}. {b} was {spot_b}. {c} was {spot_c}.",
    )
    tell.say(
        "{seeker} found {a} first, because {a.he} giggled.",
        "{a} sneezed, and so {a.he} was found first.",
    )
    tell.say(
        "Then {seeker} saw {b}'s [foot|elbow|hat] {spot_b?places:spot_a}.",
        "{b} was next. {b.His} shadow had given {b.him} away.",
    )
    tell.say(
        "But where was {c}?",
        '"Where can {c} be?" asked {b}.',
        "Only {c} was left, and it was getting late.",
    )
    tell.say(
        "They called and called, and at last they heard a snore {spot_c?places:spot_b}.",
        "They looked {spot_c?places:spot_a}, and there was {c}, sound asleep.",
    )
    tell.say(
        '"Did I win?" asked {c}, and rubbed {c.his} eyes. "You did," said {seeker}.',
        "They all agreed that {c} was the best at hiding, even in {c.his} sleep.",
        "So {c} won, and did not hear about it until supper.",
    )


def who_is_tallest(tell: Story) -> None:
    """Three children are put in order of size."""
    for role in ("a", "b", "c"):
        tell.child(role)
    tell.adult("judge")
    tell.say(
        "{b}, {a} and {c} could not agree who was the tallest.",
        "{when}, {c}, {b} and {a} stood back to back to see who was the tallest.",
    )
    tell.say('"I am," said {c}, and stood on {c.his} toes.', '"It must be me," said {b}, who had very tall hair.')
    tell.say(
        "{judge.full} stood them against the door and made three marks with chalk.",
        '"Take off your shoes," said {judge.full}, and drew three lines on the wall.',
    )
    tell.say(
        "{a} was taller than {b}, and {b} was taller than {c}.",
        "{b} was taller than {c}, but {a} was taller than {b}.",
        "{c} was shorter than {b}, and {b} was shorter than {a}.",
        "{b} was shorter than {a}, but {c} was shorter than {b}.",
    )
    tell.say(
        "So the tallest was {a?sizes:c}, and the shortest was {c}.",
        "The shortest of them was {c?sizes:a}, and the tallest was {a}.",
        '"Then who is the tallest?" asked {b}. "{a?sizes:c} is," said {judge}.',
        '"Then who is the shortest?" asked {b}. "{c?sizes:a} is," said {judge}.',
    )
    tell.say(
        '"But I can fit under the table," said {c}, and nobody else could.',
        '"Wait until next year," said {c}, and ate a second bowl of soup.',
        '"I am nearer to the strawberries," said {c}, and that was true.',
    )
    tell.maybe("The marks are still there, and each spring they make new ones.", "The door was never painted again.")


def bedtime_counting(tell: Story) -> None:
    """Someone counts to fall asleep; something is wrong with the sheep."""
    tell.person("hero")
    tell.person("watch")
    count_to = tell.chance.number(2, 4)
    tell.animal("pet")
    tell.put("next", count_to + 1, COUNTING)
    tell.say(
        "{hero.full} could not sleep.",
        "{hero.full} had been looking at the ceiling for an hour.",
        "The moon was up, and so was {hero.full}.",
        '"I am not sleepy at all," said {hero.full}, and sat up in bed.',
    )
    tell.say(
        '"Count some {pet.plural}," said {watch.full}, and blew out the candle.',
        '"Shut your eyes and count {pet.plural}," said {watch.full} at the door.',
    )
    tell.maybe("So {hero?names:watch} began.", "{hero?names:watch} had nothing better to do.")
    tell.say(
        "One {pet.kind} [jumped over|tiptoed over|climbed over|sailed over|fell over] the [gate|fence|wall].",
        "One {pet.kind} [in a nightcap|with a lantern|all alone] went by.",
    )
    for step in range(2, count_to + 1):
        tell.put("n", step, COUNTING)
        tell.say(
            "{n?counting} {pet.plural} in [slippers|pyjamas|galoshes|waistcoats|armour|bonnets|sandals|turbans|"
            "aprons|spectacles|overcoats] went by with "
            "[suitcases|parasols|trombones|bagpipes|telescopes|violins|tambourines|banjos|cymbals|accordions|balloons].",
            "{n?counting} {pet.plural} [jumped over|tiptoed over|climbed over|sailed over|fell over] the "
            "[gate|fence|wall].",
            "{n?counting} {pet.plural} [in nightcaps|with lanterns|in a row] went by.",
        )
    tell.chance.pick([_one_refuses, _one_is_known, _one_is_lost, _none_is_left])(tell)


def _one_refuses(tell: Story) -> None:
    tell.say(
        "But the {pet.kind} after that sat down and would not jump.",
        "Number {next?counting} stopped in front of the gate.",
    )
    tell.say(
        '"Why should I jump?" asked the {pet.kind}. "You are the one who has to sleep."',
        '"Is there no other way round?" asked the {pet.kind}.',
    )
    tell.say(
        "{hero} opened one eye to answer. But {hero.he?pronouns} was already asleep.",
        "By the time {hero} thought of a reply, it was morning.",
    )


def _one_is_known(tell: Story) -> None:
    tell.say("Number {next?counting} was {pet.full}, with a pillow under one arm.")
    tell.say('"I am tired too," said {pet}, and yawned.', '"Move over," said {pet}. "It has been a long day."')
    tell.say(
        "{hero} moved over, and soon both of them were snoring.",
        "In the morning the pillow was still there, with two dents in it.",
    )


def _one_is_lost(tell: Story) -> None:
    tell.say("Number {next?counting} was {pet.full}, who asked the way to the kitchen.")
    tell.say('"Down the stairs and left," said {hero}.', '"Follow the smell," said {hero}, half asleep.')
    tell.say("Before {pet} came back, {hero} was dreaming.", "In the morning all the {pet.food} had vanished.")


def _none_is_left(tell: Story) -> None:
    tell.say("Then no more {pet.plural} came.", "And there were no more {pet.plural} than that.")
    tell.say(
        '"Who counts you when you cannot sleep?" asked {hero}. Nobody answered, for they were all asleep.',
        '"Begin again, but quietly," said {watch} in the dark.',
    )
    tell.maybe("In the morning there was straw on the pillow.", "So it went on until the stars were pale.")


def first_swim(tell: Story) -> None:
    """Someone is afraid of the water, and gets in anyway."""
    tell.person("hero")
    tell.person("friend")
    tell.say(
        "All summer the whole village swam in the pond, except {hero}.",
        "{hero.full} could not swim, and did not want to say so.",
        "{when}, {hero.full} sat by the pond in boots and a coat.",
        '"Water is for ducks," said {hero.full}, and stayed on the bank.',
    )
    tell.about("hero")
    tell.say(
        '"Why do you stay on the bank?" asked {friend.full}.', '"Is the water too cold for you?" asked {friend.full}.'
    )
    guards = tell.chance.happens(0.4)
    if guards:
        tell.say(
            '"I am guarding the shoes," said {hero?names:friend}.',
            '"Somebody must guard the shoes," said {hero?names:friend}.',
        )
    else:
        tell.say(
            '"I am waiting for it to get drier," said {hero?names:friend}.',
            '"I have had a bath this year," said {hero?names:friend}.',
        )
    tell.chance.pick([_day_by_day, _after_a_shoe])(tell)
    tell.say(
        '"Who guards the shoes now?" called {hero}.'
        if guards
        else "Admiral the duck quacked loudly, which is how ducks clap.",
        "It was three strokes, and {hero.he} told everyone that it was ten.",
        "Then {hero} taught the ducks to swim on their backs.",
    )
    tell.draw(MEMORIES)
    tell.maybe(
        "To this day, {hero} {now?tenses:then} about it.",
        "That night, {hero} {then?tenses:now} about it.",
    )


def _day_by_day(tell: Story) -> None:
    tell.maybe("{friend} sat down and thought about it.", "{friend} did not laugh. {friend.He} sat down on the grass.")
    tell.say(
        '"First only the toes," said {friend}. "They dry fast."',
        '"Shall we try the shallow end, where the ducklings learn?" asked {friend}.',
        '"Shall I bring a [towel|raft|sponge|rope|cork|oar|anchor|snorkel|bathrobe|lifeboat]?" asked {friend}.',
    )
    tell.draw(days_in_a_row(3))
    if tell.chance.happens():
        tell.say("On {d1} it was only the toes.")
        tell.say("On {d2?days} it was the knees.", "On {d2?days} it was the toes again, and then the knees.")
    else:
        tell.say("On {d1}, in went one foot, and then the other.", "On {d1} the pond was very cold.")
        tell.say("On {d2?days} the knees got wet.", "On {d2?days} it was a little warmer, up to the belt.")
    tell.say(
        "On {d3?days} {hero} held on tight and went in up to the chin.",
        "On {d3?days} {friend} let go, and {hero} did not even notice.",
    )
    tell.say(
        "And then {hero.he?pronouns} was swimming, like a dog, but swimming.",
        "Then {hero} kicked, and splashed, and swam.",
        "It was not far, but it was swimming.",
    )


def _after_a_shoe(tell: Story) -> None:
    tell.say("Just then a shoe fell in and floated away.", "Just then Admiral the duck swam off with a shoe.")
    tell.say(
        "{hero} jumped after it without a thought.",
        "Splash, went {hero?names:friend}, and had it in no time.",
    )
    if tell.chance.happens():
        tell.say('"You are swimming," said {friend}.')
        tell.say('"So I am," said {hero?names:friend}, and swallowed some of the pond.')
    else:
        tell.say('"Look where you are," said {friend}.', '"Look how deep it is," said {friend}.')
        tell.say("{hero} looked down and forgot to be afraid.")


def birthday(tell: Story) -> None:
    """Everyone seems to have forgotten."""
    tell.person("hero")
    tell.person("a")
    tell.person("b")
    tell.thing("thing")
    tell.say(
        "It was {hero.full}'s birthday, and outside the birds were singing.",
        "{hero.full} woke up and was a whole year older.",
        "{hero.full} had counted the days, and now there were none left.",
    )
    tell.maybe("But nobody said a word about it.", "But at breakfast no one seemed to remember.")
    tell.in_any_order(_asks_about_the_day, _is_hurried_past)
    tell.say(
        "So {hero} sat down by the pond and told the ducks what day it was.",
        "So {hero} went for a long walk and kicked every stone on the road.",
        "So {hero} told the [tadpoles|dragonflies|newts|minnows|herons|lilies|reeds|midges|otters|swans|toads|"
        "beavers|gnats] "
        "whose birthday it was.",
    )
    tell.say(
        "When {hero.he?pronouns} came home, the house was dark.",
        "In the evening {hero.he?pronouns} opened the door, and it was very quiet.",
    )
    tell.say(
        '"Surprise!" shouted everyone at once.',
        "Then somebody lit all the candles, and everyone began to sing.",
    )
    tell.chance.pick([_presents, _presents, _no_cake])(tell)


def _asks_about_the_day(tell: Story) -> None:
    tell.say(
        '"What day is it today?" asked {hero}. "A [windy|slippery] one," said {a.full}.',
        '"Is today something special?" asked {hero}. "It is [washing|baking] day," said {a.full}.',
        '"What day is it today?" asked {hero}. "The day for [ironing|pickling|polishing|'
        'weeding|whitewashing|knitting|packing|plucking|sewing|mowing|darning|raking|dusting|carving]," said {a.full}.',
    )


def _is_hurried_past(tell: Story) -> None:
    tell.maybe(
        "{b.full} walked past with something in a bag and only said hello.",
        '"No time, no time," said {b.full}, and shut the door.',
        "{b.full} hid behind a tree and whistled.",
    )


def _presents(tell: Story) -> None:
    tell.say(
        "{a} had baked a cake. {b} had brought a new {thing}.",
        "There was a cake from {a}, with a candle for each year. Beside it lay a new {thing}.",
    )
    tell.say(
        '"Did you think we had forgotten?" asked {a}. "Only all day," said {hero?names:b}.',
        "{hero} blew, and all the candles went out but one, and then that one too.",
        "{hero} wished for the same again, only sooner.",
        '"How does it feel to be older?" asked {b}. "Taller," said {hero?names:a}.',
    )


def _no_cake(tell: Story) -> None:
    tell.say('"But where is the cake?" asked {a}.', "Only the cake was missing.")
    tell.say(
        "Bramble the goat stood in the corner with crumbs on her beard.",
        "Under the table sat Biscuit the dog, looking full.",
    )
    tell.say(
        "So they put the candles on a [cheese|turnip|loaf|pumpkin].",
        "So everyone sang twice, to make up for it.",
    )
    tell.say('"I never liked cake," said {hero}, and that was nearly true.', '"Next year I bake two," said {a}.')
