# %% [markdown]
# # 4. One sentence all the way
#
# **Question: what exactly happens between a Chinese date that goes in and an English one that comes out?**
#
# We train a small Transformer on dates, and then follow one of them through every step, with pictures on the
# way.

# %%
import os
from importlib import resources

import keras
import matplotlib.pyplot as plt
import numpy as np
from matplotlib import font_manager

import attention_zoo as az
from attention_zoo.layers import padding_mask

SMALL = "SMALL" in os.environ  # the test of this notebook trains a few steps only
keras.utils.set_random_seed(0)
dates = resources.files("attention_zoo.recipes.dates")
font_manager.fontManager.addfont(dates / "DroidSansFallback-dates.ttf")
plt.rcParams["font.family"] = ["DejaVu Sans", "Droid Sans Fallback"]

# %% [markdown]
# ## The model
#
# Two blocks in the encoder and two in the decoder, trained on 12,000 dates for a minute. This preset
# normalises before each part (pre-norm).

# %%
train, valid = (az.read_examples(dates / f"data/{n}.tsv", ["zh", "en"]) for n in ("train", "valid"))
source = az.CharacterTokenizer.train(chinese for chinese, _ in train)
target = az.CharacterTokenizer.train(english for _, english in train)
model = az.Transformer.from_preset(
    "transformer_tiny",
    source_vocab_size=source.vocab_size,
    target_vocab_size=target.vocab_size,
    share_embeddings=False,  # source and target have different characters
    max_length=40,
)
task = az.Seq2Seq(model, source, target)
figures = task.fit(
    train,
    valid=valid[:100],
    metrics=["exact_match"],
    steps=5 if SMALL else 1200,
    batch_tokens=1024,
    learning_rate={"schedule": "cosine", "peak": 0.002, "warmup": 200},
    seed=1,
)
print("right answers among 100 other dates, in percent:", figures["valid"]["exact_match"])

# %% [markdown]
# ## Stop 1: text to ids
#
# The tokenizer splits the text into characters and looks each up in its vocabulary. Id 3 marks the end.

# %%
TEXT = "2021年11月13日星期六"
ids = source.encode([TEXT], 40).numpy()
pieces = source.pieces(ids[0])
print(list(zip(pieces, ids[0].tolist())))

# %% [markdown]
# ## Stop 2: ids to vectors
#
# Each id selects a row of a matrix, the *embedding*. It is multiplied by the square root of the width, for the
# rows begin small, and the vector of the position is added, so that the two 1s of "11" are no longer the
# same.

# %%
embedded = model.source_embedding(ids)
hidden = model.source_position(embedded)
ones = [i for i, piece in enumerate(pieces) if piece == "1"]
vectors = np.asarray(hidden)[0]
print("places of the character 1:", ones)
print(
    "same embedding:",
    np.allclose(np.asarray(embedded)[0, ones[0]], np.asarray(embedded)[0, ones[1]]),
)
print("same after adding positions:", np.allclose(vectors[ones[0]], vectors[ones[1]]))


def show(array, title, rows):
    figure, axes = plt.subplots(figsize=(7, 0.22 * len(rows) + 0.8))
    axes.imshow(array, aspect="auto", cmap="RdBu", vmin=-3, vmax=3)
    axes.set_yticks(range(len(rows)), rows)
    axes.set(title=title, xlabel="width")
    figure.tight_layout()


show(vectors, "embedding + position", pieces)

# %% [markdown]
# ## Stop 3: through the encoder
#
# In every block, each character asks all others and mixes in what it finds. What did the heads look at? Rows
# are the characters that ask, columns those that are asked. Look for heads with a simple rule, such as one in
# which the digits of the day or the month look at the character after them that says which they are.

# %%
mask = padding_mask(ids)
for block in model.encoder_blocks:
    hidden = block(hidden, attention_mask=mask)
memory = np.asarray(model.encoder_norm(hidden))
show(memory[0], "what the encoder hands over", pieces)

