# %% [markdown]
# # 3. 一层一层搭出 Transformer
#
# **问题：Transformer 的每个部件是做什么的？少了它会怎样？**
#
# 每个部件都先用数组直接写一遍，核对与我们的层结果相同，然后把它拿掉看看。论文是 “Attention Is All You Need”
# （Vaswani et al. 2017）。

# %%
import os
import time

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from keras import ops
from matplotlib import font_manager

import attention_zoo as az
from attention_zoo.layers import AddNorm, EncoderBlock, FeedForward, MultiHeadAttention
from attention_zoo.layers.functional import causal_mask, sinusoid

SMALL = "SMALL" in os.environ  # 测试时用小尺寸
font_manager.fontManager.addfont("DroidSansFallback-notebooks.ttf")
plt.rcParams["font.family"] = ["DejaVu Sans", "Droid Sans Fallback"]
rng = np.random.default_rng(0)
keras.utils.set_random_seed(0)
T, D, H = 5, 8, 2  # 词数，宽度，头数
x = rng.normal(size=(1, T, D)).astype("float32")


def softmax(scores):
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


# %% [markdown]
# ## 多头注意力
#
# 这里的“词”指词元，也就是词或词的一部分。每个词都向所有词发问。查询、键、值是同一串词的三个线性变换（*自注意力*）。这件事由几个*头*并排来做，各占一段宽度，于是一个头
# 可以看前一个词，另一个头可以去找动词。

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
print("手写的计算与该层的输出一致。")

# %% [markdown]
# *一处出入：* 论文的投影没有偏置，BERT 的有。`use_bias=False` 是论文的做法，也是我们的 `Transformer` 的默认值。我们的层把三个
# 变换合成一次矩阵乘法，只是更快，结果不变。
#
# ## 位置：把词打乱，会出什么问题？
#
# 上面的公式里，没有任何一处用到词的位置。把词打乱，输出也只是跟着打乱，别的都不变：

# %%
order = rng.permutation(T)
np.testing.assert_allclose(layer(x[:, order]), np.asarray(output)[:, order], atol=1e-5)
print("没有位置的自注意力看不见次序", order)

# %% [markdown]
# 所以 Transformer 给每个词加上一个说明位置的向量：不同波长的正弦和余弦。加上之后，谁站在哪里就有关系了：

# %%
places = np.asarray(sinusoid(T, D))
shuffled, straight = layer(x[:, order] + places), np.asarray(layer(x + places))[:, order]
print("输出的最大变化:", np.abs(np.asarray(shuffled) - straight).max().round(2))

# %% [markdown]
# 它们长这样，通行的排法有两种：

