# %% [markdown]
# # 2. 注意力
#
# **问题：网络怎样“查找”？Transformer 为什么要除以一个平方根？**
#
# 注意力是一本“软”字典。有一个*查询*（query，我要找什么）；记忆里的每个位置有一个*键*（key，这里有什么可找）和一个*值*
# （value，找到后拿走什么）。*打分*衡量查询与各个键有多合拍，softmax 把分数变成和为 1 的权重，最后的*上下文*就是各个值
# 的加权平均：
#
# $$\text{context} = \sum_s w_s v_s, \qquad w = \operatorname{softmax}(\text{score}(q, k_1), \dots)$$

# %%
import matplotlib.pyplot as plt
import numpy as np
from matplotlib import font_manager

from attention_zoo.layers import AdditiveAttention, LuongAttention
from attention_zoo.layers.functional import scaled_dot_product_attention

font_manager.fontManager.addfont("DroidSansFallback-notebooks.ttf")
plt.rcParams["font.family"] = ["DejaVu Sans", "Droid Sans Fallback"]
rng = np.random.default_rng(0)


def softmax(scores):
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


# 三个位置的记忆，键同时也是值。
memory = np.array([[1.0, 0.0], [0.0, 1.0], [0.7, 0.7]])
query = np.array([4.0, 0.0])
weights = softmax(memory @ query)
print("权重:", weights.round(3), " 上下文:", (weights @ memory).round(3))

# %% [markdown]
# ## 四种打分
#
# 这几篇论文的区别，主要在打分。
#
# | 名称 | 查询 $q$ 对键 $k$ 的分数 | 论文 |
# |---|---|---|
# | 加性 | $v^\top \tanh(W q + U k)$ | Bahdanau et al. 2015 |
# | 点积 | $q^\top k$ | Luong et al. 2015 |
# | 一般式 | $q^\top W k$ | Luong et al. 2015 |
# | 缩放点积 | $q^\top k / \sqrt{d}$ | Vaswani et al. 2017 |
#
# 加性注意力是一个只有一层隐层的小网络：两边的宽度可以不同，但每一对都要算一次 tanh。点积把所有的对合成一次矩阵乘法，
# 所以快的模型都用它。下面每种都用数组直接算一遍，再和我们的层用同样的数对照。这些例子里键同时也是值，循环模型正是这样；但也
# 可以不同：电话簿里键是姓名，值是号码，下一章就用两个不同的矩阵来得到它们。

# %%
queries = rng.normal(size=(1, 2, 4)).astype("float32")  # 两个查询，宽度 4
places = rng.normal(size=(1, 5, 4)).astype("float32")  # 五个位置

additive = AdditiveAttention(6)
context, layer_weights = additive(queries, places, return_weights=True)
named = {w.path.split("/", 1)[-1]: np.asarray(w.value) for w in additive.weights}
print({name: array.shape for name, array in named.items()})

# %%
W, U = named["query/kernel"], named["key/kernel"]
v = named["scale"]
hidden = np.tanh((queries[0] @ W)[:, None] + (places[0] @ U)[None])  # 查询，位置，6
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
print("四种都与层的结果一致。")

# %% [markdown]
# ## 为什么要开平方？
#
# 设 $q$ 和 $k$ 的各个分量互相独立，均值为 0，方差为 1。那么 $q^\top k$ 是 $d$ 个乘积之和，每个的方差是 1，总方差就是 $d$：
# 分数的大小随 $\sqrt{d}$ 增长。用一万对向量量一量：

# %%
widths = [4, 16, 64, 256, 1024]
for d in widths:
    q, k = rng.normal(size=(2, 10_000, d))
    scores = (q * k).sum(axis=1)
    print(f"d = {d:5}: 标准差 {scores.std():6.2f}, d 的平方根 {np.sqrt(d):6.2f}")

# %% [markdown]
# 分数太大，softmax 就*饱和*：一个位置几乎独占全部权重。这时分数再变，权重也几乎不动，梯度接近零，也就学不到东西。它的导数是
# $\partial w_i / \partial s_j = w_i (\delta_{ij} - w_j)$。这个矩阵（softmax 的雅可比矩阵）在 32 个位置上，除与不除平方根，各有多大？

# %%


def saturation(d, scaled, places=32, queries=500):
    q, k = rng.normal(size=(queries, 1, d)), rng.normal(size=(queries, places, d))
    w = softmax((q * k).sum(axis=2) / (np.sqrt(d) if scaled else 1.0))
    jacobians = w[:, :, None] * (np.eye(places) - w[:, None, :])
    return w.max(axis=1).mean(), np.linalg.norm(jacobians, axis=(1, 2)).mean()


figure, axes = plt.subplots(1, 2, figsize=(8, 3))
for scaled, label in ((False, "点积"), (True, "缩放点积")):
    largest, gradient = np.transpose([saturation(d, scaled) for d in widths])
    axes[0].plot(widths, largest, marker="o", label=label)
    axes[1].plot(widths, gradient, marker="o", label=label)
    print(f"{label:10}: 最大权重 {largest.round(2)}, 梯度 {gradient.round(3)}")
axes[0].set(xscale="log", xlabel="宽度 d", ylabel="最大权重", ylim=(0, 1))
axes[1].set(xscale="log", xlabel="宽度 d", ylabel="雅可比矩阵的范数", ylim=(0, None))
axes[0].legend()
figure.tight_layout()

# %% [markdown]
# 不除平方根，宽度越大，32 个权重里最大的那个越接近 1，梯度也跟着变小：宽度小的时候它还比除了平方根的大，到 1,024 就只剩四分之一。
# 除了平方根，就与宽度无关了。模型当然可以自己学会把查询变小，可是那样它就得从最难学的地方起步。
#
# **两个细节，都照论文。** Luong 的点积没有平方根，我们的也没有：循环网络的状态在 -1 与 1 之间，乘积小一些；假如均匀分布在这个
# 区间，宽度 64 时标准差是 $\sqrt{64} / 3 = 2.7$，而不是 8。Bahdanau 的打分没有偏置，我们的也没有。
#
# ## 哪里不许看
#
# 一批句子有长有短，短的要补齐。补上的位置，分数低到 softmax 之后权重在 32 位数里正好是 0。在这个库里，掩码为 True 表示允许看。

# %%
mask = np.array([[True, True, True, False, False]])  # （批，位置），对所有查询都一样
_, layer_weights = dot(queries, places, attention_mask=mask, return_weights=True)
print(np.asarray(layer_weights)[0].round(3))
_, without = dot(queries, places[:, :3], return_weights=True)
np.testing.assert_allclose(np.asarray(layer_weights)[..., :3], without, atol=1e-6)

# %% [markdown]
# **小结。** 注意力是加权平均，权重由“问什么”决定。点积要除以 $\sqrt{d}$，让 softmax 留在有梯度的地方；补齐的位置要遮住。
