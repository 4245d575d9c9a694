"""Answering with an exported artefact as with the task itself, through the same commands."""

import threading
from pathlib import Path

import numpy as np
import tensorflow as tf

from attention_zoo.errors import UserError
from attention_zoo.export.digests import changed, digest
from attention_zoo.export.formats import FORMATS
from attention_zoo.export.results import REPORT_FILE, read_report
from attention_zoo.export.runners.saved_graph import check_saved_graph
from attention_zoo.files import require_regular
from attention_zoo.quiet import silent_stderr
from attention_zoo.tasks.description import TASK_FILE, read_task_config
from attention_zoo.tasks.encoder_task import ids_of
from attention_zoo.tasks.kinds import TASKS
from attention_zoo.tasks.task import TOKENIZER_FOLDER
from attention_zoo.tasks.text_to_text import TextToText, pad_rows


class ExportedTask(TextToText):
    """What lies beside the artefacts of an export: tokenizers, limits, metrics.

    It can read the answers of any artefact; its subclasses also run one.

    Args:
        directory: the export directory.
    """

    def __init__(self, directory):
        config = read_task_config(directory)
        arguments = self._read_config(config, Path(directory) / TOKENIZER_FOLDER)
        try:
            super().__init__(**arguments)
        except ValueError as error:
            raise UserError(f"{Path(directory) / TASK_FILE}: {error}") from error
        self.kind = config["task"]
        self.metrics = tuple(config["metrics"])
        self.metric_options = config["metric_options"]

    def _require_own_search(self, what, options, n_best):
        if options != self._options(None, None, None, 1, {}):
            raise UserError(
                f"how {what} searches is part of its graph: beam_size={self.beam_size}, "
                f"length_penalty={self.length_penalty}; received {options}"
            )
        if n_best != 1:
            raise UserError(f"{what} gives one answer a text, received n_best={n_best}")


def load_reader(directory):
    """What lies beside the artefacts of an export: it can read their answers.

    Args:
        directory: the export directory.
    """
    config = read_task_config(directory)
    if config["task"] == ExportedTask.kind:
        return ExportedTask(directory)
    return TASKS[config["task"]].from_config(config, directory, None)


class SavedModelTask(ExportedTask):
    """Answers with a SavedModel; strings go in and come out.

    Args:
        directory: the export directory.
        path: the SavedModel in it.
    """

    def __init__(self, directory, path):
        super().__init__(directory)
        self._signatures = _load_saved_model(path)
        self._answer_batch = _guarded(path, self._answer_batch)

    def _check_engine(self, options, n_best):
        if "generate" not in self._signatures:
            self._require_own_search("a compiled SavedModel", options, n_best)

    def _answer_batch(self, texts, options):
        if "generate" not in self._signatures:
            outputs = self._signatures["serving_default"](text=tf.constant(texts))
            return np.expand_dims(outputs["text"], 1), np.expand_dims(outputs["score"], 1)
        arguments = {name: tf.constant(value) for name, value in options.items()}
        outputs = self._signatures[_signature(options)](text=tf.constant(texts), **arguments)
        return outputs["text"].numpy(), outputs["score"].numpy()


def _load_saved_model(path):
    import tensorflow_text  # noqa: F401  (registers the operators of the tokenizers)

    try:
        check_saved_graph(path)
        loaded = tf.saved_model.load(str(path))
    # Whatever TensorFlow raises at bytes that are not as they were.
    except Exception as error:
        raise UserError(f"{path} is no SavedModel of ours, or is damaged: {error}") from error
    # The signatures do not keep alive what they are of.
    return _Signatures(loaded, loaded.signatures)


class _Signatures:
    """The signatures of a SavedModel, and the model that they need."""

    def __init__(self, loaded, signatures):
        self._loaded = loaded
        self._signatures = signatures

    def __getitem__(self, name):
        return self._signatures[name]

    def __contains__(self, name):
        return name in self._signatures


