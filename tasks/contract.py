"""The types that tasks, training and exporting share."""

import dataclasses
from collections.abc import Callable
from typing import Any, Protocol

import tensorflow as tf

Example = tuple[str, ...]
Signature = tuple[Callable[..., Any], list[tf.TensorSpec]]


@dataclasses.dataclass(frozen=True)
class Compared:
    """The signature on which artefacts are compared, with its inputs and output.

    Attributes:
        signature: its name.
        inputs: the names of its arguments.
        output: the name of the numbers to compare.
    """

    signature: str
    inputs: tuple[str, ...]
    output: str


class Answer(Protocol):
    """An answer to one input."""

    @property
    def text(self) -> str:
        """The answer as text."""
        ...

    @property
    def record(self) -> dict[str, Any]:
        """The answer as a dict for JSON."""
        ...

    @property
    def lines(self) -> list[str]:
        """What the command line prints."""
        ...
