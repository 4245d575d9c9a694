"""Loading whatever answers: a run, a task, an export or one artefact of it."""

from pathlib import Path

from attention_zoo.errors import UserError

TASK_FOLDER = "task"


def load(path):
    """Loads a task by its path.

    Args:
        path: a run directory, a task directory, an export directory, a SavedModel
            directory or a `.tflite` file.

    Returns:
        A task; for artefacts something that answers like one.

    Raises:
        UserError: if there is nothing of the kind, or it is damaged.
    """
    path = Path(path)
    if not path.exists():
        raise UserError(f"{path}: no such file or directory")
    for candidate in (path / TASK_FOLDER, path):
        if (candidate / "model.safetensors").exists():
            return load_task(candidate)
    from attention_zoo.export.artefact import load_artefact

    return load_artefact(path)


def load_task(directory):
    """Loads a task directory, or the task of a run directory."""
    from attention_zoo.tasks.seq2seq import Seq2Seq
    from attention_zoo.tasks.task import read_task_config

    directory = Path(directory)
    if (directory / TASK_FOLDER).is_dir():
        directory = directory / TASK_FOLDER
    classes = {cls.kind: cls for cls in (Seq2Seq,)}
    kind = read_task_config(directory)["task"]
    if kind not in classes:
        raise UserError(f"{directory} holds the task {kind!r}; known are {', '.join(classes)}")
    return classes[kind].load(directory)
