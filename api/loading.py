"""Loading whatever answers: a run, a task, an export or one artefact of it."""

from attention_zoo.backend import require_tensorflow_backend
from attention_zoo.pretrained import locate


def load(path_or_name):
    """Loads a task.

    Args:
        path_or_name: a run directory, a task directory, an export directory, a
            SavedModel directory or a `.tflite` file; or the name of a task that comes
            with the package, see `attention-zoo list`.

    Returns:
        A task; for artefacts something that answers like one. Several threads may ask it.

    Raises:
        UserError: if there is nothing of the kind, or it is damaged; or if Keras does not run
            on its TensorFlow backend.
    """
    path = locate(path_or_name)
    require_tensorflow_backend()
    from attention_zoo.tasks.loading import load_task
    from attention_zoo.train.trainer import TASK_FOLDER
    from attention_zoo.zoo.weights import WEIGHTS_FILE

    for candidate in (path / TASK_FOLDER, path):
        is_hugging_face = (candidate / "config.json").exists()  # which an export may hold
        if (candidate / WEIGHTS_FILE).exists() and not is_hugging_face:
            return load_task(candidate)
    from attention_zoo.export.artefact import load_artefact

    return load_artefact(path)
