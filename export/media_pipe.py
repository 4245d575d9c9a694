"""A LiteRT file for MediaPipe's text tasks, with vocabulary and labels packed into it.

MediaPipe has its own tokenizer for BERT, which reads the vocabulary from the file, so that apps
can pass strings.
"""

import importlib.util
import io
import unicodedata
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema

from attention_zoo.errors import ResultError
from attention_zoo.export.expected import LONG, select
from attention_zoo.export.litert import Examples, pack_model, read_model, write_litert
from attention_zoo.export.running import Arrays
from attention_zoo.tasks.classify.task import Classify
from attention_zoo.tasks.encoder_task import ID_INPUTS

_METADATA = "TFLITE_METADATA"
_VOCABULARY, _LABELS = "vocabulary.txt", "labels.txt"
# MediaPipe's names of the inputs of a BERT.
_NAMES = {"token_ids": "ids", "mask": "mask", "segment_ids": "segment_ids"}


def reads_alike(texts: Sequence[str]) -> np.ndarray:
    """Which texts MediaPipe's tokenizer tokenizes as BERT's does, a boolean array.

    MediaPipe's lowercases only ASCII, keeps accents, and does not drop control characters.

    Example:
        >>> reads_alike(["Cafe", "Café", "École", "注意"]).tolist()
        [True, False, False, True]
    """
    return np.array([_is_plain(text) for text in texts], dtype=bool)


def _is_plain(text: str) -> bool:
    small = unicodedata.normalize("NFD", text.lower())
    bare = "".join(c for c in small if unicodedata.category(c) != "Mn")
    ascii_small = "".join(c.lower() if c.isascii() else c for c in text)
    return bare == ascii_small and not any(unicodedata.category(c)[0] == "C" for c in text)


def write_media_pipe(
    task: Any, path: Path | str, quantize: str = "none", examples: Examples = ()
) -> None:
    """Writes a file for MediaPipe's `TextClassifier` or `TextEmbedder`.

    It takes one text, up to the task's maximum length, and gives probabilities or an embedding.

    Arguments are those of `write_litert`.

    Raises:
        ResultError: as for `write_litert`, or if a label contains a line break.
    """
    signatures = {"serving_default": _one_text(task)}
    write_litert(task, path, quantize, examples, signatures)
    content = Path(path).read_bytes()
    labels = task.labels if isinstance(task, Classify) else []
    if any(set("\r\n") & set(label) for label in labels):
        raise ResultError(
            f"{path} stores one label per line, and a label of the task has a line break"
        )
    files = {_VOCABULARY: "\n".join(task.tokenizer.vocabulary) + "\n"}
    if labels:
        files[_LABELS] = "".join(f"{label}\n" for label in labels)
        if not labels[-1]:
            files[_LABELS] += "\n"  # MediaPipe ignores an empty last line
    Path(path).write_bytes(_with_metadata(content, task, files) + _zip(files))


def _one_text(task: Any) -> tuple[Callable[..., Any], list[tf.TensorSpec]]:
    """A function over the ids of one text, and the specs of its arguments."""
    compute, _ = task.signatures()["ids"]

    def answer(*ids):
        return _answers(task, compute(*ids))  # `compute` truncates, MediaPipe does not

    return answer, [tf.TensorSpec([1, None], tf.int32, name) for name in ID_INPUTS]


def _answers(task: Any, numbers: Mapping[str, Any]) -> dict[str, Any]:
    """The outputs of the file, made from the numbers that the task computes."""
    if isinstance(task, Classify):
        return {"scores": tf.nn.softmax(tf.cast(numbers["logits"], tf.float32))}
    return {"embedding": numbers["embedding"]}


def compared_output(task: Any) -> str:
    """The output to compare: MediaPipe gives no logits."""
    return "scores" if isinstance(task, Classify) else "embedding"


def expected_of_media_pipe(task: Any, expected: Arrays) -> Arrays:
    """The expected outputs for the texts that MediaPipe tokenizes as BERT's tokenizer does.

    Args:
        task: a task.
        expected: see `expected.expected_of`.
    """
    output, numbers = compared_output(task), {}
    for name in ("numbers", LONG + "numbers"):
        if name in expected:
            numbers[name] = np.asarray(_answers(task, {task.output: expected[name]})[output])
    alike = reads_alike([text.decode(errors="replace") for text in expected["text"]])
    return select(task, {**expected, **numbers}, alike)


def _with_metadata(content: bytes, task: Any, files: Mapping[str, str]) -> bytes:
    """Adds a buffer with a description of inputs and outputs to a LiteRT file."""
    model = read_model(content)
    (graph,) = model.subgraphs[:1]
    inputs = [graph.tensors[i].name.decode() for i in graph.inputs]
    description: Any = _metadata(task, inputs, files)
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = description
    entry.name, entry.buffer = _METADATA, len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or []), entry]
    return pack_model(model, len(content) + len(description))


def _metadata(task: Any, inputs: Sequence[str], files: Mapping[str, str]) -> bytes:
    """The description: the roles of the inputs, the tokenizer, the names of the outputs."""
    ours = _metadata_schema()

    def associated(name: str, kind: int) -> Any:
        file = ours.AssociatedFileT()
        file.name, file.type = name, kind
        return file

    def tensor(name: str) -> Any:
        metadata = ours.TensorMetadataT()
        metadata.name = name
        return metadata

    tokenizer = ours.BertTokenizerOptionsT()
    tokenizer.vocabFile = [associated(_VOCABULARY, ours.AssociatedFileType.VOCABULARY)]
    unit = ours.ProcessUnitT()
    unit.optionsType = ours.ProcessUnitOptions.BertTokenizerOptions
    unit.options = tokenizer
    graph = ours.SubGraphMetadataT()
    graph.inputProcessUnits = [unit]
    graph.inputTensorMetadata = [
        tensor(next(theirs for name, theirs in _NAMES.items() if name in given)) for given in inputs
    ]
    if _LABELS in files:
        output = tensor("probability")
        output.associatedFiles = [associated(_LABELS, ours.AssociatedFileType.TENSOR_AXIS_LABELS)]
    else:
        output = tensor("embedding")
    graph.outputTensorMetadata = [output]
    about = ours.ModelMetadataT()
    about.name = f"attention_zoo {task.kind}"
    about.subgraphMetadata = [graph]
    builder = flatbuffers.Builder(1024)
    builder.Finish(about.Pack(builder), b"M001")
    return bytes(builder.Output())


def _metadata_schema() -> Any:
    """MediaPipe's classes for the description, without importing its runtime."""
    package: Any = importlib.util.find_spec("mediapipe")
    path = Path(package.origin).parent / "tasks" / "metadata" / "metadata_schema_py_generated.py"
    spec: Any = importlib.util.spec_from_file_location("media_pipe_metadata_schema", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _zip(files: Mapping[str, str]) -> bytes:
    """A zip archive of files, which MediaPipe expects after the end of the model."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as packed:
        for name, text in files.items():
            packed.writestr(zipfile.ZipInfo(name), text)
    return archive.getvalue()