def _guarded(path, function):
    """A function that runs an artefact, which may be anyone's: what it lacks is no bug of ours."""

    def call(*arguments, **named):
        try:
            return function(*arguments, **named)
        except UserError:
            raise
        # Whatever its runtime raises, and what is wrong with what it gives.
        except Exception as error:
            raise UserError(
                f"{path} does not answer as an export does: {type(error).__name__}: {error}"
            ) from error

    return call


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
        self._run = _load_litert(path)
        self._answer_batch = _guarded(path, self._answer_batch)

    def _check_engine(self, options, n_best):
        self._require_own_search("a LiteRT file", options, n_best)

    def _answer_batch(self, texts, options):
        source_ids = pad_rows([ids for ids, _ in self.to_ids([(text, "") for text in texts])])
        outputs = self._run(source_ids=source_ids)
        strings = [[answer.encode()] for answer in self.answers(outputs, texts)]
        return strings, np.expand_dims(outputs["score"], 1)


def _load_litert(path):
    """The function of a LiteRT file that answers; threads that call it take turns."""
    from ai_edge_litert.interpreter import Interpreter

    require_regular(path)
    try:
        with silent_stderr():  # it announces its delegate
            interpreter = Interpreter(model_path=str(path), num_threads=1)
            interpreter.allocate_tensors()
            runner = interpreter.get_signature_runner("serving_default")
    # Whatever LiteRT raises at bytes that are not as they were.
    except Exception as error:
        raise UserError(f"{path} is no LiteRT file of ours, or is damaged: {error}") from error
    lock = threading.Lock()

    def run(**inputs):
        # An interpreter has one place for its inputs and outputs.
        with lock:
            return runner(**inputs)

    return run


def _require_unchanged(directory, path):
    """Compares an artefact, and what it is loaded with, with the report, if one lies there."""
    if not (directory / REPORT_FILE).exists():
        return
    report = read_report(directory)
    differing = changed(directory, report.files, (TASK_FILE, TOKENIZER_FOLDER))
    file = path.relative_to(directory).as_posix()
    sha256 = [artefact.sha256 for artefact in report.artefacts if artefact.file == file]
    differing += [file] if sha256 and sha256[0] not in (None, digest(path)) else []
    if differing:
        raise UserError(
            f"{directory / differing[0]} is damaged: its SHA-256 is not the one in {REPORT_FILE}; "
            f"copy the export anew, or, if you have changed it yourself, remove {REPORT_FILE}"
        )


def _answer_with_saved_model(directory, path):
    """Something that answers with a SavedModel."""
    _require_unchanged(directory, path)
    task = load_reader(directory)
    if isinstance(task, ExportedTask):
        return SavedModelTask(directory, path)
    signatures = _load_saved_model(path)
    names = task.text_inputs
    task.respond = lambda *columns: signatures["serving_default"](
        **dict(zip(names, columns, strict=True))
    )
    task.compute = lambda inputs: signatures["ids"](**ids_of(inputs))
    return _guard(task, path)


def _answer_with_litert(directory, path):
    """Something that answers with a LiteRT file, between the tokenizers that lie beside it."""
    _require_unchanged(directory, path)
    task = load_reader(directory)
    if isinstance(task, ExportedTask):
        return LiteRTTask(directory, path)
    run = _load_litert(path)
    task.compute = lambda inputs: run(**{n: np.asarray(a) for n, a in ids_of(inputs).items()})
    task.run_eagerly = True
    return _guard(task, path)


def _guard(task, path):
    """A reader of what an artefact gives, with guards around the artefact."""
    for name in ("respond", "compute", "_predictions"):
        setattr(task, name, _guarded(path, getattr(task, name)))
    return task


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
        for form in FORMATS.values():
            if form.driver and form.has_written(path):
                raise UserError(
                    f"{path} is for {form.driver}, not for this command; "
                    f"model.tflite, model.dynamic_int8.tflite and the like answer here"
                )
        return _answer_with_litert(_export_directory(path), path)
    candidates = [path, path / "saved_model" / "1", path / "1"]
    for candidate in candidates:
        if (candidate / "saved_model.pb").exists():
            return _answer_with_saved_model(_export_directory(candidate), candidate)
    files = sorted(path.glob("model*.tflite"), key=lambda file: len(file.name))
    if files:
        return _answer_with_litert(_export_directory(files[0]), files[0])
    raise UserError(f"{path} is no run, no task, no export directory and no artefact")


def _export_directory(path):
    """The directory above an artefact that has the tokenizers."""
    for parent in path.parents:
        if (parent / TASK_FILE).exists():
            return parent
    raise UserError(f"{path}: there is no {TASK_FILE} in the directories above it")
