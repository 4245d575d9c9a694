"""The Transformer in NumPy, written apart from the package: float64, one head at a time.

Weights are dictionaries of the paper's separate matrices; a bias that is missing is none.
Masks are boolean, broadcast to (B, T, S), True = may attend; every query needs a key.
"""

import math

import numpy as np


def softmax(scores):
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def layer_norm(x, scale, offset, epsilon=1e-6):
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = (centred**2).mean(axis=-1, keepdims=True)
    return scale * centred / np.sqrt(variance + epsilon) + offset


def relu(x):
    return np.maximum(x, 0)


def gelu(x):
    return x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2


ACTIVATIONS = {"relu": relu, "gelu": gelu}


def linear(x, weights, name):
    return x @ weights[name] + weights.get(f"{name}_bias", 0.0)


def attention(query, memory, weights, num_heads, allowed=True):
    """Returns the output (B, T, D) and the attention weights (B, H, T, S)."""
    q, k, v = (
        linear(x, weights, name)
        for x, name in ((query, "query"), (memory, "key"), (memory, "value"))
    )
    width = q.shape[-1] // num_heads
    outputs, shares = [], []
    for head in range(num_heads):
        columns = slice(head * width, (head + 1) * width)
        scores = q[..., columns] @ k[..., columns].swapaxes(1, 2) / math.sqrt(width)
        shares.append(softmax(np.where(allowed, scores, -np.inf)))
        outputs.append(shares[-1] @ v[..., columns])
    return linear(np.concatenate(outputs, axis=-1), weights, "output"), np.stack(shares, axis=1)


def feed_forward(x, weights, activation="relu"):
    return linear(ACTIVATIONS[activation](linear(x, weights, "inner")), weights, "outer")


def sinusoid(length, width):
    table = np.zeros((length, width))
    for position in range(length):
        for column in range(width):
            angle = position / 10000 ** ((column - column % 2) / width)
            table[position, column] = math.cos(angle) if column % 2 else math.sin(angle)
    return table


def keys(token_ids):
    """The mask that hides padding, id 0."""
    return (token_ids != 0)[:, None, :]


def causal(length):
    return np.tril(np.ones((length, length), bool))


def residual(x, scale_and_offset, norm, sublayer):
    if norm == "pre":
        return x + sublayer(layer_norm(x, *scale_and_offset))
    return layer_norm(x + sublayer(x), *scale_and_offset)


def encoder_block(x, weights, num_heads, activation="relu", norm="post", allowed=True):
    def attend(y):
        return attention(y, y, weights["self_attention"], num_heads, allowed)[0]

    def feed(y):
        return feed_forward(y, weights["feed_forward"], activation)

    x = residual(x, weights["self_attention_norm"], norm, attend)
    return residual(x, weights["feed_forward_norm"], norm, feed)


def decoder_block(
    x, memory, weights, num_heads, activation="relu", norm="post", allowed=True, memory_allowed=True
):
    def attend(y):
        mask = np.logical_and(allowed, causal(x.shape[1]))
        return attention(y, y, weights["self_attention"], num_heads, mask)[0]

    def attend_to_memory(y):
        return attention(y, memory, weights["cross_attention"], num_heads, memory_allowed)[0]

    def feed(y):
        return feed_forward(y, weights["feed_forward"], activation)

    x = residual(x, weights["self_attention_norm"], norm, attend)
    x = residual(x, weights["cross_attention_norm"], norm, attend_to_memory)
    return residual(x, weights["feed_forward_norm"], norm, feed)


def embed(token_ids, table, positions):
    return table[token_ids] * math.sqrt(table.shape[1]) + positions[: token_ids.shape[1]]


def transformer(source_ids, target_ids, weights, num_heads, activation="relu", norm="post"):
    """Returns the logits (B, T, V)."""
    options = {"num_heads": num_heads, "activation": activation, "norm": norm}
    padding = keys(source_ids)
    memory = embed(source_ids, weights["source_embedding"], weights["source_positions"])
    for block in weights["encoder_blocks"]:
        memory = encoder_block(memory, block, **options, allowed=padding)
    if norm == "pre":
        memory = layer_norm(memory, *weights["encoder_norm"])
    hidden = embed(target_ids, weights["target_embedding"], weights["target_positions"])
    for block in weights["decoder_blocks"]:
        hidden = decoder_block(hidden, memory, block, **options, memory_allowed=padding)
    if norm == "pre":
        hidden = layer_norm(hidden, *weights["decoder_norm"])
    return linear(hidden, weights, "output")
