"""Error rates of pronunciations: a word may have several correct ones."""

from attention_zoo.train.metrics import TEXT, register_metric


@register_metric("word_error_rate", (TEXT,), higher_is_better=False, by_source=True, is_mean=True)
def word_error_rate(answers, references):
    """Percentage of words whose pronunciation equals none of the references.

    As in the literature on grapheme-to-phoneme conversion (Bisani and Ney 2008; Toshniwal and
    Livescu 2016), a word with several pronunciations counts once.

    Args:
        answers: list of strings, one for each word.
        references: list of lists of strings, all pronunciations of the word.

    Example:
        >>> word_error_rate(["K AH T", "R EH D"], [["K AE T"], ["R IY D", "R EH D"]])
        50.0
    """
    wrong = sum(a not in accepted for a, accepted in zip(answers, references, strict=True))
    return 100.0 * wrong / max(len(references), 1)


@register_metric("phoneme_error_rate", (TEXT,), higher_is_better=False, by_source=True)
def phoneme_error_rate(answers, references):
    """Edit distance to the nearest reference over the length of that reference, in percent.

    Distances and lengths, in phonemes separated by spaces, are summed over all words first.
    If two references are equally near, the longer one counts.

    Args:
        answers: list of strings, one for each word.
        references: list of lists of strings, all pronunciations of the word.

    Example:
        >>> phoneme_error_rate(["K AH T", "R EH D"], [["K AE T"], ["R IY D", "R EH D"]])
        16.666666666666668
    """
    distances = lengths = 0
    for answer, accepted in zip(answers, references, strict=True):
        phonemes = [reference.split() for reference in accepted]
        pairs = [(edit_distance(answer.split(), phones), -len(phones)) for phones in phonemes]
        distance, length = min(pairs)
        distances, lengths = distances + distance, lengths - length
    return 100.0 * distances / max(lengths, 1)


def edit_distance(first, second):
    """The Levenshtein distance: the fewest insertions, deletions and substitutions.

    Example:
        >>> edit_distance("kitten", "sitting")
        3
    """
    row = list(range(len(second) + 1))
    for i, a in enumerate(first, start=1):
        diagonal, row[0] = row[0], i
        for j, b in enumerate(second, start=1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (a != b))
    return row[-1]
