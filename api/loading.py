"""Loading whatever answers: a run, a task, an export or one artefact of it."""

from pathlib import Path

from attention_zoo.errors import UserError


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
    from attention_zoo.tasks.kinds import TASK_FOLDER, load_task

    for candidate in (path / TASK_FOLDER, path):
        if (candidate / "model.safetensors").exists():
            return load_task(candidate)
    from attention_zoo.export.artefact import load_artefact

    return load_artefact(path)
