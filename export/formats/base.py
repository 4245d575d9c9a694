"""The base class of formats, and their registry.

Listing formats and reading their attributes does not import TensorFlow: only methods do.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attention_zoo.errors import UserError
from attention_zoo.export.formats.snippets import fill
from attention_zoo.registry import Registry

if TYPE_CHECKING:
    from attention_zoo.export.results import Artefact, Report
    from attention_zoo.tasks.contract import Compared
    from attention_zoo.tasks.engine import Engine

# How weights and activations are stored. Only LiteRT has others than "none", which is float32.
QUANTIZATIONS = ("none", "float16", "dynamic_int8", "full_int8", "selective_int8")

_MODULES = "attention_zoo.export.formats"
_BUILTIN = (
    "saved_model",
    "saved_model_xla",
    "litert",
    "litert_static",
    "litert_stream",
    "litert_text",
    "mediapipe",
    "keras",
    "h5",
    "onnx",
    "huggingface",
)


class Format(abc.ABC):
    """A format: how an artefact is written, run, compared and loaded.

    Decorate a subclass with `register_format` to make it available to `export` and `verify`. If
    answers are only read, the task passed to a method has no model: `task.model` is None.

    Attributes:
        name: the name in recipes, on the command line and in reports.
        file: the artefact's path in an export directory.
        runner: the script that runs an artefact in a process without this package: a name in
            `runners/`, or an absolute path. See `runners/protocol.py`, whose folder is in the
            environment variable `ATTENTION_ZOO_RUNNERS`.
        other_runners: scripts that run it through other interfaces of its runtime, by name.
        takes_strings: whether its inputs are strings; otherwise they are ids.
        quantizations: those of `QUANTIZATIONS` that it supports.
        conditions: those of `asking.CONDITIONS` that its runtime supports.
        compiles: whether the first call for each shape waits for a compiler.
        timed: whether its runner is what users would run, so that its speed is worth reporting.
        is_whole: whether it has every signature of `task.signatures()`.
        is_padded: whether inputs and outputs are padded to the maximum length.
        packages: required packages that are not dependencies of this one.
        extra: the extra of `attention-zoo` that installs them.
        template: Markdown that shows how to load it, see `snippets.fill`.
    """

    name: str
    file: str
    runner: str
    other_runners: Mapping[str, str] = {}
    takes_strings: bool = False
    quantizations: tuple[str, ...] = ("none",)
    conditions: tuple[str, ...] = ("threads", "none", "one", "long")
    compiles: bool = False
    timed: bool = True
    is_whole: bool = False
    is_padded: bool = False
    packages: tuple[str, ...] = ()
    extra: str = ""
    template: str = ""

    @abc.abstractmethod
    def write(
        self,
        task: Any,
        path: Path,
        quantize: str,
        examples: Sequence[tuple[str, ...]],
        passes: Callable[[Path], bool],
    ) -> list[str]:
        """Writes the artefact of a task.

        Args:
            task: a task.
            path: the file or directory to write.
            quantize: of `quantizations`.
            examples: tuples of strings, to measure ranges on.
            passes: a function of a path: whether the candidate at the path passes verification.

        Returns:
            The names of the weights that were left in float32 in a quantised file.

        Raises:
            ResultError: if the artefact cannot be made.
        """

    def why_not(self, task: Any) -> str:
        """Why this format does not support a task, worded to follow the name; otherwise ""."""
        return ""

    def quantizations_for(self, task: Any) -> tuple[str, ...]:
        """Those of `quantizations` that are possible for a task."""
        return self.quantizations

    def answers(self, task: Any) -> bool:
        """Whether an artefact gives answers; otherwise only the numbers to compare."""
        return True

    def answer_inputs(self, task: Any) -> tuple[str, ...]:
        """The names of the inputs of `serving_default`."""
        return task.text_inputs if self.takes_strings else task.id_inputs

    def compared(self, task: Any) -> Compared:
        """The signature whose numbers are compared with the model's."""
        return task.compared

    def expected(self, task: Any, expected: dict[str, Any]) -> dict[str, Any]:
        """The expected outputs of an artefact, from those of `expected.expected_of`."""
        return expected

    def operators(self, path: Path) -> str:
        """The operators in an artefact, for the report."""
        return ""

    def engine(self, path: Path) -> Engine:
        """Loads an artefact for `predict` and `evaluate`.

        Raises:
            UserError: if the artefact is damaged, or cannot answer.
        """
        raise UserError(f"{path}: predict and evaluate do not support the format {self.name}")

    def load_example(self, artefact: Artefact, report: Report) -> str:
        """Markdown that shows how to load an artefact, or ""."""
        if not self.template or "serving_default" not in artefact.signatures:
            return ""
        return fill(self.template, artefact, report)

    def path(self, quantize: str) -> str:
        """The path of an artefact in an export directory."""
        if quantize == "none":
            return self.file
        path = Path(self.file)
        return f"{path.stem}.{quantize}{path.suffix}"

    def has_written(self, path: Path) -> bool:
        """Whether a path ends like the path of an artefact of this format."""
        return any(path.match(self.path(quantize)) for quantize in self.quantizations)


FORMATS: Registry[Format] = Registry("format", {name: f"{_MODULES}.{name}" for name in _BUILTIN})


def register_format(form: type[Format]) -> type[Format]:
    """Registers a subclass of `Format` under its name; a decorator.

    Raises:
        ValueError: if another format has the same name.
    """
    FORMATS.register(form.name)(form())
    return form
