"""Trains a few steps under a strategy and prints losses and weights; run by test_step.py.

A process of its own, because logical devices must be made before TensorFlow starts.
"""

import json
import sys

import keras
import numpy as np
import tensorflow as tf
from conftest import FAMILIES

from attention_zoo.tasks.seq2seq.task import Seq2Seq
from attention_zoo.text.character_tokenizer import CharacterTokenizer
from attention_zoo.train.optimizer import AdamW
from attention_zoo.train.step import TrainStep
from attention_zoo.train.strategies import make_strategy

if sys.argv[1] == "mirrored":
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = make_strategy(sys.argv[1])


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
        model = FAMILIES[sys.argv[3]](tokenizer.vocab_size, max_length=12, dropout=dropout)
        task = Seq2Seq(model, tokenizer)
        optimizer = OPTIMIZERS[sys.argv[2]](learning_rate)
        optimizer.build(model.trainable_variables)
    return task, TrainStep(task, optimizer, strategy, 0.1, 0.5, seed=5)


# Rows of unequal length, so that a mean of means would be another number.
long = ([4, 5, 6, 7, 8, 3], [8, 7, 6, 5, 4, 3])
short = ([4, 3, 0, 0, 0, 0], [4, 3, 0, 0, 0, 0])
empty = ([0] * 6, [0] * 6)
layouts = [[long, long, short, short], [long, short, long, short], [long, short, empty, empty]]
batches = [tuple(np.array(side, "int32") for side in zip(*rows, strict=True)) for rows in layouts]

task, step = make_step(dropout=0.0, learning_rate=0.05)
losses = []
for number in range(6):
    loss, count, _ = step(batches[number % 3], number)
    losses.append(float(loss) / float(count))
weights = np.concatenate([v.numpy().ravel() for v in task.model.trainable_variables])

# The same row on both replicas: with masks of their own, their losses differ.
task, _ = make_step(dropout=0.5, learning_rate=0.0)
replica_losses = []
if sys.argv[1] == "mirrored":
    from attention_zoo.train.step import _seeds

    states = [v for v in task.model.variables if v.path.endswith("seed_generator_state")]
    batch = tuple(side[:2] for side in batches[0])

    def replica_loss():
        """The loss of one replica with the masks that the training step gives it."""
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        with keras.StatelessScope(state_mapping=_seeds(states, 5, tf.constant(0), replica)):
            return task.loss(batch, training=True)[0]

    values = strategy.experimental_local_results(strategy.run(tf.function(replica_loss)))
    replica_losses = [float(value) for value in values]

print(
    json.dumps(
        {
            "replicas": strategy.num_replicas_in_sync,
            "losses": losses,
            "weights": weights.tolist(),
            "replica_losses": replica_losses,
        }
    )
)
