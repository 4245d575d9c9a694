"""Loads a run, a task, an export or an artefact."""

from attention_zoo.backend import require_tensorflow_backend
from attention_zoo.pretrained import locate


def load(path_or_name):
    """Loads a task.

    Args:
        path_or_name: a run directory, a task directory, an export directory, a
            SavedModel directory or a `.tflite` file; or the name of a pretrained
            task, see `attention-zoo list`.

    Returns:
        A task, whose engine may be an artefact. It is safe to use from several threads.

    Raises:
        UserError: if there is nothing to load, it is damaged, or Keras does not use its
            TensorFlow backend.
    """
    path = locate(path_or_name)
    require_tensorflow_backend()
    from attention_zoo.tasks.loading import load_task
    from attention_zoo.train.trainer import TASK_FOLDER
    from attention_zoo.zoo.weights import WEIGHTS_FILE

    for candidate in (path / TASK_FOLDER, path):
        is_hugging_face = (candidate / "config.json").exists()  # part of an export
        if (candidate / WEIGHTS_FILE).exists() and not is_hugging_face:
            return load_task(candidate)
    from attention_zoo.export.artefact import load_artefact

    return load_artefact(path)
