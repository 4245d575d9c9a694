"""Prepared examples: ids in Arrow files, which are mapped into memory rather than read.

A directory of prepared examples has a manifest, `prepared.json`, and shards `train-00000.arrow`
and so on: Arrow IPC files with a list column for each field.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydantic

from attention_zoo.errors import UserError
from attention_zoo.files import atomic_file, sha256
from attention_zoo.json_files import Content, read_json
from attention_zoo.text.batching import IdRows
from attention_zoo.text.corpora import Corpus, Mixture

MANIFEST_FILE = "prepared.json"


class Shard(Content):
    """A shard, as the manifest describes it.

    Attributes:
        file: its name.
        rows: the number of rows of ids.
        sha256: of the file.
    """

    file: str = pydantic.Field(pattern=r"^train-\d{5,}\.arrow$")
    rows: int
    sha256: str


class Manifest(Content):
    """The content of `prepared.json`.

    Attributes:
        format: the version of this format.
        examples: the number of examples, each of which may be several rows of ids.
        digest: SHA-256 of the examples, as in the state of checkpoints.
        shards: the shards, in order.
        corpora: if there are several, with weights, the rows of ids of each, in order.
        last: the last examples, as text.
        facts: the parts of the recipe that determine the ids.
    """

    format: int = pydantic.Field(default=1, ge=1, le=1)
    examples: int
    digest: str
    shards: list[Shard]
    corpora: list[Corpus] = pydantic.Field(default=[])
    last: list[list[str]]
    facts: dict[str, object]


def is_prepared(files: Any) -> bool:
    """Whether the files of a recipe are a directory of prepared examples."""
    return isinstance(files, str) and (Path(files) / MANIFEST_FILE).is_file()


class PreparedExamples:
    """Examples as arrays of ids, in memory-mapped files.

    Only the lengths are in memory; the system reads pages of ids as they are needed, and drops
    them when memory is short.

    Args:
        directory: a directory that `attention-zoo prepare` wrote.

    Attributes:
        manifest: its `Manifest`.
        lengths: of each field of each example, int32 array `(N, fields)`.
        corpora: see `IdExamples`.

    Raises:
        UserError: if pyarrow is missing, or a file is missing, damaged or of another format.
    """

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)
        path = self.directory / MANIFEST_FILE
        self.manifest = Manifest(**read_json(path, Manifest))
        shards = [_open_shard(self.directory, shard) for shard in self.manifest.shards]
        if not shards:
            raise UserError(f"{path} names no shards")
        self.corpora = self.manifest.corpora
        if self.corpora and sum(corpus.size for corpus in self.corpora) != sum(
            shard.rows for shard in self.manifest.shards
        ):
            raise UserError(f"{path}: the corpora do not have as many rows as the shards")
        # For each shard, the values and the offsets of each field.
        self._shards = shards
        self._starts = np.cumsum([0, *(shard.rows for shard in self.manifest.shards)])
        self.lengths = np.concatenate(
            [np.stack([np.diff(offsets) for _, offsets in shard], axis=1) for shard in shards]
        )

    def __len__(self) -> int:
        """The number of rows of ids."""
        return len(self.lengths)

    def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:
        """The arrays of an example, one per field; views of the files."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        shard = int(np.searchsorted(self._starts, index, side="right")) - 1
        i = index - self._starts[shard]
        return tuple(values[offsets[i] : offsets[i + 1]] for values, offsets in self._shards[shard])

    def verify(self) -> None:
        """Compares the shards with their SHA-256.

        Raises:
            UserError: naming a damaged file.
        """
        for shard in self.manifest.shards:
            path = self.directory / shard.file
            if sha256(path) != shard.sha256:
                raise UserError(f"{path} is damaged: its SHA-256 is not that in {MANIFEST_FILE}")


def ids_of(task: Any, examples: Any) -> Any:
    """The ids of examples, for `Batches`: prepared ones have them already.

    Args:
        task: a task.
        examples: tuples of strings, perhaps a `Mixture`; or `PreparedExamples`.
    """
    if isinstance(examples, PreparedExamples):
        return examples
    if isinstance(examples, Mixture):
        parts = [task.to_ids(part) for part in examples.parts()]
        corpora = [
            Corpus(size=len(part), weight=corpus.weight)
            for part, corpus in zip(parts, examples.corpora, strict=True)
        ]
        return IdRows(itertools.chain.from_iterable(parts), corpora)
    return task.to_ids(examples)


def write_shard(path: Path, rows: Sequence[Sequence[np.ndarray]]) -> None:
    """Writes rows of ids to an Arrow file, atomically.

    Args:
        path: the file.
        rows: tuples of int32 or float32 arrays, at least one.
    """
    arrow = _import_arrow(path)
    columns = [_list_column(arrow, column) for column in zip(*rows, strict=True)]
    names = [f"field_{i}" for i in range(len(columns))]
    table = arrow.table(columns, names=names)
    with (
        atomic_file(path) as temporary,
        arrow.OSFile(str(temporary), "wb") as sink,
        arrow.ipc.new_file(sink, table.schema) as writer,
    ):
        # A single record batch, so that a column is one array.
        writer.write_table(table, max_chunksize=max(len(rows), 1))


def _list_column(arrow: Any, arrays: Sequence[np.ndarray]) -> Any:
    offsets = np.cumsum([0, *map(len, arrays)], dtype="int64")
    if offsets[-1] > np.iinfo("int32").max:
        raise UserError("a shard has more than 2^31 ids")
    values = np.concatenate(arrays)
    return arrow.ListArray.from_arrays(arrow.array(offsets, arrow.int32()), arrow.array(values))


def _open_shard(directory: Path, shard: Shard) -> list[tuple[np.ndarray, np.ndarray]]:
    path = directory / shard.file
    arrow = _import_arrow(path)
    try:
        batches = arrow.ipc.open_file(arrow.memory_map(str(path))).read_all()
        columns = [column.chunk(0) for column in batches.columns if column.num_chunks == 1]
        fields = [(column.values.to_numpy(), column.offsets.to_numpy()) for column in columns]
    except (arrow.ArrowException, OSError, ValueError, AttributeError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{path} is missing or damaged: {reason}") from error
    is_whole = len(fields) == batches.num_columns > 0 and all(
        len(offsets) == shard.rows + 1 and (not len(offsets) or offsets[-1] <= len(values))
        for values, offsets in fields
    )
    if not is_whole:
        raise UserError(f"{path} is damaged: it does not have the {shard.rows:,} rows expected")
    return fields


def _import_arrow(path: Path) -> Any:
    try:
        import pyarrow
        import pyarrow.ipc
    except ImportError as error:
        raise UserError(
            f"{path}: prepared data need pyarrow: pip install 'attention-zoo[parquet]'"
        ) from error
    return pyarrow
