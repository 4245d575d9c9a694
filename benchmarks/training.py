"""Speed of training steps: ours and that of others' layers, each with XLA and without.

    python benchmarks/training.py [--model rnn] [--quick] [--json FILE]

The same model on both sides, dropout 0.1, Adam, float32, batches of 32 x 32 tokens that
are in memory. One process, all competitors asked in turn, their order rotating.

transformer (against KerasHub): 3 + 3 blocks, width 256, feed-forward 1024, 4 heads, one
matrix of 8,000 tokens for both embeddings and the output, post-norm.

rnn (against the layers of Keras): one bidirectional GRU layer, one GRU layer, width 256,
8,000 tokens on each side, additive attention after the cell (Luong's concat).
"""

import argparse
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import keras_hub
import numpy as np
import tensorflow as tf
from measure import console, interleave, machine, show, summarize, write_json

from attention_zoo.tasks.seq2seq.ids import shift_right
from attention_zoo.train.losses import smoothed_cross_entropy
from attention_zoo.train.step import TrainStep
from attention_zoo.train.strategies import make_strategy
from attention_zoo.zoo import RNNAttention, Transformer

FULL = {"vocab": 8000, "width": 256, "inner": 1024, "blocks": 3, "batch": 32, "length": 32}
QUICK = {"vocab": 60, "width": 16, "inner": 32, "blocks": 1, "batch": 4, "length": 6}
HEADS, DROPOUT, RATE = 4, 0.1, 1e-4


class BareTask:
    """The part of a task that a training step needs, without tokenizers."""

    def __init__(self, model):
        self.model = model

    def loss(self, batch, training=True, label_smoothing=0.0, seed=None):
        """Teacher forcing, as `Seq2Seq.loss` does it."""
        source_ids, target_ids = batch
        logits = self.model([source_ids, shift_right(target_ids)], training=training)
        return smoothed_cross_entropy(logits, target_ids, target_ids != 0, label_smoothing)


def our_transformer(size):
    return Transformer(
        size["vocab"],
        width=size["width"],
        num_heads=HEADS,
        feed_forward_width=size["inner"],
        num_encoder_blocks=size["blocks"],
        num_decoder_blocks=size["blocks"],
        dropout=DROPOUT,
        attention_bias=True,  # KerasHub's attention has biases
    )


def hub_transformer(size):
    source, target = (keras.Input((None,), dtype="int32") for _ in range(2))
    embedding = keras_hub.layers.ReversibleEmbedding(size["vocab"], size["width"])
    source_mask, target_mask = (keras.ops.not_equal(ids, 0) for ids in (source, target))

    def embed(ids):
        vectors = embedding(ids) * size["width"] ** 0.5
        vectors = vectors + keras_hub.layers.SinePositionEncoding()(vectors)
        return keras.layers.Dropout(DROPOUT)(vectors)

    memory, hidden = embed(source), embed(target)
    for _ in range(size["blocks"]):
        block = keras_hub.layers.TransformerEncoder(size["inner"], HEADS, dropout=DROPOUT)
        memory = block(memory, padding_mask=source_mask)
    for _ in range(size["blocks"]):
        block = keras_hub.layers.TransformerDecoder(size["inner"], HEADS, dropout=DROPOUT)
        hidden = block(
            hidden,
            memory,
            decoder_padding_mask=target_mask,
            encoder_padding_mask=source_mask,
        )
    return keras.Model([source, target], embedding(hidden, reverse=True))


def our_rnn(size):
    return RNNAttention(
        size["vocab"],
        width=size["width"],
        attention="luong",
        score="concat",
        dropout=DROPOUT,
    )


