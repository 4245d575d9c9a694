"""Checkpoints: weights, optimizer and progress, in files that contain only data.

A checkpoint is a directory `step-00000500` with `model.safetensors`, `optimizer.safetensors`
and `state.json`, which also has the SHA-256 of the two and of itself. It is written atomically.
Seeds and the order of data are functions of the step, so nothing else is needed for an exact
resume.
"""

import dataclasses
import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from attention_zoo.errors import UserError
from attention_zoo.files import atomic_directory, atomic_file, sha256
from attention_zoo.json_files import json_text
from attention_zoo.zoo.weights import (
    WEIGHTS_FILE,
    assign_weights,
    copy_weights,
    read_safetensors,
    read_weights,
    write_arrays,
)

_OPTIMIZER_FILE = "optimizer.safetensors"
_STATE_FILE = "state.json"
# The keys of states from versions whose digest did not cover the state itself.
_OLD_STATE = {
    *("step", "seconds", "tokens", "best_step", "best_value", "evaluations_since_best"),
    "files",
}


def checkpoint_path(folder, step):
    """The path of the checkpoint of a step."""
    return Path(folder) / f"step-{step:08d}"


def list_steps(folder):
    """The steps that have a checkpoint, in order; other names in the folder are ignored."""
    matches = (re.fullmatch(r"step-(\d{8,})", path.name) for path in Path(folder).glob("step-*"))
    return sorted(int(match[1]) for match in matches if match)


class DamagedCheckpoint(UserError):
    """A file of a checkpoint is missing or damaged."""


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """A copy of what a checkpoint holds besides its state, so that training can go on.

    Attributes:
        weights: of the model, by name.
        variables: of the optimizer, in order.
    """

    weights: dict[str, np.ndarray]
    variables: list[np.ndarray]


def take_snapshot(model, variables):
    """Copies the weights of a model, and other variables.

    Raises:
        UserError: if a weight is NaN.
    """
    return Snapshot(copy_weights(model), [np.array(v.numpy()) for v in variables])


def save_checkpoint(folder, snapshot, state):
    """Writes the checkpoint of `state["step"]`.

    Args:
        folder: the folder of all checkpoints.
        snapshot: the weights and variables to write.
        state: what else is needed to resume, as JSON; has the key `step`.
    """
    with atomic_directory(checkpoint_path(folder, state["step"]), _STATE_FILE) as temporary:
        write_arrays(snapshot.weights, temporary / WEIGHTS_FILE)
        variables = {str(i): array for i, array in enumerate(snapshot.variables)}
        write_arrays(variables, temporary / _OPTIMIZER_FILE)
        files = {name: sha256(temporary / name) for name in (WEIGHTS_FILE, _OPTIMIZER_FILE)}
        _write_state(temporary, state, files)


def update_state(folder, state):
    """Replaces the state in the checkpoint of `state["step"]`, but not its weights."""
    path = checkpoint_path(folder, state["step"])
    _write_state(path, state, _verified_state(path)["files"])


def newest_whole(folder):
    """The step of the newest checkpoint that is not damaged, or None; and damaged newer ones.

    Returns:
        The step, and a list of pairs of the path and the error of damaged ones.
    """
    damaged = []
    for step in reversed(list_steps(folder)):
        path = checkpoint_path(folder, step)
        try:
            _verified_state(path)
        except DamagedCheckpoint as error:
            damaged.append((path, error))
        else:
            return step, damaged
    return None, damaged


def set_aside(path):
    """Renames a damaged checkpoint, so that it is no longer one."""
    aside = path.with_name(f"{path.name}.damaged")
    shutil.rmtree(aside, ignore_errors=True)
    path.rename(aside)


def load_checkpoint(folder, step, model, variables):
    """Loads a checkpoint into a model and other variables.

    Returns:
        The `state` that was saved.

    Raises:
        DamagedCheckpoint: if a file is missing or damaged.
        UserError: if the number of variables differs.
    """
    path = checkpoint_path(folder, step)
    state = _verified_state(path)
    arrays = read_safetensors(path / _OPTIMIZER_FILE)
    if len(arrays) != len(variables):
        raise UserError(
            f"{path / _OPTIMIZER_FILE} has {len(arrays)} variables, the optimizer {len(variables)}"
        )
    read_weights(model, path / WEIGHTS_FILE)
    for i, variable in enumerate(variables):
        variable.assign(arrays[str(i)])
    return state


def load_weights(folder, step, model):
    """Loads the weights of one checkpoint into a model."""
    path = checkpoint_path(folder, step)
    _verified_state(path)
    read_weights(model, path / WEIGHTS_FILE)


def load_average(folder, steps, model):
    """Loads the mean of the weights of several checkpoints into a model.

    "Attention Is All You Need" (Vaswani et al. 2017), section 6.1, averages the last 5
    (base) or 20 (big).
    """
    total: dict[str, Any] = {}
    for step in steps:
        path = checkpoint_path(folder, step)
        _verified_state(path)
        arrays = read_safetensors(path / WEIGHTS_FILE)
        for name, array in arrays.items():
            total[name] = total.get(name, 0.0) + array.astype("float64")
    means = {name: (array / len(steps)).astype("float32") for name, array in total.items()}
    assign_weights(model, means, f"the mean of the checkpoints in {folder}")


def remove_old(folder, keep, best):
    """Removes all checkpoints except the last `keep` and the best."""
    for step in list_steps(folder)[:-keep]:
        if step != best:
            shutil.rmtree(checkpoint_path(folder, step))


def _write_state(directory, state, files):
    content = {**state, "files": files}
    with atomic_file(directory / _STATE_FILE) as temporary:
        text = json_text({**content, "sha256": _digest(content)}, indent=2)
        temporary.write_text(text + "\n", encoding="utf-8")


def _digest(content):
    return hashlib.sha256(json_text(content, sort_keys=True).encode()).hexdigest()


def _verified_state(path):
    try:
        state = json.loads((path / _STATE_FILE).read_text(encoding="utf-8"))
        digest = state.pop("sha256", None)
        is_whole = state.keys() == _OLD_STATE if digest is None else digest == _digest(state)
        files = {_STATE_FILE: is_whole}
        files |= {name: sha256(path / name) == known for name, known in state["files"].items()}
        changed = [name for name, is_whole in files.items() if not is_whole]
    except FileNotFoundError as error:
        raise DamagedCheckpoint(f"{error.filename} is missing") from error
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise DamagedCheckpoint(f"{path / _STATE_FILE} is damaged: {error}") from error
    if changed:
        raise DamagedCheckpoint(f"{path / changed[0]} is damaged: its SHA-256 differs")
    return state
