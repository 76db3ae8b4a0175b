"""Stories with numbers in them: sums at the market, sharing, guessing, days. Every sum is right."""

from __future__ import annotations

from llm.world.tables import days_in_a_row, mistaken, numbers, sums
from llm.world.telling import Story
from llm.world.words import GOODS, PERSON

FOOD = tuple(goods for goods in GOODS if goods.one != "candle")

PRICES = numbers(
    many=range(2, 7),
    few=range(2, 5),
    price=range(1, 5),
    cost=range(1, 6),
    one=lambda many, price: many * price,
    two=lambda few, cost: few * cost,
    total=lambda one, two: one + two,
    slip=lambda total: mistaken(total),
    paid=lambda total: total + 10 - total % 10,
    change=lambda total, paid: paid - total,
    where=lambda price, cost: price != cost,
)
FLOCKS = numbers(
    total=range(9, 21),
    missing=range(1, 5),
    slip=lambda missing: (2, 1, 4, 3)[missing - 1],
    found=lambda total, missing: total - missing,
    twisted=lambda total: mistaken(total),
    are=lambda missing: "is" if missing == 1 else "are",
    were=lambda missing: "was" if missing == 1 else "were",
    them=lambda missing: "it" if missing == 1 else "them",
)
SHARES = numbers(
    each=range(2, 6),
    left=range(3),
    total=lambda each, left: 3 * each + left,
    piece=lambda left: "piece" if left == 1 else "pieces",
)
GUESSES = numbers(
    real=range(30, 81),
    under=(8, 11, 14, 17),
    over=(7, 10, 13, 16),
    aside=(-3, -2, -1, 1, 2, 3),
    low=lambda real, under: real - under,
    high=lambda real, over: real + over,
    near=lambda real, aside: real + aside,
    off=lambda aside: abs(aside),
    side=lambda aside: "many" if aside > 0 else "few",
)
EASY_SUMS = sums(range(2, 10))
LEFTOVERS = numbers(
    w=range(4, 13),
    z=range(2, 10),
    rest=lambda w, z: w - z,
    miscounted=lambda rest: mistaken(rest),
    where=lambda rest: 2 <= rest <= 9,
)
LAMPS = numbers(
    x=range(4, 9),
    y=range(3, 10),
    before=lambda x, y: x + y,
    slip=lambda before: mistaken(before),
    z=lambda before: 20 - before,
)

EXCUSES = (
    "it rained.",
    "the key to the shed was missing.",
    "the goat ate the ladder's lowest step.",
    "{hero.he} had a cold.",
    "there were fresh buns at the bakery, and that took all day.",
    "the wind blew too hard.",
    "a cousin came to visit.",
    "the sun was so warm that {hero.he} fell asleep.",
    "{hero.he} had to look for {hero.his} boots.",
    "there was a circus on the bridge.",
)


def market(tell: Story) -> None:
    """Someone buys two kinds of goods and pays."""
    tell.adult("seller")
    tell.person("buyer", unlike="seller")
    tell.several("first second", GOODS)
    tell.draw(PRICES)
    tell.say(
        "On market day, {buyer.full} came to {seller}'s stall with a basket.",
        "{seller.full} had a stall at the market, and {when} {buyer.full} stopped in front of it.",
        "The market was full, and {buyer.full} had to wait at {seller}'s stall.",
    )
    tell.about("seller")
    tell.say(
        '"How much is a {first.one}?" asked {buyer}. "{price:pence}," said {seller}.',
        '"What do you ask for a {first.one}?" asked {buyer}. "Only {price:pence}," {seller} replied.',
    )
    tell.say(
        '"And a {second.one}?" "That is {cost:pence}," said {seller}.',
        '"And what does a {second.one} cost?" "{cost:pence}, and not a penny less," said {seller}.',
    )
    tell.say(
        '"Then I will have {many} {first.many} and {few} {second.many}," said {buyer}.',
        '"Please give me {many} {first.many} and {few} {second.many}," said {buyer}.',
    )
    tell.say(
        '{seller} counted on {seller.his} fingers. "{one:pence} and {two:pence} make '
        '{total:pence?large_sums:slip}," {seller.he?pronouns} said.',
        "{seller} wrote {one:digits} + {two:digits} = {total:digits?large_sums:slip} "
        "on a slate and drew a line under it.",
        '"{one:pence} for the {first} and {two:pence} for the {second}," said {seller?names}. '
        '"That is {total:pence?large_sums:slip} in all."',
    )
    if tell.chance.happens():
        tell.say(
            "{buyer} paid {paid:pence} and got {change:pence} back.",
            '{buyer} gave {paid:pence}. "Here is your change, {change:pence}," said {seller}.',
        )
    else:
        tell.say("{buyer} paid exactly {total:pence}.", "{buyer} laid {total:pence} on the table, coin by coin.")
    tell.say(
        "The {first} were so good that few of them reached home.",
        "On the way home {buyer} gave one {first.one} to [a hungry child|an old friend|the donkey].",
        '"Come again," said {seller}, and {buyer} did, the very next week.',
        '"You count faster than the clock," said {buyer}, and {seller} smiled.',
    )


