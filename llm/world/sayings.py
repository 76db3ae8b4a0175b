"""What is said, sung, asked and written in Pebbleby: the tables that the plots of words draw from."""

from __future__ import annotations

from llm.world.tables import table

# Each family: first lines, second lines; every first rhymes with every second.
_FAMILIES: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (
        (
            "I ate my soup with a silver spoon,",
            "I learned to whistle a tiny tune,",
            "We set the table late in June,",
            "I tied a string to a red balloon,",
        ),
        (
            "and waved my hat at the sleepy moon.",
            "and danced with the cat till afternoon.",
            "and hoped that you would be coming soon.",
        ),
    ),
    (
        (
            "A fox went out in a long blue coat,",
            "My aunt has bought a singing goat,",
            "The mouse wrote me a little note,",
            "The frog has frogs inside his throat,",
        ),
        (
            "and sailed away in a walnut boat.",
            "and that was that, and that's what I wrote.",
            "and nobody here has learned to float.",
        ),
    ),
    (
        (
            "There's a hole in the roof and a bird in the tree,",
            "The kettle is humming and so is the bee,",
            "I left my left shoe at the edge of the sea,",
            "I looked for the key and I looked for the key,",
        ),
        (
            "and nobody's happy but you and me.",
            "so come in and sit and have some tea.",
            "and one and one and one make three.",
        ),
    ),
    (
        (
            "The wind blew the hat right off the hen,",
            "I've one good shoe and a broken pen,",
            "The fish in the pond are nine or ten,",
        ),
        (
            "and we'll never see such a thing again.",
            "and I count to three and begin again.",
            "so tell me the where and tell me the when.",
        ),
    ),
    (
        (
            "The owl was up for half the night,",
            "The king of the ducks has lost a fight,",
            "I climbed a hill of an awful height,",
        ),
        (
            "and nobody knows if the sums are right.",
            "and a candle is only a little light.",
            "and everything looked very small and white.",
        ),
    ),
    (
        (
            "I met a mouse by the garden wall,",
            "There's plenty of pie in the baker's hall,",
            "The smallest drum has the loudest call,",
        ),
        (
            "and nobody noticed the rain at all.",
            "and I lost my hat, for it was too small.",
            "so come to the fair and come to the ball!",
        ),
    ),
    (
        (
            "I planted a button and watered it well,",
            "The snail has invited us into her shell,",
            "The goat ate the rope of the big church bell,",
        ),
        ("but what will come of it none can tell.", "and that is a thing I may not tell."),
    ),
    (
        (
            "Biscuit the dog has a bone to hide,",
            "The river is deep and the river is wide,",
            "The cow put on boots for a bicycle ride,",
        ),
        (
            "and the ducks are all on the other side.",
            "so hold my hand and walk by my side.",
            "and the postman laughed until he cried.",
        ),
    ),
)

RHYMES = table(
    "first second",
    ((first, second) for firsts, seconds in _FAMILIES for first in firsts for second in seconds),
)

COUPLETS = table(
    "first second",
    (
        ("The bread is baked, the bell has rung,", "the last of all the songs is sung."),
        ("The sheep are counted on the hill,", "the wheel is quiet at the mill."),
        ("The moon has put her slippers on,", "and all the noisy birds are gone."),
        ("The boats are home, the nets are dry,", "the stars have opened in the sky."),
        ("The mouse is curled up like a ball,", "and shadows sleep along the wall."),
        ("The fire is low, the cat is fed,", "and every hat has gone to bed."),
        ("The goat has stopped, at last, to chew,", "the owl is asking who is who."),
        ("The river tells the stones a tale,", "and home to bed creeps every snail."),
        ("The lamps are lit along the street,", "and blankets warm the coldest feet."),
        ("The wind has left the chimney top,", "and one by one the noises stop."),
        ("The clock has counted up to ten,", "and soon it will begin again."),
        ("The rain is tapping on the pane,", "so sleep, and let it tap again."),
        ("The frogs have closed their evening school,", "the moon is swimming in the pool."),
        ("The hens are sitting in a row,", "and dream of where the best worms go."),
        ("Tomorrow waits behind the door,", "with twenty things you've not seen before."),
        ("The baker snores, the bread will keep,", "and even donkeys have to sleep."),
    ),
)

# What is sung into the fog.
CALLS = table(
    "first second",
    (
        ("Come home, come home, the night is near,", "walk to the sound and you'll be here!"),
        ("Left at the pump and right at the tree,", "follow my voice and come to me!"),
        ("The soup is hot, the door is wide,", "the fog can stay, but you come inside!"),
        ("One for the river, two for the stone,", "nobody walks in the fog alone!"),
    ),
)

