"""Answering with an exported artefact as with the task itself, through the same commands."""

from pathlib import Path

import numpy as np

from attention_zoo.errors import UserError
from attention_zoo.quiet import silent_stderr
from attention_zoo.tasks.task import TASK_FILE, TOKENIZER_FOLDER, read_task_config
from attention_zoo.tasks.text_to_text import TextToText, pad_rows


class ExportedTask(TextToText):
    """What lies beside the artefacts of an export: tokenizers, limits, metrics.

    It can read the answers of any artefact; its subclasses also run one.

    Args:
        directory: the export directory.
    """

    def __init__(self, directory):
        config = read_task_config(directory)
        super().__init__(**self._read_config(config, Path(directory) / TOKENIZER_FOLDER))
        self.kind = config["task"]
        self.metrics = tuple(config["metrics"])


class SavedModelTask(ExportedTask):
    """Answers with a SavedModel; strings go in and come out.

    Args:
        directory: the export directory.
        path: the SavedModel in it.
    """

    def __init__(self, directory, path):
        super().__init__(directory)
        import tensorflow as tf
        import tensorflow_text  # noqa: F401  (registers the operators of the tokenizers)

        self._tf = tf
        try:
            self._loaded = tf.saved_model.load(str(path))
        except (OSError, ValueError, tf.errors.OpError) as error:
            raise UserError(f"{path} is no SavedModel, or is damaged: {error}") from error

    def _answer_batch(self, texts, options):
        arguments = {name: self._tf.constant(value) for name, value in options.items()}
        outputs = self._loaded.signatures[_signature(options)](
            text=self._tf.constant(texts), **arguments
        )
        return outputs["text"].numpy(), outputs["score"].numpy()


def _signature(options):
    if "seed" in options:
        raise UserError("the SavedModel's samples are for its `sample` signature; use the run")
    return "generate"


class LiteRTTask(ExportedTask):
    """Answers with a LiteRT file, between the tokenizers that lie beside it.

    Args:
        directory: the export directory.
        path: the file in it.
    """

    def __init__(self, directory, path):
        super().__init__(directory)
        from ai_edge_litert.interpreter import Interpreter

        try:
            with silent_stderr():  # it announces its delegate
                self._interpreter = Interpreter(model_path=str(path), num_threads=1)
                self._interpreter.allocate_tensors()
                self._run = self._interpreter.get_signature_runner("serving_default")
        except (ValueError, RuntimeError) as error:
            raise UserError(f"{path} is no LiteRT file of ours, or is damaged: {error}") from error

    def _answer_batch(self, texts, options):
        if options != self._options(None, None, None, 1, {}):
            raise UserError(
                f"how a LiteRT file searches is part of its graph: beam_size={self.beam_size}, "
                f"length_penalty={self.length_penalty}; received {options}"
            )
        source_ids = pad_rows([ids for ids, _ in self.to_ids([(text, "") for text in texts])])
        outputs = self._run(source_ids=source_ids)
        strings = [[answer.encode()] for answer in self.answers(outputs, texts)]
        return strings, np.expand_dims(outputs["score"], 1)


def load_artefact(path):
    """Loads an export directory or one artefact in it.

    Args:
        path: an export directory (its SavedModel is taken, or else its LiteRT file), a
            SavedModel directory, or a `.tflite` file.

    Returns:
        Something with `predict` and `__call__` as a task has.

    Raises:
        UserError: if there is no artefact at the path, or it is damaged.
    """
    path = Path(path)
    if path.suffix == ".tflite":
        if not path.is_file():
            raise UserError(f"{path}: no such file")
        return LiteRTTask(_export_directory(path), path)
    candidates = [path, path / "saved_model" / "1", path / "1"]
    for candidate in candidates:
        if (candidate / "saved_model.pb").exists():
            return SavedModelTask(_export_directory(candidate), candidate)
    files = sorted(path.glob("*.tflite"), key=lambda file: len(file.name))
    if files:
        return LiteRTTask(_export_directory(files[0]), files[0])
    raise UserError(f"{path} is no run, no task, no export directory and no artefact")


def _export_directory(path):
    """The directory above an artefact that has the tokenizers."""
    for parent in path.parents:
        if (parent / TASK_FILE).exists():
            return parent
    raise UserError(f"{path}: there is no {TASK_FILE} in the directories above it")
