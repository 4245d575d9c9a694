"""Runs artefacts in their own runtime and compares them with the Keras model.

What the Keras model answered is kept beside the artefacts in `verification/`, so that
an export can be verified again anywhere, without the model.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import tensorflow as tf

from attention_zoo.errors import UserError
from attention_zoo.train.metrics import METRICS, compute_metrics

VERIFICATION_FILE = "verification/expected.npz"

# Largest difference of a number (logit, embedding) of a float32 artefact.
TOLERANCE = 1e-4
# Of so many positions one may differ more, up to ten times as much: now and then a recurrent model
# that does not know what to say makes much of the last digit of its state.
_RARE = 10_000
# Points of a metric that a quantised artefact may lose, unless it is said otherwise.
MAX_DROP = 0.5
# Smallest mean cosine of the numbers of a quantised artefact of a task without a metric.
COSINE_TOLERANCE = 0.99
_BATCH = 32
# Logits over a vocabulary are many; after so many numbers no further example is compared.
_ENOUGH_NUMBERS = 50_000_000
_TIMED = 100
# Of a runtime's own tokenizer: the least share of the texts that it must read as the task does.
_LEAST_COMPARED = 0.5
_TIMEOUT_SECONDS = 3600

_RUNNERS = Path(__file__).parent / "runners"


def expected_of(task, examples):
    """What the Keras model says about examples.

    Args:
        task: a task.
        examples: list of tuples of strings.

    Returns:
        A dict of arrays: the inputs, `numbers` (of the first examples only, if they are very
        many), `answers`, `references`, and `counted` where not all numbers count.
    """
    inputs = task.export_inputs(examples)
    compared = task.compared
    function, _ = task.signatures()[compared.signature]
    function = tf.function(function, autograph=False)
    arrays = [inputs[name] for name in compared.inputs]
    batches = range(0, len(arrays[0]), _BATCH)
    rows, size = [], 0
    for i in batches:
        outputs = function(*(array[i : i + _BATCH] for array in arrays))
        rows.append(outputs[compared.output].numpy())
        size += rows[-1].size
        if size > _ENOUGH_NUMBERS:
            break
    return {
        **inputs,
        "numbers": np.concatenate(rows),
        "answers": np.array(task.answers_to(texts_of(task, inputs)), dtype=object),
        "references": np.array(task.references(examples), dtype=object),
    }


def texts_of(task, inputs):
    """What was asked, as `task.predict` takes it."""
    columns = [[text.decode() for text in inputs[name]] for name in task.text_inputs]
    return columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))


def only(task, expected, kept):
    """What is expected of some of the texts.

    Args:
        task: a task.
        expected: what `expected_of` gave.
        kept: boolean array, which texts.
    """
    found = {name: array[kept[: len(array)]] for name, array in expected.items()}
    if task.kind == "embed" and len(found["answers"]):
        # An answer is the nearest of the texts, of which there are fewer now.
        numbers = {task.output: found["numbers"]}
        found["answers"] = np.array(task.answers(numbers, texts_of(task, found)), dtype=object)
    return found


def verify_artefact(task, expected, path, form, quantize, max_drop=MAX_DROP, python=sys.executable):
    """Runs one artefact and compares.

    Args:
        task: a task; only its way to read answers is used.
        expected: what `expected_of` gave.
        path: the artefact.
        form: its `Format`.
        quantize: of `QUANTIZATIONS`.
        max_drop: points of a metric that a quantised artefact may lose.
        python: the interpreter that runs the artefact.

    Returns:
        A dict for the report: `verified`, `failure` (why not, or ""), `compared` (how many
        examples), `max_abs_diff`, `mean_abs_diff`, `beyond` (share of the positions, or texts, that
        differ by more than `TOLERANCE`), `cosine` (of the numbers of a row, on
        average), `same_answers` and `metric` (None and empty for a format that gives numbers
        alone), `drop` (points lost, by metric), `latency_ms` (one example, one thread),
        `latency_all_ms` (all threads), `peak_bytes` (of a process that answers one example at
        a time), `signatures`, and `runtime` (versions of what ran it, by package).
    """
    result, asked = failed(""), len(expected["answers"])
    if not form.takes_strings and not _reads_alike(task, expected):
        return {**result, "failure": "has another tokenizer beside it than when it was exported"}
    expected = form.expected(task, expected)
    result["compared"] = len(expected["answers"])
    if result["compared"] < max(1, _LEAST_COMPARED * asked):
        failure = f"reads only {result['compared']} of {asked} texts as the task does"
        return {**result, "failure": failure}
    try:
        outputs, figures = _compare(task, path, form, expected, python)
    except _RunnerError as error:
        return {**result, "failure": str(error)}
    if form.is_padded:
        outputs = _without_padding(outputs, expected["numbers"].shape)
    output = form.compared(task).output
    numbers = outputs["numbers"].get(output)
    if numbers is None:
        return {**result, "failure": f"gives no {output}, but {', '.join(outputs['numbers'])}"}
    if numbers.shape != expected["numbers"].shape:
        failure = f"gives numbers of the shape {numbers.shape}, not {expected['numbers'].shape}"
        return {**result, "failure": failure}
    counted = expected.get("counted", np.ones(len(numbers), bool))[: len(numbers)]
    numbers, wanted = numbers[counted], expected["numbers"][counted]
    difference = np.abs(numbers - wanted)
    result.update(
        figures,
        max_abs_diff=float(difference.max()),
        mean_abs_diff=float(difference.mean()),
        beyond=float(np.mean(difference.max(axis=-1) > TOLERANCE)),
        cosine=_mean_cosine(numbers, wanted),
    )
    if "answers" in outputs:
        texts = texts_of(task, expected)
        ours, references = list(expected["answers"]), list(expected["references"])
        answers = task.answers(outputs["answers"], texts)
        same = [task.is_same(*pair) for pair in zip(answers, ours, strict=True)]
        metric, model_metric = (
            compute_metrics(task.export_metrics, texts, found, references)
            for found in (answers, ours)
        )
        drop = {name: METRICS[name].gain(model_metric[name], metric[name]) for name in metric}
        result.update(same_answers=float(np.mean(same)), metric=metric, drop=drop)
    failure = _failure(result, quantize, max_drop)
    return {**result, "verified": not failure, "failure": failure}


def failed(failure):
    """The figures of an artefact that could not be run, and why."""
    return {
        "verified": False,
        "failure": failure,
        "compared": 0,
        "max_abs_diff": None,
        "mean_abs_diff": None,
        "beyond": None,
        "cosine": None,
        "same_answers": None,
        "metric": {},
        "drop": {},
        "latency_ms": {},
        "latency_all_ms": {},
        "peak_bytes": None,
        "signatures": {},
        "runtime": {},
    }


def _reads_alike(task, expected):
    """Whether the tokenizers that lie beside an artefact make the ids it was compared with."""
    inputs = task.inputs_of(texts_of(task, expected), expected["references"])
    return all(np.array_equal(inputs[name], expected[name]) for name in task.compared.inputs)


def _without_padding(outputs, shape):
    """Cuts outputs by token, `(B, T, ...)`, to the length that numbers of a shape have."""
    return {
        group: {name: a[:, : shape[1]] if a.ndim == 3 else a for name, a in arrays.items()}
        for group, arrays in outputs.items()
    }


def _mean_cosine(numbers, wanted):
    products = np.sum(numbers * wanted, axis=-1)
    lengths = np.linalg.norm(numbers, axis=-1) * np.linalg.norm(wanted, axis=-1)
    return float(np.mean(products / np.maximum(lengths, 1e-12)))


def _failure(result, quantize, max_drop):
    """Why an artefact does not count as exported, or an empty string."""
    if not np.isfinite(result["max_abs_diff"]):
        return "a number is not finite"
    if quantize == "none":
        if result["max_abs_diff"] > 10 * TOLERANCE or result["beyond"] > 1 / _RARE:
            return f"numbers differ by {result['max_abs_diff']:.1e}, more than {TOLERANCE:.0e}"
        if result["same_answers"] is not None and result["same_answers"] < 1.0:
            return f"only {result['same_answers']:.2%} of the answers are the same"
        return ""
    if not result["drop"] and result["cosine"] < COSINE_TOLERANCE:
        return f"the mean cosine is {result['cosine']:.4f}, less than {COSINE_TOLERANCE}"
    for name, lost in result["drop"].items():
        if lost > max_drop:
            return f"{name} lost {lost:.2f} points, more than {max_drop}"
    return ""


class _RunnerError(Exception):
    """The artefact could not be run at all."""


def _compare(task, path, form, expected, python):
    """Asks an artefact for everything that is compared, and how long it takes.

    Returns:
        The outputs, by group and name; and a dict with `latency_ms`, `latency_all_ms`,
        `peak_bytes`, `signatures` and `runtime`.
    """
    compared = form.compared(task)
    rows = len(expected["numbers"])
    numbers = {name: f"compared_{name}" for name in compared.inputs}
    calls = [_call(compared.signature, numbers, "numbers")]
    arrays = {key: expected[name][:rows] for name, key in numbers.items()}
    # What is timed is an answer, where the artefact gives one.
    signature, names = compared.signature, compared.inputs
    if form.answers(task):
        signature, names = "serving_default", form.answer_inputs(task)
        calls.append(_call(signature, {name: name for name in names}, "answers"))
        arrays |= {name: expected[name] for name in names}
    timed = {name: f"timed_{name}" for name in names}
    times = {key: expected[name][:_TIMED] for name, key in timed.items()}
    timing = [_call(signature, timed, "timed", 1, form.compiles)] if form.timed else []
    outputs, figures = _run(python, path, form, calls + timing, arrays | times)
    found = {name: figures[name] for name in ("signatures", "runtime")}
    if form.timed:
        _, alone = _run(python, path, form, timing, times, threads=1)
        found["latency_ms"] = _percentiles(alone["seconds"]["timed"])
        found["latency_all_ms"] = _percentiles(figures["seconds"]["timed"])
        found["peak_bytes"] = alone["peak_bytes"]
    return outputs, found


def _percentiles(seconds):
    return {f"p{p}": float(np.percentile(seconds, p) * 1e3) for p in (50, 95)}


def _call(signature, inputs, output, batch=_BATCH, rehearsed=False):
    """What a runner is asked; one row at a time is for timing."""
    return {
        "signature": signature,
        "inputs": inputs,
        "output": output,
        "batch": batch,
        "timed": batch == 1,
        "rehearsed": rehearsed,
    }


def _run(python, path, form, calls, arrays, threads=0):
    """Runs an artefact in a process that cannot import this package."""
    with tempfile.TemporaryDirectory() as folder:
        request, reply = Path(folder) / "request.npz", Path(folder) / "answer.npz"
        asked = json.dumps({"threads": threads, "calls": calls})
        np.savez(request, request=np.array(asked), **arrays)
        command = [str(python), "-I", str(_RUNNERS / form.runner)]
        try:
            process = subprocess.run(
                [*command, str(Path(path).resolve()), str(request), str(reply)],
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=_TIMEOUT_SECONDS,
            )
        except subprocess.TimeoutExpired as error:
            raise _RunnerError(f"does not answer within {_TIMEOUT_SECONDS:,} seconds") from error
        if process.returncode:
            lines = [line for line in process.stderr.strip().splitlines() if line.strip()]
            reason = lines[-1] if lines else f"exit status {process.returncode}"
            raise _RunnerError(f"does not run: {reason}")
        with np.load(reply, allow_pickle=True) as answers:
            figures = json.loads(str(answers["figures"]))
            outputs = {}
            for key in answers.files:
                if key != "figures":
                    group, name = key.split("/", 1)
                    outputs.setdefault(group, {})[name] = answers[key]
    return outputs, figures


def save_expected(expected, directory):
    """Keeps what the Keras model said beside the artefacts."""
    path = Path(directory) / VERIFICATION_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    # Strings as JSON: a file from a stranger must not need unpickling.
    strings = {
        name: [s.decode() if isinstance(s, bytes) else s for s in array]
        for name, array in expected.items()
        if array.dtype == object
    }
    arrays = {name: array for name, array in expected.items() if name not in strings}
    np.savez_compressed(path, strings=np.array(json.dumps(strings)), **arrays)


def load_expected(directory):
    """Reads what `save_expected` kept."""
    path = Path(directory) / VERIFICATION_FILE
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        strings = json.loads(str(arrays.pop("strings")))
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{directory} cannot be verified: {path}: {error}") from error
    ours = ("answers", "references")
    texts = {name: [s.encode() for s in values] for name, values in strings.items()}
    strings = {name: strings[name] if name in ours else texts[name] for name in strings}
    return {
        **arrays,
        **{name: np.array(values, dtype=object) for name, values in strings.items()},
    }
