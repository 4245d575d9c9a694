"""Trains a few steps under a strategy and prints losses and weights; run by test_step.py.

A process of its own, because logical devices must be made before TensorFlow starts; several with
`TF_CONFIG` for the strategy `multi_worker`.

    python strategy_script.py STRATEGY OPTIMIZER FAMILY ACCUMULATE
"""

import json
import sys

import keras
import numpy as np
from conftest import FAMILIES

from attention_zoo.tasks.seq2seq.task import Seq2Seq
from attention_zoo.text.character_tokenizer import CharacterTokenizer
from attention_zoo.train.optimizer import AdamW
from attention_zoo.train.step import TrainStep
from attention_zoo.train.strategies import divide_cpu, make_strategy
from attention_zoo.train.workers import Workers

name, optimizer_name, family, accumulate = sys.argv[1:]
if name == "mirrored":
    divide_cpu(2)
strategy = make_strategy(name)
workers = Workers(strategy)

OPTIMIZERS = {
    "adam": keras.optimizers.Adam,
    # Rates that differ from layer to layer, and decay strong enough to be seen.
    "adamw": lambda rate: AdamW(
        rate, weight_decay=0.5, rates=lambda v: 0.25 if "decoder" in v.path else 1.0
    ),
}


def make_step(dropout, learning_rate):
    """A task and its training step in the strategy's scope."""
    keras.utils.set_random_seed(3)
    tokenizer = CharacterTokenizer("abcdef")
    with strategy.scope():
        model = FAMILIES[family](tokenizer.vocab_size, max_length=12, dropout=dropout)
        task = Seq2Seq(model, tokenizer)
        optimizer = OPTIMIZERS[optimizer_name](learning_rate)
        optimizer.build(model.trainable_variables)
    return task, TrainStep(task, optimizer, strategy, 0.1, 0.5, seed=5, accumulate=int(accumulate))


# Rows of unequal length, so that a mean of means would be another number.
long = ([4, 5, 6, 7, 8, 3], [8, 7, 6, 5, 4, 3])
short = ([4, 3, 0, 0, 0, 0], [4, 3, 0, 0, 0, 0])
empty = ([0] * 6, [0] * 6)
layouts = [[long, long, short, short], [long, short, long, short], [long, short, empty, empty]]
batches = [tuple(np.array(side, "int32") for side in zip(*rows, strict=True)) for rows in layouts]


def train(dropout):
    """The losses of a few steps, and the weights after them."""
    task, step = make_step(dropout, learning_rate=0.05)
    losses = []
    for number in range(6):
        batch = tuple(np.split(side, workers.count)[workers.index] for side in batches[number % 3])
        loss, count, _ = step(batch, number)
        losses.append(float(loss) / float(count))
    weights = np.concatenate([v.numpy().ravel() for v in task.model.trainable_variables])
    return {"losses": losses, "weights": weights.tolist()}


results = {"without dropout": train(0.0), "with dropout": train(0.5)}
print(json.dumps({"replicas": strategy.num_replicas_in_sync, **results}))
workers.wait()
