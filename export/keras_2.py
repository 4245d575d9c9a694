"""Files of Keras 2: `.h5`, which tf_keras, TensorFlow before 2.16 and many importers read.

Keras 2 cannot read the `.h5` files of Keras 3, whose layer configs differ. So the config of a
model of stock layers is converted to Keras 2, with only the arguments that both versions know,
and tf_keras, which is Keras 2, builds and writes the same model.
"""

import json
import warnings
from pathlib import Path
from typing import Any

import h5py

from attention_zoo.export.portable import portable_model
from attention_zoo.quiet import silent_stderr

# The arguments of each layer besides its name: those that early versions of Keras 2 had.
_ARGUMENTS = {
    "Activation": ("activation",),
    "Add": (),
    "AdditiveAttention": (),
    "Attention": (),
    "Bidirectional": ("merge_mode",),
    "Concatenate": ("axis",),
    "Cropping1D": ("cropping",),
    "Dense": ("units", "activation", "use_bias"),
    "Dot": ("axes",),
    "Dropout": ("rate", "noise_shape"),
    "EinsumDense": ("equation", "output_shape", "bias_axes"),
    "Embedding": ("input_dim", "output_dim", "mask_zero"),
    "Flatten": (),
    "GRU": ("units", "return_sequences", "return_state", "recurrent_dropout", "reset_after"),
    "GlobalMaxPooling1D": (),
    "LSTM": ("units", "return_sequences", "return_state", "recurrent_dropout"),
    "LayerNormalization": ("epsilon",),
    "MultiHeadAttention": ("num_heads", "key_dim", "dropout", "use_bias"),
    "Multiply": (),
    "Permute": ("dims",),
    "Rescaling": ("scale", "offset"),
    "Softmax": ("axis",),
    "UnitNormalization": (),
}


def write_h5(task: Any, path: Path | str) -> None:
    """Writes the model of a task as a `.h5` file of Keras 2: ids in, numbers out.

    Inputs have the task's maximum lengths and are padded with 0.
    """
    import tf_keras

    model = portable_model(task, fixed=True)
    description = _description(model)
    said = json.dumps({"class_name": "Functional", "config": description})
    copy = tf_keras.Model.from_config(description)  # which takes things out of it
    for layer in copy.layers:
        layer.set_weights(model.get_layer(layer.name).get_weights())
    with warnings.catch_warnings(), silent_stderr():  # it recommends files of Keras 3
        warnings.simplefilter("ignore")
        copy.save(path, include_optimizer=False)
    # What tf_keras writes of a layer has arguments that earlier versions do not know.
    with h5py.File(path, "r+") as file:
        file.attrs["model_config"] = said


def _description(model: Any) -> dict[str, Any]:
    """The config of the model for Keras 2."""
    config = model.get_config()
    kept = {name: config[name] for name in ("name", "input_layers", "output_layers")}
    return {**kept, "layers": [_layer(layer) for layer in config["layers"]]}


def _layer(layer: dict[str, Any]) -> dict[str, Any]:
    """The config of a layer for Keras 2, with its inbound nodes."""
    said, nodes = _said(layer), layer["inbound_nodes"]
    if layer["class_name"] == "MultiHeadAttention":
        query, value = (tensor["config"]["shape"] for tensor in nodes[0]["args"])
        said["config"] |= {"query_shape": query, "value_shape": value, "key_shape": value}
    return {**said, "name": layer["name"], "inbound_nodes": [_node(**node) for node in nodes]}


def _said(layer: dict[str, Any]) -> dict[str, Any]:
    """The class and arguments of a layer."""
    config, kind = layer["config"], layer["class_name"]
    if kind == "InputLayer":
        said = {"batch_input_shape": config["batch_shape"], "dtype": config["dtype"]}
    else:
        said = {name: config[name] for name in ("trainable", *_ARGUMENTS[kind])}
    if kind == "Bidirectional":
        said["layer"] = _said(config["layer"])
    return {"class_name": kind, "config": {"name": config["name"], **said}}


def _node(args: list[Any], kwargs: dict[str, Any]) -> list[Any]:
    """The inbound node of a layer: an entry for each tensor of a list, otherwise one entry."""
    # `training` was False when the model was built; each call sets it.
    given = {k: v for k, v in kwargs.items() if v is not None and k != "training"}
    if "initial_state" in given:  # recurrent layers take it as further inputs
        args = [[*args, *given.pop("initial_state")]]
    options = {name: _origin(value) for name, value in given.items()}
    if isinstance(args[0], list | tuple):
        return [[*_origin(tensor), options] for tensor in args[0]]
    if len(args) == 2:  # attention
        options["value"] = _origin(args[1])
    return [[*_origin(args[0]), options]]


def _origin(value: Any) -> Any:
    """Layer, node and index of a tensor; other values are returned unchanged."""
    is_tensor = isinstance(value, dict) and value.get("class_name") == "__keras_tensor__"
    return list(value["config"]["keras_history"]) if is_tensor else value
