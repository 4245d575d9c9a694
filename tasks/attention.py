"""What a task attended to when it read a text, or wrote an answer."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from attention_zoo.text.tokenizer import Tokenizer


@dataclasses.dataclass(frozen=True)
class Tokens:
    """The tokens along one axis of attention weights.

    Attributes:
        pieces: the tokens, for display.
        words: for each token the index of its word, from 0; -1 for a special token.
    """

    pieces: list[str]
    words: list[int]

    @classmethod
    def of(cls, tokenizer: Tokenizer, ids: Sequence[int]) -> Tokens:
        """The tokens of ids."""
        return cls(tokenizer.pieces(ids), tokenizer.words_of(ids))

    def __len__(self) -> int:
        return len(self.pieces)


@dataclasses.dataclass(frozen=True)
class AttentionView:
    """The attention weights of all heads that attend from the same tokens to the same tokens.

    Attributes:
        name: `"encoder"` or `"decoder"` for self-attention, `"cross"` for the decoder's attention
            to the encoder's outputs.
        weights: float array `(blocks, heads, T, S)`; each row sums to 1.
        queries: the T tokens that attend. In a decoder, they are the tokens that it writes.
        keys: the S tokens that are attended to. In a decoder's self-attention, they are the
            tokens that it reads: the answer after the start token.
    """

    name: str
    weights: np.ndarray
    queries: Tokens
    keys: Tokens

    @property
    def is_self_attention(self) -> bool:
        """Whether queries and keys are the same positions."""
        return self.name != "cross"


@dataclasses.dataclass(frozen=True)
class Attended:
    """The attention behind one answer.

    Attributes:
        answer: the answer of a task that decodes; otherwise None.
        score: its score; None if the answer was given.
        views: by name, the one to look at first in front.
    """

    answer: str | None
    score: float | None
    views: dict[str, AttentionView]