def keras_rnn(size):
    vocab, width = size["vocab"], size["width"]
    source, target = (keras.Input((None,), dtype="int32") for _ in range(2))
    mask = keras.ops.not_equal(source, 0)

    def embed(ids):
        return keras.layers.Dropout(DROPOUT)(keras.layers.Embedding(vocab, width)(ids))

    def gru(units):
        return keras.layers.GRU(units, return_sequences=True, return_state=True)

    memory, *states = keras.layers.Bidirectional(gru(width // 2))(embed(source), mask=mask)
    state = keras.layers.Dense(width, "tanh")(keras.layers.Concatenate()(states))
    hidden, _ = gru(width)(embed(target), initial_state=state)
    query = keras.layers.Dense(width, use_bias=False)(hidden)
    key = keras.layers.Dense(width, use_bias=False)(memory)
    context = keras.layers.AdditiveAttention()([query, memory, key], mask=[None, mask])
    joined = keras.layers.Concatenate()([hidden, context])
    attentional = keras.layers.Dense(width, "tanh", use_bias=False)(joined)
    logits = keras.layers.Dense(vocab)(keras.layers.Dropout(DROPOUT)(attentional))
    return keras.Model([source, target], logits)


# Our model, the peer's, and the peer's name.
FAMILIES = {
    "transformer": (our_transformer, hub_transformer, "KerasHub"),
    "rnn": (our_rnn, keras_rnn, "Keras"),
}


def our_steps(model, batch, steps, jit_compile):
    """A function that runs `steps` steps of ours and waits for them."""
    optimizer = keras.optimizers.Adam(RATE)
    optimizer.build(model.trainable_variables)
    strategy = make_strategy("one_device")
    train_step = TrainStep(BareTask(model), optimizer, strategy, jit_compile=jit_compile)

    def run():
        for step in range(steps):
            loss, _, _ = train_step(batch, step)
        float(loss)

    return run


def fit_steps(model, batch, steps, jit_compile):
    """The same with `compile` and `fit`."""
    model.compile(
        optimizer=keras.optimizers.Adam(RATE),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=0),
        jit_compile=jit_compile,
    )
    source_ids, target_ids = batch
    example = ((source_ids, shift_right(target_ids)), target_ids)
    data = tf.data.Dataset.from_tensors(example).repeat(steps)

    return lambda: model.fit(data, shuffle=False, verbose=0)


def make_competitors(family, size, steps):
    """Builds and warms up everyone; checks that the models are the same size."""
    rng = np.random.default_rng(0)
    shape = (size["batch"], size["length"])
    batch = tuple(
        tf.constant(rng.integers(4, size["vocab"], shape), dtype=tf.int32) for _ in range(2)
    )
    our_model, peer_model, peer = FAMILIES[family]
    makers = {
        "ours, XLA": (our_model, our_steps, True),
        f"{peer} fit, XLA": (peer_model, fit_steps, True),
        "ours, no XLA": (our_model, our_steps, False),
        f"{peer} fit, no XLA": (peer_model, fit_steps, False),
    }
    competitors, parameters = {}, {}
    for name, (make_model, make_steps, jit_compile) in makers.items():
        model = make_model(size)
        run = make_steps(model, batch, steps, jit_compile)
        parameters[name] = sum(int(np.prod(v.shape)) for v in model.trainable_variables)
        seconds = _timed(run)()
        console.print(f"{name}: {parameters[name]:,} parameters, ready in {seconds:.0f} s")
        competitors[name] = _rate(run, steps * size["batch"] * size["length"])
    largest, smallest = max(parameters.values()), min(parameters.values())
    if largest > 1.001 * smallest:
        raise SystemExit(f"the models differ in size: {parameters}")
    return competitors, parameters


def _timed(run):
    def seconds():
        start = time.perf_counter()
        run()
        return time.perf_counter() - start

    return seconds


def _rate(run, tokens):
    timed = _timed(run)
    return lambda: tokens / timed()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="tiny model, seconds: a smoke test")
    parser.add_argument("--model", choices=list(FAMILIES), default="transformer")
    parser.add_argument("--rounds", type=int, default=None, help="default 9, or 2 with --quick")
    parser.add_argument("--steps", type=int, default=5, help="steps a round (default 5)")
    parser.add_argument("--json", help="write what was measured to this file")
    options = parser.parse_args()
    facts = machine("attention-zoo", "keras", "tensorflow", "keras-hub")
    facts["threads"] = "all"
    console.print(facts)
    size = QUICK if options.quick else FULL
    competitors, parameters = make_competitors(options.model, size, options.steps)
    baseline = f"{FAMILIES[options.model][2]} fit, XLA"
    rates = interleave(competitors, options.rounds or (2 if options.quick else 9))
    summary = summarize(rates, baseline)
    show("Training", summary, "target tokens/s", baseline)
    if options.json:
        write_json(options.json, machine=facts, parameters=parameters, summary=summary, rates=rates)


if __name__ == "__main__":
    main()
