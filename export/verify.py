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
from attention_zoo.train.metrics import METRICS, compute_metrics

VERIFICATION_FILE = "verification/expected.npz"

# Largest difference of a number (logit, embedding) of a float32 artefact.
TOLERANCE = 1e-4
# Points of a metric that a quantised artefact may lose.
METRIC_TOLERANCE = 0.5
# Smallest mean cosine of the numbers of a quantised artefact of a task without a metric.
COSINE_TOLERANCE = 0.99
_BATCH = 32
# Logits over a vocabulary are many; after so many numbers no further example is compared.
_ENOUGH_NUMBERS = 50_000_000
_TIMED = 100
_TIMEOUT_SECONDS = 3600

_RUNNERS = Path(__file__).parent / "runners"


@dataclasses.dataclass(frozen=True)
class Format:
    """How a format is run: its script, and whether it takes strings or ids for an answer."""

    runner: str
    takes_strings: bool

    def answer_inputs(self, task):
        """The names of the inputs of `serving_default`."""
        return task.text_inputs if self.takes_strings else task.id_inputs


FORMATS = {
    "saved_model": Format("run_saved_model.py", takes_strings=True),
    "litert": Format("run_litert.py", takes_strings=False),
    "huggingface": Format("run_hugging_face.py", takes_strings=False),
}


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
        `mean_abs_diff`, `cosine` (of the numbers of a row, on
        average), `same_answers`, `metric`, `latency_ms`, `peak_bytes`.
    """
    result = {
        "verified": False,
        "failure": "",
        "max_abs_diff": None,
        "mean_abs_diff": None,
        "cosine": None,
        "same_answers": None,
        "metric": {},
        "latency_ms": {},
        "peak_bytes": None,
    }
    try:
        outputs, figures = _run(task, path, kind, expected)
    except _RunnerError as error:
        return {**result, "failure": str(error)}
    numbers = outputs["numbers"][task.compared.output]
    if numbers.shape != expected["numbers"].shape:
        failure = f"gives numbers of the shape {numbers.shape}, not {expected['numbers'].shape}"
        return {**result, "failure": failure}
    counted = expected.get("counted", np.ones(len(numbers), bool))[: len(numbers)]
    numbers, wanted = numbers[counted], expected["numbers"][counted]
    difference = np.abs(numbers - wanted)
    texts = texts_of(task, expected)
    answers = task.answers(outputs["answers"], texts)
    same = np.mean([task.is_same(*pair) for pair in zip(answers, expected["answers"], strict=True)])
    references = list(expected["references"])
    metric = compute_metrics(task.export_metrics, texts, answers, references)
    keras_metric = compute_metrics(
        task.export_metrics, texts, list(expected["answers"]), references
    )
    seconds = figures["seconds"]["timed"]
    result.update(
        max_abs_diff=float(difference.max()),
        mean_abs_diff=float(difference.mean()),
        cosine=_mean_cosine(numbers, wanted),
        same_answers=float(same),
        metric=metric,
        latency_ms={f"p{p}": float(np.percentile(seconds, p) * 1e3) for p in (50, 95)},
        peak_bytes=figures["peak_bytes"],
    )
    failure = _failure(result, keras_metric, quantize)
    return {**result, "verified": not failure, "failure": failure}


def _mean_cosine(numbers, wanted):
    products = np.sum(numbers * wanted, axis=-1)
    lengths = np.linalg.norm(numbers, axis=-1) * np.linalg.norm(wanted, axis=-1)
    return float(np.mean(products / np.maximum(lengths, 1e-12)))


def _failure(result, keras_metric, quantize):
    """Why an artefact does not count as exported, or an empty string."""
    if not np.isfinite(result["max_abs_diff"]):
        return "a number is not finite"
    if quantize == "none":
        if result["max_abs_diff"] > TOLERANCE:
            return f"numbers differ by {result['max_abs_diff']:.1e}, more than {TOLERANCE:.0e}"
        if result["same_answers"] < 1.0:
            return f"only {result['same_answers']:.2%} of the answers are the same"
        return ""
    if not keras_metric and result["cosine"] < COSINE_TOLERANCE:
        return f"the mean cosine is {result['cosine']:.4f}, less than {COSINE_TOLERANCE}"
    for name, value in keras_metric.items():
        lost = METRICS[name].gain(value, result["metric"][name])
        if lost > METRIC_TOLERANCE:
            return f"{name} lost {lost:.2f} points, more than {METRIC_TOLERANCE}"
    return ""


class _RunnerError(Exception):
    """The artefact could not be run at all."""


def _run(task, path, kind, expected):
    """Runs an artefact in a process that cannot import this package."""
    form = FORMATS[kind]
    numbers = {name: f"compared_{name}" for name in task.compared.inputs}
    answer = {name: name for name in form.answer_inputs(task)}
    timed = {name: f"timed_{name}" for name in answer}
    calls = [
        _call(task.compared.signature, numbers, "numbers", _BATCH),
        _call("serving_default", answer, "answers", _BATCH),
        _call("serving_default", timed, "timed", 1, time=True),
    ]
    arrays = {name: expected[name] for name in answer}
    arrays |= {key: expected[name][: len(expected["numbers"])] for name, key in numbers.items()}
    # The first call of a process pays for loading; it is made, but not timed.
    arrays |= {f"timed_{name}": expected[name][:_TIMED] for name in answer}
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
