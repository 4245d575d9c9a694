# %% [markdown]
# # 1. From feed-forward to recurrent
#
# **Question: a network reads a sentence and then writes another. Why is it not enough to remember the
# sentence as one vector?**
#
# We start with a network that cannot tell "dog bites man" from "man bites dog", give it a memory, and
# then measure how much of the sentence survives in it.

# %%
import os

import keras
import matplotlib.pyplot as plt
import numpy as np

import attention_zoo as az
from attention_zoo.layers import RecurrentEncoder

SMALL = "SMALL" in os.environ  # the test of this notebook trains a few steps only
rng = np.random.default_rng(0)
keras.utils.set_random_seed(0)

# %% [markdown]
# ## A feed-forward network sees no order
#
# A feed-forward layer takes a vector of a fixed size. A sentence has any number of words, so the
# simplest way to feed it is to add up the vectors of its words. Addition forgets the order.

# %%
words = {word: rng.normal(size=4) for word in ["dog", "bites", "man"]}
one = words["dog"] + words["bites"] + words["man"]
other = words["man"] + words["bites"] + words["dog"]
np.testing.assert_allclose(one, other)
print("dog bites man:", one.round(2))
print("man bites dog:", other.round(2))

# %% [markdown]
# ## A recurrent network reads word by word
#
# It keeps a *state*, a vector of a fixed size, and at each word computes a new state from the old one
# and the word. The simplest one is $h_t = \tanh(x_t W + h_{t-1} U)$, where vectors are rows. Now the
# order matters.

# %%
W, U = rng.normal(size=(4, 4)), rng.normal(size=(4, 4))


def read(sentence):
    state = np.zeros(4)
    for word in sentence.split():
        state = np.tanh(words[word] @ W + state @ U)
    return state


print("dog bites man:", read("dog bites man").round(2))
print("man bites dog:", read("man bites dog").round(2))

# %% [markdown]
# In practice one uses a GRU (Cho et al. 2014) or an LSTM (Hochreiter and Schmidhuber 1997). Their *gates*,
# numbers between 0 and 1, decide at each word how much of the old state stays, so that a fact can survive
# many words. A GRU has two, which are computed like the simple state above, but with a sigmoid:
#
# - the *update* gate $z$: how much of the old state stays, $h_t = z h_{t-1} + (1 - z) \tilde h$;
# - the *reset* gate $r$: how much of the old state goes into the *candidate*
#   $\tilde h = \tanh(x_t W + r (h_{t-1} U))$.
#
# Here it is in plain NumPy next to our layer; they agree. *A departure:* our layer follows Keras
# (`reset_after=True`, after cuDNN), where the reset gate acts after the matrix product, as above; in the
# paper it acts before it. Weights of one do not fit the other.

# %%
layer = RecurrentEncoder(3, cell="gru", bidirectional="none")
inputs = rng.normal(size=(1, 5, 4)).astype("float32")
expected = np.asarray(layer(inputs))[0]
kernel, recurrent_kernel, bias = (np.asarray(w.value) for w in layer.weights)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


state, states = np.zeros(3), []
for x in inputs[0]:
    of_input = np.split(x @ kernel + bias[0], 3)
    of_state = np.split(state @ recurrent_kernel + bias[1], 3)
    update = sigmoid(of_input[0] + of_state[0])
    reset = sigmoid(of_input[1] + of_state[1])
    candidate = np.tanh(of_input[2] + reset * of_state[2])  # the paper: (reset * state) @ U
    state = update * state + (1 - update) * candidate
    states.append(state)
np.testing.assert_allclose(states, expected, atol=1e-5)
print("The GRU in NumPy and the layer agree.")

