"""The weights of a model by their names in files."""

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from attention_zoo.errors import UserError
from attention_zoo.files import read_file


def weight_name(variable):
    """The name of a weight in a file: its path without the name of the model."""
    return variable.path.split("/", 1)[1]


def saved_weights(model):
    """The variables that are the model: not the states of random number generators."""
    return [v for v in model.weights if not v.path.endswith("seed_generator_state")]


def read_safetensors(path):
    """Reads a safetensors file into a dict of arrays.

    Raises:
        UserError: if it is missing or damaged, or has numbers of a kind that NumPy has not.
    """
    content = read_file(path)
    try:
        return safetensors.numpy.load(content)
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} is damaged or has numbers of an unknown kind: {error}") from error


def assign_weights(model, arrays, origin):
    """Puts arrays into a model.

    Args:
        model: a model.
        arrays: a dict from the name of each weight to its array.
        origin: named in errors.

    Raises:
        UserError: if a weight is missing or left over, a shape differs, or a number is NaN
            or infinite: all of them are listed.
    """
    variables = {weight_name(v): v for v in saved_weights(model)}
    problems = [f"missing: {name}" for name in variables.keys() - arrays.keys()]
    problems += [f"left over: {name}" for name in arrays.keys() - variables.keys()]
    problems += [
        f"{name}: shape {arrays[name].shape} in the file, {variables[name].shape} in the model"
        for name in variables.keys() & arrays.keys()
        if arrays[name].shape != tuple(variables[name].shape)
    ]
    if problems:
        raise UserError(f"{origin} does not fit the model: {'; '.join(sorted(problems))}")
    arrays = {name: as_float32(array, f"{origin}: {name}") for name, array in arrays.items()}
    for name, variable in variables.items():
        variable.assign(arrays[name])


def as_float32(array, origin):
    """An array of weights as float32, the type that models have.

    Raises:
        UserError: if it holds other things than numbers, or NaN, or a number that is too large.
    """
    if array.dtype.kind != "f":
        raise UserError(f"{origin} holds {array.dtype}, no floating-point numbers")
    with np.errstate(over="ignore"):
        array = array.astype("float32", copy=False)
    if not np.isfinite(array).all():
        raise UserError(f"{origin} holds NaN or an infinite number")
    return array
