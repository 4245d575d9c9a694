"""Checks a Keras file before it is loaded: it could name any class, or contain code.

Loading creates every object that the config of a model names. So a file is loaded only if it names
nothing but what exports consist of: Keras's own layers, initialisers and operations.
"""

import json
import os
import zipfile
from typing import Any

import h5py

LAYERS = frozenset(
    (
        "Activation",
        "Add",
        "AdditiveAttention",
        "Attention",
        "Bidirectional",
        "Concatenate",
        "Cropping1D",
        "Dense",
        "Dot",
        "Dropout",
        "EinsumDense",
        "Embedding",
        "Flatten",
        "GRU",
        "GlobalMaxPooling1D",
        "InputLayer",
        "LSTM",
        "LayerNormalization",
        "MultiHeadAttention",
        "Multiply",
        "Permute",
        "Rescaling",
        "Softmax",
        "UnitNormalization",
    )
)
_MODELS = frozenset({"Functional", "Model"})
# Classes of Keras 3 by the module that the file names; None allows every class.
_MODULES = {
    "keras.layers": LAYERS,
    "keras.models": _MODELS,
    "keras.src.models.functional": _MODELS,
    "keras": frozenset({"DTypePolicy"}),
    "keras.initializers": None,
    # Values, not objects.
    "": frozenset({"__keras_tensor__", "__slice__", "__tensor__", "__ellipsis__"}),
}
_OPERATIONS = "keras.src.ops."
_NO_CLASSES = frozenset({"function", "__lambda__"})


def check_keras_file(path):
    """Rejects a `.keras` or `.h5` file that names more than Keras's own layers.

    Args:
        path: the file.

    Raises:
        ValueError: naming the class; or if its contents are larger than the file.
        OSError, KeyError: if it is damaged.
    """
    size = os.path.getsize(path)
    if path.endswith(".h5"):
        with h5py.File(path, "r") as file:
            _check_numbers(file, size)
            said: Any = file.attrs["model_config"]
        _check(json.loads(said), {"": LAYERS | _MODELS}, ())
        return
    with zipfile.ZipFile(path) as archive:
        if sum(member.file_size for member in archive.infolist()) > size:
            raise ValueError("it is compressed, unlike any export")
        config = json.loads(archive.read("config.json"))
        with archive.open("model.weights.h5") as weights, h5py.File(weights, "r") as file:
            _check_numbers(file, size)
    _check(config, _MODULES, (_OPERATIONS,))


def _check_numbers(file, size):
    """Rejects weights that are in other files, or are larger than the file."""
    sizes = []

    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            sizes.append(item.nbytes)
            if item.external or item.is_virtual:
                raise ValueError(f"{name} is in another file")

    file.visititems(visit)
    if sum(sizes) > size:
        raise ValueError(f"its weights need {sum(sizes):,} bytes, and it has {size:,}")


def _check(config, modules, prefixes):
    """Rejects a config that names a class which is not in `modules`."""
    if isinstance(config, list):
        for value in config:
            _check(value, modules, prefixes)
    if not isinstance(config, dict):
        return
    if "class_name" in config or "module" in config:
        module, name = str(config.get("module") or ""), str(config.get("class_name"))
        known = modules.get(module, frozenset())
        is_operation = module.startswith(prefixes) if prefixes else False
        if name in _NO_CLASSES or not (is_operation or known is None or name in known):
            raise ValueError(
                f"it names {module + '.' if module else ''}{name}, which exports do not use"
            )
    for value in config.values():
        _check(value, modules, prefixes)
