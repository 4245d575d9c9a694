"""Compares the outputs of an artefact with those of the Keras model."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from attention_zoo.export.asking import CONDITIONS, ROWS, THREADS
from attention_zoo.export.expected import IDS, LONG, STRINGS, texts_of
from attention_zoo.export.formats import Format
from attention_zoo.export.running import BATCH, Arrays, RunnerError, call, run

# Largest allowed difference of a number (logit, embedding) of a float32 artefact.
TOLERANCE = 1e-4

Agree = Callable[[np.ndarray, np.ndarray], bool]


def differences(numbers: np.ndarray, wanted: np.ndarray) -> dict[str, float]:
    """How far numbers differ, as fields of `Verification`."""
    difference = np.abs(numbers - wanted)
    products = np.sum(numbers * wanted, axis=-1)
    lengths = np.linalg.norm(numbers, axis=-1) * np.linalg.norm(wanted, axis=-1)
    return {
        "max_abs_diff": float(difference.max()),
        "mean_abs_diff": float(difference.mean()),
        "beyond": float(np.mean(difference.max(axis=-1) > TOLERANCE)),
        "cosine": float(np.mean(products / np.maximum(lengths, 1e-12))),
    }


def other_differences(
    form: Format, outputs: dict[str, Arrays], expected: Arrays
) -> dict[str, float]:
    """The largest difference of every other number of an answer, by its name.

    For numbers above 1 the difference is relative: the score of an answer is a sum over tokens.

    Raises:
        RunnerError: if one has a different shape.
    """
    groups = [("answers", STRINGS if form.takes_strings else IDS)]
    groups += [("generate", STRINGS), ("ids", IDS)] if form.is_whole else []
    largest: dict[str, float] = {}
    for group, kind in groups:
        for name, array in outputs.get(group, {}).items():
            wanted = expected.get(kind + name)
            if wanted is None:
                continue
            if group == "generate":
                array = array[:, 0]
            if array.shape[0] != wanted.shape[0] or array.ndim != wanted.ndim:
                raise RunnerError(f"gives {name} of shape {array.shape}, not {wanted.shape}")
            array, wanted = _of_one_width(array, wanted)
            difference = np.abs(array - wanted) / np.maximum(1.0, np.abs(wanted))
            if difference.size:
                largest[name] = float(np.maximum(difference.max(), largest.get(name, 0.0)))
    return largest


def without_padding(outputs: dict[str, Arrays], shape: tuple[int, ...]) -> dict[str, Arrays]:
    """Truncates outputs for each token, `(B, T, ...)`, to the length in `shape`."""
    return {
        group: {name: a[:, : shape[1]] if a.ndim == 3 else a for name, a in arrays.items()}
        for group, arrays in outputs.items()
    }


def check_clients(
    task: Any, form: Format, outputs: dict[str, Arrays], expected: Arrays, quantize: str
) -> list[str]:
    """Checks that an artefact gives the same outputs under every condition of its format.

    Returns:
        Descriptions of the conditions, for the report.

    Raises:
        RunnerError: naming the first condition under which the outputs differ.
    """

    def agree(array: np.ndarray, wanted: np.ndarray) -> bool:
        if array.dtype.kind != "f":
            return quantize != "none" or np.array_equal(array, wanted)
        if quantize == "none":
            return bool(np.abs(array - wanted).max(initial=0.0) <= 10 * TOLERANCE)
        return bool(np.isfinite(array).all())

    for group in ("numbers", "answers"):
        for condition in form.conditions:
            if group in outputs and condition != "long":
                _check_condition(condition, group, outputs, agree)
    # Earlier versions did not store the model's outputs for an input that is too long.
    if "long" in form.conditions and LONG + "numbers" in expected:
        numbers = outputs["long numbers"][form.compared(task).output]
        wanted = expected[LONG + "numbers"]
        if numbers.shape != wanted.shape or not agree(numbers, wanted):
            raise RunnerError(f"gives different numbers with {CONDITIONS['long']}")
        if "answers" in outputs and form.takes_strings and quantize == "none":
            texts = texts_of(task, {n: expected[LONG + n] for n in task.text_inputs})
            (answer,) = task.answers(outputs["long answers"], texts)
            if not task.is_same(answer, expected[LONG + "answers"][0]):
                raise RunnerError(f"gives a different answer with {CONDITIONS['long']}")
    return [CONDITIONS[name] for name in form.conditions]


def _check_condition(condition: str, group: str, outputs: dict[str, Arrays], agree: Agree) -> None:
    for name, array in outputs[group].items():
        few = array[:ROWS]
        wanted = {"none": few[:0], "threads": np.concatenate([few] * THREADS)}
        if not _alike(outputs[f"{condition} {group}"][name], wanted.get(condition, few), agree):
            raise RunnerError(f"gives a different {name} with {CONDITIONS[condition]}")


def _alike(array: np.ndarray, wanted: np.ndarray, agree: Agree) -> bool:
    """Whether two arrays agree; one may have more padding than the other."""
    if array.ndim != wanted.ndim or len(array) != len(wanted):
        return False
    if not len(array):
        return True
    first, second = _of_one_width(array, wanted)
    if array.ndim > 1:
        width = first.shape[1]
        if array[:, width:].astype(bool).any() or wanted[:, width:].astype(bool).any():
            return False
    return first.shape == second.shape and agree(first, second)


def _of_one_width(array: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Truncates two arrays of rows to the width of the narrower one; the rest is padding."""
    if array.ndim < 2:
        return array, wanted
    width = min(array.shape[1], wanted.shape[1])
    return array[:, :width], wanted[:, :width]


def check_other_runners(
    task: Any,
    form: Format,
    path: Path,
    outputs: dict[str, Arrays],
    expected: Arrays,
    python: Path | str,
) -> list[str]:
    """Runs an artefact through the other interfaces of its runtime, and compares the outputs.

    Returns:
        The names of the interfaces that this version of the runtime has.

    Raises:
        RunnerError: naming the first whose outputs differ.
    """
    compared, names = form.compared(task), []
    rows = min(BATCH, len(expected["numbers"]))
    asked = {**call(compared.signature, {n: n for n in compared.inputs}, "numbers"), "batch": 1}
    arrays = {name: expected[name][:rows] for name in compared.inputs}
    wanted = outputs["numbers"][compared.output][:rows]
    for name, runner in form.other_runners.items():
        answers = run(python, path, runner, [asked], arrays)
        if answers is None:
            continue
        numbers = answers.outputs["numbers"][compared.output]
        if not np.allclose(numbers, wanted, atol=10 * TOLERANCE):
            raise RunnerError(f"gives different numbers through {name}")
        names.append(name)
    return names
