"""Splits long texts at sentence ends, and joins what was made of the parts."""

import re
from collections.abc import Callable, Sequence

from attention_zoo.text.scripts import HAN, KANA

_CLOSING = r"[\"'”’»」』）》〉】)\]]*"
# Where a text may be split, the best places first. A full stop after an initial or a usual
# abbreviation ends no sentence.
_PLACES = [
    re.compile(
        r"(?<!\b[A-Z]\.)(?<!\b(?:Mr|Dr|St|vs|No|Jr)\.)(?<!\b(?:Mrs|etc|e\.g|i\.e)\.)"
        rf"(?<=[.!?…।॥؟۔።]){_CLOSING}\s+|(?<=[。！？；]){_CLOSING}\s*"
    ),
    re.compile(r"(?<=[,;:،؛])\s+|(?<=[，、：])\s*"),
    re.compile(r"\s+"),
]
# Chinese and Japanese have no space between sentences.
_ENDS_UNSPACED = re.compile(rf"[{HAN}{KANA}。！？；，、：…]{_CLOSING}$")
_BEGINS_UNSPACED = re.compile(rf"^[“‘「『（《〈【\"]*[{HAN}{KANA}]")


def sentences(text: str) -> list[str]:
    """The sentences of a text, without the spaces between them.

    Example:
        >>> sentences("It rains. Stay here! 下雨了。别走。")
        ['It rains.', 'Stay here!', '下雨了。', '别走。']
    """
    return [sentence.strip() for sentence in _cut(text.strip(), 0)]


def split_long(text: str, fits: Callable[[str], bool]) -> list[str]:
    """Splits a text into parts that fit.

    A text that fits stays whole. Otherwise each sentence is a part. Sentences that do not fit are
    split at commas, then at spaces, then anywhere, into parts as long as possible.

    Args:
        text: a text.
        fits: whether a part is short enough.

    Returns:
        A list of parts, which contain all of the text but the spaces between them.

    Example:
        >>> split_long("It rains. Dr. No stays at home, as usual.", lambda part: len(part) < 22)
        ['It rains.', 'Dr. No stays at home,', 'as usual.']
    """
    text = text.strip()
    if fits(text):
        return [text]
    return [part for each in _cut(text, 0) for part in _divide(each, fits, 1)]


def join_parts(parts: Sequence[str]) -> str:
    """Joins texts: with a space, or without one between Chinese or Japanese.

    Example:
        >>> join_parts(["It rains.", "I stay."]), join_parts(["下雨了。", "我在家。"])
        ('It rains. I stay.', '下雨了。我在家。')
    """
    joined = ""
    for part in filter(None, (part.strip() for part in parts)):
        unspaced = _ENDS_UNSPACED.search(joined) and _BEGINS_UNSPACED.search(part)
        joined += part if unspaced or not joined else f" {part}"
    return joined


def _divide(text: str, fits: Callable[[str], bool], level: int) -> list[str]:
    """Parts that fit, split at the places of a level or below."""
    if fits(text.strip()) or len(text.strip()) < 2:
        return [text.strip()]
    if level == len(_PLACES):
        middle = len(text) // 2
        pieces = [text[:middle], text[middle:]]
    else:
        pieces = _cut(text, level)
    parts, current = [], ""
    for piece in pieces:
        if current and not fits((current + piece).strip()):
            parts.append(current)
            current = ""
        current += piece
    parts.append(current)
    below = min(level + 1, len(_PLACES))
    return [part for each in parts for part in _divide(each, fits, below)]


def _cut(text: str, level: int) -> list[str]:
    """A text, cut after each place of a level."""
    ends = [match.end() for match in _PLACES[level].finditer(text)]
    starts = [0, *ends]
    return [
        text[start:end]
        for start, end in zip(starts, [*ends, len(text)], strict=True)
        if end > start
    ]
