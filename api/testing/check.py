"""A check: a property, its test, and where to look if it does not hold."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, Protocol, TypeVar

import keras
import numpy as np


class Case(Protocol):
    """The object to check: a layer, a model or a task, with inputs."""

    @property
    def name(self) -> str:
        """Its name in messages."""
        ...


CaseType = TypeVar("CaseType", bound=Case)


def _always(case: Any) -> bool:
    return True


@dataclasses.dataclass(frozen=True)
class Check(Generic[CaseType]):
    """A property of a layer, a model or a task. Calling it with a case tests it.

    Attributes:
        function: takes the case, and options by name; raises an error if the property does
            not hold. Its docstring is the property.
        hint: where to look then.
        applies: whether the property applies to a case.
    """

    function: Callable[..., None]
    hint: str
    applies: Callable[[CaseType], bool] = _always

    @property
    def __name__(self) -> str:
        """The name of the property, which pytest shows."""
        return self.function.__name__

    @property
    def statement(self) -> str:
        """The property as a sentence."""
        return (self.function.__doc__ or self.__name__).strip()

    def __call__(self, case: CaseType, **options: Any) -> None:
        """Tests the property.

        Args:
            case: the case to test.
            **options: of the function.

        Raises:
            AssertionError: if the property does not hold.
        """
        try:
            self.function(case, **options)
        except Exception as error:
            details = str(error).strip()
            if not isinstance(error, AssertionError):
                details = f"{type(error).__name__}: {details}"
            raise AssertionError(
                f"{case.name} fails the check {self.__name__}.\n"
                f"Expected: {self.statement}\n{details}\nLook at: {self.hint}"
            ) from error


def check(
    hint: str, applies: Callable[[Any], bool] = _always
) -> Callable[[Callable[..., None]], Check[Any]]:
    """Turns a function into a check; a decorator. Arguments are those of `Check`."""
    return lambda function: Check(function, hint, applies)


def run_checks(checks: Sequence[Check[CaseType]], case: CaseType) -> None:
    """Runs the checks that apply to a case, and stops at the first failure."""
    for one in checks:
        if one.applies(case):
            one(case)


def expect(condition: object, message: str) -> None:
    """Raises an `AssertionError` unless the condition is true, also with `python -O`."""
    if not condition:
        raise AssertionError(message)


def arrays_of(outputs: Any) -> list[np.ndarray]:
    """Tensors in any structure as arrays; bfloat16 as float32, which NumPy can print."""
    arrays = []
    for tensor in keras.tree.flatten(outputs):
        tensor = tensor if hasattr(tensor, "dtype") else np.asarray(tensor)
        is_half = keras.backend.standardize_dtype(tensor.dtype) == "bfloat16"
        tensor = keras.ops.cast(tensor, "float32") if is_half else tensor
        arrays.append(keras.ops.convert_to_numpy(tensor))
    return arrays


def expect_close(
    actual: Any, expected: Any, message: str, atol: float = 1e-5, rtol: float = 1e-5
) -> None:
    """Raises an `AssertionError` unless numbers are equal within tolerances."""
    ours, theirs = arrays_of(actual), arrays_of(expected)
    expect(len(ours) == len(theirs), f"{message}: {len(ours)} outputs, not {len(theirs)}")
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, atol=atol, rtol=rtol, err_msg=message)


def expect_equal(actual: Any, expected: Any, message: str) -> None:
    """Raises an `AssertionError` unless numbers are exactly equal."""
    expect_close(actual, expected, message, atol=0, rtol=0)


def expect_changed(old: Sequence[np.ndarray], weights: Sequence[Any], least: float) -> None:
    """Raises an `AssertionError` unless every weight changed by a finite amount."""
    for before, weight in zip(old, weights, strict=True):
        change = np.abs(weight.numpy() - before).max()
        expect(
            least < change < np.inf,
            f"{weight.path} changed by {change:.3g}, more than {least:g} was expected",
        )


def randomize(layer: Any) -> Any:
    """Adds noise to the weights: biases of 0 and scales of 1 would hide mistakes."""
    rng = np.random.default_rng(2)
    for weight in layer.weights:
        if np.issubdtype(weight.numpy().dtype, np.floating):
            weight.assign(weight.numpy() + rng.normal(0, 0.2, weight.shape))
    return layer


@contextlib.contextmanager
def kept(variables: Sequence[Any]) -> Iterator[None]:
    """Restores the values of variables after the block, such as the state of dropout."""
    values = [variable.numpy() for variable in variables]
    try:
        yield
    finally:
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)


def copy_of(layer: Any, **changes: Any) -> Any:
    """A new layer or model with the same configuration except for the changes."""
    return type(layer).from_config({**layer.get_config(), **changes})
