"""Reading and writing the weights of a model, by name, in safetensors files."""

from pathlib import Path

import keras
import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from attention_zoo.errors import UserError
from attention_zoo.files import read_file

WEIGHTS_FILE = "model.safetensors"

# NumPy's names of the dtypes of safetensors.
_DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "u1",
    "BOOL": "?",
}


def saved_weights(model):
    """The variables that are saved, by their names in a file.

    The state of random number generators is not saved. A name is the path of a variable without
    the name of the model, or of a model in it: `block_0/feed_forward/inner/kernel`.

    Args:
        model: a Keras model.

    Raises:
        UserError: if two weights have the same name.
    """
    models = {model.name, *(layer.name for layer in model.layers if isinstance(layer, keras.Model))}
    variables = {}
    for variable in model.weights:
        if variable.path.endswith("seed_generator_state"):
            continue
        first, _, rest = variable.path.partition("/")
        name = rest if first in models else variable.path
        if name in variables:
            raise UserError(
                f"{type(model).__name__} has two weights named {name}: give its layers names"
            )
        variables[name] = variable
    return variables


def write_weights(model, path, dtype="float32"):
    """Writes the weights of a model to a safetensors file.

    Args:
        model: a Keras model.
        path: the file to write.
        dtype: of the weights in the file; models compute in float32 whatever it is.

    Raises:
        UserError: if a weight is NaN, or too large for the dtype; or two have the same name.
    """
    write_arrays(copy_weights(model, dtype), path)


def copy_weights(model, dtype="float32"):
    """Copies the weights of a model into a dict from name to array.

    Raises:
        UserError: as `write_weights`.
    """
    return {name: _copy(v, dtype, name) for name, v in saved_weights(model).items()}


def _copy(variable, dtype, name):
    array = variable.numpy()
    if not np.abs(array).max(initial=0) <= np.finfo(dtype).max:
        raise UserError(f"{name} contains NaN, or a value too large for {dtype}")
    return array.astype(dtype)


def write_arrays(arrays, path):
    """Writes a dict from name to array to a safetensors file."""
    # Serialised in memory, so that a full disk is an error of this write, which has the path.
    Path(path).write_bytes(safetensors.numpy.save(arrays))


def read_weights(model, path):
    """Loads the weights in a safetensors file into a model.

    Raises:
        UserError: if the file is missing or damaged; else as `assign_weights`.
    """
    assign_weights(model, read_safetensors(path), path)


def read_safetensors(path):
    """Reads a safetensors file into a dict from name to array.

    Raises:
        UserError: if the file is missing or damaged, or has a dtype that NumPy lacks; bfloat16 is
            read as float32.
    """
    content = read_file(path)
    try:
        views = safetensors.deserialize(content)
        return {name: _array(name, view, path) for name, view in views}
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path} is damaged: {error}") from error


def _array(name, view, path):
    """An array from its view in a safetensors file."""
    dtype, shape, data = view["dtype"], view["shape"], view["data"]
    if dtype == "BF16":
        # The upper half of a float32.
        wide = np.frombuffer(data, "<u2").astype("<u4") << 16
        return wide.view("<f4").reshape(shape)
    if dtype not in _DTYPES:
        raise UserError(
            f"{path}: {name} has the unsupported dtype {dtype}; accepted are BF16, "
            f"{', '.join(_DTYPES)}"
        )
    return np.frombuffer(data, _DTYPES[dtype]).reshape(shape)


def assign_weights(model, arrays, origin):
    """Assigns arrays to the weights of a model.

    Args:
        model: a Keras model.
        arrays: a dict from the name of each weight to its array.
        origin: where the arrays come from, for error messages.

    Raises:
        UserError: listing all weights that are missing, unexpected or of another shape; or
            naming one that is NaN or infinite.
    """
    variables = saved_weights(model)
    problems = [f"missing: {name}" for name in variables.keys() - arrays.keys()]
    problems += [f"unexpected: {name}" for name in arrays.keys() - variables.keys()]
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
    """Converts an array of weights to float32, the dtype of the models' weights.

    Raises:
        UserError: if the array is not floating-point, or a value is NaN, infinite or too large
            for float32.
    """
    if array.dtype.kind != "f":
        raise UserError(f"{origin} has dtype {array.dtype}, expected floating point")
    with np.errstate(over="ignore"):
        array = array.astype("float32", copy=False)
    if not np.isfinite(array).all():
        raise UserError(f"{origin} contains NaN or infinity")
    return array