def missing_sheep(tell: Story) -> None:
    """A flock is counted: one is missing, or one too many."""
    tell.put("bram", PERSON["Bram"])
    tell.choose("evening", "one evening", "one foggy evening", "on Sunday", "last Friday", "one night in autumn")
    tell.person("friend", unlike="bram")
    tell.draw(FLOCKS)
    tell.say(
        "Bram the shepherd had {total} sheep on the hill.",
        "Every evening, Bram the shepherd counted his {total} sheep.",
    )
    tell.say(
        "{evening}, he counted only {found}.",
        "But {evening} there were only {found} at the gate.",
    )
    tell.say(
        '"{total} take away {found} is {missing?small_sums:slip}," he said. "So {missing} {are} missing."',
        "He wrote {total:digits} - {missing:digits} = {found:digits} in the sand with his stick. "
        "So {missing} {were} missing.",
    )
    tell.say(
        "{friend.full} came to help him look.",
        '"I will help you look," said {friend.full}, and took a lantern.',
    )
    tell.say("They looked in the ditch and behind the wall.", "They called until the echo was tired.")
    tell.say(
        "At last they found {them} [in the orchard|in the school|at the mill], eating [clover|apples|the roses].",
        "And there, [behind the mill|under the bridge], the missing {missing} {were} eating grass in the moonlight.",
    )
    tell.say(
        "{found} and {missing} make {total?large_sums:twisted}, and Bram could go home.",
        '"{total} again," said Bram, and shut the gate.',
    )
    tell.say(
        "That night he tried to count sheep, but he had had enough of them.",
        '"Were you afraid?" asked {friend}. "No," said Bram, "but I was counting."',
        '{friend} asked how he could tell them apart. "By their manners," said Bram.',
    )


def sharing(tell: Story) -> None:
    """So many pieces for so many friends, and what is left over."""
    tell.adult("cook")
    for role in ("a", "b", "c"):
        tell.child(role)
    tell.choose("treat", "an apple cake", "a plum tart", "a big cheese", "a honey cake", "a nut loaf")
    row = tell.draw(SHARES)
    tell.say(
        "{when}, {cook.full} cut {treat} into {total} pieces.",
        "{cook.full} had {treat}, and {cook.he} cut it into {total} pieces.",
    )
    tell.about("cook")
    tell.say("{a}, {b} and {c} were already at the table.", "Three children came to share it: {a}, {b} and {c}.")
    tell.say(
        '"How many for each of us?" asked {a}.',
        '"How many may we have?" asked {a}.',
    )
    tell.say('"{each} each," said {cook}, "if I can still count."', '"There are {each} for each of you," said {cook}.')
    tell.say("{b} checked it twice and nodded.", "{c} was so quick that {c.he} had finished before {b} began.")
    if row["each"] == 2:
        tell.maybe("Two and two and two make six.")
    elif row["each"] == 3:
        tell.maybe("Three times three is nine, which {a} knew already.")
    if row["left"]:
        tell.say("That left {left} {piece} on the plate.", "When everyone had {each}, {left} {piece} lay on the plate.")
        tell.say(
            '"And who gets the rest?" asked {b}. "The cook," said {cook}.',
            "They looked at the plate, and then at one another, and then at {cook}. {cook.He} ate fast.",
            "They gave the rest to {c}, who had been polite and asked for nothing.",
        )
    else:
        tell.say("Nothing was left, not even a crumb.", "It came out just right, and nothing was left.")
        tell.say(
            '"And what about me?" asked {cook}. So each of them gave {cook.him} a bite.',
            "{cook} licked the knife, which is the cook's share.",
        )


def beans_in_a_jar(tell: Story) -> None:
    """Three guess a number, and the nearest wins."""
    tell.adult("host")
    for role in ("a", "b", "c"):
        tell.person(role)
    tell.draw(GUESSES)
    tell.choose("prize", "a jar of honey", "a new hat", "the beans", "a round cheese", "a lemon cake")
    tell.say(
        "At the fair, {host.full} filled a jar with beans.",
        "{when}, {host.full} put a jar of beans in the window of {host.place.the}.",
    )
    tell.about("host")
    tell.say('"Who can guess how many there are?" {host.he} asked.', '"How many beans are in here?" asked {host}.')
    guesses = tell.chance.several([("a", "low"), ("b", "high"), ("c", "near")], 3)
    for who, guess in guesses:
        tell.say(
            f'"I say {{{guess}}}," said {{{who}}}.',
            f"{{{who}}} thought for a while and said {{{guess}}}.",
            f'{{{who}}} [squinted|walked round the jar|shut one eye]. "I guess {{{guess}}}."',
        )
    tell.say(
        "{host} tipped them out and counted {real} beans.",
        "They counted them together, and there were {real}.",
    )
    tell.say(
        "{low} was too few and {high} was too many, but {c} was only {off} away.",
        "{c} was the nearest, with only {off} too {side}.",
    )
    tell.say(
        "So {c} won {prize}.",
        '"How did you know?" asked {a}. "I grow beans," said {c}, and took {prize} home.',
    )
    tell.maybe(
        "{b} ate one of the beans and said that it was a very good bean.", "Nobody found out who had eaten the others."
    )


