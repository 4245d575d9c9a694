"""The Keras model's outputs for examples, which artefacts are compared with.

They are stored beside the artefacts in `verification/`, so that an export can be verified again
anywhere, without the model.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from pydantic_core import from_json

from attention_zoo.errors import UserError
from attention_zoo.export.runners.protocol import stack
from attention_zoo.export.running import BATCH, Arrays
from attention_zoo.json_files import Content, check_content
from attention_zoo.zoo.importers.npz_file import read_npz

VERIFICATION_FILE = "verification/expected.npz"

# Prefixes of the outputs of `serving_default` for string inputs and for id inputs.
STRINGS, IDS = "strings:", "ids:"
# Prefix of the inputs and outputs of an example that is too long.
LONG = "long:"
# Logits over a vocabulary are large: no more examples are compared after this many numbers.
_ENOUGH_NUMBERS = 50_000_000


def expected_of(task: Any, examples: Sequence[tuple[str, ...]]) -> Arrays:
    """The Keras model's inputs and outputs for examples.

    Args:
        task: a task.
        examples: list of tuples of strings.

    Returns:
        A dict of arrays: the inputs; `numbers` (of the first examples only, if there are too
        many); `answers`, `references`; every other number that `serving_default` gives, with
        the prefix `STRINGS` or `IDS`; `counted` if some numbers do not count; and, for an
        example that is too long, `numbers`, `answers` and the inputs with the prefix `LONG`.
    """
    inputs = task.export_inputs(examples)
    compared = task.compared
    functions = task.signatures()
    arrays = [inputs[name] for name in compared.inputs]
    numbers = _ask(functions[compared.signature], arrays, _ENOUGH_NUMBERS)
    strings = _ask(functions["serving_default"], [inputs[name] for name in task.text_inputs])
    outputs = {STRINGS + name: array for name, array in strings.items()}
    lite = task.lite_signatures()
    if (
        lite["serving_default"] is not lite[compared.signature]
    ):  # encoders have one function for both
        ids = _ask(lite["serving_default"], [inputs[name] for name in task.id_inputs])
        outputs |= {IDS + name: array for name, array in ids.items()}
    answers, references = task.answers(strings, texts_of(task, inputs)), task.references(examples)
    return {
        **inputs,
        **{name: array for name, array in outputs.items() if array.dtype != object},
        **_expected_of_long(task, inputs, references),
        "numbers": numbers[compared.output],
        "answers": np.array(answers, dtype=object),
        "references": np.array(references, dtype=object),
    }


def _ask(
    signature: tuple[Any, Any], arrays: Sequence[np.ndarray], enough: float = np.inf
) -> Arrays:
    """Runs a signature on rows in batches, until there are `enough` numbers."""
    function, specs = signature
    function = tf.function(function, input_signature=specs, autograph=False)
    chunks, size = [], 0
    for start in range(0, max(1, len(arrays[0])), BATCH):
        outputs = function(*(tf.constant(array[start : start + BATCH]) for array in arrays))
        chunks.append({name: tensor.numpy() for name, tensor in outputs.items()})
        size += sum(array.size for array in chunks[-1].values())
        if size > enough:
            break
    return {name: stack([chunk[name] for chunk in chunks]) for name in chunks[0]}


def _expected_of_long(task: Any, inputs: Arrays, references: Sequence[str]) -> Arrays:
    """The model's outputs for the shortest example, repeated until it is too long."""
    texts = zip(*(inputs[name] for name in task.text_inputs), strict=True)
    lengths = [sum(map(len, row)) if all(map(bytes.strip, row)) else np.inf for row in texts]
    shortest = int(np.argmin(lengths))
    long = {}
    for name in task.text_inputs:
        text = inputs[name][shortest] + b" "
        long[name] = np.array([text * (task.longest(name) + 1)], dtype=object)
    # The truncated ids, made longer again by repeating some before the last, the end id.
    again = task.longest("target_ids") if "target_ids" in task.compared.inputs else 1
    cut = task.inputs_of(texts_of(task, long), [(references[shortest] + " ") * again])
    for name in task.compared.inputs:
        row = cut[name][:1]
        long[name] = np.concatenate([row[:, :-1], row[:, 1:4], row[:, -1:]], axis=1)
    functions, compared = task.signatures(), task.compared
    strings = _ask(functions["serving_default"], [long[name] for name in task.text_inputs])
    answers = task.answers(strings, texts_of(task, long))
    numbers = _ask(functions[compared.signature], [long[name] for name in compared.inputs])
    long |= {"answers": np.array(answers, dtype=object), "numbers": numbers[compared.output]}
    return {LONG + name: array for name, array in long.items()}


