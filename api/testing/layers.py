"""Checks of layers."""

from __future__ import annotations

import dataclasses
import inspect
import itertools
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from attention_zoo.testing.check import (
    Check,
    arrays_of,
    check,
    copy_of,
    expect,
    expect_changed,
    expect_close,
    expect_equal,
    kept,
    randomize,
    run_checks,
)
from attention_zoo.zoo.precision import dtype_policy

_HALF = "mixed_bfloat16"


@dataclasses.dataclass(frozen=True)
class LayerCase:
    """A layer and inputs to test it with; the arguments are those of `check_layer`."""

    make_layer: Callable[[], Any]
    inputs: Mapping[str, np.ndarray]
    causal: bool = False
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def name(self) -> str:
        """The class of the layer."""
        return type(self.make_layer()).__name__

    def make(self, **changes: Any) -> Any:
        """A layer with weights.

        Args:
            **changes: constructor arguments that replace those of `make_layer`.
        """
        layer = self.make_layer()
        layer = copy_of(layer, **changes) if changes else layer
        self.call(layer)
        return layer

    def call(self, layer: Any, inputs: Mapping[str, Any] | None = None, **options: Any) -> Any:
        """Calls the layer, by default on the inputs of the case."""
        return layer(**(self.inputs if inputs is None else inputs), **self.options, **options)

    def functional(self, layer: Any, **options: Any) -> Any:
        """A functional model of the layer, with unknown batch size and lengths."""
        lengths = self.lengths()
        inputs = {
            name: keras.Input(
                [None if size in lengths else size for size in array.shape[1:]],
                dtype=array.dtype.name,
                name=name,
            )
            for name, array in self.inputs.items()
        }
        return keras.Model(inputs, self.call(layer, inputs, **options))

    def lengths(self) -> list[int]:
        """The sizes that are lengths: those of masks and ids, and axis 1 for rank 3 or more."""
        sizes: dict[int, None] = {}
        for array in self.inputs.values():
            if array.dtype == bool or np.issubdtype(array.dtype, np.integer):
                sizes |= dict.fromkeys(array.shape[1:])
            elif array.ndim > 2:
                sizes[array.shape[1]] = None
        return list(sizes)

    def resized(self) -> dict[str, np.ndarray]:
        """The inputs with a single example, and lengths alternately longer and shorter."""
        new = {
            length: length + 5 if i % 2 == 0 else max(1, length - 3)
            for i, length in enumerate(self.lengths())
        }
        resized = {}
        for name, array in self.inputs.items():
            array = array[:1]
            for axis in range(1, array.ndim):
                size = array.shape[axis]
                wanted = new.get(size) or size
                array = array.take(np.arange(wanted) % size, axis=axis)
            resized[name] = array
        return resized


def _accepts(case: LayerCase, argument: str) -> bool:
    return argument in inspect.signature(case.make_layer().call).parameters


def constructor_arguments(layer_class: type) -> dict[str, Any]:
    """Names and defaults, including those passed by `**kwargs` to base classes outside Keras."""
    arguments: dict[str, inspect.Parameter] = {}
    for cls in inspect.getmro(layer_class):
        if cls is not object and cls.__module__.partition(".")[0] != "keras":
            arguments |= inspect.signature(cls.__init__).parameters
    return {
        name: argument.default
        for name, argument in arguments.items()
        if name != "self" and argument.kind not in (argument.VAR_KEYWORD, argument.VAR_POSITIONAL)
    }


@check("get_config: it returns the arguments of __init__ and the items of super().get_config()")
def config_has_every_argument(case: LayerCase) -> None:
    """The configuration has every constructor argument, and nothing else."""
    layer = case.make()
    arguments = set(constructor_arguments(type(layer)))
    keys = set(layer.get_config())
    for name in sorted(arguments - keys):
        raise AssertionError(f"get_config lacks {name!r}")
    extra = keys - arguments - {"name", "trainable", "dtype"}
    accepted = {
        n for cls in type(layer).__mro__ for n in inspect.signature(cls.__init__).parameters
    }
    expect(not extra - accepted, f"get_config has {sorted(extra)}, which __init__ does not accept")


@check("get_config: it returns arguments as __init__ received them")
def config_round_trip(case: LayerCase) -> None:
    """A layer built from the configuration, with the same weights, has the same outputs."""
    layer = randomize(case.make())
    twin = copy_of(layer)
    case.call(twin)
    twin.set_weights(layer.get_weights())
    ours, theirs = twin.get_config(), layer.get_config()
    expect(ours == theirs, f"the copy has the configuration {ours}, the original {theirs}")
    expect_equal(case.call(twin), case.call(layer), "outputs of the copy and of the original")


