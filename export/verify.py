"""Verifies artefacts: runs each in its own runtime and compares it with the Keras model."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from attention_zoo.errors import UserError
from attention_zoo.export.asking import ask
from attention_zoo.export.comparing import (
    TOLERANCE,
    check_clients,
    check_other_runners,
    differences,
    other_differences,
    without_padding,
)
from attention_zoo.export.digests import irregular
from attention_zoo.export.expected import texts_of
from attention_zoo.export.formats import Format
from attention_zoo.export.results import MAX_DROP, Verification
from attention_zoo.export.running import Arrays, RunnerError
from attention_zoo.train.metrics import METRICS, compute_metrics

# One in this many positions may differ by more than the tolerance, up to ten times as much:
# occasionally a recurrent model amplifies a rounding difference of its state.
_RARE = 10_000
# Smallest mean cosine that a quantised artefact must reach if the task has no metric.
COSINE_TOLERANCE = 0.99
# The fraction of texts that a runtime's own tokenizer must tokenize as the task does.
_LEAST_COMPARED = 0.5


def verify_artefact(
    task: Any,
    expected: Arrays,
    path: Path,
    form: Format,
    quantize: str,
    max_drop: float = MAX_DROP,
    python: Path | str = sys.executable,
) -> Verification:
    """Runs one artefact and compares it with the Keras model.

    Args:
        task: a task; it only reads answers.
        expected: what `expected_of` returned.
        path: the artefact.
        form: its format.
        quantize: of `QUANTIZATIONS`.
        max_drop: how many points of a metric a quantised artefact may lose.
        python: the interpreter that runs the artefact.

    Raises:
        UserError: if something other than the artefact is at fault.
    """
    odd = irregular(path)
    if odd:
        return Verification(failure=f"contains {odd[0].name}, which is not a file")
    result = Verification()
    try:
        result.failure = _verify(result, task, expected, path, form, quantize, max_drop, python)
    except UserError:
        raise
    except RunnerError as error:
        result.failure = str(error)
    except (LookupError, TypeError, ValueError, tf.errors.OpError) as error:
        failure = f"gives invalid outputs: {type(error).__name__}: {error}"
        return Verification(failure=failure)
    result.verified = not result.failure
    return result


def _verify(
    result: Verification,
    task: Any,
    expected: Arrays,
    path: Path,
    form: Format,
    quantize: str,
    max_drop: float,
    python: Path | str,
) -> str:
    """Fills in a result; returns why the artefact does not pass, or ""."""
    total = len(expected["answers"])
    if not form.takes_strings and not _tokenizes_alike(task, expected):
        return "is beside a different tokenizer than when it was exported"
    expected = form.expected(task, expected)
    result.compared = len(expected["answers"])
    if result.compared < max(1, _LEAST_COMPARED * total):
        return f"tokenizes only {result.compared} of {total} texts as the task does"
    full, figures = ask(task, path, form, expected, python)
    others = other_differences(form, full, expected)
    outputs = without_padding(full, expected["numbers"].shape) if form.is_padded else full
    output = form.compared(task).output
    numbers = outputs["numbers"].get(output)
    if numbers is None:
        return f"gives no {output}, but {', '.join(outputs['numbers'])}"
    if numbers.shape != expected["numbers"].shape:
        return f"gives numbers of shape {numbers.shape}, not {expected['numbers'].shape}"
    counted = expected.get("counted", np.ones(len(numbers), bool))[: len(numbers)]
    compared = differences(numbers[counted], expected["numbers"][counted])
    _update(result, **figures, **compared, outputs=others)
    if "answers" in outputs:
        _update(result, **_quality(task, outputs["answers"], expected))
    failure = judge(result, quantize, max_drop)
    if not failure:
        result.clients += check_clients(task, form, full, expected, quantize)
        result.clients += check_other_runners(task, form, path, full, expected, python)
    return failure


def _update(result: Verification, **fields: Any) -> None:
    """Fills in fields after checking their types: a runner may have returned anything."""
    checked = Verification(**fields)
    for name in fields:
        setattr(result, name, getattr(checked, name))


def _tokenizes_alike(task: Any, expected: Arrays) -> bool:
    """Whether the tokenizers beside an artefact make the ids it was compared with."""
    inputs = task.inputs_of(texts_of(task, expected), expected["references"])
    return all(np.array_equal(inputs[name], expected[name]) for name in task.compared.inputs)


def _quality(task: Any, outputs: Arrays, expected: Arrays) -> dict[str, Any]:
    """The quality of an artefact's answers, compared with the model's."""
    texts = texts_of(task, expected)
    ours, references = list(expected["answers"]), list(expected["references"])
    answers = task.answers(outputs, texts)
    same = [task.is_same(*pair) for pair in zip(answers, ours, strict=True)]
    metric, model_metric = (
        compute_metrics(task.export_metrics, texts, column, references, task.metric_options)
        for column in (answers, ours)
    )
    drop = {name: METRICS[name].gain(model_metric[name], metric[name]) for name in metric}
    return {"same_answers": float(np.mean(same)), "metric": metric, "drop": drop}


def judge(result: Verification, quantize: str, max_drop: float) -> str:
    """Why an artefact does not pass, or ""."""
    largest = result.max_abs_diff
    if largest is None or not np.isfinite(largest):
        return "a number is not finite"
    if quantize == "none":
        if largest > 10 * TOLERANCE or (result.beyond or 0.0) > 1 / _RARE:
            return f"numbers differ by {largest:.1e}, more than {TOLERANCE:.0e}"
        if result.same_answers is not None and result.same_answers < 1.0:
            return f"only {result.same_answers:.2%} of the answers are the same"
        for name, difference in result.outputs.items():
            if difference > 10 * TOLERANCE:
                return f"the {name} of an answer differs by {difference:.1e}"
        return ""
    if not result.drop and result.cosine is not None and result.cosine < COSINE_TOLERANCE:
        return f"the mean cosine is {result.cosine:.4f}, less than {COSINE_TOLERANCE}"
    for name, lost in result.drop.items():
        if lost > max_drop:
            return f"{name} lost {lost:.2f} points, more than {max_drop}"
    return ""
