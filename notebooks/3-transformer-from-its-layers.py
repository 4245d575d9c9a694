# %% [markdown]
# # 3. The Transformer from its layers
#
# **Question: what does each part of a Transformer do, and what breaks without it?**
#
# We write each part in plain arrays, check that our layer computes the same, and then take it away. The
# paper is "Attention Is All You Need" (Vaswani et al. 2017).

# %%
import os
import time

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from keras import ops

import attention_zoo as az
from attention_zoo.layers import AddNorm, EncoderBlock, FeedForward, MultiHeadAttention
from attention_zoo.layers.functional import causal_mask, sinusoid

SMALL = "SMALL" in os.environ  # the test of this notebook uses small sizes
rng = np.random.default_rng(0)
keras.utils.set_random_seed(0)
T, D, H = 5, 8, 2  # tokens, width, heads
x = rng.normal(size=(1, T, D)).astype("float32")


def softmax(scores):
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


# %% [markdown]
# ## Multi-head attention
#
# A *token* is a word or a part of one. Every token asks every token. Query, key and value are three linear
# maps of the same tokens (*self-attention*), and this is done by several *heads* side by side, each on its
# own part of the width, so that one can look at the previous word while another looks for the verb.

# %%
layer = MultiHeadAttention(H)
output, weights = layer(x, return_weights=True)

