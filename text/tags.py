"""Tags of entities: where in its entity a word stands, and of which type that is."""

# The schemes IOB1, IOB2, IOE and IOBES (BIOES), and the names others have for the same: BILOU
# has L and U, BMES has M, BMEWO has W.
_PLACES = dict(zip("BIOESLUMW", "BIOESESIS", strict=True))


def split_tag(tag):
    """The place of a word in its entity, one of B, I, O, E, S, and the type of that.

    Args:
        tag: such as `"B-PER"`; one without a type, such as plain `"B"`, has the type `"_"`.

    Returns:
        A pair of strings; None for what is no such tag.

    Example:
        >>> split_tag("B-PER"), split_tag("U-LOC"), split_tag("O"), split_tag("NOUN")
        (('B', 'PER'), ('S', 'LOC'), ('O', '_'), None)
    """
    letter, _, kind = tag.partition("-")
    place = _PLACES.get(letter)
    return None if place is None else (place, kind or "_")
