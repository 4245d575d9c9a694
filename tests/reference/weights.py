"""Reads the weights of our layers as the reference wants them: separate matrices, float64."""

import numpy as np
from reference.transformer import sinusoid


def array(variable):
    return np.asarray(variable.numpy(), "float64")


def linear(layer, *names):
    """Cuts a projection into as many equal parts as there are names."""
    parts = dict(zip(names, np.split(array(layer.kernel), len(names), axis=1), strict=True))
    if layer.bias is not None:
        biases = np.split(array(layer.bias), len(names))
        parts.update({f"{name}_bias": bias for name, bias in zip(names, biases, strict=True)})
    return parts


def norm(layer):
    return array(layer.gamma), array(layer.beta)


def attention(layer):
    if layer.is_cross:
        projections = linear(layer.query, "query") | linear(layer.key_value, "key", "value")
    else:
        projections = linear(layer.query_key_value, "query", "key", "value")
    return projections | linear(layer.output_projection, "output")


def feed_forward(layer):
    return linear(layer.inner, "inner") | linear(layer.outer, "outer")


def encoder_block(block):
    return {
        "self_attention": attention(block.self_attention),
        "self_attention_norm": norm(block.self_attention_add_norm.layer_norm),
        "feed_forward": feed_forward(block.feed_forward),
        "feed_forward_norm": norm(block.feed_forward_add_norm.layer_norm),
    }


def decoder_block(block):
    return encoder_block(block) | {
        "cross_attention": attention(block.cross_attention),
        "cross_attention_norm": norm(block.cross_attention_add_norm.layer_norm),
    }


def transformer(model):
    weights = {
        "source_embedding": array(model.source_embedding.table),
        "target_embedding": array(model.target_embedding.table),
        "encoder_blocks": [encoder_block(block) for block in model.encoder_blocks],
        "decoder_blocks": [decoder_block(block) for block in model.decoder_blocks],
    }
    if model.positions == "sinusoidal":
        table = sinusoid(model.max_length, model.width)
        weights |= {"source_positions": table, "target_positions": table}
    else:
        weights["source_positions"] = array(model.source_position.table)
        weights["target_positions"] = array(model.target_position.table)
    if model.norm == "pre":
        weights |= {name: norm(getattr(model, name)) for name in ("encoder_norm", "decoder_norm")}
    if model.tie_output:
        return weights | {"output": weights["target_embedding"].T}
    return weights | linear(model.output_projection, "output")
