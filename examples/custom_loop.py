"""Use one layer in a Keras model of your own, with a training loop of your own.

The model sees a row of digits and says whether the first of them comes up again.
"""

import keras
import numpy as np
import tensorflow as tf

import attention_zoo as az

LENGTH, WIDTH = 8, 32
rng = np.random.default_rng(1)
digits = rng.integers(1, 10, (512, LENGTH)).astype("int32")
labels = (digits[:, 1:] == digits[:, :1]).any(axis=1).astype("float32")

tokens = keras.Input((LENGTH,), dtype="int32")
hidden = az.layers.TokenEmbedding(vocab_size=10, width=WIDTH)(tokens)
hidden = az.layers.SinusoidalPositionalEncoding(max_length=LENGTH)(hidden)
hidden = az.layers.EncoderBlock(num_heads=4, feed_forward_width=64)(hidden)
model = keras.Model(tokens, keras.layers.Dense(1)(hidden[:, 0]))

optimizer = keras.optimizers.Adam(1e-3)
loss_of = keras.losses.BinaryCrossentropy(from_logits=True)


@tf.function
def step(inputs, expected):
    with tf.GradientTape() as tape:
        loss = loss_of(expected[:, None], model(inputs, training=True))
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply(gradients, model.trainable_variables)
    return loss


losses = [float(step(digits, labels)) for _ in range(100)]
print(f"loss {losses[0]:.3f}, after {len(losses)} steps {losses[-1]:.3f}")