# Four words a family; the families stand in twos that do not rhyme, so that each word has a partner for a wrong rhyme.
_RHYMING = (
    ("cat", "hat", "mat", "bat"), ("goat", "boat", "coat", "note"),
    ("hen", "pen", "den", "wren"), ("frog", "log", "dog", "hedgehog"),
    ("snail", "pail", "nail", "whale"), ("king", "ring", "string", "wing"),
    ("bear", "chair", "pear", "hare"), ("moon", "spoon", "balloon", "tune"),
    ("cake", "lake", "snake", "rake"), ("bed", "sled", "shed", "loaf of bread"),
    ("clock", "sock", "rock", "lock"), ("bee", "tree", "key", "cup of tea"),
    ("bug", "rug", "mug", "jug"), ("star", "jar", "car", "guitar"),
    ("fox", "box", "pair of socks", "bunch of phlox"), ("man", "pan", "fan", "van"),
)  # fmt: skip
RHYMED_PAIRS = table(
    "x y off",
    (
        (x, family[place], _RHYMING[number ^ 1][place])
        for number, family in enumerate(_RHYMING)
        for x in family
        for place in range(4)
        if x != family[place]
    ),
)

# Answer, two clues, a wrong guess, and why it is wrong.
RIDDLES = table(
    "answer clue hint wrong why",
    (
        (
            "candle",
            "I grow shorter every time I help you.",
            "I weep, but I am never sad.",
            "a cloud",
            "You cannot read by a cloud",
        ),
        (
            "kettle",
            "I sing when my feet are hot.",
            "I have a nose and no face.",
            "a cricket",
            "Nobody makes tea with a cricket",
        ),
        (
            "shadow",
            "I am long in the evening and short at noon.",
            "I copy you, but I never speak.",
            "my sister",
            "Your sister never stops speaking",
        ),
        (
            "ladder",
            "I go up and down, and never move.",
            "I lean all day, and I am never tired.",
            "the hill",
            "The hill does not lean",
        ),
        (
            "bridge",
            "I cross the river and stay where I am.",
            "I carry carts, but I have no hands.",
            "a boat",
            "A boat does not stay where it is",
        ),
        (
            "key",
            "I am small, but great doors obey me.",
            "I turn once, and then I rest.",
            "a mouse",
            "No door obeys a mouse",
        ),
        (
            "flake of snow",
            "I fall all night and never hurt myself.",
            "I am white in the field and water in your hand.",
            "flour",
            "Flour does not turn to water",
        ),
        (
            "echo",
            "I answer everyone, and I know nothing.",
            "You must call before I speak.",
            "the mayor",
            "The mayor speaks before anyone calls",
        ),
        (
            "umbrella",
            "I open when the sky closes.",
            "I work in the rain and rest in the sun.",
            "a duck",
            "A duck does not rest in the sun",
        ),
        (
            "needle",
            "I go ahead, and the thread comes after.",
            "I mend what I bite.",
            "a spider",
            "A spider does not mend shirts",
        ),
        (
            "breeze",
            "I steal hats and never wear them.",
            "I push the clouds, and I have no arms.",
            "the crow",
            "The crow cannot push a cloud",
        ),
        (
            "pillow",
            "I hold your head every night.",
            "I am fat, but I am mostly feathers.",
            "a goose",
            "No goose would hold your head",
        ),
        (
            "river",
            "I run all day and never leave my bed.",
            "I know the way to the sea.",
            "a sick horse",
            "A sick horse does not run all day",
        ),
        (
            "clock",
            "I have two hands and cannot hold a spoon.",
            "I count all day and never learn a new number.",
            "the teacher",
            "The teacher can hold a spoon",
        ),
        (
            "sock",
            "I have a heel and a toe, but no foot of my own.",
            "I go for walks inside a shoe.",
            "a stone",
            "A stone has no toe",
        ),
        (
            "well",
            "I am deep, but I never think.",
            "You send me an empty bucket, and I send it back full.",
            "the sea",
            "The sea keeps the bucket",
        ),
    ),
)

# What a letter tells, and what the other one answers.
NEWS = table(
    "news reply",
    (
        ("My hen has learned to open the door.", "can she teach mine to close it?"),
        (
            "I have painted my house yellow, and now the bees will not leave.",
            "paint a flower on the shed, and they will move.",
        ),
        (
            "There is a hole in my roof, but I can see the stars.",
            "I will bring a ladder, and we can look before we mend it.",
        ),
        ("I have baked a cake that is too big for one.", "I have never seen a cake that was too big."),
        (
            "Somebody leaves a pear on my step each morning, and I do not know who.",
            "pears? I know nothing about any pears.",
        ),
        ("I have grown a pumpkin, and I can no longer open the shed.", "do not move it until I have seen it."),
        ("The goat ate my first letter, so this is the second.", "I hope that she liked it as much as I did."),
        ("I cannot find my glasses, and I hope that this is paper.", "it was a napkin, and I shall treasure it."),
    ),
)

