"""Which source token each token of an answer attended to most."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from attention_zoo.tasks.attention import Tokens
from attention_zoo.text.tokenizer import Tokenizer
from attention_zoo.text.vocabulary import SPACE_MARK


@dataclasses.dataclass(frozen=True)
class Alignment:
    """Pairs of positions in a source and in an answer, from 0.

    Attributes:
        source: the tokens or words of the source.
        target: the tokens or words of the answer.
        pairs: pairs of an index into `source` and one into `target`, sorted.
    """

    source: list[str]
    target: list[str]
    pairs: list[tuple[int, int]]

    def __str__(self) -> str:
        """The pairs in Pharaoh format, such as `0-0 1-2`."""
        return " ".join(f"{i}-{j}" for i, j in self.pairs)


def align(
    sides: tuple[Tokenizer, Tokenizer],
    source_ids: Sequence[int],
    target_ids: Sequence[int],
    positions: Sequence[int],
    unit: str,
) -> Alignment:
    """The alignment of an answer with its source.

    Args:
        sides: the tokenizers of source and target.
        source_ids: the ids of the source.
        target_ids: the ids of the answer.
        positions: for each id of the answer, the source position that it attended to most.
        unit: `"tokens"` or `"words"`; words are what the tokenizer puts together, see
            `Tokenizer.words_of`.
    """
    source, target = (
        Tokens.of(tokenizer, ids)
        for tokenizer, ids in zip(sides, (source_ids, target_ids), strict=True)
    )
    (of_source, sources), (of_target, targets) = (_units(side, unit) for side in (source, target))
    pairs = {
        (of_source[position], of_target[index])
        for index, position in enumerate(positions[: len(target_ids)])
    }
    return Alignment(sources, targets, sorted(pair for pair in pairs if min(pair) >= 0))


def _units(tokens: Tokens, unit: str) -> tuple[list[int], list[str]]:
    """For each token the index of its unit, -1 for a special token; and the units."""
    if unit == "words":
        words = [""] * (max(tokens.words, default=-1) + 1)
        for piece, word in zip(tokens.pieces, tokens.words, strict=True):
            if word >= 0:
                words[word] += piece
        return tokens.words, [word.strip(SPACE_MARK) for word in words]
    kept = [word >= 0 for word in tokens.words]
    indices = [sum(kept[:i]) if is_kept else -1 for i, is_kept in enumerate(kept)]
    return indices, [piece for piece, is_kept in zip(tokens.pieces, kept, strict=True) if is_kept]
