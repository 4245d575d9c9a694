"""Write the summaries data set from the descriptions of Debian's packages.

    sudo apt-get -o Acquire::Languages=en update
    python recipes/summaries/make_data.py [--out DIR] [--seed N]

(On other systems than Debian see recipes/debian_topics/descriptions.py.) A summary is the first
paragraph of a description, its text the paragraphs after it. Of equal texts the first package
counts. All packages that are built from one source are in one split.
"""

from attention_zoo.recipes.debian_topics.descriptions import Description
from attention_zoo.recipes.headlines.make_data import Pair, main

WORDS = 6, 60  # the smallest and the largest number in a summary
MORE = 1.5  # so many times the words of its summary a text has at least
COLUMNS = "text", "summary"


def pair_of(description: Description) -> Pair | None:
    """The paragraphs after the first, and the first, if their lengths are those of a summary."""
    summary, *rest = description.paragraphs or ("",)
    text, words = " ".join(rest), len(summary.split())
    enough = WORDS[0] <= words <= WORDS[1] and len(text.split()) >= MORE * words
    return (text, summary) if enough else None


if __name__ == "__main__":
    main(__file__, COLUMNS, pair_of)
