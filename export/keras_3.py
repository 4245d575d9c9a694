"""Files of Keras 3: `.keras`, written so that earlier versions of Keras 3 can read them too.

Keras writes every argument of every layer into a file, including recently added ones, and a version
that does not know one of them rejects the whole file. So unused arguments are left out: a file
requires no newer version than its model does.
"""

import importlib
import inspect
import json
import zipfile
from pathlib import Path
from typing import Any

from attention_zoo.export.portable import portable_model

_CONFIG = "config.json"
_OPERATIONS = "keras.src.ops."


def write_keras(task: Any, path: Path | str) -> None:
    """Writes the model of a task as a `.keras` file: ids in, numbers out."""
    portable_model(task).save(path)
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    config = without_unused_arguments(json.loads(members[_CONFIG]))
    members[_CONFIG] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)


def without_unused_arguments(config: Any) -> Any:
    """A serialised Keras object, including nested ones, without unused arguments.

    Example:
        >>> config = keras.saving.serialize_keras_object(keras.layers.Dense(2, name="dense"))
        >>> sorted(set(config["config"]) - set(without_unused_arguments(config)["config"]))[-2:]
        ['kernel_regularizer', 'quantization_config']
    """
    if isinstance(config, list):
        return [without_unused_arguments(value) for value in config]
    if not isinstance(config, dict):
        return config
    config = {name: without_unused_arguments(value) for name, value in config.items()}
    module, arguments = config.get("module"), config.get("config")
    if not (module and isinstance(arguments, dict) and module.partition(".")[0] == "keras"):
        return config
    kind = getattr(importlib.import_module(module), config["class_name"], None)
    if inspect.isclass(kind):
        config["config"] = {
            name: value
            for name, value in arguments.items()
            if not _is_unused(inspect.signature(kind).parameters.get(name), value)
        }
    if module.startswith(_OPERATIONS):
        # The name is also stored outside the arguments, and few operations used to take one.
        config["config"].pop("name", None)
    return config


def _is_unused(parameter: inspect.Parameter | None, value: Any) -> bool:
    """Whether a value is None or False, and the default."""
    return parameter is not None and value in (None, False) and value is parameter.default