def school_sums(tell: Story) -> None:
    """Mabel asks, the children answer."""
    for role in ("a", "b"):
        tell.child(role)
    tell.several("first second", FOOD)
    tell.draw(EASY_SUMS)
    tell.draw(LEFTOVERS)
    tell.say(
        "It was sums day at the school, and Mabel the teacher had new chalk.",
        "Mabel the teacher looked round the class. {a} hid behind {a.his} slate.",
        "{when}, Mabel the teacher asked the hardest sums in the book.",
    )
    tell.say(
        '"If you have {x} {first} and I give you {y} more, how many have you got?" she asked.',
        '"What do {x} and {y} make?" she asked.',
    )
    tell.say(
        '"{sum?small_sums:slip}," said {a}.',
        '{a} counted under the table. "{sum?small_sums:slip}," {a.he?pronouns} said.',
        "{a} wrote {x:digits} + {y:digits} = {sum:digits?small_sums:slip} on {a.his} slate.",
    )
    tell.say('"Good," said Mabel. "And now you, {b}."', '"Quite right," said Mabel, and turned to {b}.')
    tell.say(
        '"You have {w} {second}, and you eat {z}. What have you got?"',
        '"There are {w} {second} on the table, and you eat {z}. What is left?"',
    )
    if tell.chance.happens():
        tell.say(
            '"{rest?small_sums:miscounted}," said {b}, "and I am still hungry."',
            '"{rest?small_sums:miscounted} {second}," said {b} at once.',
        )
        tell.say(
            '"Right again," said Mabel, and rang the bell for lunch.',
            "Mabel nodded and gave {b.him} a gold star.",
        )
    else:
        tell.say('"A stomach ache," said {b}.', '"That depends," said {b}. "Is my brother in the room?"')
        tell.say(
            "The whole class laughed, and Mabel laughed with them.",
            '"The book says {rest} {second}," said Mabel, "but yours is better."',
            "Mabel hid her smile behind the book.",
        )


def lamps(tell: Story) -> None:
    """Silas is ill, and the lamps still have to be lit."""
    tell.put("silas", PERSON["Silas"])
    tell.choose("evening", "one evening", "one cold evening", "one rainy evening", "one foggy evening")
    tell.draw(LAMPS)
    for role in ("a", "b", "c"):
        tell.child(role)
    tell.say(
        "Every evening Silas the lamplighter lit the twenty lamps of Pebbleby.",
        "There are twenty lamps in Pebbleby, and Silas the lamplighter lights them all.",
    )
    tell.say(
        "But {evening} he lay in bed with a cold.",
        "But {evening} he sneezed so hard that he blew out his own match.",
    )
    tell.say('"Who will light the lamps?" he asked, and coughed.', '"Tonight it will be dark," he said sadly.')
    tell.say('"We will," said {a}, {b} and {c}.', "{a}, {b} and {c} took his ladder and his long pole.")
    tell.say("{a} lit {x} lamps along the river.", "By the river, {a} lit {x}.")
    tell.say("{b} lit {y} lamps around the square.", "In the square, {b} lit {y}.")
    tell.say(
        "That made {before?large_sums:slip}, and it was nearly night.",
        '"{x} and {y} make {before?large_sums:slip}," said {b}.',
    )
    tell.say("{c} ran up the hill and lit the last {z}.", "{c} took the last {z}, on the hill, where the wind is.")
    tell.say(
        "From his window Silas counted twenty lights, and fell asleep.",
        '"Twenty," said Silas at his window. "Not one is missing."',
    )
    tell.maybe("In the morning he felt much better.", "He said later that they had never burned so bright.")


def a_week_of_work(tell: Story) -> None:
    """Day after day something comes between a person and a job."""
    tell.adult("hero")
    tell.person("friend", unlike="hero")
    tell.choose("job", "paint the gate", "mend the roof", "write to my aunt", "sweep the chimney", "wash the windows")
    tell.draw(days_in_a_row(6))
    tell.say(
        '"This week I will {job}," said {hero.full}.',
        '"{job}? I will do it this week," said {hero.full} on Sunday evening.',
    )
    tell.about("hero")
    excuses = tell.chance.several(EXCUSES, 4)
    for count, excuse in enumerate(excuses):
        day = "{d1}" if count == 0 else f"{{d{count + 1}?days}}"
        tell.say(f"On {day} {excuse}", f"{day} came, and {excuse}")
    tell.say(
        "On {d5?days}, {friend.full} came by and asked how it was going.",
        'On {d5?days}, {friend.full} looked in. "Is it done?" {friend.he} asked.',
    )
    tell.say('"Very well," said {hero}. "I have not been late once."', '"Nearly," said {hero}. "I have almost begun."')
    tell.say(
        "So {friend} rolled up {friend.his} sleeves, and they did it together in an hour.",
        '"Then let us do it now," said {friend}, and by noon it was done.',
    )
    tell.say(
        "On {d6?days} they both had a long rest.",
        '"That was easy," said {hero}. "Why did it take five days?"',
        "{hero} slept late on {d6?days}, and nobody minded.",
    )
