# %% [markdown]
# # 2. Attention
#
# **Question: how does a network look something up, and why does the Transformer divide by a square
# root?**
#
# Attention is a soft dictionary. There is a *query* (what I look for), and for each place in the memory
# a *key* (what is there to be found) and a *value* (what I get). A *score* says how well the query
# matches each key, a softmax turns the scores into weights that sum to 1, and the answer, the *context*,
# is the weighted mean of the values:
#
# $$\text{context} = \sum_s w_s v_s, \qquad w = \operatorname{softmax}(\text{score}(q, k_1), \dots)$$

# %%
import matplotlib.pyplot as plt
import numpy as np

from attention_zoo.layers import AdditiveAttention, LuongAttention
from attention_zoo.layers.functional import scaled_dot_product_attention

rng = np.random.default_rng(0)


def softmax(scores):
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


# A memory of three places, whose keys are also its values.
memory = np.array([[1.0, 0.0], [0.0, 1.0], [0.7, 0.7]])
query = np.array([4.0, 0.0])
weights = softmax(memory @ query)
print("weights:", weights.round(3), " context:", (weights @ memory).round(3))

# %% [markdown]
# ## Four scores
#
# These papers differ mostly in the score.
#
# | name | score of query $q$ and key $k$ | paper |
# |---|---|---|
# | additive | $v^\top \tanh(W q + U k)$ | Bahdanau et al. 2015 |
# | dot | $q^\top k$ | Luong et al. 2015 |
# | general | $q^\top W k$ | Luong et al. 2015 |
# | scaled dot | $q^\top k / \sqrt{d}$ | Vaswani et al. 2017 |
#
# Additive attention is a small network with one hidden layer: it can compare vectors of different widths,
# but computes a tanh for every pair. A dot product is one matrix multiplication for all pairs, which
# is why fast models use it. Here is each in plain arrays, and our layer with the same numbers. In these
# examples the keys are also the values, as in recurrent models. They need not be: in a phone book the keys
# are names and the values are numbers, and the next notebook makes them by two different matrices.

# %%
queries = rng.normal(size=(1, 2, 4)).astype("float32")  # two queries of width 4
places = rng.normal(size=(1, 5, 4)).astype("float32")  # five places

additive = AdditiveAttention(6)
context, layer_weights = additive(queries, places, return_weights=True)
named = {w.path.split("/", 1)[-1]: np.asarray(w.value) for w in additive.weights}
print({name: array.shape for name, array in named.items()})

# %%
W, U = named["query/kernel"], named["key/kernel"]
v = named["scale"]
hidden = np.tanh((queries[0] @ W)[:, None] + (places[0] @ U)[None])  # queries, places, 6
np.testing.assert_allclose(softmax(hidden @ v), layer_weights[0], atol=1e-5)

dot = LuongAttention("dot")
context, layer_weights = dot(queries, places, return_weights=True)
np.testing.assert_allclose(softmax(queries[0] @ places[0].T), layer_weights[0], atol=1e-5)

general = LuongAttention("general")
context, layer_weights = general(queries, places, return_weights=True)
W = np.asarray(general.weights[0].value)
np.testing.assert_allclose(softmax(queries[0] @ (places[0] @ W).T), layer_weights[0], atol=1e-5)

context, layer_weights = scaled_dot_product_attention(queries, places, places)
expected = softmax(queries[0] @ places[0].T / np.sqrt(4))
np.testing.assert_allclose(expected, layer_weights[0], atol=1e-5)
np.testing.assert_allclose(expected @ places[0], context[0], atol=1e-5)
print("All four agree with the layers.")

# %% [markdown]
# ## Why the square root?
#
# Say that the numbers in $q$ and $k$ are independent with mean 0 and variance 1. Then $q^\top k$ is a sum
# of $d$ products, each with variance 1, so its variance is $d$: scores grow like $\sqrt{d}$. Measured on
# 10,000 pairs:

# %%
widths = [4, 16, 64, 256, 1024]
for d in widths:
    q, k = rng.normal(size=(2, 10_000, d))
    scores = (q * k).sum(axis=1)
    print(f"d = {d:5}: deviation {scores.std():6.2f}, square root of d {np.sqrt(d):6.2f}")

# %% [markdown]
# Large scores *saturate* the softmax: one place gets nearly all the weight. Then a change of the scores
# hardly changes the weights: the gradient is nearly zero, and nothing is learned there. The derivative is
# $\partial w_i / \partial s_j = w_i (\delta_{ij} - w_j)$. How large is this matrix (the Jacobian of the softmax),
# over 32 places, with and without the square root?

# %%


def saturation(d, scaled, places=32, queries=500):
    q, k = rng.normal(size=(queries, 1, d)), rng.normal(size=(queries, places, d))
    w = softmax((q * k).sum(axis=2) / (np.sqrt(d) if scaled else 1.0))
    jacobians = w[:, :, None] * (np.eye(places) - w[:, None, :])
    return w.max(axis=1).mean(), np.linalg.norm(jacobians, axis=(1, 2)).mean()


figure, axes = plt.subplots(1, 2, figsize=(8, 3))
for scaled, label in ((False, "dot"), (True, "scaled dot")):
    largest, gradient = np.transpose([saturation(d, scaled) for d in widths])
    axes[0].plot(widths, largest, marker="o", label=label)
    axes[1].plot(widths, gradient, marker="o", label=label)
    print(f"{label:10}: largest weight {largest.round(2)}, gradient {gradient.round(3)}")
axes[0].set(xscale="log", xlabel="width d", ylabel="largest weight", ylim=(0, 1))
axes[1].set(xscale="log", xlabel="width d", ylabel="norm of the Jacobian", ylim=(0, None))
axes[0].legend()
figure.tight_layout()

# %% [markdown]
# Without the square root, the largest of 32 weights approaches 1 as the width grows, and the gradient
# shrinks: at small widths it is even larger than with the root, at 1,024 it is a quarter. With the square
# root, nothing depends on the width. A model could learn smaller queries by itself, but it would start where
# it learns slowest.
#
# **Two details, as in the papers.** Luong's dot product has no square root, and ours has none either:
# recurrent states lie between -1 and 1, so their products are smaller. If they were spread evenly there, the
# deviation at width 64 would be $\sqrt{64} / 3 = 2.7$ instead of 8. Bahdanau's score has no bias, and neither
# has ours.
#
# ## Where not to look
#
# Sentences in a batch have different lengths, so the shorter ones are padded. Padding gets a score so low
# that the softmax makes its weight exactly 0 in 32-bit numbers. In this library a mask is True where
# attention is allowed.

# %%
mask = np.array([[True, True, True, False, False]])  # (batch, places): the same for all queries
_, layer_weights = dot(queries, places, attention_mask=mask, return_weights=True)
print(np.asarray(layer_weights)[0].round(3))
_, without = dot(queries, places[:, :3], return_weights=True)
np.testing.assert_allclose(np.asarray(layer_weights)[..., :3], without, atol=1e-6)

# %% [markdown]
# **What to take along.** Attention is a weighted mean, with weights that depend on what is asked. Divide
# dot products by $\sqrt{d}$, so that the softmax stays where it has a gradient, and mask what is padding.
