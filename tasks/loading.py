"""Loads the task in a directory, whatever its kind."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from attention_zoo.tasks.engine import Reader
from attention_zoo.tasks.saving import read_task, task_from_config
from attention_zoo.tasks.settings import TASKS
from attention_zoo.tasks.task_files import read_task_config, read_whole_task_config
from attention_zoo.train.trainer import TASK_FOLDER

if TYPE_CHECKING:
    from attention_zoo.tasks.task import Task


def load_task(directory: str | Path) -> Task:
    """Loads a task directory, or the task of a run directory.

    Raises:
        UserError: if there is no task, or a file is damaged.
    """
    directory = Path(directory)
    if (directory / TASK_FOLDER).is_dir():
        directory = directory / TASK_FOLDER
    config = read_whole_task_config(directory)
    return read_task(TASKS[config["task"]].task_class(), directory, config)


def load_without_weights(directory: str | Path) -> Task:
    """Loads `task.json` and the tokenizers beside it: a task that has no model.

    Raises:
        UserError: if there is no task, or a file is damaged.
    """
    config = read_task_config(directory)
    return task_from_config(TASKS[config["task"]].task_class(), config, directory, Reader())
