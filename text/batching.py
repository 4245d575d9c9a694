"""Which examples form a batch, and in which order: a pure function of seed and epoch.

Batches have about the same number of tokens, not of sentences, and each is padded to one of a few
lengths, so that a compiled step sees few shapes. Since the plan of an epoch depends on nothing
else, training resumes at any step by planning again and skipping steps.
"""

import abc
import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from attention_zoo.errors import UserError
from attention_zoo.text.corpora import Corpus, Draws
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
        corpora: the corpora that they belong to, in order; empty: a single one.
    """

    @property
    def lengths(self) -> np.ndarray: ...  # noqa: D102

    @property
    def corpora(self) -> Sequence[Corpus]: ...  # noqa: D102

    def __getitem__(self, index: int, /) -> Sequence[np.ndarray]: ...


class IdRows:
    """Examples in memory; see `IdExamples`.

    Args:
        examples: tuples of sequences of ids or floats.
        corpora: the corpora that they belong to.
    """

    def __init__(
        self, examples: Iterable[Sequence[Sequence[float]]], corpora: Sequence[Corpus] = ()
    ) -> None:
        self._examples = [tuple(map(_as_array, example)) for example in examples]
        self.lengths = np.array([[len(field) for field in row] for row in self._examples])
        self.corpora = corpora

    def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:
        """The arrays of an example, one per field."""
        return self._examples[index]


class Batches(abc.ABC):
    """Batches of id sequences, in an order that depends on seed and epoch alone.

    Args:
        examples: tuples of sequences of ids or floats, such as (source, target); or
            `IdExamples`.
        seed: determines the order.
    """

    def __init__(
        self, examples: Sequence[Sequence[Sequence[float]]] | IdExamples, seed: int
    ) -> None:
        store: Any = examples if hasattr(examples, "lengths") else IdRows(examples)  # pyright: ignore
        if not len(store.lengths):
            raise UserError("there are no examples to batch")
        self.examples: IdExamples = store
        self.seed = seed

    @abc.abstractmethod
    def plan(self, epoch: int) -> list[tuple[Bucket, Any]]:
        """The steps of an epoch, in order. All epochs have the same number of steps.

        Args:
            epoch: index of the epoch, from 0.

        Returns:
            For each step a bucket, and what its `bucket.rows` rows contain, for `gather`.
        """

    @abc.abstractmethod
    def gather(self, bucket: Bucket, rows: Any) -> tuple[np.ndarray, ...]:
        """Pads the examples of a step to the shape of its bucket.

        Returns:
            One array `(rows, length)` per field.
        """

    @abc.abstractmethod
    def empty_rows(self, count: int) -> Any:
        """Rows without examples, to append to those of a step."""

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
        epoch, skip = divmod(step, len(self.plan(0)))
        while True:
            for bucket, rows in self.plan(epoch)[skip:]:
                padded = self.padded(rows, multiple)
                size = len(padded) // count
                yield epoch, self.gather(bucket, padded[index * size : (index + 1) * size])
            epoch, skip = epoch + 1, 0

    def padded(self, rows: Any, multiple: int) -> list[Any]:
        """The rows of a step, and empty ones until their number is a multiple of `multiple`."""
        return [*rows, *self.empty_rows(-len(rows) % multiple)]

    def _empty_fields(self, bucket: Bucket, rows: int) -> tuple[np.ndarray, ...]:
        """A field of padding for each field of the examples."""
        return tuple(
            np.full((rows, length), PAD_ID, dtype=field.dtype)
            for length, field in zip(bucket.lengths, self.examples[0], strict=True)
        )


class TokenBatches(Batches):
    """Batches with about `batch_tokens` padded tokens in the longest field, an example in a row.

    Args:
        examples: see `Batches`.
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
    ) -> None:
        super().__init__(examples, seed)
        lengths = self.examples.lengths
        longest = lengths.max(axis=1)
        limits = _limits(longest, batch_tokens, num_buckets)
        bucket_of = np.searchsorted(limits, longest).astype("int16")
        self._draws = Draws(bucket_of, self.examples.corpora)
        self.buckets = []
        for i, limit in enumerate(limits):
            field_lengths = tuple(int(n) for n in lengths[bucket_of == i].max(axis=0))
            most = max(1, batch_tokens // (limit * multiple)) * multiple
            rows = _even_rows(int(self._draws.sizes[i]), most, multiple)
            self.buckets.append(Bucket(rows, field_lengths))

    def plan(self, epoch: int) -> list[tuple[Bucket, np.ndarray]]:
        """See `Batches`: the rows are indices of examples, -1 for an empty row."""
        random = np.random.default_rng((self.seed, epoch))
        steps = []
        for bucket, members in zip(self.buckets, self._draws.of_epoch(random), strict=True):
            padding = -len(members) % bucket.rows
            members = np.concatenate([members, np.full(padding, -1, dtype=members.dtype)])
            steps += [(bucket, indices) for indices in members.reshape(-1, bucket.rows)]
        return [steps[i] for i in random.permutation(len(steps))]

    def gather(self, bucket: Bucket, rows: Sequence[int] | np.ndarray) -> tuple[np.ndarray, ...]:
        """See `Batches`."""
        fields = self._empty_fields(bucket, len(rows))
        for row, index in enumerate(rows):
            if index < 0:
                continue
            for field, ids in zip(fields, self.examples[index], strict=True):
                field[row, : len(ids)] = ids
        return fields

    def empty_rows(self, count: int) -> list[int]:
        """See `Batches`."""
        return [-1] * count


def _as_array(values: Sequence[float]) -> np.ndarray:
    """A field as int32, or as float32 if it has floats."""
    array = np.asarray(values)
    return array.astype("float32" if array.dtype.kind == "f" else "int32")


def _limits(longest: np.ndarray, batch_tokens: int, num_buckets: int) -> list[int]:
    """The largest length of each bucket; buckets have about the same number of tokens."""
    # Tokens, not examples: long sentences cost more.
    ordered = np.sort(longest, kind="stable")
    tokens = np.cumsum(ordered)
    # No more buckets than batches: each should fill at least one.
    num_buckets = max(1, min(num_buckets, int(tokens[-1]) // batch_tokens))
    cuts = np.searchsorted(tokens, tokens[-1] * np.arange(1, num_buckets + 1) / num_buckets)
    return sorted({int(ordered[min(cut, len(ordered) - 1)]) for cut in cuts})


def _even_rows(examples: int, most: int, multiple: int) -> int:
    """The number of rows of equal batches that hold the examples with the fewest empty rows.

    The batches are as few as `most` rows each allow. Like `most`, the result is a multiple of
    `multiple`.
    """
    batches = -(-examples // most)
    return -(-examples // (batches * multiple)) * multiple
