# %% [markdown]
# # 1. 从前馈到循环
#
# **问题：网络先读一句话，再写另一句话。为什么只用一个向量记住原句是不够的？**
#
# 我们先看一个分不清“狗咬人”和“人咬狗”的网络，再给它一份记忆，最后量一量这份记忆什么时候不够用。

# %%
import os

import keras
import matplotlib.pyplot as plt
import numpy as np
from matplotlib import font_manager

import attention_zoo as az
from attention_zoo.layers import RecurrentEncoder

SMALL = "SMALL" in os.environ  # 测试时只训练几步
font_manager.fontManager.addfont("DroidSansFallback-notebooks.ttf")
plt.rcParams["font.family"] = ["DejaVu Sans", "Droid Sans Fallback"]
rng = np.random.default_rng(0)
keras.utils.set_random_seed(0)

# %% [markdown]
# ## 前馈网络看不见词序
#
# 前馈层的输入是固定长度的向量，而句子里的词有多有少。最省事的办法是把各个词的向量加起来。可是加法不管先后：

# %%
words = {word: rng.normal(size=4) for word in ["dog", "bites", "man"]}
one = words["dog"] + words["bites"] + words["man"]
other = words["man"] + words["bites"] + words["dog"]
np.testing.assert_allclose(one, other)
print("狗咬人:", one.round(2))
print("人咬狗:", other.round(2))

# %% [markdown]
# ## 循环网络一个词一个词地读
#
# 它带着一个固定长度的向量，叫做*状态*。每读一个词，就由旧状态和这个词算出新状态。最简单的写法是
# $h_t = \tanh(W x_t + U h_{t-1})$。这样一来，词序就有影响了。

# %%
W, U = rng.normal(size=(4, 4)), rng.normal(size=(4, 4))


def read(sentence):
    state = np.zeros(4)
    for word in sentence.split():
        state = np.tanh(words[word] @ W + state @ U)
    return state


print("狗咬人:", read("dog bites man").round(2))
print("人咬狗:", read("man bites dog").round(2))

# %% [markdown]
# 实际用的多是 GRU（Cho et al. 2014）或 LSTM（Hochreiter and Schmidhuber 1997）。它们的*门*决定每一步保留多少旧
# 状态，所以一件事可以记过很多个词。下面用 NumPy 直接写一遍 GRU，和我们的层对照，结果一致。有一处与论文不同：我们的层
# 跟 Keras 一样（`reset_after=True`，来自 cuDNN），重置门作用在矩阵乘法之后，论文里是之前。两种写法学得一样好，但权重不能
# 互换。

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
    candidate = np.tanh(of_input[2] + reset * of_state[2])
    state = update * state + (1 - update) * candidate
    states.append(state)
np.testing.assert_allclose(states, expected, atol=1e-5)
print("NumPy 写的 GRU 与我们的层结果一致。")

# %% [markdown]
# ## 瓶颈
#
# *编码器*读完原句，把最后的状态交给*解码器*，由解码器写出答案（Sutskever et al. 2014）。解码器对原句的全部了解，都在这
# 一个向量里。那就出一道要用到每个字母的题：原样抄一遍。我们训练两个模型，抄写不超过 20 个字母的随机串。它们只差一点：其中
# 一个可以回头看编码器的所有状态，这就是*注意力*（Bahdanau et al. 2015），下一章专门讲它。（它的权重因此多一些。）

# %%
LETTERS, LONGEST = "abcdefgh", 20
STEPS = 20 if SMALL else 2500


def strings(count, length=None):
    lengths = rng.integers(1, LONGEST + 1, count) if length is None else [length] * count
    return [("".join(rng.choice(list(LETTERS), n)),) * 2 for n in lengths]


def make(attention):
    keras.utils.set_random_seed(1)
    tokenizer = az.CharacterTokenizer(LETTERS)
    model = az.RNNAttention(
        tokenizer.vocab_size, width=64, attention=attention, dropout=0.0, max_length=LONGEST + 4
    )
    return az.Seq2Seq(model, tokenizer)


train = strings(500 if SMALL else 20_000)
tasks = {"一个向量": make("none"), "带注意力": make("additive")}
for name, task in tasks.items():
    task.fit(
        train,
        steps=STEPS,
        batch_tokens=2048,
        learning_rate={"schedule": "cosine", "peak": 0.005, "warmup": 100},
        seed=1,
    )
    print(f"{name}: {task.model.count_params():,} 个权重; abcdefgh -> {task(['abcdefgh'])[0]}")

# %% [markdown]
# 原串长度不同时，逐个位置看，抄对了多少字母？

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
axes.set(xlabel="原串的字母数", ylabel="抄对的比例", ylim=(0, 1.05))
axes.legend()
figure.tight_layout()

# %% [markdown]
# 八个字母以内，一个向量够用。再长，对的就越来越少，尽管两个模型见过的串完全一样：64 个数要按顺序装下 20 个字母，装不下。
# 有了注意力，长短就无所谓了，因为要哪个字母，就去看哪个。从对齐图上看得很清楚：

# %%
found = az.explain(tasks["带注意力"], "abcdefghgfedcba")
view = found.view("cross")
figure, axes = plt.subplots(figsize=(4.2, 3.6))
axes.imshow(view.weights[0, 0], cmap="viridis", vmin=0, vmax=1)
axes.set_xticks(range(len(view.keys)), view.keys.pieces)
axes.set_yticks(range(len(view.queries)), view.queries.pieces)
axes.set(xlabel="原串", ylabel="答案")
figure.tight_layout()

# %% [markdown]
# **记住这一点。** 前馈层看不见词序；循环层看得见，却要把一切挤进一个固定长度的状态。注意力把所有状态都留着，用到哪个看哪个。
