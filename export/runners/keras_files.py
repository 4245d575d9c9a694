"""Looks at a file of Keras before it is loaded: it may ask for any class, and for its own code.

Loading makes every object that the description of a model names. So a file is loaded only if it
names nothing but what an export is made of: Keras's own layers, initialisers and operations.
"""

import json
import os
import zipfile

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
# Of Keras 3: classes by the module that a file says they are from; None is every class.
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
    """Refuses a `.keras` or `.h5` file that names more than Keras's own layers.

    Args:
        path: the file.

    Raises:
        ValueError: naming what it asks for; or if it is out of proportion.
        OSError, KeyError: if it is damaged.
    """
    size = os.path.getsize(path)
    if path.endswith(".h5"):
        with h5py.File(path, "r") as file:
            _check_numbers(file, size)
            said = str(file.attrs["model_config"])
        _check(json.loads(said), {"": LAYERS | _MODELS}, ())
        return
    with zipfile.ZipFile(path) as archive:
        if sum(member.file_size for member in archive.infolist()) > size:
            raise ValueError("it is compressed, which no export is")
        said = json.loads(archive.read("config.json"))
        with archive.open("model.weights.h5") as weights, h5py.File(weights, "r") as file:
            _check_numbers(file, size)
    _check(said, _MODULES, (_OPERATIONS,))


def _check_numbers(file, size):
    """Refuses numbers that lie in other files, or need more bytes than there are."""
    found = []

    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            found.append(item.nbytes)
            if item.external or item.is_virtual:
                raise ValueError(f"{name} lies in another file")

    file.visititems(visit)
    if sum(found) > size:
        raise ValueError(f"its numbers need {sum(found):,} bytes, and it has {size:,}")


def _check(said, modules, prefixes):
    """Refuses a description that names a class of which `modules` do not know."""
    if isinstance(said, list):
        for value in said:
            _check(value, modules, prefixes)
    if not isinstance(said, dict):
        return
    if "class_name" in said or "module" in said:
        module, name = str(said.get("module") or ""), str(said.get("class_name"))
        known = modules.get(module, frozenset())
        is_operation = module.startswith(prefixes) if prefixes else False
        if name in _NO_CLASSES or not (is_operation or known is None or name in known):
            raise ValueError(
                f"it asks for {module + '.' if module else ''}{name}, no layer of ours"
            )
    for value in said.values():
        _check(value, modules, prefixes)
