"""The pretrained tasks in the package, each with its model card.

This module does not import TensorFlow, so that a mistyped name is reported at once.
"""

import importlib.util
from pathlib import Path

from attention_zoo.errors import UserError, suggest

CARD_FILE = "README.md"


def pretrained_tasks():
    """The folders of the pretrained tasks, by name."""
    # Looked up, not imported: the folder's package brings the models with it, and Keras.
    spec = importlib.util.find_spec("attention_zoo.zoo")
    if spec is None or spec.origin is None:  # not installed as this package is
        return {}
    zoo = Path(spec.origin).parent
    return {card.parent.name: card.parent for card in sorted(zoo.glob(f"pretrained/*/{CARD_FILE}"))}


def title(folder):
    """The title of a pretrained task: the first line of its card."""
    with open(folder / CARD_FILE, encoding="utf-8") as card:
        return card.readline().lstrip("# ").rstrip()


def locate(path_or_name):
    """The path of a task.

    Args:
        path_or_name: a path, or the name of a pretrained task; an existing path has
            precedence.

    Raises:
        UserError: if it is neither.
    """
    path = Path(path_or_name)
    if path.exists():
        return path
    tasks = pretrained_tasks()
    name = str(path_or_name)
    if name in tasks:
        return tasks[name]
    # A path without a folder may have been meant as a name.
    hint = f", and no task of that name: {suggest(name, tasks)}" if path.name == name else ""
    raise UserError(f"{path}: no such file or directory{hint}")