fused = x[0] @ layer.query_key_value.kernel.numpy() + layer.query_key_value.bias.numpy()
query, key, value = np.split(fused, 3, axis=1)
heads = []
for h in range(H):
    part = slice(h * D // H, (h + 1) * D // H)
    w = softmax(query[:, part] @ key[:, part].T / np.sqrt(D // H))
    np.testing.assert_allclose(w, weights[0, h], atol=1e-5)
    heads.append(w @ value[:, part])
projection = layer.output_projection
by_hand = np.concatenate(heads, axis=1) @ projection.kernel.numpy() + projection.bias.numpy()
np.testing.assert_allclose(by_hand, output[0], atol=1e-5)
print("By hand and by the layer: equal.")

# %% [markdown]
# *A departure:* the paper's projections have no biases; BERT's have. `use_bias=False` is the paper's way,
# and the default of our `Transformer`. The layer computes the three maps as one matrix product, which is
# faster and changes nothing.
#
# ## Positions: shuffle the words, what breaks?
#
# Nothing in the formulas above knows where a token stands. Shuffle the tokens, and the outputs are
# shuffled, but otherwise the same:

# %%
order = rng.permutation(T)
np.testing.assert_allclose(layer(x[:, order]), np.asarray(output)[:, order], atol=1e-5)
print("Self-attention without positions does not see the order", order)

# %% [markdown]
# So the Transformer adds to each token a vector that says where it stands: sines and cosines of different
# wavelengths. Then it matters who stands where:

# %%
places = np.asarray(sinusoid(T, D))
shuffled, straight = layer(x[:, order] + places), np.asarray(layer(x + places))[:, order]
print("largest change of an output:", np.abs(np.asarray(shuffled) - straight).max().round(2))

# %% [markdown]
# This is what they look like, in the two layouts that are in use:

# %%
length, width = 50, 32
angle = np.arange(length)[:, None] / 10_000 ** (2 * np.arange(width // 2) / width)
interleaved = np.stack([np.sin(angle), np.cos(angle)], axis=2).reshape(length, width)
np.testing.assert_allclose(sinusoid(length, width), interleaved, atol=1e-4)

halves = np.concatenate([np.sin(angle), np.cos(angle)], axis=1)
np.testing.assert_allclose(sinusoid(length, width, "halves"), halves, atol=1e-4)

figure, axes = plt.subplots(1, 3, figsize=(11, 2.8))
figure.colorbar(axes[0].imshow(interleaved, aspect="auto"))
axes[0].set(title="interleaved (the paper)", xlabel="coordinate", ylabel="position")
figure.colorbar(axes[1].imshow(halves, aspect="auto"))
axes[1].set(title="in halves (its code)", xlabel="coordinate")
figure.colorbar(axes[2].imshow(interleaved @ interleaved.T))
axes[2].set(title="products of positions", xlabel="position")
figure.tight_layout()

# %% [markdown]
# On the right is the product of every position with every other. It depends only on how far apart they
# are, hence the stripes: this is how attention can find "three words before".
#
# *Interleaved or in halves?* The paper's formula takes turns: sine, cosine, sine, cosine. The code that its
# authors published (tensor2tensor) has all sines first, and so do Marian and OpenNMT. The columns are the
# same in another order, so products of positions are equal, as the next cell checks. But the weights of
# one do not fit the other. Our default is the paper's; imported models bring their own.

# %%
assert sorted(map(tuple, interleaved.T.round(5))) == sorted(map(tuple, halves.T.round(5)))
np.testing.assert_allclose(interleaved @ interleaved.T, halves @ halves.T, atol=1e-8)
print("Equal but for the order of the columns.")

# %% [markdown]
# ## Feed-forward, and add and norm
#
# After attention, each token goes through a small network by itself: wider, relu, narrower again. Around
# both is a *residual connection* (add what came in) and a *layer normalisation* (shift and scale each
# token's vector to mean 0 and variance 1).

# %%
network = FeedForward(16)
outer = np.asarray(network(x))[0]
inner = np.maximum(0, x[0] @ network.inner.kernel.numpy() + network.inner.bias.numpy())
by_hand = inner @ network.outer.kernel.numpy() + network.outer.bias.numpy()
np.testing.assert_allclose(by_hand, outer, atol=1e-5)

total = x[0] + outer
normal = (total - total.mean(axis=1, keepdims=True)) / total.std(axis=1, keepdims=True)
np.testing.assert_allclose(AddNorm("post")(x, outer[None])[0], normal, atol=1e-4)
print("By hand and by the layers: equal.")

# %% [markdown]
# Leave them out, and stack 24 blocks with fresh weights, which have learned nothing yet. We measure how
# large the states become, and how alike: the mean cosine between tokens of a sentence. If all tokens are
# alike, the sentence is lost.

# %%
WIDTH, DEPTH = 64, 24


def stack(residual, norm):
    keras.utils.set_random_seed(1)
    inputs = np.random.default_rng(1).normal(size=(8, 20, WIDTH))
    state = ops.convert_to_tensor(inputs.astype("float32"))
    sizes, alike = [], []
    for _ in range(DEPTH):
        for sublayer in (MultiHeadAttention(4), FeedForward(4 * WIDTH)):
            new = sublayer(state)
            state = state + new if residual else new
            if norm:
                state = keras.layers.LayerNormalization()(state)
        array = np.asarray(state)
        unit = array / np.linalg.norm(array, axis=-1, keepdims=True)
        pairs = (unit @ unit.transpose(0, 2, 1)).sum(axis=(1, 2)) - 20
        sizes.append(np.linalg.norm(array, axis=-1).mean())
        alike.append(pairs.mean() / (20 * 19))
    return sizes, alike


figure, axes = plt.subplots(1, 2, figsize=(8, 3))
for label, residual, norm in (
    ("add and norm", True, True),
    ("only add", True, False),
    ("only norm", False, True),
    ("neither", False, False),
):
    sizes, alike = stack(residual, norm)
    at = {block: f"{sizes[block - 1]:.3g}, {alike[block - 1]:.2f}" for block in (1, 3, 6, 24)}
    print(f"{label:12}: size and likeness after block {at}")
    style = "-" if norm else "--"
    axes[0].plot(range(1, DEPTH + 1), sizes, style, label=label)
    axes[1].plot(range(1, DEPTH + 1), alike, style, label=label)
axes[0].set(yscale="log", xlabel="block", ylabel="size of the states")
axes[1].set(xlabel="block", ylabel="cosine between tokens")
axes[0].legend(fontsize=8)
figure.tight_layout()

# %% [markdown]
# Without the residual connection, all tokens of a sentence are nearly the same vector after three blocks:
# attention averages, again and again (Dong et al. 2021). With it they stay apart for longer, though after
# 24 fresh blocks they are alike here too. Without the normalisation, the states grow or shrink with every
# block. So each part slows down or prevents one of the two.
#
# ## Normalise before or after?
#
# The paper normalises *after* adding (post-norm). Many later models normalise the input of each sub-layer
# *before* it (pre-norm), and leave the sum alone. What does that do to the gradients of a fresh stack?

# %%


def gradients(norm):
    keras.utils.set_random_seed(2)
    blocks = [EncoderBlock(4, 4 * WIDTH, norm=norm) for _ in range(12)]
    arrays = np.random.default_rng(2).normal(size=(2, 8, 20, WIDTH)).astype("float32")
    inputs, target = arrays
    with tf.GradientTape() as tape:
        state = tf.constant(inputs)
        for block in blocks:
            state = block(state)
        if norm == "pre":
            state = keras.layers.LayerNormalization()(state)
        loss = tf.reduce_mean((state - target) ** 2)
    kernels = [block.feed_forward.outer.kernel.value for block in blocks]
    return [float(tf.norm(g)) for g in tape.gradient(loss, kernels)]


figure, axes = plt.subplots(figsize=(4.5, 3))
for norm in ("post", "pre"):
    norms = gradients(norm)
    print(f"{norm:4}: first block {norms[0]:.2g}, last block {norms[-1]:.2g}")
    axes.plot(range(1, 13), norms, marker="o", label=f"{norm}-norm")
axes.set(xlabel="block", ylabel="norm of the gradient", ylim=(0, None))
axes.legend()
figure.tight_layout()

# %% [markdown]
# In the first block they are alike. Towards the last one both fall, but pre-norm's much faster: there post-
# norm's gradient is more than twice as large. Xiong et al. (2020) explain by this why post-norm needs a
# warm-up, small steps at the beginning, while pre-norm is more forgiving. Post-norm is the paper's, and the
# default of our `Transformer`; `norm="pre"` is the other, and has one more normalisation after the last
# block.
#
# ## The whole
#
# - An *encoder block* is self-attention, add and norm, feed-forward, add and norm.
# - A *decoder block* has one more part between these two, *cross-attention*: the queries come from the
#   answer, the keys and values from the encoder's last block. And its self-attention is masked, see below.
# - Token ids become vectors by an *embedding*, positions are added, several blocks of each kind follow, and
#   a last linear map turns each vector of the decoder into a score for every token of the vocabulary.
#
# ## Masks, and teacher forcing
#
# A decoder writes from left to right. Its input is the answer shifted right by one, behind a start token,
# so that position $t$ reads the token before and predicts token $t$. It may see its own input and what comes
# before, but nothing later, which would be the solution. A *causal mask* sees to that: True = may attend.

# %%
print(np.asarray(causal_mask(4)).astype(int))
changed = x.copy()
changed[0, 3:] += 1.0  # the future of positions 0 to 2
before, after = (np.asarray(layer(inputs, causal=True)) for inputs in (x, changed))
np.testing.assert_array_equal(before[0, :3], after[0, :3])
print("Later tokens change nothing at earlier positions.")

# %% [markdown]
# This is what makes training fast. In training the right answer is known, so the decoder reads the *right*
# previous words, whatever it would have written itself (*teacher forcing*), and the mask lets all
# positions be computed at once. Writing goes step by step, where a *cache* keeps the keys and values of what
# has been written. Both give the same numbers:

# %%
model = az.Transformer.from_preset("transformer_tiny", source_vocab_size=30, max_length=300)
source, target = rng.integers(4, 30, (1, 6)), rng.integers(4, 30, (1, 7))
at_once = np.asarray(model([source, target]))
memory = model.encode(source)
cache = model.start(memory, 7)
for t in range(7):
    logits, cache, _ = model.step(target[:, t : t + 1], t, cache, memory)
    np.testing.assert_allclose(logits[:, 0], at_once[:, t], atol=1e-4)
print("At once and step by step: equal.")

# %% [markdown]
# How much does that save? We time one call with the right answer, and the same model writing as many
# tokens by itself; and a recurrent model of the same width, which has to go step by step in training
# too. (The times depend on the machine; compare them with each other.)

# %%
LONG, BATCH = (32, 2) if SMALL else (256, 8)
sizes = {"width": 128, "source_vocab_size": 30, "max_length": 300}
model = az.Transformer.from_preset("transformer_tiny", **sizes, num_heads=4)
recurrent = az.RNNAttention.from_preset("rnn_attention_tiny", **sizes)
ids = tf.constant(rng.integers(4, 30, (BATCH, LONG)), tf.int32)


def seconds(function):
    run = tf.function(function)
    run(ids)
    times = []
    for _ in range(3):
        started = time.perf_counter()
        run(ids)
        times.append(time.perf_counter() - started)
    return min(times)


def write(ids):  # the end id is suppressed, so that all tokens are written
    return az.greedy_search(model, ids, LONG, suppressed=(3,)).ids


taught = seconds(lambda ids: model([ids, ids]))
writing = seconds(write)
recurrent_taught = seconds(lambda ids: recurrent([ids, ids]))
print(f"Transformer, taught: {1e3 * taught:6.0f} ms for {LONG} tokens of {BATCH} sentences at once")
print(f"Transformer writing: {1e3 * writing:6.0f} ms, {writing / taught:.1f} times as long")
print(
    f"RNN, taught:         {1e3 * recurrent_taught:6.0f} ms, {recurrent_taught / taught:.1f} times"
)

# %% [markdown]
# Being taught is one pass over all positions. Writing takes a step for each, and so does a recurrent model
# even when it is taught. A step is much less work than the pass, since it is about one token (and this
# RNN has one layer on each side where the Transformer has two blocks), but the steps have to wait for each
# other. The more a processor does in parallel, the larger the difference.
#
# **What to take along.** Attention mixes tokens, the feed-forward network works on each, positions say
# where they stand, the residual connection keeps them apart, the normalisation keeps their size, and the
# mask lets us train on all positions at once.
