"""Runs artefacts in their own runtime and compares them with the Keras model."""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import tensorflow as tf

from attention_zoo.errors import UserError
from attention_zoo.export.clients import CONDITIONS, client_calls, client_failure
from attention_zoo.export.digests import irregular
from attention_zoo.export.expected import IDS, LONG, STRINGS, texts_of
from attention_zoo.export.runners.protocol import NOT_THE_ARTEFACT, TOO_OLD, pack, unpack
from attention_zoo.train.metrics import METRICS, compute_metrics
from attention_zoo.zoo.importers.npz_file import read_npz

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
_TIMED = 100
# Of a runtime's own tokenizer: the least share of the texts that it must read as the task does.
_LEAST_COMPARED = 0.5
_TIMEOUT_SECONDS = 3600

_RUNNERS = Path(__file__).parent / "runners"


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
        differ by more than `TOLERANCE`), `cosine` (of the numbers of a row, on average), `outputs`
        (the largest difference of every other number of an answer, such as a score, by name),
        `clients` (the conditions it was run under), `same_answers` and `metric` (None and empty
        for a format that gives numbers alone), `drop` (points lost, by metric), `latency_ms` (one
        example, one thread), `latency_all_ms` (all threads), `peak_bytes` (of a process that
        answers one example at a time), `signatures`, and `runtime` (versions of what ran it, by
        package).
    """
    odd = irregular(Path(path))
    if odd:
        return failed(f"holds {odd[0].name}, which is no file")
    try:
        return _verify(task, expected, path, form, quantize, max_drop, python)
    except UserError:
        raise
    except (LookupError, TypeError, ValueError, tf.errors.OpError) as error:
        return failed(f"gives what no export gives: {type(error).__name__}: {error}")


def _verify(task, expected, path, form, quantize, max_drop, python):
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
        others = _other_outputs(form, outputs, expected)
    except _RunnerError as error:
        return {**result, "failure": str(error)}
    full = outputs
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
        outputs={name: float(found.max()) for name, found in others.items()},
    )
    if "answers" in outputs:
        texts = texts_of(task, expected)
        ours, references = list(expected["answers"]), list(expected["references"])
        answers = task.answers(outputs["answers"], texts)
        same = [task.is_same(*pair) for pair in zip(answers, ours, strict=True)]
        metric, model_metric = (
            compute_metrics(task.export_metrics, texts, found, references, task.metric_options)
            for found in (answers, ours)
        )
        drop = {name: METRICS[name].gain(model_metric[name], metric[name]) for name in metric}
        result.update(same_answers=float(np.mean(same)), metric=metric, drop=drop)
    failure = _failure(result, quantize, max_drop)
    if not failure:
        try:
            clients = _check_clients(task, form, full, expected, quantize)
            for name, runner in form.other_runners.items():
                compared = form.compared(task)
                clients += _run_otherwise(python, path, compared, runner, name, full, expected)
        except _RunnerError as error:
            return {**result, "failure": str(error)}
        result["clients"] = [*result["clients"], *clients]
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
        "outputs": {},
        "clients": [],
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
        for name, difference in result.get("outputs", {}).items():
            if difference > 10 * TOLERANCE:
                return f"the {name} of an answer differs by {difference:.1e}"
        return ""
    if not result["drop"] and result["cosine"] < COSINE_TOLERANCE:
        return f"the mean cosine is {result['cosine']:.4f}, less than {COSINE_TOLERANCE}"
    for name, lost in result["drop"].items():
        if lost > max_drop:
            return f"{name} lost {lost:.2f} points, more than {max_drop}"
    return ""


class _RunnerError(Exception):
    """The artefact could not be run, or not as clients run it."""


def _other_outputs(form, outputs, expected):
    """How far the numbers of answers differ from the model's: arrays, by name.

    A number beyond 1 is measured by its own size: the score of an answer is a sum over tokens.

    Raises:
        _RunnerError: if one has another shape.
    """
    groups = [("answers", STRINGS if form.takes_strings else IDS)]
    groups += [("generate", STRINGS), ("ids", IDS)] if form.is_whole else []
    found = {}
    for group, kind in groups:
        for name, array in outputs.get(group, {}).items():
            wanted = expected.get(kind + name)
            if wanted is None:
                continue
            if group == "generate":
                array = array[:, 0]
            if array.shape[0] != wanted.shape[0] or array.ndim != wanted.ndim:
                raise _RunnerError(f"gives {name} of the shape {array.shape}, not {wanted.shape}")
            if array.ndim > 1:  # lists of which one may have been padded further than the other
                width = min(array.shape[1], wanted.shape[1])
                array, wanted = array[:, :width], wanted[:, :width]
            difference = np.abs(array - wanted) / np.maximum(1.0, np.abs(wanted))
            found[name] = np.maximum(difference, found.get(name, 0.0))
    return {name: array for name, array in found.items() if array.size}


def _check_clients(task, form, outputs, expected, quantize):
    """Names the conditions under which the artefact holds; raises `_RunnerError` at another."""

    def agree(found, wanted):
        if found.dtype.kind != "f":
            return quantize != "none" or np.array_equal(found, wanted)
        if quantize == "none":
            return np.abs(found - wanted).max(initial=0.0) <= 10 * TOLERANCE
        return bool(np.isfinite(found).all())

    for group in ("numbers", "answers"):
        if group in outputs:
            failure = client_failure(form, outputs, group, agree)
            if failure:
                raise _RunnerError(failure)
    # Earlier versions did not keep what the model says of an input that is too long.
    if "long" in form.conditions and LONG + "numbers" in expected:
        numbers = outputs["long numbers"][form.compared(task).output]
        wanted = expected[LONG + "numbers"]
        if numbers.shape != wanted.shape or not agree(numbers, wanted):
            raise _RunnerError(f"gives other numbers with {CONDITIONS['long']}")
        if "answers" in outputs and form.takes_strings and quantize == "none":
            texts = texts_of(task, {n: expected[LONG + n] for n in task.text_inputs})
            (answer,) = task.answers(outputs["long answers"], texts)
            if not task.is_same(answer, expected[LONG + "answers"][0]):
                raise _RunnerError(f"gives another answer with {CONDITIONS['long']}")
    return [CONDITIONS[name] for name in form.conditions]


def _run_otherwise(python, path, compared, runner, name, outputs, expected):
    """Runs an artefact by another interface of its runtime, which must give the same.

    Returns:
        The name of the interface in a list, or nothing where the runtime has it not yet.
    """
    rows = min(_BATCH, len(expected["numbers"]))
    call = {**_call(compared.signature, {n: n for n in compared.inputs}, "numbers"), "batch": 1}
    arrays = {name: expected[name][:rows] for name in compared.inputs}
    found = _run(python, path, runner, [call], arrays)
    if found is None:
        return []
    numbers, wanted = found[0]["numbers"][compared.output], outputs["numbers"][compared.output]
    if not np.allclose(numbers, wanted[:rows], atol=10 * TOLERANCE):
        raise _RunnerError(f"gives other numbers by {name}")
    return [name]


def _compare(task, path, form, expected, python):
    """Asks an artefact for everything that is compared, and how long it takes.

    Returns:
        The outputs, by group and name; and a dict with `latency_ms`, `latency_all_ms`,
        `peak_bytes`, `signatures`, `runtime` and `clients`.
    """
    compared = form.compared(task)
    rows = len(expected["numbers"])
    numbers = {name: f"compared_{name}" for name in compared.inputs}
    calls = [_call(compared.signature, numbers, "numbers")]
    arrays = {key: expected[name][:rows] for name, key in numbers.items()}
    arrays |= {LONG + key: expected.get(LONG + n, expected[n][:1]) for n, key in numbers.items()}
    calls += client_calls(form, compared.signature, numbers, "numbers")
    # What is timed is an answer, where the artefact gives one.
    signature, names = compared.signature, compared.inputs
    if form.answers(task):
        signature, names = "serving_default", form.answer_inputs(task)
        own = {name: name for name in names}
        calls.append(_call(signature, own, "answers"))
        calls += client_calls(form, signature, own, "answers")
        arrays |= {name: expected[name] for name in names}
        arrays |= {LONG + name: expected.get(LONG + name, expected[name][:1]) for name in names}
        if form.is_whole:
            calls += [{**_call(name, own, name), "options": o} for name, o in task.searches.items()]
            if any(name.startswith(IDS) for name in expected):
                calls.append(_call("ids", {name: name for name in task.id_inputs}, "ids"))
                arrays |= {name: expected[name] for name in task.id_inputs}
    timed = {name: f"timed_{name}" for name in names}
    times = {key: expected[name][:_TIMED] for name, key in timed.items()}
    timing = [_call(signature, timed, "timed", 1, form.compiles)] if form.timed else []
    outputs, figures = _run(python, path, form.runner, calls + timing, arrays | times)
    found = {name: figures[name] for name in ("signatures", "runtime")}
    found["clients"] = figures["conditions"]
    if form.timed:
        _, alone = _run(python, path, form.runner, timing, times, threads=1)
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


def _run(python, path, runner, calls, arrays, threads=0):
    """Runs an artefact in a process that cannot import this package.

    Returns:
        The outputs by group and name, and the figures; None if the runtime is too old for the
        runner.

    Raises:
        _RunnerError: if the artefact is at fault.
        UserError: if something else is: a full disk, a runtime that is not there.
    """
    with tempfile.TemporaryDirectory() as folder:
        request, reply = Path(folder) / "request.npz", Path(folder) / "answer.npz"
        asked = json.dumps({"threads": threads, "calls": calls})
        try:
            np.savez(request, request=np.array(asked), **pack(arrays))
        except OSError as error:
            raise UserError(f"{path} cannot be verified: {folder}: {error.strerror}") from error
        command = [str(python), "-I", str(_RUNNERS / runner)]
        # Another interpreter has the backend of Keras that the environment names.
        own = {"KERAS_BACKEND": "tensorflow"} if str(python) == sys.executable else {}
        try:
            process = subprocess.run(
                [*command, str(Path(path).resolve()), str(request), str(reply)],
                cwd=folder,
                env={**os.environ, **own},
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_TIMEOUT_SECONDS,
            )
        except subprocess.TimeoutExpired as error:
            raise _RunnerError(f"does not answer within {_TIMEOUT_SECONDS:,} seconds") from error
        if process.returncode == TOO_OLD:
            return None
        if process.returncode:
            lines = [line for line in process.stderr.strip().splitlines() if line.strip()]
            reason = lines[-1] if lines else f"exit status {process.returncode}"
            if process.returncode == NOT_THE_ARTEFACT:
                raise UserError(f"{path} cannot be verified: {reason}")
            missing = re.match(r"ModuleNotFoundError: No module named '([\w.]+)'$", reason)
            if missing:
                raise UserError(f"{path} cannot be verified: {python} has no {missing[1]}")
            raise _RunnerError(f"does not run: {reason}")
        try:
            answers = unpack(read_npz(reply))
            figures = json.loads(str(answers.pop("figures")))
        except (ValueError, KeyError) as error:
            raise _RunnerError(f"does not run as its runner does: {error}") from error
    outputs = {}
    for key, array in answers.items():
        group, name = key.split("/", 1)
        outputs.setdefault(group, {})[name] = array
    return outputs, figures
