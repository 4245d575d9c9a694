"""Batches of one shape, whose rows each hold several examples.

The third way beside one example in a row and buckets of lengths: almost no padding, and a single
shape to compile. Segment ids say which tokens belong together; attention stays within a segment.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from attention_zoo.errors import UserError
from attention_zoo.text.batching import Batches, Bucket, IdExamples
from attention_zoo.text.corpora import Draws
from attention_zoo.text.vocabulary import PAD_ID


class PackedBatches(Batches):
    """Batches of `(rows, length)` whose rows are filled with examples.

    Examples are combined by their lengths: which combinations there are is decided once, from the
    histogram of lengths ("Efficient Sequence Packing without Cross-contamination", Krell et al.
    2021, section 3); which examples form them is drawn anew in each epoch.

    Args:
        examples: see `Batches`.
        batch_tokens: tokens of the longest field of a batch, with padding.
        length: tokens in a row of the field with the most tokens; other fields are shorter in
            proportion.
        seed: determines the order.

    Raises:
        UserError: if an example is longer than a row.

    Example:
        >>> examples = [([1] * n, [2] * n) for n in range(1, 9)]
        >>> batches = PackedBatches(examples, batch_tokens=24, length=12, seed=1)
        >>> batches.bucket.rows, len(batches.plan(epoch=0))
        (2, 2)
        >>> _, (source, target, source_segments, target_segments) = next(batches.steps_from(0))
        >>> source_segments.max().item(), bool(((source > 0) == (source_segments > 0)).all())
        (4, True)
    """

    def __init__(
        self,
        examples: Sequence[Sequence[Sequence[float]]] | IdExamples,
        batch_tokens: int,
        length: int,
        seed: int = 0,
    ) -> None:
        super().__init__(examples, seed)
        lengths = self.examples.lengths
        if lengths.max() > length:
            raise UserError(
                f"an example has {lengths.max():,} ids, more than a packed row of {length:,}: "
                "raise train.packing, or lower the maximum lengths"
            )
        capacities = _capacities(lengths, length)
        # In units of the row: an example takes as much of each field as of the fullest one.
        sizes = np.ceil(lengths * length / capacities).max(axis=1).astype("int16")
        self._draws = Draws(sizes, self.examples.corpora)
        self._contents = _pack(self._draws.sizes, length)
        rows = sum(self._contents.values())
        steps = -(-rows // max(1, batch_tokens // length))
        self.bucket = Bucket(-(-rows // steps), tuple(map(int, capacities)))

    def plan(self, epoch: int) -> list[tuple[Bucket, list[np.ndarray]]]:
        """See `Batches`: each row is an array of indices of examples."""
        random = np.random.default_rng((self.seed, epoch))
        members = self._draws.of_epoch(random)
        used = np.zeros(len(members), "int64")
        rows = []
        for content, count in self._contents.items():
            columns = []
            for size in content:
                columns.append(members[size][used[size] : used[size] + count])
                used[size] += count
            rows += list(np.stack(columns, axis=1))
        order = random.permutation(len(rows))
        size = self.bucket.rows
        batches = [[rows[i] for i in order[at : at + size]] for at in range(0, len(rows), size)]
        batches[-1] += self.empty_rows(size - len(batches[-1]))
        return [(self.bucket, batch) for batch in batches]

    def gather(self, bucket: Bucket, rows: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
        """See `Batches`: the fields, then for each field its segment ids.

        The segment id of padding is 0; the examples of a row have the ids 1, 2, 3 and so on.
        """
        fields = self._empty_fields(bucket, len(rows))
        segments = tuple(np.full(field.shape, PAD_ID, "int32") for field in fields)
        for row, indices in enumerate(rows):
            starts = [0] * len(fields)
            for segment, index in enumerate(indices, start=1):
                for i, ids in enumerate(self.examples[index]):
                    place = slice(starts[i], starts[i] + len(ids))
                    fields[i][row, place] = ids
                    segments[i][row, place] = segment
                    starts[i] += len(ids)
        return (*fields, *segments)

    def empty_rows(self, count: int) -> list[np.ndarray]:
        """See `Batches`."""
        return [np.zeros(0, "int64")] * count


def _capacities(lengths: np.ndarray, length: int) -> np.ndarray:
    """The length of each field of a row: in proportion to its tokens, but at least the longest."""
    tokens = lengths.sum(axis=0)
    return np.maximum(np.ceil(length * tokens / tokens.max()), lengths.max(axis=0)).astype("int64")


def _pack(counts: np.ndarray, length: int) -> dict[tuple[int, ...], int]:
    """Combines sizes to rows of at most `length`: the largest first, each where it fits best.

    Args:
        counts: for each size the number of examples, int array.
        length: the sum of the sizes of a row.

    Returns:
        A dict from the sizes in a row to the number of such rows.

    Example:
        >>> _pack(np.array([0, 3, 0, 2]), length=4)
        {(1,): 1, (3, 1): 2}
    """
    # For each amount of free space, the kinds of rows that have it and their numbers.
    open_rows: list[Counter[tuple[int, ...]]] = [Counter() for _ in range(length + 1)]
    for size in range(len(counts) - 1, 0, -1):
        left = int(counts[size])
        for free in range(size, length + 1):
            while left and open_rows[free]:
                content, available = open_rows[free].popitem()
                used = min(left, available)
                if used < available:
                    open_rows[free][content] = available - used
                open_rows[free - size][*content, size] += used
                left -= used
        if left:
            per_row = length // size
            full, rest = divmod(left, per_row)
            for number, rows in ((per_row, full), (rest, 1)):
                if number and rows:
                    open_rows[length - number * size][(size,) * number] += rows
    packed: Counter[tuple[int, ...]] = Counter()
    for kinds in reversed(open_rows):
        packed.update(kinds)
    return dict(packed)
