"""The formats there are: how each is written, and how it is run to be compared.

A format that a task cannot have says why in `why_not`; everything else asks here.
"""

import dataclasses
import importlib
import importlib.util
from collections.abc import Callable
from pathlib import Path

from attention_zoo.errors import UserError, suggest

# How numbers are kept in a file. Only LiteRT has others than "none", which is float32.
QUANTIZATIONS = ("none", "float16", "dynamic_int8", "full_int8", "selective_int8")


@dataclasses.dataclass(frozen=True)
class Format:
    """One format.

    Attributes:
        file: where it stands in an export directory.
        write: a function of a task, a path, the quantisation, examples, and a function of
            a path that says whether what lies there passes. Gives the names of the weights
            that it did not quantise though others are.
        runner: the script in `runners/` that runs it without this package.
        takes_strings: whether its answers begin with strings; otherwise with ids.
        answers: a function of a task: whether the artefact answers, or gives only the
            numbers that are compared.
        quantizations: those that it can have.
        not_for_decoding: those of them that a sequence-to-sequence task cannot have.
        operators: a function of a path: of which operators the artefact is made, or "".
        compiles: whether the first call of a shape waits for a compiler.
        timed: whether its runner is one that people answer with.
        conditions: those of `clients.CONDITIONS` that its runtime has.
        other_runners: scripts that run it by other interfaces of its runtime, by their names.
        is_whole: whether it has every signature of `task.signatures()`.
        is_padded: whether everything is padded to the greatest length, answers too.
        compared: a function of a task: by which numbers it is compared, a `Compared`.
        expected: a function of a task and of what `expected.expected_of` gave: what of that
            an artefact is to give.
        why_not: a function of a task: why it has no artefact of this format, or "".
        needs: packages to import that do not come with this one.
        extra: what to install for them.
        driver: what asks a file that `predict` and `evaluate` cannot ask.
    """

    file: str
    write: Callable
    runner: str
    takes_strings: bool = False
    answers: Callable = lambda task: True
    quantizations: tuple = ("none",)
    operators: Callable = lambda path: ""
    not_for_decoding: tuple = ()
    compiles: bool = False
    timed: bool = True
    conditions: tuple = ("threads", "none", "one", "long")
    other_runners: dict = dataclasses.field(default_factory=dict)
    is_whole: bool = False
    is_padded: bool = False
    compared: Callable = lambda task: task.compared
    expected: Callable = lambda task, expected: expected
    why_not: Callable = lambda task: ""
    needs: tuple = ()
    extra: str = ""
    driver: str = ""

    def answer_inputs(self, task):
        """The names of the inputs of `serving_default`."""
        return task.text_inputs if self.takes_strings else task.id_inputs

    def quantizations_of(self, task):
        """Those that it can have for a task."""
        barred = self.not_for_decoding if task.kind == "seq2seq" else ()
        return [quantize for quantize in self.quantizations if quantize not in barred]

    def path(self, quantize):
        """Where an artefact stands in an export directory."""
        if quantize == "none":
            return self.file
        path = Path(self.file)
        return f"{path.stem}.{quantize}{path.suffix}"

    def has_written(self, path):
        """Whether a file has the name of one of these artefacts."""
        return Path(path).name in map(self.path, self.quantizations)


def _later(module, name):
    """A function of `export/` whose module is loaded when it is called."""

    def call(*arguments):
        found = getattr(importlib.import_module(f"attention_zoo.export.{module}"), name)
        return found(*arguments)

    return call


def _writer(module, function):
    """A writer that loads its converter only when it is asked."""
    convert = _later(module, function)

    def write(task, path, quantize, examples, judge):
        if quantize == "selective_int8":
            return _later("selective", "write_selective")(task, path, convert, examples, judge)
        # Only a format with quantised files asks how, and what to measure ranges on.
        convert(task, path, *(() if quantize == "none" else (quantize, examples)))
        return []

    return write


def _bert_alone(task):
    return "" if task.kind != "seq2seq" else f"is for BERT, the task is {task.kind}"


def _no_steps(task):
    return "" if task.kind == "seq2seq" else f"is for decoding, the task is {task.kind}"