@check("build: does it create or reinitialise weights if the layer is already built?")
def building_again_changes_no_weight(case: LayerCase) -> None:
    """Building a layer again does not change its weights."""
    layer = randomize(case.make())
    before = [(weight, weight.numpy()) for weight in layer.weights]
    shapes = [array.shape for array in case.inputs.values() if array.dtype != bool]
    layer.build(*shapes[: len(inspect.signature(layer.build).parameters)])
    expect(
        [id(weight) for weight in layer.weights] == [id(weight) for weight, _ in before],
        f"{len(before)} weights became {len(layer.weights)}, or were replaced",
    )
    for weight, values in before:
        expect_equal(weight, values, weight.path)


@check("call and compute_output_spec: use keras.ops.shape for sizes known only at run time")
def dynamic_batch_and_length(case: LayerCase) -> None:
    """A functional model with unknown batch size and lengths has the layer's outputs."""
    layer = randomize(case.make())
    model = case.functional(layer)
    for inputs in (dict(case.inputs), case.resized()):
        shapes = {name: array.shape for name, array in inputs.items()}
        outputs = model.predict(inputs, verbose=0)
        expect_close(outputs, case.call(layer, inputs), f"inputs of shapes {shapes}")


@check("keras.saving.register_keras_serializable, get_config and build")
def save_and_load(case: LayerCase) -> None:
    """A model with the layer is the same after saving as .keras and loading."""
    model = case.functional(randomize(case.make()))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        loaded: Any = keras.models.load_model(path)
    count = len(model.weights)
    expect(len(loaded.weights) == count, f"{len(loaded.weights)} of {count} weights were loaded")
    inputs = dict(case.inputs)
    expect_equal(loaded(inputs), model(inputs), "outputs before and after")


@check("dtypes in call: constants and masks need self.compute_dtype")
def mixed_precision_of_all_layers(case: LayerCase) -> None:
    """With the policy mixed_bfloat16, weights are float32 and outputs bfloat16, nearly the same."""
    single = case.make()
    with dtype_policy(_HALF):
        _is_nearly(case, single, case.make())


@check("__init__: it passes dtype to super().__init__, and dtype=self.dtype_policy to its layers")
def mixed_precision_of_this_layer(case: LayerCase) -> None:
    """With dtype="mixed_bfloat16", weights are float32 and outputs bfloat16, nearly the same."""
    _is_nearly(case, case.make(), case.make(dtype=_HALF))


def _is_nearly(case: LayerCase, single: Any, mixed: Any) -> None:
    mixed.set_weights(single.get_weights())
    outputs = case.call(mixed)
    dtype = keras.backend.standardize_dtype(keras.tree.flatten(outputs)[0].dtype)
    expect(dtype == "bfloat16", f"the output is {dtype}")
    types = {str(weight.dtype) for weight in mixed.weights}
    expect(types <= {"float32"}, f"weights are {', '.join(sorted(types))}")
    expect_close(outputs, case.call(single), "bfloat16 and float32", atol=0.05, rtol=0.05)


def _has_weights(case: LayerCase) -> bool:
    return bool(case.make().trainable_weights)


@check("call: every weight must affect the output, and nothing may stop gradients", _has_weights)
def one_training_step_changes_every_weight(case: LayerCase) -> None:
    """A step of model.fit changes every trainable weight."""
    layer = case.make()
    functional = case.functional(layer)
    model = keras.Model(functional.input, keras.tree.flatten(functional.output)[0])
    model.compile(keras.optimizers.SGD(1.0), "mse")
    old = [weight.numpy() for weight in layer.trainable_weights]
    wanted = np.random.default_rng(2).normal(size=arrays_of(case.call(layer))[0].shape)
    model.fit(dict(case.inputs), wanted, verbose=0)  # pyright: ignore
    expect_changed(old, layer.trainable_weights, 1e-6)


def _has_mask(case: LayerCase) -> bool:
    return any(array.dtype == bool for array in case.inputs.values())


@check("call: masked positions must not affect sums, means and attention", _has_mask)
def padding_changes_no_valid_output(case: LayerCase) -> None:
    """Masked positions do not change the outputs of others."""
    layer = randomize(case.make())
    masks = [array for array in case.inputs.values() if array.dtype == bool]
    masked = {size for mask in masks for size in mask.shape[1:]}
    padded = {}
    for name, array in case.inputs.items():
        widths = [(0, 4 if axis and n in masked else 0) for axis, n in enumerate(array.shape)]
        # A conspicuous float, an id of padding, a mask that is False.
        value = 100 if np.issubdtype(array.dtype, np.floating) else 0
        padded[name] = np.pad(array, widths, constant_values=value)
    (output, *_), (expected, *_) = arrays_of(case.call(layer, padded)), arrays_of(case.call(layer))
    if output.ndim > 1:
        output = output[:, : expected.shape[1]]
    expect_close(output, expected, "outputs with and without 4 more masked positions")


