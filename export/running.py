"""Runs artefacts in their own runtime, in a process that cannot import this package."""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from attention_zoo.errors import UserError
from attention_zoo.export.runners.protocol import NOT_THE_ARTEFACT, TOO_OLD, pack, unpack
from attention_zoo.zoo.importers.npz_file import read_npz

BATCH = 32
RUNNERS = Path(__file__).parent / "runners"
_TIMEOUT_SECONDS = 3600

Arrays = dict[str, np.ndarray]


class RunnerError(Exception):
    """The artefact does not run, or gives wrong outputs."""


class Answers(NamedTuple):
    """The answer of a runner.

    Attributes:
        outputs: arrays by the call's `output` and by the name of the output.
        figures: times, memory, signatures and versions, see `runners/protocol.py`.
    """

    outputs: dict[str, Arrays]
    figures: dict[str, Any]


def call(
    signature: str,
    inputs: Mapping[str, str],
    output: str,
    batch: int = BATCH,
    rehearsed: bool = False,
) -> dict[str, Any]:
    """A call for a runner, see `runners/protocol.py`; batches of one row are timed."""
    return {
        "signature": signature,
        "inputs": dict(inputs),
        "output": output,
        "batch": batch,
        "timed": batch == 1,
        "rehearsed": rehearsed,
    }


def run(
    python: Path | str,
    path: Path | str,
    runner: str,
    calls: Sequence[Mapping[str, Any]],
    arrays: Arrays,
    threads: int = 0,
) -> Answers | None:
    """Runs an artefact.

    Args:
        python: the interpreter.
        path: the artefact.
        runner: the script, see `Format`.
        calls: the calls, see `call`.
        arrays: the arrays that the calls name.
        threads: of the runtime; 0 for the number of cores.

    Returns:
        The answers; None if the runtime is too old for the runner.

    Raises:
        RunnerError: if the artefact is at fault.
        UserError: if something else is at fault, such as a full disk or a missing runtime.
    """
    with tempfile.TemporaryDirectory() as folder:
        request, reply = Path(folder) / "request.npz", Path(folder) / "answer.npz"
        asked = json.dumps({"threads": threads, "calls": calls})
        try:
            np.savez(request, request=np.array(asked), **pack(arrays))
        except OSError as error:
            raise UserError(f"{path} cannot be verified: {folder}: {error.strerror}") from error
        process = _start(python, RUNNERS / runner, Path(path).resolve(), request, reply)
        if process.returncode == TOO_OLD:
            return None
        if process.returncode:
            raise _failure(process, path, python)
        try:
            answers = unpack(read_npz(reply))
            figures = json.loads(str(answers.pop("figures")))
        except (ValueError, KeyError) as error:
            raise RunnerError(f"its runner gave an invalid answer: {error}") from error
    outputs: dict[str, Arrays] = {}
    for key, array in answers.items():
        group, name = key.split("/", 1)
        outputs.setdefault(group, {})[name] = array
    return Answers(outputs, figures)


def _start(python: Path | str, *arguments: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "ATTENTION_ZOO_RUNNERS": str(RUNNERS)}
    # Another interpreter uses the Keras backend that the environment names.
    if str(python) == sys.executable:
        environment["KERAS_BACKEND"] = "tensorflow"
    try:
        return subprocess.run(
            [str(python), "-I", *map(str, arguments)],
            cwd=arguments[-1].parent,
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise RunnerError(f"does not answer within {_TIMEOUT_SECONDS:,} seconds") from error


def _failure(
    process: subprocess.CompletedProcess[str], path: Path | str, python: Path | str
) -> Exception:
    """The error to raise for a failed process."""
    lines = [line for line in process.stderr.strip().splitlines() if line.strip()]
    reason = lines[-1] if lines else f"exit status {process.returncode}"
    if process.returncode == NOT_THE_ARTEFACT:
        return UserError(f"{path} cannot be verified: {reason}")
    missing = re.match(r"ModuleNotFoundError: No module named '([\w.]+)'$", reason)
    if missing:
        return UserError(f"{path} cannot be verified: {python} has no {missing[1]}")
    return RunnerError(f"does not run: {reason}")
