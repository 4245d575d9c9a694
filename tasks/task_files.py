"""The files of a task directory, and how they are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from pydantic_core import from_json

from attention_zoo.checksums import verify_checksums
from attention_zoo.errors import UserError, suggest
from attention_zoo.files import read_file
from attention_zoo.json_files import check_content, read_json
from attention_zoo.plugins import PLUGIN_HINT, is_registered
from attention_zoo.tasks.settings import TASKS, Recipe, TaskConfig
from attention_zoo.zoo import MODELS
from attention_zoo.zoo.limits import check_arguments
from attention_zoo.zoo.weights import WEIGHTS_FILE, assign_weights, read_safetensors

TASK_FILE = "task.json"
TOKENIZER_FOLDER = "tokenizer"
EXAMPLES_FILE = "examples.jsonl"

# What Keras and TensorFlow raise for invalid arguments of a layer.
_REFUSALS = (TypeError, ValueError, AttributeError, ArithmeticError, tf.errors.OpError)


def read_task_config(directory: str | Path) -> dict[str, Any]:
    """Reads `task.json` of a task or an export, without loading anything else.

    Raises:
        UserError: if it is missing, or invalid for its kind of task.
    """
    path = Path(directory) / TASK_FILE
    if not path.exists():
        raise UserError(f"{directory} is not a task: {path}: No such file or directory")
    config = read_json(path)
    kind = check_content(config, TaskConfig, path).task
    try:
        recipe = TASKS.find(kind)
    except UserError as error:
        raise UserError(f"{directory} holds an unknown task: {error}") from error
    check_content(config, recipe.task_config, path)
    return {"metric_options": {}, **config}


def read_whole_task_config(directory: str | Path) -> dict[str, Any]:
    """Like `read_task_config`, for a task directory whose checksums are verified first."""
    verify_checksums(directory, (TASK_FILE, WEIGHTS_FILE))
    return read_task_config(directory)


def load_model(recipe: type[Recipe], config: dict[str, Any], directory: Path) -> keras.Model:
    """Makes the model of a `task.json` and reads its weights, which limit its size."""
    path, description = directory / TASK_FILE, config["model"]
    name = description["class"]
    if not is_registered(name, MODELS) or not recipe.takes_model(name):
        hint = suggest(name, [model for model in MODELS if recipe.takes_model(model)])
        raise UserError(f"{path}: no model {name!r} for {config['task']}; {hint}. {PLUGIN_HINT}")
    arrays = read_safetensors(directory / WEIGHTS_FILE)
    origin = f"{path}: model.config"
    check_arguments(MODELS[name], description["config"], arrays, origin)
    try:
        model = MODELS[name](**description["config"])
    except _REFUSALS as error:
        raise UserError(f"{origin}: {error}") from error
    assign_weights(model, arrays, directory / WEIGHTS_FILE)
    return model


def read_example_lines(path: Path) -> list[tuple[str, ...]]:
    """The examples that training set aside: lists of strings, one per line."""
    examples = []
    for number, line in enumerate(read_file(path).split(b"\n"), start=1):
        if line:
            try:
                example = from_json(line)
            except ValueError as error:
                raise UserError(f"{path} is damaged in line {number}: {error}") from error
            if not isinstance(example, list) or not all(isinstance(s, str) for s in example):
                raise UserError(f"{path}: line {number} is not a list of strings")
            examples.append(tuple(example))
    return examples
