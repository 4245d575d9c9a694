"""Entity tags: a word's position in its entity, and the entity's type."""

# The schemes IOB1, IOB2, IOE and IOBES (BIOES), and the letters other schemes use for the same:
# BILOU has L and U, BMES has M, BMEWO has W.
_POSITIONS = dict(zip("BIOESLUMW", "BIOESESIS", strict=True))


def split_tag(tag: str) -> tuple[str, str] | None:
    """Splits a tag into the word's position in its entity (B, I, O, E or S) and the entity's type.

    Args:
        tag: such as `"B-PER"`; the type is `"_"` if the tag has none, as in plain `"B"`.

    Returns:
        Position and type; None if the tag follows none of the schemes.

    Example:
        >>> split_tag("B-PER"), split_tag("U-LOC"), split_tag("O"), split_tag("NOUN")
        (('B', 'PER'), ('S', 'LOC'), ('O', '_'), None)
    """
    letter, _, entity_type = tag.partition("-")
    position = _POSITIONS.get(letter)
    return None if position is None else (position, entity_type or "_")
