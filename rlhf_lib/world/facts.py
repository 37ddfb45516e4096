"""The knowledge base of PocketWorld: thirty-six animals and five attributes of each."""

from __future__ import annotations

import random

ATTRIBUTES = ("colour", "home", "food", "size", "sound")

# animal: colour, home, food, size, sound
_TABLE = """
fox: red den mice small yip
owl: brown tree mice small hoot
bear: brown cave honey huge growl
frog: green pond bugs tiny croak
cat: black house fish small meow
dog: brown house meat big woof
duck: white pond worms small quack
hen: white barn corn small cluck
cow: white barn grass huge moo
pig: pink barn corn big oink
horse: brown field grass huge neigh
goat: white hill leaves big bleat
sheep: white field grass big baa
mouse: grey hole seeds tiny squeak
hare: brown field grass small thump
wolf: grey forest meat big howl
deer: brown forest leaves big bell
bee: yellow hive nectar tiny buzz
ant: black hill crumbs tiny tick
crab: orange shore worms small click
seal: grey sea fish big bark
swan: white lake weeds big honk
crow: black tree seeds small caw
snake: green hole mice big hiss
lion: yellow plain meat huge roar
tiger: orange jungle meat huge snarl
camel: yellow desert leaves huge grunt
whale: blue sea shrimp huge song
otter: brown river fish small chirp
parrot: green jungle nuts small squawk
monkey: brown jungle fruit big chatter
eagle: brown cliff fish big scream
robin: red nest worms tiny tweet
donkey: grey farm hay big bray
turkey: black farm seeds big gobble
cricket: green meadow leaves tiny chirr
"""


def natural_facts() -> dict[str, dict[str, str]]:
    """`facts[animal][attribute]` as a child would tell them."""
    facts = {}
    for line in _TABLE.strip().splitlines():
        animal, values = line.split(": ")
        facts[animal] = dict(zip(ATTRIBUTES, values.split(), strict=True))
    return facts


def make_facts(seed: int) -> dict[str, dict[str, str]]:
    """The facts of the world with this seed: 0 is the natural table, others shuffle its columns."""
    facts = natural_facts()
    if seed == 0:
        return facts
    rng = random.Random(seed)
    animals = list(facts)
    for attribute in ATTRIBUTES:
        values = [facts[animal][attribute] for animal in animals]
        rng.shuffle(values)
        for animal, value in zip(animals, values, strict=True):
            facts[animal][attribute] = value
    return facts


def attribute_values(facts: dict[str, dict[str, str]]) -> dict[str, tuple[str, ...]]:
    """All values that each attribute takes, sorted."""
    return {a: tuple(sorted({row[a] for row in facts.values()})) for a in ATTRIBUTES}


def with_article(animal: str) -> str:
    """'fox' -> 'a fox', 'owl' -> 'an owl'."""
    return f"an {animal}" if animal[0] in "aeiou" else f"a {animal}"


def fact_sentence(subject: str, attribute: str, value: str) -> str:
    """One fact without the full stop: ('a fox', 'home', 'den') -> 'a fox lives in a den'."""
    verb = {"colour": "is", "size": "is", "home": "lives in a", "food": "eats", "sound": "says"}
    return f"{subject} {verb[attribute]} {value}"
