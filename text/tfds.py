"""Reads datasets that TensorFlow Datasets has prepared on this machine."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from typing import Any

from attention_zoo.errors import UserError, suggest
from attention_zoo.text.examples import Example, Field, Holds, make_example
from attention_zoo.text.json_values import as_text

PREFIX = "tfds:"
_FORM = f"{PREFIX}NAME[/CONFIG][:VERSION]@SPLIT"
# Names with another scheme, such as huggingface:, would be looked up in the network.
_NAME = re.compile(r"(?P<name>\w+(?:/[\w.-]+)?(?::\d[\d.*]*)?)@(?P<split>.+)")


def is_tfds(path: object) -> bool:
    """Whether a path of a recipe names a dataset of TensorFlow Datasets."""
    return isinstance(path, str) and path.startswith(PREFIX)


def read_tfds(path: str, fields: Sequence[Field], holds: Holds) -> Iterator[Example]:
    """Reads a split of a dataset, in the order of its files; nothing is downloaded.

    Labels are read as their names.

    Args:
        path: such as `tfds:wmt14_translate/de-en@train` or `tfds:imdb_reviews@train[:10%]`.
        fields: names of features.
        holds: see `attention_zoo.text.readers.read_examples`.

    Raises:
        UserError: if tensorflow-datasets is missing, the dataset is not on this machine, there is
            no such split or feature, or a value is not accepted.
    """
    parts = _NAME.fullmatch(path.removeprefix(PREFIX))
    if parts is None:
        raise UserError(f"{path}: the name of a dataset has the form {_FORM}")
    builder = _load(path, parts["name"])
    features = builder.info.features
    for field in fields:
        if str(field) not in features:
            raise UserError(f'{path} has no feature "{field}"; {suggest(field, features)}')
    for number, record in enumerate(_records(path, builder, parts["split"]), start=1):
        values = []
        for field in fields:
            try:
                value = _plain(record[str(field)], features[str(field)])
                values.append(as_text(value, holds.get(field)))
            except UserError as error:
                raise UserError(f'{path}, example {number}: "{field}" {error}') from error
        yield from make_example(values, fields, holds, path, f"example {number}")


def _load(path: str, name: str) -> Any:
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise UserError(
            f"{path} needs tensorflow-datasets: pip install 'attention-zoo[tfds]'"
        ) from error
    try:
        data_dir = os.environ.get("TFDS_DATA_DIR")
        builder = tfds.builder(name, data_dir=data_dir, try_gcs=False)
        is_there = builder.is_prepared()
    except (ValueError, AssertionError, OSError) as error:
        raise UserError(f"{path}: {str(error).strip().splitlines()[0]}") from error
    if not is_there:
        raise UserError(
            f"{path} is not on this machine: it should be in {builder.data_dir} (TFDS_DATA_DIR "
            f"names the folder of all datasets); prepare it with: tfds build {name}"
        )
    return builder


def _records(path: str, builder: Any, split: str) -> Iterator[dict[str, Any]]:
    import tensorflow_datasets as tfds

    # Several files are read one after another, so that the order is that of the dataset.
    config = tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False)
    try:
        dataset = builder.as_dataset(split=split, shuffle_files=False, read_config=config)
    except (ValueError, AssertionError, OSError) as error:
        raise UserError(f"{path}: {str(error).strip().splitlines()[0]}") from error
    yield from tfds.as_numpy(dataset)


def _plain(value: Any, feature: Any) -> Any:
    """A value of a feature as JSON has it."""
    if isinstance(value, dict):
        inner = getattr(feature, "feature", feature)  # that of a sequence of dicts
        return {name: _plain(part, inner[name]) for name, part in value.items()}
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError as error:
            raise UserError(f"is not UTF-8: {error}") from error
    label = feature if hasattr(feature, "int2str") else getattr(feature, "feature", feature)
    if isinstance(value, list):
        return [_plain(item, label) for item in value]
    if isinstance(value, int) and hasattr(label, "int2str"):
        if value < 0:
            raise UserError(f"is {value}: the split has no labels")
        return label.int2str(value)
    return value
