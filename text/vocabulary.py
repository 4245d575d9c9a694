"""The four ids with the same meaning in every vocabulary, and which tokens get the others."""

from collections.abc import Mapping

from attention_zoo.errors import UserError

PAD_ID = 0  # fills shorter rows
UNKNOWN_ID = 1  # whatever the vocabulary lacks
START_ID = 2  # the decoder's first input
END_ID = 3  # ends every sentence
NUM_SPECIAL_IDS = 4
SPECIAL_TOKENS = ("<pad>", "<unk>", "<s>", "</s>")  # how they are displayed
SPACE_MARK = "\N{LOWER ONE EIGHTH BLOCK}"  # SentencePiece's mark of a space in front of a word


def most_frequent(counts: Mapping[str, int], vocab_size: int | None = None) -> list[str]:
    """Selects the tokens of a vocabulary.

    Args:
        counts: how often each token occurs.
        vocab_size: number of ids, including the four special ones; None keeps all tokens.

    Returns:
        The tokens by falling frequency; equally frequent ones in code point order.

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