FORMATS = {
    "saved_model": Format(
        "saved_model/1",
        _writer("saved_model", "write_saved_model"),
        "run_saved_model.py",
        takes_strings=True,
        is_whole=True,
    ),
    "saved_model_xla": Format(
        "saved_model_xla/1",
        _writer("saved_model_xla", "write_saved_model_xla"),
        "run_saved_model_xla.py",
        takes_strings=True,
        compiles=True,
    ),
    "litert": Format(
        "model.tflite",
        _writer("litert", "write_litert"),
        "run_litert.py",
        operators=_later("litert", "operators_in"),
        quantizations=QUANTIZATIONS,
    ),
    "litert_static": Format(
        "static.tflite",
        _writer("litert", "write_litert_static"),
        "run_litert.py",
        other_runners={"CompiledModel": "run_litert_compiled.py"},
        conditions=("threads", "one"),
        operators=_later("litert", "operators_in"),
        quantizations=QUANTIZATIONS[:-1],
        driver="a program that pads to one length (export/runners/run_litert.py)",
        # Where a decoding loop has fixed shapes the converter of TensorFlow 2.21 ends with a
        # segmentation fault when it measures ranges.
        not_for_decoding=("full_int8",),
        is_padded=True,
    ),
    "litert_stream": Format(
        "stream.tflite",
        _writer("litert_stream", "write_litert_stream"),
        "run_litert_stream.py",
        conditions=("threads", "one", "long"),
        operators=_later("litert", "operators_in"),
        answers=lambda task: task.beam_size == 1,  # a token at a time is greedy search
        quantizations=("none", "float16", "dynamic_int8"),
        why_not=_no_steps,
        driver="a driver that takes a token at a time (export/runners/run_litert_stream.py)",
    ),
    "litert_text": Format(
        "text.tflite",
        _writer("litert_text", "write_litert_text"),
        "run_litert_text.py",
        operators=_later("litert", "operators_in"),
        takes_strings=True,
        quantizations=("none", "float16", "dynamic_int8"),
        expected=_later("litert_text", "expected_of_litert_text"),
        why_not=_later("litert_text", "why_not_litert_text"),
        driver="an interpreter with tensorflow-text's operators "
        "(export/runners/run_litert_text.py)",
    ),
    "mediapipe": Format(
        "mediapipe.tflite",
        _writer("media_pipe", "write_media_pipe"),
        "run_media_pipe.py",
        conditions=("one", "long"),
        operators=_later("litert", "operators_in"),
        takes_strings=True,
        quantizations=QUANTIZATIONS[:-1],
        timed=False,  # how many threads it takes cannot be said
        compared=_later("media_pipe", "compared_by"),
        expected=_later("media_pipe", "expected_of_media_pipe"),
        why_not=_later("media_pipe", "why_not_media_pipe"),
        needs=("mediapipe",),
        extra="mediapipe",
        driver="MediaPipe's text tasks (export/runners/run_media_pipe.py)",
    ),
    "keras": Format(
        "model.keras",
        _writer("keras_3", "write_keras"),
        "run_keras.py",
        answers=lambda task: task.kind != "seq2seq",  # stock layers have no decoding
        why_not=_later("portable", "why_not_portable"),
    ),
    "h5": Format(
        "model.h5",
        _writer("keras_2", "write_h5"),
        "run_keras.py",
        conditions=("threads", "none", "one"),
        answers=lambda task: task.kind != "seq2seq",
        is_padded=True,
        why_not=_later("portable", "why_not_portable"),
        needs=("tf_keras",),
        extra="h5",
    ),
    "onnx": Format(
        "onnx",
        _writer("onnx_graphs", "write_onnx"),
        "run_onnx.py",
        operators=_later("onnx_graphs", "operators_in"),
        needs=("tf2onnx", "onnxruntime"),
        extra="onnx",
    ),
    "huggingface": Format(
        "huggingface",
        _writer("hugging_face", "write_hugging_face"),
        "run_hugging_face.py",
        conditions=("threads", "one"),
        timed=False,
        why_not=_bert_alone,
    ),
}


def artefacts(task, formats, quantize):
    """What an export of a task consists of.

    Args:
        task: a task.
        formats: names of formats.
        quantize: names of quantisations; a format has those of them that it can have.

    Returns:
        A list of dicts with `format`, `quantize` and `file`.

    Raises:
        UserError: if a name is wrong, a package is missing, or the task cannot have a format.
    """
    _check(formats, FORMATS, "format")
    _check(quantize, QUANTIZATIONS, "quantisation")
    found = []
    for name in dict.fromkeys(formats):
        form = FORMATS[name]
        reason = form.why_not(task)
        if reason:
            raise UserError(f"the format {name} {reason}")
        missing = [package for package in form.needs if not importlib.util.find_spec(package)]
        if missing:
            raise UserError(
                f"the format {name} needs {' and '.join(missing)}: "
                f"pip install 'attention-zoo[{form.extra}]'"
            )
        # A format without quantised files is written once, whatever was asked of the others.
        possible = form.quantizations_of(task)
        wanted = [q for q in dict.fromkeys(quantize) if q in possible] or ["none"]
        found += [{"format": name, "quantize": q, "file": form.path(q)} for q in wanted]
    return found


def barred_quantizations(task, formats, quantize):
    """Pairs of a format that has quantised files, and a wanted quantisation that it has not."""
    return [
        (name, wanted)
        for name in dict.fromkeys(formats)
        for wanted in dict.fromkeys(quantize)
        if len(FORMATS[name].quantizations) > 1
        and wanted not in FORMATS[name].quantizations_of(task)
    ]


def _check(names, accepted, what):
    for name in names:
        if name not in accepted:
            raise UserError(f"there is no {what} {name!r}; {suggest(name, accepted)}")
