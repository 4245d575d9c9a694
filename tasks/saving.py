"""Writing a task directory, and making a task of one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from attention_zoo.checksums import write_checksums
from attention_zoo.errors import UserError
from attention_zoo.files import atomic_directory, atomic_file
from attention_zoo.tasks.task_files import (
    EXAMPLES_FILE,
    TASK_FILE,
    TOKENIZER_FOLDER,
    load_model,
    read_example_lines,
)
from attention_zoo.zoo.model import model_config
from attention_zoo.zoo.weights import WEIGHTS_FILE, copy_weights, write_arrays


def save_task(
    task: Any, directory: str | Path, dtype: str, weights: dict[str, np.ndarray] | None
) -> None:
    """Writes a whole task directory; see `Task.save`."""
    with atomic_directory(directory, TASK_FILE) as temporary:
        write_arrays(weights or copy_weights(task.model, dtype), temporary / WEIGHTS_FILE)
        save_without_weights(task, temporary)
        lines = [json.dumps(example, ensure_ascii=False) + "\n" for example in task.examples]
        (temporary / EXAMPLES_FILE).write_text("".join(lines), encoding="utf-8")
        write_checksums(temporary)


def save_without_weights(task: Any, directory: str | Path) -> None:
    """Writes `task.json` and the tokenizers, which artefacts need beside them."""
    for name, tokenizer in task.tokenizers().items():
        tokenizer.save(Path(directory) / TOKENIZER_FOLDER / name)
    description = {
        "format": 1,
        "task": task.kind,
        "fields": list(task.fields),
        "metrics": list(task.metrics),
        "metric_options": dict(task.metric_options),
        "model": {"class": type(task.model).__name__, "config": model_config(task.model)},
        **{name: getattr(task, name) for name in task.own_settings()},
    }
    with atomic_file(Path(directory) / TASK_FILE) as temporary:
        temporary.write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")


def read_task(task_class: Any, directory: str | Path, config: dict[str, Any]) -> Any:
    """The task of a directory, with its weights and examples.

    Args:
        task_class: the class of the task.
        directory: the task directory.
        config: what `read_whole_task_config` returned.

    Raises:
        UserError: if a file is missing or damaged.
    """
    directory = Path(directory)
    model = load_model(task_class.recipe, config, directory)
    task = task_from_config(task_class, config, directory, model)
    if (directory / EXAMPLES_FILE).exists():
        task.examples = read_example_lines(directory / EXAMPLES_FILE)
    return task


def task_from_config(
    task_class: Any, config: dict[str, Any], directory: str | Path, model: Any
) -> Any:
    """Makes a task from its `task.json` and the tokenizers beside it.

    Args:
        task_class: the class of the task.
        config: what `read_task_config` returned.
        directory: the directory it was read from.
        model: a model, or another engine.

    Raises:
        UserError: if a setting is invalid, or does not fit the model or the tokenizers.
    """
    tokenizers = task_class.load_tokenizers(config, Path(directory) / TOKENIZER_FOLDER)
    settings = {name: config[name] for name in task_class.own_settings() if name in config}
    try:
        task = task_class.from_settings(model, tokenizers, settings, config["fields"])
    except UserError:
        raise
    except ValueError as error:
        raise UserError(f"{Path(directory) / TASK_FILE}: {error}") from error
    task.metrics = tuple(config["metrics"])
    task.metric_options = config["metric_options"]
    return task
