"""The texts of examples, by side: for notes on truncated texts and unknown tokens."""

import dataclasses

import numpy as np

from attention_zoo.text.tokenizer import CHUNK, Tokenizer


@dataclasses.dataclass(frozen=True)
class Side:
    """The texts of one side of some examples, and how much of them is read.

    Attributes:
        name: such as "source".
        tokenizer: their tokenizer.
        columns: lists of strings of the same length; more than one if texts are read together.
        limit: the maximum number of tokens per example; None if there is no limit.
    """

    name: str
    tokenizer: Tokenizer
    columns: tuple
    limit: int | None

    def rows(self):
        """An iterator over the ids of each example, all columns concatenated."""
        for start in range(0, len(self.columns[0]), CHUNK):
            ids = [self.tokenizer.rows(column[start : start + CHUNK]) for column in self.columns]
            yield from (np.concatenate(row) for row in zip(*ids, strict=True))

    def beyond(self):
        """The indices of the examples beyond the limit, and their lengths in tokens."""
        if self.limit is None:
            return {}
        lengths = ((i, len(row)) for i, row in enumerate(self.rows()))
        return {i: length for i, length in lengths if length > self.limit}