def texts_of(task: Any, inputs: Arrays) -> list[Any]:
    """The input texts, as `task.predict` takes them."""
    columns = [[text.decode() for text in inputs[name]] for name in task.text_inputs]
    return columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))


def select(task: Any, expected: Arrays, kept: np.ndarray) -> Arrays:
    """The expected outputs of some of the texts.

    Args:
        task: a task.
        expected: what `expected_of` gave.
        kept: boolean array: which texts to keep.
    """
    selected = {
        name: array if name.startswith(LONG) else array[kept[: len(array)]]
        for name, array in expected.items()
    }
    if not task.answers_alone and len(selected["answers"]):
        # Answers such as the nearest text depend on which texts are left.
        answers = task.answers({task.output: selected["numbers"]}, texts_of(task, selected))
        selected["answers"] = np.array(answers, dtype=object)
    return selected


def save_expected(expected: Arrays, directory: Path | str) -> None:
    """Stores the Keras model's outputs beside the artefacts."""
    path = Path(directory) / VERIFICATION_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    # Strings as JSON: unpickling a file from an untrusted source is unsafe.
    strings = {
        name: [s.decode() if isinstance(s, bytes) else s for s in array]
        for name, array in expected.items()
        if array.dtype == object
    }
    arrays: Any = {name: array for name, array in expected.items() if name not in strings}
    np.savez_compressed(path, strings=np.array(json.dumps(strings)), **arrays)


def load_expected(directory: Path | str) -> Arrays:
    """Reads what `save_expected` wrote.

    Raises:
        UserError: if the file is missing or damaged.
    """
    path = Path(directory) / VERIFICATION_FILE
    try:
        arrays = read_npz(path)
        strings = from_json(str(arrays.pop("strings")))
        check_content({"strings": strings}, _Strings, path)
    except (ValueError, KeyError) as error:
        raise UserError(f"{directory} cannot be verified: {path}: {error}") from error
    ours = ("answers", "references", LONG + "answers")
    for name, values in strings.items():
        arrays[name] = np.empty(len(values), object)
        arrays[name][:] = values if name in ours else [text.encode() for text in values]
    return arrays


class _Strings(Content):
    strings: dict[str, list[str]]


def check_expected(task: Any, expected: Arrays, directory: Path | str) -> None:
    """Checks that every array needed for the comparison is there, with the right rows.

    Args:
        task: reads the answers of the artefacts.
        expected: what `load_expected` gave.
        directory: the export directory, for error messages.

    Raises:
        UserError: if an array is missing, or has the wrong number of rows.
    """
    path = Path(directory) / VERIFICATION_FILE
    inputs = (*task.text_inputs, *task.id_inputs, *task.compared.inputs)
    missing = sorted({*inputs, "answers", "references", "numbers"} - expected.keys())
    if missing:
        raise UserError(f"{directory} cannot be verified: {path} lacks {', '.join(missing)}")
    count = len(expected["answers"])
    for name, array in expected.items():
        # An encoder may split a text into several rows of ids.
        is_text = name.removeprefix(LONG) in ("answers", "references", *task.text_inputs)
        rows = 1 if name.startswith(LONG) else count
        fits = len(array) == rows if is_text else array.ndim and len(array)
        if (array.dtype == object) != is_text or not fits:
            raise UserError(
                f"{directory} cannot be verified: {path}: {name} is from another export"
            )
    if not count or expected["numbers"].dtype.kind != "f" or expected["numbers"].ndim < 2:
        raise UserError(f"{directory} cannot be verified: {path}: it contains no numbers")