def causal_combinations(case: LayerCase) -> Iterator[dict[str, Any]]:
    """The options of `future_changes_nothing` that a layer supports."""
    has_dropout = "dropout" in case.make_layer().get_config()
    rank = case.inputs["attention_mask"].ndim if "attention_mask" in case.inputs else 0
    for dropout, return_weights, mask_rank, dtype in itertools.product(
        [0.0, 0.5] if has_dropout else [0.0],
        [False, True] if _accepts(case, "return_weights") else [False],
        [0, rank] if rank else [0],
        ["float32", _HALF],
    ):
        yield {
            "dropout": dropout,
            "return_weights": return_weights,
            "mask_rank": mask_rank,
            "dtype": dtype,
        }


@check(
    "call: the causal mask; is it lost if a mask is given or weights are returned?",
    lambda case: case.causal,
)
def future_changes_nothing(case: LayerCase, **combination: Any) -> None:
    """The last position of the first input changes its own output, but no earlier one."""
    for options in [combination] if combination else causal_combinations(case):
        _ignores_the_future(case, **options)


def _ignores_the_future(
    case: LayerCase, dropout: float, return_weights: bool, mask_rank: int, dtype: str
) -> None:
    combination = f"dropout={dropout}, weights returned={return_weights}, mask of rank {mask_rank}"
    changes: dict[str, Any] = {"dtype": dtype, **({"dropout": dropout} if dropout else {})}
    layer = case.make(**changes)
    name, first = next(iter(case.inputs.items()))
    changed = first.copy()
    is_float = np.issubdtype(first.dtype, np.floating)
    changed[:, -1] = 9 if is_float else np.where(first[:, -1] == 1, 2, 1)
    options: dict[str, Any] = {"training": True} if dropout else {}
    options |= {"return_weights": True} if return_weights else {}
    inputs: dict[str, Any] = dict(case.inputs)
    if _accepts(case, "attention_mask"):
        inputs["attention_mask"] = _random_mask(first.shape, mask_rank)
    outputs = []
    for values in (first, changed):
        with kept(layer.variables):  # the same dropout
            output = case.call(layer, {**inputs, name: values}, **options)
        outputs.append(arrays_of(output)[0])
    before, after = outputs
    expect_equal(before[:, :-1], after[:, :-1], f"earlier outputs, {combination}, {dtype}")
    change = np.abs(before[:, -1] - after[:, -1]).max()
    expect(change > 0.1 * before.std(), f"the last output changed by {change:.3g}, {combination}")


def _random_mask(shape: tuple[int, ...], rank: int) -> np.ndarray | None:
    if not rank:
        return None
    batch, length = shape[:2]
    allowed = np.random.default_rng(2).random([batch, *[length] * (rank - 1)]) < 0.7
    allowed[..., 0] = True  # Every position attends to at least one.
    return allowed


LAYER_CHECKS: tuple[Check[LayerCase], ...] = (
    config_has_every_argument,
    config_round_trip,
    building_again_changes_no_weight,
    dynamic_batch_and_length,
    save_and_load,
    mixed_precision_of_all_layers,
    mixed_precision_of_this_layer,
    one_training_step_changes_every_weight,
    padding_changes_no_valid_output,
    future_changes_nothing,
)


def check_layer(
    make_layer: Callable[[], Any],
    inputs: Mapping[str, Any],
    *,
    causal: bool = False,
    options: Mapping[str, Any] | None = None,
) -> None:
    """Checks the properties of all layers in this package.

    The configuration is complete; a functional model with the layer works for any batch size and
    length, can be saved and loaded, and works in mixed precision; and a training step changes every
    weight. If there are masks, padding changes nothing; in a causal layer, neither does the future.

    Args:
        make_layer: a function without arguments that returns a new layer, such as its class. Use
            arguments other than the defaults, to detect a `get_config` that omits one.
        inputs: a dict from the names of the arguments of `call` to example arrays, batch first.
            Boolean arrays are masks, True where attention is allowed; integer arrays are ids.
            Axis 1 of ids and of arrays of rank 3 or more is a length. Equal sizes are assumed
            to be the same axis, so give different axes different sizes. The layer must support
            lengths up to 5 more.
        causal: whether an output depends only on the first input up to its own position.
        options: further arguments of every call, such as `{"causal": True}`.

    Raises:
        AssertionError: naming the property that does not hold.

    Example:
        >>> from attention_zoo.layers import Linear
        >>> check_layer(lambda: Linear(5, use_bias=False), {"inputs": np.ones((2, 3, 4))})
    """
    arrays = {name: np.asarray(array) for name, array in inputs.items()}
    for name, array in arrays.items():
        if array.dtype == np.float64:
            arrays[name] = array.astype("float32")
    run_checks(LAYER_CHECKS, LayerCase(make_layer, arrays, causal, options or {}))