# %%
length, width = 50, 32
angle = np.arange(length)[:, None] / 10_000 ** (2 * np.arange(width // 2) / width)
interleaved = np.stack([np.sin(angle), np.cos(angle)], axis=2).reshape(length, width)
np.testing.assert_allclose(sinusoid(length, width), interleaved, atol=1e-4)

halves = np.concatenate([np.sin(angle), np.cos(angle)], axis=1)
np.testing.assert_allclose(sinusoid(length, width, "halves"), halves, atol=1e-4)

figure, axes = plt.subplots(1, 3, figsize=(11, 2.8))
figure.colorbar(axes[0].imshow(interleaved, aspect="auto"))
axes[0].set(title="交错（论文）", xlabel="分量", ylabel="位置")
figure.colorbar(axes[1].imshow(halves, aspect="auto"))
axes[1].set(title="分半（其代码）", xlabel="分量")
figure.colorbar(axes[2].imshow(interleaved @ interleaved.T))
axes[2].set(title="位置之间的内积", xlabel="位置")
figure.tight_layout()

# %% [markdown]
# 右图是每两个位置的内积，只取决于两者相隔多远，所以是一道道斜纹：注意力就是这样找到“前面第三个词”的。
#
# *交错还是分半？* 论文的公式是正弦、余弦交替排列。而作者发表的代码（tensor2tensor）把正弦全放在前面，Marian 和 OpenNMT 也
# 这样。两者只是列的次序不同，所以位置之间的内积相等（下面核对），只是权重不能互换。我们默认照论文；导入的模型
# 各用各的。

# %%
assert sorted(map(tuple, interleaved.T.round(5))) == sorted(map(tuple, halves.T.round(5)))
np.testing.assert_allclose(interleaved @ interleaved.T, halves @ halves.T, atol=1e-8)
print("除列的次序外，完全相等。")

# %% [markdown]
# ## 前馈网络，残差与归一化
#
# 注意力之后，每个词各自经过一个小网络：变宽，relu，再变窄。两者外面都有*残差连接*（把输入加回来）和*层归一化*（把每个词的
# 向量平移、缩放到均值 0、方差 1）。

# %%
network = FeedForward(16)
outer = np.asarray(network(x))[0]
inner = np.maximum(0, x[0] @ network.inner.kernel.numpy() + network.inner.bias.numpy())
by_hand = inner @ network.outer.kernel.numpy() + network.outer.bias.numpy()
np.testing.assert_allclose(by_hand, outer, atol=1e-5)

total = x[0] + outer
normal = (total - total.mean(axis=1, keepdims=True)) / total.std(axis=1, keepdims=True)
np.testing.assert_allclose(AddNorm("post")(x, outer[None])[0], normal, atol=1e-4)
print("手写的计算与这些层的输出一致。")

# %% [markdown]
# 把它们拿掉，堆叠 24 个刚初始化、尚未训练的块。我们看两件事：状态有多大；一句话里的词有多像，也就是两两余弦的平均。如果所有词都一个样，
# 这句话就丢了。

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
    ("残差与归一化", True, True),
    ("只有残差", True, False),
    ("只有归一化", False, True),
    ("都没有", False, False),
):
    sizes, alike = stack(residual, norm)
    at = {block: f"{sizes[block - 1]:.3g}, {alike[block - 1]:.2f}" for block in (1, 3, 6, 24)}
    print(f"{label:12}: 各块之后的大小与相似度 {at}")
    style = "-" if norm else "--"
    axes[0].plot(range(1, DEPTH + 1), sizes, style, label=label)
    axes[1].plot(range(1, DEPTH + 1), alike, style, label=label)
axes[0].set(yscale="log", xlabel="块", ylabel="状态的大小")
axes[1].set(xlabel="块", ylabel="词之间的余弦")
axes[0].legend(fontsize=8)
figure.tight_layout()

# %% [markdown]
# 没有残差，三块之后整句的词就几乎成了同一个向量：注意力一遍一遍地求平均（Dong et al. 2021）。有残差时，各词的向量要经过更多的块
# 才变得雷同，不过未经训练的 24 块之后也还是雷同了。没有归一化，状态每过一块就变大或变小。两者各解决一个问题：残差减缓趋同，
# 归一化防止大小失控。
#
# ## 归一化放在前面还是后面？
#
# 论文先相加，*再*归一化（post-norm）。后来的许多模型在每个子层*之前*把输入归一化（pre-norm），相加的结果则不再归一化。对于刚
# 初始化的多层堆叠，梯度有什么不同？

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
    print(f"{norm:4}: 第一块 {norms[0]:.2g}, 最后一块 {norms[-1]:.2g}")
    axes.plot(range(1, 13), norms, marker="o", label=f"{norm}-norm")
axes.set(xlabel="块", ylabel="梯度的范数", ylim=(0, None))
axes.legend()
figure.tight_layout()

# %% [markdown]
# 在第一块里两者差不多。越往后都越小，但 pre-norm 小得快得多：到最后一块，post-norm 的梯度是它的两倍多。Xiong et al.（2020）以此解释为什么 post-norm 要预热，也就是
# 开头步子要小，而 pre-norm 宽容一些。论文用的是 post-norm，我们的 `Transformer` 默认也是；`norm="pre"` 是另一种，最后一块之后再归一化一次。
#
# ## 合在一起
#
# - *编码器块*：自注意力，残差与归一化，前馈网络，残差与归一化。
# - *解码器块*：这两部分之间多一个*交叉注意力*，查询来自答案，键和值来自编码器的最后一块；它的自注意力带掩码，见下文。
# - 编号经过*嵌入*变成向量，加上位置，接着是两种块各若干个，最后一个线性变换把解码器的每个向量变成词表里每个词的分数。
#
# ## 掩码，与教师强制
#
# 解码器从左往右写。它的输入是右移一位的答案，最前面放一个开始符，所以位置 $t$ 读到的是前一个词，要预测的是第 $t$ 个。它可以看自己的
# 输入和更早的，但不许看后面的，那等于偷看答案。*因果掩码*管这件事：True 表示允许看。

# %%
print(np.asarray(causal_mask(4)).astype(int))
changed = x.copy()
changed[0, 3:] += 1.0  # 位置 0 到 2 的“未来”
before, after = (np.asarray(layer(inputs, causal=True)) for inputs in (x, changed))
np.testing.assert_array_equal(before[0, :3], after[0, :3])
print("后面的词不影响前面的位置。")

# %% [markdown]
# 训练之所以快，全靠它。训练时正确答案是已知的，解码器读的是*正确的*前文，不管它自己会写出什么（*教师强制*）；有了掩码，所有
# 位置就能一次算完。真正写的时候要一步一步来，*缓存*里存着已写部分的键和值。两种算法的数是一样的：

# %%
model = az.Transformer.from_preset("transformer_tiny", source_vocab_size=30, max_length=300)
source, target = rng.integers(4, 30, (1, 6)), rng.integers(4, 30, (1, 7))
at_once = np.asarray(model([source, target]))
memory = model.encode(source)
cache = model.start(memory, 7)
for t in range(7):
    logits, cache, _ = model.step(target[:, t : t + 1], t, cache, memory)
    np.testing.assert_allclose(logits[:, 0], at_once[:, t], atol=1e-4)
print("一次算完与一步一步：相等。")

# %% [markdown]
# 这能省多少？我们给三件事计时：带着正确答案算一遍；同一个模型自己写出同样多的词；还有一个同样宽的循环模型，它在训练时也
# 只能一步一步走。（时间因机器而异，请看倍数。）

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


def write(ids):  # 不许写结束符，所以每个位置都会写满
    return az.greedy_search(model, ids, LONG, suppressed=(3,)).ids


taught = seconds(lambda ids: model([ids, ids]))
writing = seconds(write)
recurrent_taught = seconds(lambda ids: recurrent([ids, ids]))
print(f"Transformer，教师强制：{1e3 * taught:.0f} 毫秒，{BATCH} 句各 {LONG} 个词，一次算完")
print(f"Transformer，逐词生成：{1e3 * writing:.0f} 毫秒，是 {writing / taught:.1f} 倍")
print(
    f"循环模型，教师强制：{1e3 * recurrent_taught:.0f} 毫秒，是 {recurrent_taught / taught:.1f} 倍"
)

# %% [markdown]
# 用教师强制训练时，一遍就能算完所有位置；生成时则要逐个位置计算，而循环模型连训练时也只能逐步计算。一步的计算量比一遍小得多，
# 因为只算一个词（而且这个循环模型两边各一层，Transformer 各两块），但后一步要等前一步。处理器的并行能力越强，差别越大。
#
# **小结。** 注意力让词互相混合，前馈网络逐个加工，位置说明谁站在哪里，残差让词彼此分开，归一化管住大小，掩码让所有位置
# 可以一起训练。
