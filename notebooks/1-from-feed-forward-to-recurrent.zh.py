# %% [markdown]
# # 1. 从前馈到循环
#
# **问题：网络先读一句话，再写另一句话。为什么只用一个向量记住原句是不够的？**
#
# 我们先看一个分不清“狗咬人”和“人咬狗”的网络，再给它一份记忆，最后量一量，句子经过这份记忆还剩下多少。

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
# $h_t = \tanh(x_t W + h_{t-1} U)$（向量写成行）。这样一来，词序就有影响了。

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
# 实际用的多是 GRU（Cho et al. 2014）或 LSTM（Hochreiter and Schmidhuber 1997）。它们的*门*是 0 到 1 之间的数，决定每一步
# 保留多少旧状态，因此一条信息可以隔很多个词仍被记住。GRU 有两个门，算法与上面的状态相似，只是换成 sigmoid：
#
# - *更新门* $z$：旧状态保留多少，$h_t = z h_{t-1} + (1 - z) \tilde h$；
# - *重置门* $r$：旧状态有多少进入*候选状态* $\tilde h = \tanh(x_t W + r (h_{t-1} U))$。
#
# 下面用 NumPy 直接写一遍，和我们的层对照，结果一致。*一处出入：* 我们的层跟 Keras 一样（`reset_after=True`，来自 cuDNN），
# 重置门作用在矩阵乘法之后，如上式；论文里是之前。两种写法的权重不能互换。

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
    candidate = np.tanh(of_input[2] + reset * of_state[2])  # 论文：(reset * state) @ U
    state = update * state + (1 - update) * candidate
    states.append(state)
np.testing.assert_allclose(states, expected, atol=1e-5)
print("NumPy 写的 GRU 与我们的层结果一致。")

# %% [markdown]
# ## 瓶颈
#
# *编码器*读完原句，把最后的状态交给*解码器*，由解码器写出答案（Sutskever et al. 2014）。解码器对原句的全部了解，都在这
# 一个向量里。那就出一道要用到每个字母的题：原样抄一遍。我们训练两个模型，抄写不超过 20 个字母、由八种字母组成的随机串。其中
# 一个可以回头看编码器的所有状态，这就是*注意力*（Bahdanau et al. 2015），下一章专门讲它。注意力要占用一些参数，所以把另一个
# 模型加宽，让两者的参数一样多。（两个编码器都是双向读的，交出去的向量由两个方向的最后状态拼成。）

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
tasks = {"一个向量": make("none", 84), "带注意力": make("additive", 64)}
for name, task in tasks.items():
    task.fit(
        train,
        steps=STEPS,
        batch_tokens=2048,
        learning_rate={"schedule": "cosine", "peak": 0.005, "warmup": 100},
        seed=1,
    )
    print(f"{name}: {task.model.count_params():,} 个参数；abcdefgh -> {task(['abcdefgh'])[0]}")

# %% [markdown]
# 原串长度不同时，逐个位置看，抄对的字母占几成？虚线是从八种字母里瞎猜一个的水平。

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
axes.axhline(1 / len(LETTERS), color="gray", linestyle=":")
axes.set_xticks(lengths)
axes.legend()
figure.tight_layout()

# %% [markdown]
# 短的原串经过一个向量几乎不走样；再长，对的就越来越少，尽管两个模型见过的串完全一样。按说装得下：八种字母，20 个也不过 60
# 比特。可是把字母装进一个向量，再按顺序取出来，很难学会，2,500 步还不够。有了注意力，长短就无所谓了，因为要哪个字母，就去看
# 哪个。*对齐图*画出它看了哪里：每一行是答案的一个字母，颜色是它给原串各处的权重，加起来等于 1。亮的地方沿着对角线，但不止一格
# 宽，因为编码器的每个状态也知道左右的邻居。

# %%
found = az.explain(tasks["带注意力"], "abcdefghgfedcba")
view = found.view("cross")
figure, axes = plt.subplots(figsize=(5.2, 4))
image = axes.imshow(view.weights[0, 0], cmap="viridis", vmin=0, vmax=1)  # block 0, head 0
figure.colorbar(image)
axes.set_xticks(range(len(view.keys)), view.keys.pieces)
axes.set_yticks(range(len(view.queries)), view.queries.pieces)
axes.set(xlabel="原串", ylabel="答案")
figure.tight_layout()

# %% [markdown]
# **小结。** 前馈层看不见词序；循环层看得见，却要把一切挤进一个固定长度的状态，这很难学。注意力把所有状态都留着，用到哪个看哪个。
