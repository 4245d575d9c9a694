"""Engines backed by artefacts: a task uses them in place of the Keras model."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from attention_zoo.errors import UserError
from attention_zoo.export.runners.keras_files import check_keras_file
from attention_zoo.export.runners.protocol import fill
from attention_zoo.export.runners.saved_graph import check_saved_graph
from attention_zoo.files import require_regular
from attention_zoo.quiet import silent_stderr
from attention_zoo.tasks.engine import Engine, Numbers

# Maps a signature and named arrays to named arrays.
Run = Callable[[str, Mapping[str, np.ndarray]], Mapping[str, Any]]


class ArtefactEngine(Engine):
    """An artefact that takes ids; the task tokenizes and detokenizes around it.

    Args:
        path: the artefact.
        run: runs its signatures.
        name: what it is, for messages.
    """

    searches_itself = True

    def __init__(self, path: Path, run: Run, name: str) -> None:
        self.path = path
        self.name = name
        self._run = run

    def compute(self, task: Any, ids: Numbers) -> Numbers:
        """See `Engine`."""
        numbers = self._run(task.compared.signature, _arrays(ids))
        if not task.by_token:
            return numbers
        # A file with fixed shapes has outputs up to the maximum length.
        length = ids["token_ids"].shape[1]
        return {name: np.asarray(array)[:, :length] for name, array in numbers.items()}

    def decode(self, task: Any, ids: Numbers, options: Mapping[str, Any]) -> Numbers:
        """See `Engine`; each source has one answer."""
        outputs = self._run("serving_default", _arrays(ids))
        return {name: np.expand_dims(values, 1) for name, values in outputs.items()}

    @contextlib.contextmanager
    def guard(self) -> Iterator[None]:
        """Turns errors of the runtime into `UserError`: the artefact may come from anyone."""
        try:
            yield
        except UserError:
            raise
        # Anything the runtime raises, or that goes wrong in reading its outputs.
        except Exception as error:
            raise UserError(
                f"{self.path} does not answer as an export does: {type(error).__name__}: {error}"
            ) from error


class KerasFileEngine(ArtefactEngine):
    """A `.keras` file, or a `.h5` file of Keras 2: ids in, numbers out, no decoding.

    Args:
        path: the file.

    Raises:
        UserError: if it is damaged, or names classes other than Keras's own layers.
    """

    def __init__(self, path: Path) -> None:
        self._model = run_by(path, _load_keras_file)
        super().__init__(path, self._call, f"a Keras file ({path.suffix})")

    def _call(self, signature: str, arrays: Mapping[str, np.ndarray]) -> Mapping[str, Any]:
        named = self._model.input
        lengths = {name: named[name].shape[1] or a.shape[1] for name, a in arrays.items()}
        return self._model({name: fill(a, lengths[name]) for name, a in arrays.items()})

    def decode(self, task: Any, ids: Numbers, options: Mapping[str, Any]) -> Numbers:
        """See `Engine`; there is no decoding."""
        raise UserError(f"{self.name} gives logits under teacher forcing and does not decode")


def _load_keras_file(path: str, threads: int) -> tuple[Any, None]:
    check_keras_file(path)
    if path.endswith(".keras"):
        import keras
    else:
        import tf_keras as keras
    return keras.models.load_model(path, compile=False), None


class StringsEngine(ArtefactEngine):
    """An artefact with its tokenizers inside."""

    def respond(
        self, task: Any, columns: Sequence[np.ndarray], options: Mapping[str, Any]
    ) -> dict[str, np.ndarray]:
        """See `Engine`."""
        signature = "serving_default" if task.decodes else task.signature_of(options)
        if not self._has(signature):
            raise UserError(f"{self.name} has no signature {signature!r}: use the run instead")
        texts = dict(zip(task.text_inputs, columns, strict=True))
        return self._complete(task, columns, self._run(signature, texts))

    def _has(self, signature: str) -> bool:
        """Whether it has a signature that takes strings."""
        return signature == "serving_default"

    def _complete(
        self, task: Any, columns: Sequence[np.ndarray], outputs: Mapping[str, Any]
    ) -> dict[str, np.ndarray]:
        """Adds the axis of answers if the task decodes, and detokenizes ids if needed."""
        if task.decodes:
            numbers = {name: np.expand_dims(values, 1) for name, values in outputs.items()}
            outputs = numbers if "text" in numbers else task.texts_of(numbers, columns[0])
        return {name: np.asarray(values) for name, values in outputs.items()}


class SavedModelEngine(StringsEngine):
    """A SavedModel.

    Args:
        path: its directory.

    Raises:
        UserError: if it is damaged, or its graph contains operators that touch files.
    """

    def __init__(self, path: Path) -> None:
        import tensorflow_text  # noqa: F401  (registers the operators of the tokenizers)

        try:
            check_saved_graph(path)
            loaded = tf.saved_model.load(str(path))
        # TensorFlow raises many types of errors for damaged files.
        except Exception as error:
            raise UserError(
                f"{path} is not a SavedModel of ours, or is damaged: {error}"
            ) from error
        self._loaded = loaded  # the signatures alone do not keep it alive
        self.searches_itself = "generate" not in loaded.signatures
        super().__init__(path, self._call, "a compiled SavedModel")

    def _call(self, signature: str, arrays: Mapping[str, Any]) -> Mapping[str, Any]:
        tensors = {name: tf.constant(array) for name, array in arrays.items()}
        return self._loaded.signatures[signature](**tensors)

    def respond(
        self, task: Any, columns: Sequence[np.ndarray], options: Mapping[str, Any]
    ) -> dict[str, np.ndarray]:
        """See `Engine`; options are used if it has a signature for them."""
        if not task.decodes or not options or self.searches_itself:
            return super().respond(task, columns, options)
        if "seed" in options:
            raise UserError(
                "a SavedModel samples only through its `sample` signature; use the run instead"
            )
        signature = task.signature_of(options)
        outputs = self._call(signature, {"text": columns[0], **options})
        return {name: np.asarray(values) for name, values in outputs.items()}

    def _has(self, signature: str) -> bool:
        """See `StringsEngine`."""
        return signature in self._loaded.signatures


def run_by(path: Path, load: Callable[..., Any]) -> Any:
    """A function that runs the signatures of a file, loaded by its runner.

    Args:
        path: the file, or a directory of files.
        load: `load` of a module in `runners/`.

    Raises:
        UserError: if the file is damaged.
    """
    if not path.is_dir():
        require_regular(path)
    try:
        with silent_stderr():  # LiteRT logs its delegate
            run, _ = load(str(path), 1)
    # Runtimes raise many types of errors for damaged files.
    except Exception as error:
        raise UserError(f"{path} is not an export of ours, or is damaged: {error}") from error
    return run


def _arrays(ids: Numbers) -> dict[str, np.ndarray]:
    return {name: np.asarray(array) for name, array in ids.items()}
