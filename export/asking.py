"""Calls an artefact with everything to compare, under the conditions of clients, and times it.

Clients do not only send batches: several threads call at once, and requests have one row, no rows,
or inputs that are too long. A format lists which of these conditions its runtime supports.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from attention_zoo.export.expected import IDS, LONG
from attention_zoo.export.formats import Format
from attention_zoo.export.running import Answers, Arrays, RunnerError, call, run

THREADS = 4
# How a report describes each condition.
CONDITIONS = {
    "threads": f"{THREADS} threads",
    "none": "no row",
    "one": "one row",
    "long": "over-long input",
}
# The number of rows in single-row calls, and in the calls of each thread.
ROWS = 8
_TIMED = 100


def ask(task: Any, path: Path, form: Format, expected: Arrays, python: Path | str) -> Answers:
    """Runs an artefact on everything to compare, and measures how long it takes.

    Returns:
        The outputs, and these fields of `Verification`: `latency_ms`, `latency_all_ms`,
        `peak_bytes`, `signatures`, `runtime` and `clients`.
    """
    compared = form.compared(task)
    rows = len(expected["numbers"])
    numbers = {name: f"compared_{name}" for name in compared.inputs}
    calls = [call(compared.signature, numbers, "numbers")]
    arrays = {key: expected[name][:rows] for name, key in numbers.items()}
    arrays |= {LONG + key: expected.get(LONG + n, expected[n][:1]) for n, key in numbers.items()}
    calls += _client_calls(form, compared.signature, numbers, "numbers")
    # Time complete answers if the artefact gives them, otherwise the numbers.
    signature, names = compared.signature, compared.inputs
    if form.answers(task):
        signature, names = "serving_default", form.answer_inputs(task)
        own = {name: name for name in names}
        calls.append(call(signature, own, "answers"))
        calls += _client_calls(form, signature, own, "answers")
        arrays |= {name: expected[name] for name in names}
        arrays |= {LONG + name: expected.get(LONG + name, expected[name][:1]) for name in names}
        if form.is_whole:
            calls += [{**call(name, own, name), "options": o} for name, o in task.searches.items()]
            if any(name.startswith(IDS) for name in expected):
                calls.append(call("ids", {name: name for name in task.id_inputs}, "ids"))
                arrays |= {name: expected[name] for name in task.id_inputs}
    timed = {name: f"timed_{name}" for name in names}
    times = {key: expected[name][:_TIMED] for name, key in timed.items()}
    timing = [call(signature, timed, "timed", 1, form.compiles)] if form.timed else []
    outputs, figures = _run(python, path, form.runner, calls + timing, arrays | times)
    measured = {name: figures[name] for name in ("signatures", "runtime")}
    measured["clients"] = figures["conditions"]
    if form.timed:
        _, alone = _run(python, path, form.runner, timing, times, threads=1)
        measured["latency_ms"] = _percentiles(alone["seconds"]["timed"])
        measured["latency_all_ms"] = _percentiles(figures["seconds"]["timed"])
        measured["peak_bytes"] = alone["peak_bytes"]
    return Answers(outputs, measured)


def _client_calls(
    form: Format, signature: str, inputs: Mapping[str, str], output: str
) -> list[dict[str, Any]]:
    """The calls under the conditions of a format.

    Args:
        form: the format.
        signature: the signature to call.
        inputs: maps the name of an argument to the name of its array; the over-long array has
            the same name prefixed with `LONG`.
        output: the group of the outputs, prefixed with the name of each condition.
    """
    one = {"signature": signature, "inputs": dict(inputs), "batch": 1, "rows": ROWS}
    long = {name: LONG + key for name, key in inputs.items()}
    calls = {
        "threads": {**one, "threads": THREADS},
        "none": {**one, "rows": 0},
        "one": one,
        "long": {**one, "inputs": long},
    }
    return [{**calls[name], "output": f"{name} {output}"} for name in form.conditions]


def _run(*arguments: Any, **options: Any) -> Answers:
    answers = run(*arguments, **options)
    if answers is None:
        raise RunnerError("needs a newer version of its runtime")
    return answers


def _percentiles(seconds: list[float]) -> dict[str, float]:
    return {f"p{p}": float(np.percentile(seconds, p) * 1e3) for p in (50, 95)}
