"""The decoding benchmark's model, and the files it becomes for each runtime."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

FULL = {"vocab": 32000, "width": 512, "heads": 8, "inner": 2048, "blocks": 6, "length": 32}
QUICK = {"vocab": 120, "width": 16, "heads": 2, "inner": 32, "blocks": 1, "length": 6}
SPECIAL_IDS = 4
MODES = {"greedy": 1, "beam4": 4}


def make_model(size):
    """A Transformer with random weights that never ends a sentence.

    One component of the last hidden vector is made constant, and the special ids have
    a negative weight there: their logits are about 8 below the others.
    """
    import keras
    import numpy as np

    from attention_zoo.zoo import Transformer

    keras.utils.set_random_seed(1)
    model = Transformer(
        size["vocab"],
        width=size["width"],
        num_heads=size["heads"],
        feed_forward_width=size["inner"],
        num_encoder_blocks=size["blocks"],
        num_decoder_blocks=size["blocks"],
        attention_bias=True,
    )
    rng = np.random.default_rng(1)
    for variable in model.variables:
        if "bias" in variable.path or "beta" in variable.path:
            variable.assign(rng.normal(0, 0.1, variable.shape))
    last_norm = model.decoder_blocks[-1].feed_forward_add_norm.layer_norm
    for variable, constant in ((last_norm.gamma, 0.0), (last_norm.beta, 10.0)):
        variable.assign(np.concatenate([[constant], np.asarray(variable)[1:]]))
    table = np.array(model.target_embedding.table)
    table[:, 0] = 0.0
    table[:SPECIAL_IDS, 0] = -0.8
    model.target_embedding.table.assign(table)
    return model


def save_all(size, folder, batches, runtimes):
    """Writes the artefacts of the runtimes asked for."""
    model = make_model(size)
    if "tf" in runtimes:
        save_tensorflow(model, size, folder / "saved_model")
    if "litert" in runtimes:
        for mode in MODES:
            for batch in batches:
                for precision in ("float32", "int8"):
                    path = folder / f"{mode}_b{batch}_{precision}.tflite"
                    path.write_bytes(to_litert(model, size, mode, batch, precision))
    if "ctranslate2" in runtimes:
        for precision in ("float32", "int8"):
            save_ctranslate2(model, size, folder / f"ctranslate2_{precision}", precision)


def _search(model, mode, size):
    from attention_zoo.decoding.beam_search import beam_search
    from attention_zoo.decoding.greedy import greedy_search

    if mode == "greedy":
        return lambda ids: {"ids": greedy_search(model, ids, size["length"]).ids}
    return lambda ids: {"ids": beam_search(model, ids, size["length"], beam_size=MODES[mode]).ids}


def save_tensorflow(model, size, path):
    """A SavedModel with a function for each mode, with XLA and without."""
    import tensorflow as tf

    module = tf.Module()
    module.variables_ = [variable.value for variable in model.variables]
    for mode in MODES:
        for suffix, jit_compile in (("", False), ("_xla", True)):
            function = tf.function(
                _search(model, mode, size),
                input_signature=[tf.TensorSpec([None, None], tf.int32, name="ids")],
                jit_compile=jit_compile,
                autograph=False,
            )
            setattr(module, mode + suffix, function)
    tf.saved_model.save(module, str(path))


def to_litert(model, size, mode, batch, precision):
    """A LiteRT file with builtin operators for one batch size and length."""
    import tensorflow as tf

    module = tf.Module()
    module.variables_ = [variable.value for variable in model.variables]
    spec = tf.TensorSpec([batch, size["length"]], tf.int32, name="ids")
    function = tf.function(_search(model, mode, size), input_signature=[spec], autograph=False)
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [function.get_concrete_function()], module
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if precision == "int8":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    return converter.convert()


def token(token_id):
    """How CTranslate2's vocabulary spells an id."""
    return (
        ("<blank>", "<unk>", "<s>", "</s>")[token_id] if token_id < SPECIAL_IDS else f"t{token_id}"
    )


def save_ctranslate2(model, size, path, precision):
    """The same weights in CTranslate2's format."""
    import ctranslate2
    import numpy as np

    spec = ctranslate2.specs.TransformerSpec.from_config(
        (size["blocks"], size["blocks"]), size["heads"], pre_norm=False
    )
    table = np.array(model.target_embedding.table)
    embeddings = (spec.encoder.embeddings[0], spec.decoder.embeddings, spec.decoder.projection)
    for side in embeddings:
        side.weight = table
    for side, position in (
        (spec.encoder, model.source_position),
        (spec.decoder, model.target_position),
    ):
        side.position_encodings.encodings = np.asarray(position.table)
    for target, block in zip(spec.encoder.layer, model.encoder_blocks, strict=True):
        _fill_block(target, block)
    for target, block in zip(spec.decoder.layer, model.decoder_blocks, strict=True):
        _fill_block(target, block)
        cross = block.cross_attention
        linears = (cross.query, cross.key_value, cross.output_projection)
        for linear, layer in zip(target.attention.linear, linears, strict=True):
            _fill_linear(linear, layer)
        _fill_norm(target.attention.layer_norm, block.cross_attention_add_norm)
    tokens = [token(i) for i in range(size["vocab"])]
    spec.register_source_vocabulary(tokens)
    spec.register_target_vocabulary(tokens)
    spec.config.layer_norm_epsilon = model.epsilon
    spec.validate()
    spec.optimize(quantization=precision)
    path.mkdir()
    spec.save(str(path))


def _fill_block(target, block):
    attention = block.self_attention
    linears = (attention.query_key_value, attention.output_projection)
    for linear, layer in zip(target.self_attention.linear, linears, strict=True):
        _fill_linear(linear, layer)
    _fill_norm(target.self_attention.layer_norm, block.self_attention_add_norm)
    _fill_linear(target.ffn.linear_0, block.feed_forward.inner)
    _fill_linear(target.ffn.linear_1, block.feed_forward.outer)
    _fill_norm(target.ffn.layer_norm, block.feed_forward_add_norm)


def _fill_linear(linear, layer):
    import numpy as np

    linear.weight = np.ascontiguousarray(np.array(layer.kernel).T)
    linear.bias = np.array(layer.bias)


def _fill_norm(norm, add_norm):
    import numpy as np

    norm.gamma = np.array(add_norm.layer_norm.gamma)
    norm.beta = np.array(add_norm.layer_norm.beta)


def build(size, folder, batches, runtimes):
    """Runs this file in a process of its own, whose memory is free again afterwards."""
    command = [sys.executable, __file__, json.dumps([size, str(folder), batches, runtimes])]
    with contextlib.ExitStack() as stack:
        log = stack.enter_context((Path(folder) / "build.log").open("w+", encoding="utf-8"))
        if subprocess.run(command, stdout=log, stderr=log, check=False).returncode:
            log.seek(0)
            raise SystemExit(f"building the artefacts failed:\n{log.read()[-3000:]}")


if __name__ == "__main__":
    arguments = json.loads(sys.argv[1])
    save_all(arguments[0], Path(arguments[1]), *arguments[2:])
