# %% [markdown]
# # 4. 一句话走到底
#
# **问题：一个中文日期进去，一个英文日期出来，中间究竟发生了什么？**
#
# 我们训练一个小 Transformer 认日期，然后跟着其中一个走完每一步，沿路有图。

# %%
import os
from importlib import resources

import keras
import matplotlib.pyplot as plt
import numpy as np
from matplotlib import font_manager

import attention_zoo as az
from attention_zoo.layers import padding_mask

SMALL = "SMALL" in os.environ  # 测试时只训练几步
keras.utils.set_random_seed(0)
dates = resources.files("attention_zoo.recipes.dates")
font_manager.fontManager.addfont("DroidSansFallback-notebooks.ttf")
plt.rcParams["font.family"] = ["DejaVu Sans", "Droid Sans Fallback"]

# %% [markdown]
# ## 模型
#
# 编码器、解码器各两块，用一万两千个日期训练一分钟。这个预设在每个部件之前归一化（pre-norm）。

# %%
train, valid = (az.read_examples(dates / f"data/{n}.tsv", ["zh", "en"]) for n in ("train", "valid"))
source = az.CharacterTokenizer.train(chinese for chinese, _ in train)
target = az.CharacterTokenizer.train(english for _, english in train)
model = az.Transformer.from_preset(
    "transformer_tiny",
    source_vocab_size=source.vocab_size,
    target_vocab_size=target.vocab_size,
    share_embeddings=False,  # 中文和英文的字符不同
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
print("另外 100 个日期答对的百分比:", figures["valid"]["exact_match"])

# %% [markdown]
# ## 第一站：文字到编号
#
# 分词器把文字拆成单个的字，到词表里查出编号。编号 3 表示结束。

# %%
TEXT = "2021年11月13日星期六"
ids = source.encode([TEXT], 40).numpy()
pieces = source.pieces(ids[0])
print(list(zip(pieces, ids[0].tolist())))

# %% [markdown]
# ## 第二站：编号到向量
#
# 每个编号选出矩阵的一行，这就是*嵌入*。它起初很小，所以先乘上宽度的平方根，再加上位置的向量，这样 “11” 里的两个 1 就不一样了。

# %%
embedded = model.source_embedding(ids)
hidden = model.source_position(embedded)
ones = [i for i, piece in enumerate(pieces) if piece == "1"]
vectors = np.asarray(hidden)[0]
print("字符 1 的位置:", ones)
print("嵌入相同:", np.allclose(np.asarray(embedded)[0, ones[0]], np.asarray(embedded)[0, ones[1]]))
print("加上位置后相同:", np.allclose(vectors[ones[0]], vectors[ones[1]]))


def show(array, title, rows):
    figure, axes = plt.subplots(figsize=(7, 0.22 * len(rows) + 0.8))
    axes.imshow(array, aspect="auto", cmap="RdBu", vmin=-3, vmax=3)
    axes.set_yticks(range(len(rows)), rows)
    axes.set(title=title, xlabel="宽度")
    figure.tight_layout()


show(vectors, "嵌入 + 位置", pieces)

# %% [markdown]
# ## 第三站：穿过编码器
#
# 在每一块里，每个字都问遍所有的字，把找到的混进来。各个头都看了哪里？行是发问的字，列是被问的字。
# 可以找找规律简单的头，比如日和月的数字都去看后面那个说明自己身份的字。

# %%
mask = padding_mask(ids)
for block in model.encoder_blocks:
    hidden = block(hidden, attention_mask=mask)
memory = np.asarray(model.encoder_norm(hidden))
show(memory[0], "编码器交出来的", pieces)

found = az.explain(task, TEXT)
weights = found.view("encoder").weights
figure, axes = plt.subplots(len(weights), weights.shape[1], figsize=(2.4 * weights.shape[1], 5.6))
for block, row in enumerate(axes):
    for head, cell in enumerate(row):
        cell.imshow(weights[block, head], vmin=0, vmax=1)
        cell.set(xticks=[], yticks=[], title=f"第 {block + 1} 块，头 {head + 1}")
        if head == 0:
            cell.set_yticks(range(len(pieces)), pieces, fontsize=6)
        if block == len(axes) - 1:
            cell.set_xticks(range(len(pieces)), pieces, fontsize=6)
figure.tight_layout()

# %% [markdown]
# ## 第四站：解码器写第一个字母
#
# 它从开始符起步。每一块先用自注意力看已经写了什么（只有开始符），再用*交叉注意力*看编码器的向量；最后给目标语言的每个字母打一个分，
# 叫做 *logit*。输出再次用到目标语言的嵌入（两者*共享*一个矩阵）：logit 就是状态与该字母嵌入的内积。

# %%
START = 2
logits = np.asarray(model([ids, np.array([[START]])]))[0, 0]
best = np.argsort(-logits)[:6]
probability = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
for i in best:
    print(f"{target.pieces([i])[0]!r}: logit {logits[i]:6.2f}, 概率 {probability[i]:.3f}")
figure, axes = plt.subplots(figsize=(5, 2))
axes.bar(target.pieces(best), probability[best])
axes.set(xlabel="第一个字母", ylabel="概率")
figure.tight_layout()

state = model.target_position(model.target_embedding(np.array([[START]])))
for block in model.decoder_blocks:
    state = block(state, memory, memory_mask=mask)
state = model.decoder_norm(state)
by_hand = np.asarray(state)[0, 0] @ model.target_embedding.weights[0].numpy().T
np.testing.assert_allclose(by_hand, logits, atol=1e-3)
print("一块一块手算，logit 完全相同。")

# %% [markdown]
# ## 第五站：后面的字母，与集束
#
# 概率最大的字母写下来，成为解码器的下一个输入，一直写到结束符。总取最好的，叫*贪心搜索*。*集束搜索*同时留着几个开头，整体比较：
# 次好的开头也许有更好的结尾。贪心搜索的得分是对数概率之和；集束搜索再除以长度的某次幂，
# 好让长的答案不吃亏，为了比较我们又乘了回来。这里两者找到的答案相同，模型有把握时往往如此。

# %%
[greedy] = task.predict([TEXT])
[beams] = task.predict([TEXT], beam_size=4, n_best=4)
print(f"贪心: {greedy.text}  ({greedy.score:.3f})")
for text, score in beams.n_best:
    total = score * ((5 + len(text) + 1) / 6) ** task.length_penalty  # 包括结束符
    print(f"集束: {text}  ({total:.3f}；除过的 {score:.3f})")

# %% [markdown]
# ## 第六站：每个字母从哪里来？
#
# 最后一块的交叉注意力，取各头的平均：行是写出来的，列是读进来的。

# %%
view = found.view("cross")
figure, axes = plt.subplots(figsize=(6, 5.5))
figure.colorbar(axes.imshow(view.weights[-1].mean(axis=0), cmap="viridis"))
axes.set_xticks(range(len(view.keys)), view.keys.pieces)
axes.set_yticks(range(len(view.queries)), [p.replace(" ", "_") for p in view.queries.pieces])
axes.set(xlabel="原文", ylabel="答案")
figure.tight_layout()

# %% [markdown]
# 年份是一个数字一个数字抄来的。月份的英文名只有第一个字母去看月份，星期也只有开头的字母去看星期：开头一写出来，后面就都知道了，
# 注意力便停在 `</s>` 上。
#
# **小结。** 文字、编号、向量、块、logit、搜索：六步，每步几行。从字符串到字符串的全过程，就是 `task([TEXT])` 做的事，导出的
# 文件里装的也正是它。

# %%
print(task([TEXT]))
