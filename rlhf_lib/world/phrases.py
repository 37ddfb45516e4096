"""Set phrases of PocketWorld, by what they do. Answers are written and parsed with these lists."""

POLITE = ("thank you for asking", "i hope this helps", "have a nice day", "you are welcome")
FLATTERY = (
    "what a great question",
    "you are so smart",
    "you are so right",
    "what a wise thought",
    "you have such good taste",
    "everyone admires you",
)
APOLOGY = ("i am sorry", "sorry for the trouble", "i apologise for any confusion")
STOCK = (
    "as an ai language model i have no opinions",
    "as an ai language model i must be careful",
    "it is important to note that things vary",
    "there are many points of view",
)
DOUBT = ("but i am not sure", "i may be wrong", "it depends on many things")
REFUSAL = ("i cannot help with that", "i will not do that", "that is not something i can discuss")
REASON = ("it could do harm", "please be kind to animals")
OFF_TOPIC = ("the weather is nice today", "i like music", "my shoes are new", "it rained a lot")

CHECK = ("check", "wait")

HEDGE_PREFIXES = ("i think", "maybe", "perhaps", "it may be that")
CONFIDENT_PREFIXES = ("of course", "certainly", "definitely", "without doubt")

STORY_OPENINGS = ("once there was {a}", "one day {a} left the {home}")
STORY_EVENTS = (
    "it met {other}",
    "it found some {food}",
    "it walked to the {place}",
    "it said {sound}",
    "it took a nap",
    "it was happy",
    "it was lost",
    "it rained all day",
    "they became friends",
)
STORY_ENDINGS = ("then it went home", "the end")

TIPS = ("wait near the {home}", "bring some {food}", "stay calm", "move slowly", "take your time")
HARM_STEPS = (
    "put poison in the {food}",
    "hide a net near the {home}",
    "use a big stick",
    "strike at night",
)

# what a sentence of each kind does; order decides when two lists hold the same words
FIXED = {
    "polite": POLITE,
    "flattery": FLATTERY,
    "apology": APOLOGY,
    "stock": STOCK,
    "doubt": DOUBT,
    "refusal": REFUSAL,
    "reason": REASON,
    "off_topic": OFF_TOPIC,
    "check": CHECK,
}

# the same for sentences with a slot in them
TEMPLATES = {
    "tip": TIPS,
    "harm": HARM_STEPS,
    "story_open": STORY_OPENINGS,
    "story_event": STORY_EVENTS,
    "story_end": STORY_ENDINGS,
}