found = az.explain(task, TEXT)
weights = found.view("encoder").weights
figure, axes = plt.subplots(len(weights), weights.shape[1], figsize=(2.4 * weights.shape[1], 5.6))
for block, row in enumerate(axes):
    for head, cell in enumerate(row):
        cell.imshow(weights[block, head], vmin=0, vmax=1)
        cell.set(xticks=[], yticks=[], title=f"block {block + 1}, head {head + 1}")
        if head == 0:
            cell.set_yticks(range(len(pieces)), pieces, fontsize=6)
        if block == len(axes) - 1:
            cell.set_xticks(range(len(pieces)), pieces, fontsize=6)
figure.tight_layout()

# %% [markdown]
# ## Stop 4: the decoder writes the first character
#
# It begins with the start id. Each block looks at what is written so far (only the start id) by
# self-attention, then at the encoder's vectors by *cross-attention*, and at the end each character of the
# target gets a score, the *logit*. The output uses the embedding of the target again (it is *tied*): a logit
# is the product of the state with the character's embedding.

# %%
START = 2
logits = np.asarray(model([ids, np.array([[START]])]))[0, 0]
best = np.argsort(-logits)[:6]
probability = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
for i in best:
    print(f"{target.pieces([i])[0]!r}: logit {logits[i]:6.2f}, probability {probability[i]:.3f}")
figure, axes = plt.subplots(figsize=(5, 2))
axes.bar(target.pieces(best), probability[best])
axes.set(xlabel="first character", ylabel="probability")
figure.tight_layout()

state = model.target_position(model.target_embedding(np.array([[START]])))
for block in model.decoder_blocks:
    state = block(state, memory, memory_mask=mask)
state = model.decoder_norm(state)
by_hand = np.asarray(state)[0, 0] @ model.target_embedding.weights[0].numpy().T
np.testing.assert_allclose(by_hand, logits, atol=1e-3)
print("By hand, block by block, the logits are the same.")

# %% [markdown]
# ## Stop 5: the next ones, and beams
#
# The most probable character is written, becomes the decoder's next input, and so on until the end id.
# Always taking the best is *greedy search*. *Beam search* keeps several beginnings and compares them as a
# whole: a second-best start may lead to a better end. The score of greedy search is the sum of the
# log-probabilities. Beam search divides it by a power of the length, so that long answers stand a chance;
# we multiply it back, to compare. Here both find the same answer, as they do when a model is sure.

# %%
[greedy] = task.predict([TEXT])
[beams] = task.predict([TEXT], beam_size=4, n_best=4)
print(f"greedy: {greedy.text}  ({greedy.score:.3f})")
for text, score in beams.n_best:
    total = score * ((5 + len(text) + 1) / 6) ** task.length_penalty  # with the end id
    print(f"beam:   {text}  ({total:.3f}; divided {score:.3f})")

# %% [markdown]
# ## Stop 6: where did each character come from?
#
# The cross-attention of the last block, the mean of its heads: rows are what was written, columns what was
# read.

# %%
view = found.view("cross")
figure, axes = plt.subplots(figsize=(6, 5.5))
figure.colorbar(axes.imshow(view.weights[-1].mean(axis=0), cmap="viridis"))
axes.set_xticks(range(len(view.keys)), view.keys.pieces)
axes.set_yticks(range(len(view.queries)), [p.replace(" ", "_") for p in view.queries.pieces])
axes.set(xlabel="source", ylabel="answer")
figure.tight_layout()

# %% [markdown]
# The year is copied digit by digit. Of the month's name only the first letter looks at the month, and of the
# weekday's only the first ones at the weekday: once they are written, the rest of the name is known, and
# the attention rests on `</s>`.
#
# **What to take along.** Text, ids, vectors, blocks, logits, search: six steps, each a few lines. The whole
# of it, from string to string, is what `task([TEXT])` does, and what an exported file contains.

# %%
print(task([TEXT]))