# A message, what the next one hears, what the one after hears, and what comes of it.
WHISPERS = table(
    "x y z outcome",
    (
        (
            "Bring the bread to the shed",
            "Sing the red to bed",
            "Sing to the bed",
            "That evening {d} sat down by the bed and sang to it, feeling foolish.",
        ),
        (
            "Meet me at the mill with a hat",
            "Meat for the mill and the cat",
            "Eat your fill with the cat",
            "So {d} sat down with Soot the cat, and they ate their fill.",
        ),
        (
            "Send a coat for the boat",
            "Send a goat in a coat",
            "Lend your coat to a goat",
            "An hour later, Bramble the goat wore the best coat in the village.",
        ),
        (
            "Ring the bell by the well",
            "Bring a shell to the well",
            "Bring the smell to the well",
            "So {d} carried a very old cheese to the well.",
        ),
        (
            "The hen is in the pen",
            "Ten men have a hen",
            "Dig a den for ten men",
            "By supper {d} had dug a hole as large as a house.",
        ),
        (
            "Keep the sheep off the heap",
            "Sleep deep in a heap",
            "Let the sheep sleep",
            "So {d} tucked Cloud the sheep into bed and tiptoed out.",
        ),
    ),
)

# What a child asks, and what a grown-up answers.
QUESTIONS = table(
    "q r",
    (
        ("why is the sea salty?", "Because nobody has ever stirred it properly"),
        ("where does the moon go in the morning?", "Behind the hill, to rest its feet"),
        ("why do cats sleep so much?", "They are up all night, thinking"),
        ("how many stars are there?", "One more than you can count"),
        ("why does the river run?", "It is afraid of being late for the sea"),
        ("do fish ever get thirsty?", "Only on Sundays"),
        ("why are clouds so slow?", "They have nothing to carry but rain"),
        ("what do owls say to each other?", "They ask who it is, and it is always an owl"),
        ("who taught the birds to sing?", "Other birds, who were patient"),
        ("why do leaves fall?", "The tree has read them all"),
        ("where does the wind sleep?", "In the mill, when the wheel stands still"),
        ("why does bread rise?", "It wants to see what is for supper"),
        ("how old is the hill?", "Older than my grandmother, and not so tired"),
        ("why do old people walk slowly?", "They have seen where the road goes"),
    ),
)

# A dish, what it needs, what was forgotten, what it is like without, and how it is mended.
DISHES = table(
    "dish things missing effect mend",
    (
        (
            "pancakes",
            ("three eggs", "a cup of milk", "two cups of flour", "a little butter"),
            "a pinch of salt",
            "tastes of nothing",
            "they put salt in it, and then a little jam as well",
        ),
        (
            "vegetable soup",
            ("four carrots", "two onions", "a small cabbage", "a handful of beans"),
            "a bucket of water",
            "is as hard as a brick",
            "they poured in water until it could be called soup",
        ),
        (
            "apple sauce",
            ("ten red apples", "a cup of water", "a stick of cinnamon", "the juice of a lemon"),
            "three spoons of sugar",
            "is so sour that my ears move",
            "they added sugar, one spoon at a time",
        ),
        (
            "bread",
            ("a bag of flour", "a jug of water", "two spoons of oil", "a pinch of salt"),
            "a lump of yeast",
            "is as flat as a slate",
            "they added the yeast and waited for it to rise",
        ),
        (
            "fish stew",
            ("two fat fish", "five potatoes", "one large onion", "a cup of cream"),
            "a sprig of parsley",
            "is very grey",
            "they cut the parsley and threw it in like green rain",
        ),
        (
            "honey cakes",
            ("four eggs", "a cup of butter", "two cups of flour", "a handful of nuts"),
            "a jar of honey",
            "is a good cake, but not a honey cake",
            "they poured the honey over the top and licked their fingers",
        ),
    ),
)

INGREDIENTS = {str(row["dish"]): (*row["things"], str(row["missing"])) for row in DISHES}  # type: ignore[misc]

# A shopping list as a couplet, what is on it, and what is left of it after a fall.
SHOPPING_LISTS = table(
    "first second items wrong",
    (
        (
            "Butter and tea and a reel of thread,",
            "a box of pins and a loaf of bread.",
            "butter, tea, thread, pins and bread",
            "Butter and three and a sheep on a sled",
        ),
        (
            "Salt and soap and a ball of string,",
            "a pound of peas and a curtain ring.",
            "salt, soap, string, peas and a ring",
            "A goat and a rope and a bird with one wing",
        ),
        (
            "A bag of rice and a pot of glue,",
            "a brush, a broom and a button or two.",
            "rice, glue, a brush, a broom and two buttons",
            "A bag of mice and a left blue shoe",
        ),
        (
            "Candles and cheese and a pint of cream,",
            "a comb, and cloth with a double seam.",
            "candles, cheese, cream, a comb and some cloth",
            "Handles and bees and a very nice dream",
        ),
        (
            "Ink and oats and a paper of seeds,",
            "a jar of jam and some yellow beads.",
            "ink, oats, seeds, jam and beads",
            "A pink goat's knees and a bundle of reeds",
        ),
    ),
)
