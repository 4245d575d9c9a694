"""The four ids that mean the same in every vocabulary, and which tokens get the others."""

from attention_zoo.errors import UserError

PAD_ID = 0  # fills up shorter sentences
UNKNOWN_ID = 1  # stands for what the vocabulary lacks
START_ID = 2  # the decoder's first input
END_ID = 3  # ends every sentence
NUM_SPECIAL_IDS = 4
SPECIAL_TOKENS = ("<pad>", "<unk>", "<s>", "</s>")  # how people read these four


def most_frequent(counts, vocab_size=None):
    """Chooses the tokens of a vocabulary.

    Args:
        counts: a dict from token to how often it occurs.
        vocab_size: number of ids, the four special ones included; None: all tokens.

    Returns:
        A list of tokens, the most frequent first, ties in the order of their code points.

    Raises:
        UserError: if there is room for the special ids only.

    Example:
        >>> most_frequent({"a": 1, "b": 3, "c": 1}, vocab_size=6)
        ['b', 'a']
    """
    room = None if vocab_size is None else vocab_size - NUM_SPECIAL_IDS
    if room is not None and room < 1:
        raise UserError(
            f"tokenizer.vocab_size must be above {NUM_SPECIAL_IDS} (the special ids), "
            f"received {vocab_size}"
        )
    return sorted(counts, key=lambda token: (-counts[token], token))[:room]
