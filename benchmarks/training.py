"""Speed of training steps: ours and KerasHub's layers, each with XLA and without.

    python benchmarks/training.py [--quick] [--json FILE]

The same model on both sides: 3 + 3 blocks, width 256, feed-forward 1024, 4 heads, one
matrix of 8,000 tokens for both embeddings and the output, post-norm, dropout 0.1, Adam,
float32, batches of 32 x 32 tokens that are in memory. One process, all competitors
asked in turn, their order rotating.
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

from attention_zoo.tasks.losses import smoothed_cross_entropy
from attention_zoo.tasks.seq2seq import shift_right
from attention_zoo.train.step import make_train_step
from attention_zoo.train.strategies import make_strategy
from attention_zoo.zoo import Transformer

FULL = {"vocab": 8000, "width": 256, "inner": 1024, "blocks": 3, "batch": 32, "length": 32}
QUICK = {"vocab": 60, "width": 16, "inner": 32, "blocks": 1, "batch": 4, "length": 6}
HEADS, DROPOUT, RATE = 4, 0.1, 1e-4
BASELINE = "KerasHub fit, XLA"


class BareTask:
    """The part of a task that a training step needs, without tokenizers."""

    def __init__(self, model):
        self.model = model

    def loss(self, batch, training=True, label_smoothing=0.0):
        """Teacher forcing, as `Seq2Seq.loss` does it."""
        source_ids, target_ids = batch
        logits = self.model([source_ids, shift_right(target_ids)], training=training)
        return smoothed_cross_entropy(logits, target_ids, target_ids != 0, label_smoothing)


def our_model(size):
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


def hub_model(size):
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


def our_steps(size, batch, steps, jit_compile):
    """A function that runs `steps` steps of ours and waits for them."""
    model = our_model(size)
    optimizer = keras.optimizers.Adam(RATE)
    optimizer.build(model.trainable_variables)
    strategy = make_strategy("one_device")
    train_step = make_train_step(BareTask(model), optimizer, strategy, jit_compile=jit_compile)

    def run():
        for step in range(steps):
            loss, _, _ = train_step(batch, step)
        float(loss)

    return run, model


def hub_steps(size, batch, steps, jit_compile):
    """The same with `compile` and `fit`."""
    model = hub_model(size)
    model.compile(
        optimizer=keras.optimizers.Adam(RATE),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=0),
        jit_compile=jit_compile,
    )
    source_ids, target_ids = batch
    example = ((source_ids, shift_right(target_ids)), target_ids)
    data = tf.data.Dataset.from_tensors(example).repeat(steps)

    return lambda: model.fit(data, shuffle=False, verbose=0), model


def make_competitors(size, steps):
    """Builds and warms up everyone; checks that the models are the same size."""
    rng = np.random.default_rng(0)
    shape = (size["batch"], size["length"])
    batch = tuple(
        tf.constant(rng.integers(4, size["vocab"], shape), dtype=tf.int32) for _ in range(2)
    )
    makers = {
        "ours, XLA": (our_steps, True),
        BASELINE: (hub_steps, True),
        "ours, no XLA": (our_steps, False),
        "KerasHub fit, no XLA": (hub_steps, False),
    }
    competitors, parameters = {}, {}
    for name, (make, jit_compile) in makers.items():
        run, model = make(size, batch, steps, jit_compile)
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
    parser.add_argument("--rounds", type=int, default=None, help="default 9, or 2 with --quick")
    parser.add_argument("--steps", type=int, default=5, help="steps a round (default 5)")
    parser.add_argument("--json", help="write what was measured to this file")
    options = parser.parse_args()
    facts = machine("attention-zoo", "keras", "tensorflow", "keras-hub")
    facts["threads"] = "all"
    console.print(facts)
    competitors, parameters = make_competitors(QUICK if options.quick else FULL, options.steps)
    rates = interleave(competitors, options.rounds or (2 if options.quick else 9))
    summary = summarize(rates, BASELINE)
    show("Training", summary, "target tokens/s", BASELINE)
    if options.json:
        write_json(options.json, machine=facts, parameters=parameters, summary=summary, rates=rates)


if __name__ == "__main__":
    main()
