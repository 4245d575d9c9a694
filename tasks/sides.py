"""The texts of examples by the side they stand on, as what is said about them needs them."""

import dataclasses

import numpy as np

from attention_zoo.text.tokenizer import CHUNK, Tokenizer


@dataclasses.dataclass(frozen=True)
class Side:
    """The texts of one side of some examples, and how much of them is read.

    Attributes:
        name: such as "source".
        tokenizer: what cuts them.
        columns: lists of strings, equally long; more than one where texts are read together.
        limit: the most tokens of an example that are read; None if all are.
    """

    name: str
    tokenizer: Tokenizer
    columns: tuple
    limit: int | None

    def rows(self):
        """The ids of each example, of all columns together; many at a time, as an iterator."""
        for start in range(0, len(self.columns[0]), CHUNK):
            cut = [self.tokenizer.rows(column[start : start + CHUNK]) for column in self.columns]
            yield from (np.concatenate(row) for row in zip(*cut, strict=True))

    def beyond(self):
        """The numbers of the examples of which not all is read, and their lengths in tokens."""
        if self.limit is None:
            return {}
        lengths = ((i, len(row)) for i, row in enumerate(self.rows()))
        return {i: length for i, length in lengths if length > self.limit}