# %% [markdown]
# ## The bottleneck
#
# An *encoder* reads the source and hands its last state to a *decoder*, which writes the answer
# (Sutskever et al. 2014). Everything that the decoder knows about the source is in that one vector. So
# let us ask for an answer that needs every letter of the source: the source itself. We train two models
# on random strings of up to 20 letters, of eight kinds. One may also look back at all of the encoder's
# states, which is *attention* (Bahdanau et al. 2015), the subject of the next notebook. Attention takes
# weights of its own, so the other model is made wider until it has as many. (Both encoders read in both
# directions; the vector is both last states together.)

# %%
LETTERS, LONGEST = "abcdefgh", 20
STEPS = 20 if SMALL else 2500


def strings(count, length=None):
    lengths = rng.integers(1, LONGEST + 1, count) if length is None else [length] * count
    return [("".join(rng.choice(list(LETTERS), n)),) * 2 for n in lengths]


def make(attention, width):
    keras.utils.set_random_seed(1)
    tokenizer = az.CharacterTokenizer(LETTERS)
    model = az.RNNAttention(
        tokenizer.vocab_size, width=width, attention=attention, dropout=0.0, max_length=LONGEST + 4
    )
    return az.Seq2Seq(model, tokenizer)


train = strings(500 if SMALL else 20_000)
tasks = {"one vector": make("none", 84), "with attention": make("additive", 64)}
for name, task in tasks.items():
    task.fit(
        train,
        steps=STEPS,
        batch_tokens=2048,
        learning_rate={"schedule": "cosine", "peak": 0.005, "warmup": 100},
        seed=1,
    )
    print(f"{name}: {task.model.count_params():,} weights; abcdefgh -> {task(['abcdefgh'])[0]}")

# %% [markdown]
# What fraction of the letters is right, position by position, for sources of each length? The dotted line
# is what guessing one letter of eight would give.

# %%
lengths = [2, 4, 8, 12, 16, 20]


def accuracy(task, length):
    pairs = strings(20 if SMALL else 200, length)
    answers = task([source for source, _ in pairs])
    right = [a == b for (s, _), t in zip(pairs, answers) for a, b in zip(s, t.ljust(length))]
    return np.mean(right)


figure, axes = plt.subplots(figsize=(5, 3))
for name, task in tasks.items():
    scores = [accuracy(task, length) for length in lengths]
    print(name, dict(zip(lengths, np.round(scores, 2).tolist())))
    axes.plot(lengths, scores, marker="o", label=name)
axes.set(xlabel="letters in the source", ylabel="fraction of letters right", ylim=(0, 1.05))
axes.axhline(1 / len(LETTERS), color="gray", linestyle=":")
axes.set_xticks(lengths)
axes.legend()
figure.tight_layout()

# %% [markdown]
# Short sources come through one vector nearly whole. Then the letters fade as sources grow, though both
# models saw the same strings equally often. There would be room: 20 letters of eight kinds are 60 bits. But
# to pack letters into one vector, and to unpack them in order, is hard to learn, and 2,500 steps are not
# enough. With attention the length does not matter: the decoder looks up the letter that it needs. The
# *alignment* shows where it looked. Each row is a letter of the answer, its colours are the weights on the
# source, which sum to 1. They lie along the diagonal, in a band that is wider than one letter: each of the
# encoder's states also knows its neighbours.

# %%
found = az.explain(tasks["with attention"], "abcdefghgfedcba")
view = found.view("cross")
figure, axes = plt.subplots(figsize=(5.2, 4))
image = axes.imshow(view.weights[0, 0], cmap="viridis", vmin=0, vmax=1)  # block 0, head 0
figure.colorbar(image)
axes.set_xticks(range(len(view.keys)), view.keys.pieces)
axes.set_yticks(range(len(view.queries)), view.queries.pieces)
axes.set(xlabel="source", ylabel="answer")
figure.tight_layout()

# %% [markdown]
# **What to take along.** Feed-forward layers see no order; recurrent ones do, but squeeze everything
# into a state of a fixed size, which is hard to learn. Attention keeps all states, and looks at those it needs.
