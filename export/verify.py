"""Runs artefacts in their own runtime and compares them with the Keras model.

What the Keras model answered is kept beside the artefacts in `verification/`, so that
an export can be verified again anywhere, without the model.
"""

import dataclasses
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import tensorflow as tf

from attention_zoo.errors import UserError
from attention_zoo.text.vocabulary import PAD_ID
from attention_zoo.train.metrics import METRICS, compute_metrics

VERIFICATION_FILE = "verification/expected.npz"

# Largest difference of a logit of a float32 artefact.
LOGITS_TOLERANCE = 1e-4
# Points of a metric that a quantised artefact may lose.
METRIC_TOLERANCE = 0.5
_BATCH = 32
_TIMED = 100
_TIMEOUT_SECONDS = 3600

_RUNNERS = Path(__file__).parent / "runners"


@dataclasses.dataclass(frozen=True)
class Format:
    """How a format is run: its script, and which inputs it takes for an answer."""

    runner: str
    answer_inputs: tuple


FORMATS = {
    "saved_model": Format("run_saved_model.py", ("text",)),
    "litert": Format("run_litert.py", ("source_ids",)),
}


def expected_of(task, examples):
    """What the Keras model says about examples.

    Args:
        task: a task.
        examples: list of tuples of strings.

    Returns:
        A dict of arrays: the inputs, `logits`, `answers`, `references`.
    """
    inputs = task.export_inputs(examples)
    logits = tf.function(lambda *ids: task.model(list(ids), training=False), autograph=False)
    batches = range(0, len(examples), _BATCH)
    arrays = (inputs["source_ids"], inputs["target_ids"])
    rows = [logits(*(array[i : i + _BATCH] for array in arrays)).numpy() for i in batches]
    answers = task([example[0] for example in examples])
    return {
        **inputs,
        "logits": np.concatenate(rows),
        "answers": np.array(answers, dtype=object),
        "references": np.array([example[-1] for example in examples], dtype=object),
    }


def verify_artefact(task, expected, path, kind, quantize):
    """Runs one artefact and compares.

    Args:
        task: a task; only its way to read answers is used.
        expected: what `expected_of` gave.
        path: the artefact.
        kind: key of `FORMATS`.
        quantize: `"none"` or `"dynamic_int8"`.

    Returns:
        A dict for the report: `verified`, `failure` (why not, or ""), `max_abs_diff`,
        `mean_abs_diff`, `same_answers`, `metric`, `latency_ms`, `peak_bytes`.
    """
    result = {
        "verified": False,
        "failure": "",
        "max_abs_diff": None,
        "mean_abs_diff": None,
        "same_answers": None,
        "metric": {},
        "latency_ms": {},
        "peak_bytes": None,
    }
    try:
        outputs, figures = _run(path, kind, expected)
    except _RunnerError as error:
        return {**result, "failure": str(error)}
    counted = expected["target_ids"] != PAD_ID
    difference = np.abs(outputs["logits"]["logits"] - expected["logits"])[counted]
    answers = task.answers(outputs["answers"], list(expected["text"]))
    same = np.mean([a == b for a, b in zip(answers, expected["answers"], strict=True)])
    references = list(expected["references"])
    sources = list(expected["text"])
    metric = compute_metrics(task.metrics, sources, answers, references)
    keras_metric = compute_metrics(task.metrics, sources, list(expected["answers"]), references)
    seconds = figures["seconds"]["timed"]
    result.update(
        max_abs_diff=float(difference.max()),
        mean_abs_diff=float(difference.mean()),
        same_answers=float(same),
        metric=metric,
        latency_ms={f"p{p}": float(np.percentile(seconds, p) * 1e3) for p in (50, 95)},
        peak_bytes=figures["peak_bytes"],
    )
    failure = _failure(result, keras_metric, quantize)
    return {**result, "verified": not failure, "failure": failure}


def _failure(result, keras_metric, quantize):
    """Why an artefact does not count as exported, or an empty string."""
    if not np.isfinite(result["max_abs_diff"]):
        return "a logit is not a finite number"
    if quantize == "none":
        if result["max_abs_diff"] > LOGITS_TOLERANCE:
            return (
                f"logits differ by {result['max_abs_diff']:.1e}, more than {LOGITS_TOLERANCE:.0e}"
            )
        if result["same_answers"] < 1.0:
            return f"only {result['same_answers']:.2%} of the answers are the same"
        return ""
    for name, value in keras_metric.items():
        lost = METRICS[name].gain(value, result["metric"][name])
        if lost > METRIC_TOLERANCE:
            return f"{name} lost {lost:.2f} points, more than {METRIC_TOLERANCE}"
    return ""


class _RunnerError(Exception):
    """The artefact could not be run at all."""


def _run(path, kind, expected):
    """Runs an artefact in a process that cannot import this package."""
    form = FORMATS[kind]
    logits = {name: name for name in ("source_ids", "target_ids")}
    answer = {name: name for name in form.answer_inputs}
    timed = {name: f"timed_{name}" for name in form.answer_inputs}
    calls = [
        _call("logits", logits, "logits", _BATCH),
        _call("serving_default", answer, "answers", _BATCH),
        _call("serving_default", timed, "timed", 1, time=True),
    ]
    arrays = {name: expected[name] for name in {*logits, *answer}}
    # The first call of a process pays for loading; it is made, but not timed.
    arrays |= {f"timed_{name}": expected[name][:_TIMED] for name in form.answer_inputs}
    with tempfile.TemporaryDirectory() as folder:
        request, reply = Path(folder) / "request.npz", Path(folder) / "answer.npz"
        np.savez(request, calls=np.array(json.dumps(calls)), **arrays)
        command = [sys.executable, "-I", str(_RUNNERS / form.runner)]
        process = subprocess.run(
            [*command, str(Path(path).resolve()), str(request), str(reply)],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECONDS,
        )
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


def _call(signature, inputs, output, batch, time=False):
    return {
        "signature": signature,
        "inputs": inputs,
        "output": output,
        "batch": batch,
        "time": time,
    }


def save_expected(expected, directory):
    """Keeps what the Keras model said beside the artefacts."""
    path = Path(directory) / VERIFICATION_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    # Strings as JSON: a file from a stranger must not need unpickling.
    strings = {name: expected[name] for name in ("text", "answers", "references")}
    plain = {
        name: [s.decode() if isinstance(s, bytes) else s for s in array]
        for name, array in strings.items()
    }
    arrays = {name: array for name, array in expected.items() if name not in strings}
    np.savez_compressed(path, strings=np.array(json.dumps(plain)), **arrays)


def load_expected(directory):
    """Reads what `save_expected` kept."""
    path = Path(directory) / VERIFICATION_FILE
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        strings = json.loads(str(arrays.pop("strings")))
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{directory} cannot be verified: {path}: {error}") from error
    encoded = [text.encode() for text in strings.pop("text")]
    return {
        **arrays,
        "text": np.array(encoded, dtype=object),
        **{name: np.array(values, dtype=object) for name, values in strings.items()},
    }
