"""Which examples form a batch, and in which order: a pure function of seed and epoch.

Batches have about the same number of tokens, not of sentences, and each is padded to one of a few
lengths, so that a compiled step sees few shapes. Since the plan of an epoch depends on nothing
else, training resumes at any step by planning again and skipping steps.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from attention_zoo.errors import UserError
from attention_zoo.text.vocabulary import PAD_ID


@dataclasses.dataclass(frozen=True)
class Bucket:
    """A batch shape: `rows` examples, each field padded to its entry of `lengths`."""

    rows: int
    lengths: tuple[int, ...]


class IdExamples(Protocol):
    """Examples as arrays of ids or floats, in memory or in files.

    Attributes:
        lengths: of each field of each example, int array `(N, fields)`.
    """

    @property
    def lengths(self) -> np.ndarray: ...  # noqa: D102

    def __getitem__(self, index: int, /) -> Sequence[np.ndarray]: ...


class _InMemory:
    def __init__(self, examples: Sequence[Sequence[Sequence[float]]]) -> None:
        self._examples = [tuple(map(_as_array, example)) for example in examples]
        self.lengths = np.array([[len(field) for field in row] for row in self._examples])

    def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:
        return self._examples[index]


class TokenBatches:
    """Batches of id sequences with about `batch_tokens` padded tokens in the longest field.

    Args:
        examples: tuples of sequences of ids or floats, such as (source, target); or
            `IdExamples`.
        batch_tokens: padded tokens of the longest field of a batch.
        num_buckets: number of batch shapes; 1 makes all batches the same shape.
        multiple: the number of rows is a multiple of this, for example the number of replicas.
        seed: determines the order.

    Example:
        >>> examples = [([1] * n, [2] * n) for n in range(1, 9)]
        >>> batches = TokenBatches(examples, batch_tokens=16, num_buckets=2, seed=1)
        >>> sorted(int(i) for step in batches.plan(epoch=0) for i in step[1] if i >= 0)
        [0, 1, 2, 3, 4, 5, 6, 7]
    """

    def __init__(
        self,
        examples: Sequence[Sequence[Sequence[float]]] | IdExamples,
        batch_tokens: int,
        num_buckets: int = 8,
        multiple: int = 1,
        seed: int = 0,
    ):
        store: Any = examples if hasattr(examples, "lengths") else _InMemory(examples)  # pyright: ignore
        if not len(store.lengths):
            raise UserError("there are no examples to batch")
        self.examples: IdExamples = store
        self.seed = seed
        self.buckets = _make_buckets(store.lengths, batch_tokens, num_buckets, multiple)
        limits = [max(bucket.lengths) for bucket in self.buckets]
        longest = store.lengths.max(axis=1)
        self._bucket_of = np.searchsorted(limits, longest).astype("int16")

    def plan(self, epoch: int) -> list[tuple[Bucket, np.ndarray]]:
        """The steps of an epoch, in order.

        Args:
            epoch: index of the epoch, from 0.

        Returns:
            For each step a bucket, and the indices of its examples as an array of `bucket.rows`
            entries; -1 is an empty row.
        """
        random = np.random.default_rng((self.seed, epoch))
        order = random.permutation(len(self._bucket_of))
        steps = []
        for i, bucket in enumerate(self.buckets):
            members = order[self._bucket_of[order] == i]
            padding = -len(members) % bucket.rows
            members = np.concatenate([members, np.full(padding, -1, dtype=members.dtype)])
            steps += [(bucket, indices) for indices in members.reshape(-1, bucket.rows)]
        return [steps[i] for i in random.permutation(len(steps))]

    def gather(self, bucket: Bucket, indices: np.ndarray) -> tuple[np.ndarray, ...]:
        """Pads the examples of a step to the shape of its bucket.

        Returns:
            One array `(rows, length)` per field.
        """
        fields = tuple(
            np.full((len(indices), length), PAD_ID, dtype=field.dtype)
            for length, field in zip(bucket.lengths, self.examples[0], strict=True)
        )
        for row, index in enumerate(indices):
            if index < 0:
                continue
            for field, ids in zip(fields, self.examples[index], strict=True):
                field[row, : len(ids)] = ids
        return fields

    def steps_from(
        self, step: int, multiple: int = 1, part: tuple[int, int] = (0, 1)
    ) -> Iterator[tuple[int, tuple[np.ndarray, ...]]]:
        """All batches from a global step on, in an endless sequence of epochs.

        Args:
            step: number of steps already taken.
            multiple: empty rows are added until the number of rows is a multiple of this.
            part: index and count: only the rows of this part of each batch are read. The
                parts of a batch have the same number of rows; `multiple` must be divisible by
                their count.

        Yields:
            The epoch, and the arrays of the batch, or of its part.
        """
        index, count = part
        epoch = 0
        plan = self.plan(epoch)
        # All epochs have the same number of steps; only the order differs.
        epoch, skip = divmod(step, len(plan))
        while True:
            for bucket, indices in self.plan(epoch)[skip:]:
                padded = np.pad(indices, (0, -len(indices) % multiple), constant_values=-1)
                yield epoch, self.gather(bucket, np.split(padded, count)[index])
            epoch, skip = epoch + 1, 0


def _as_array(values: Sequence[float]) -> np.ndarray:
    """A field as int32, or as float32 if it has floats."""
    array = np.asarray(values)
    return array.astype("float32" if array.dtype.kind == "f" else "int32")


def _make_buckets(
    lengths: np.ndarray, batch_tokens: int, num_buckets: int, multiple: int
) -> list[Bucket]:
    """Splits the examples, sorted by length, into buckets with the same number of tokens."""
    longest = lengths.max(axis=1)
    # Tokens, not examples: long sentences cost more.
    order = np.argsort(longest, kind="stable")
    tokens = np.cumsum(longest[order])
    # No more buckets than batches: each should fill at least one.
    num_buckets = max(1, min(num_buckets, int(tokens[-1]) // batch_tokens))
    cuts = np.searchsorted(tokens, tokens[-1] * np.arange(1, num_buckets + 1) / num_buckets)
    limits = sorted({int(longest[order][min(cut, len(order) - 1)]) for cut in cuts})
    buckets = []
    previous = 0
    for limit in limits:
        inside = (longest > previous) & (longest <= limit)
        field_lengths = tuple(int(n) for n in lengths[inside].max(axis=0))
        most = max(1, batch_tokens // (limit * multiple)) * multiple
        buckets.append(Bucket(_even_rows(int(inside.sum()), most, multiple), field_lengths))
        previous = limit
    return buckets


def _even_rows(examples: int, most: int, multiple: int) -> int:
    """The number of rows of equal batches that hold the examples with the fewest empty rows.

    The batches are as few as `most` rows each allow. Like `most`, the result is a multiple of
    `multiple`.
    """
    batches = -(-examples // most)
    return -(-examples // (batches * multiple)) * multiple
