# %% [markdown]
# # 6. 你的数据，到你的手机
#
# **问题：我有一张两列的表。怎样得到一个能在手机上回答的文件？又怎么知道它的回答和模型一样？**

# %%
import os
import subprocess
import sys
import tempfile
from importlib import resources
from pathlib import Path

import numpy as np

import attention_zoo as az

SMALL = "SMALL" in os.environ  # 测试时只训练几步
place = Path(tempfile.mkdtemp())


def run(*arguments, text=None):
    """终端里的一条命令。"""
    print("$ attention-zoo", *arguments)
    command = [sys.executable, "-m", "attention_zoo.cli", *map(str, arguments)]
    done = subprocess.run(command, cwd=place, input=text, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    print(done.stdout[-1500:])


# %% [markdown]
# ## 1. 数据
#
# 一个带表头的 TSV 文件：一列原文，一列答案。这里是中文日期和英文日期，数字全角半角都有；凡是从文字到文字的都可以。留出几行不训练，好看看它对
# 没见过的行答得怎样。

# %%
data = resources.files("attention_zoo.recipes.dates") / "data"
for name, most in {
    "train": 400 if SMALL else None,
    "valid": 20,
    "test": 20 if SMALL else 200,
}.items():
    lines = (data / f"{name}.tsv").read_text(encoding="utf-8").splitlines()
    (place / f"{name}.tsv").write_text("\n".join(lines[:most]) + "\n", encoding="utf-8")
print("\n".join(lines[:4]))

# %% [markdown]
# ## 2. 配方
#
# 一个 YAML 文件说清一切：什么任务，哪个模型，哪几列，训练多久，导出什么。`attention-zoo schema` 列出所有字段；写错了会报错，
# 并给出正确的名字。

# %%
formats = "litert, litert_static" if SMALL else "saved_model, litert, litert_static, litert_stream"
recipe = f"""
task: seq2seq
model: {{preset: transformer_tiny}}
data: {{train: train.tsv, valid: valid.tsv, test: test.tsv, source: zh, target: en}}
tokenizer: {{kind: characters}}
train:
  batch_tokens: 1024
  steps: {5 if SMALL else 1200}
  learning_rate: {{schedule: cosine, peak: 0.002, warmup: 200}}
  evaluate_every: 400
  seed: 1
evaluate: {{metrics: [exact_match]}}
export: {{formats: [{formats}], quantize: [none]}}
"""
(place / "recipe.yaml").write_text(recipe, encoding="utf-8")

# %% [markdown]
# ## 3. 训练，提问
#
# 按 Ctrl-C 会在当前这一步之后停下，什么都不丢；`--resume` 接着走，最后的权重与没停过的一模一样，一个比特都不差。

# %%
run("train", "recipe.yaml", "--out", "run")
run("evaluate", "run", "--data", "test.tsv")
run("predict", "run", text="2021年11月13日星期六\n")

# %% [markdown]
# ## 4. 导出，核对
#
# 每个文件都在它自己的运行环境里、在不能导入本包的进程里跑一遍，数值和答案都拿去与模型在测试数据上比较。有出入的不列为已导出。
# SavedModel 给 TF Serving 用，进出都是字符串。LiteRT 文件给手机和浏览器用：
#
# | 文件 | 用途 |
# |---|---|
# | `model.tflite` | 几条都行，多长都行：先用它 |
# | `static.tflite` | 一条，补齐到固定长度：加速器和浏览器 |
# | `stream.tflite` | 一次一个词元，边写边显示 |
#
# 写 `quantize: [dynamic_int8]`，每种再多一个约四分之一大小的。

# %%
run("export", "run", "--out", "exported")
for path in sorted((place / "exported").glob("*.tflite")):
    print(f"{path.name:15} {path.stat().st_size / 1e6:.1f} MB")

# %% [markdown]
# 别人也可以在另一台机器上、用另外的版本再核对一遍：

# %%
run("verify", "exported")

# %% [markdown]
# ## 5. 手机上（先用 Python 演练）
#
# 文件的输入输出都是编号，整个搜索就在里面。应用要做的只有这些，这里用 Python 写，除 LiteRT 外什么都不用。文件旁边的
# `report.md` 里有 Kotlin 和 C++ 的写法。

# %%
import json

from ai_edge_litert.interpreter import Interpreter

characters = json.loads((place / "exported/tokenizer/source/characters.json").read_text("utf-8"))
letters = json.loads((place / "exported/tokenizer/target/characters.json").read_text("utf-8"))
ask = Interpreter(str(place / "exported/model.tflite")).get_signature_runner("serving_default")
ids = [4 + characters.index(c) for c in "2021年11月13日星期六"] + [3]
[answer] = ask(source_ids=np.array([ids], np.int32))["target_ids"]
on_phone = "".join(letters[i - 4] for i in answer if i > 3)
[in_keras] = az.load(place / "run")(["2021年11月13日星期六"])
print(on_phone, "|", in_keras)
assert on_phone == in_keras

# %% [markdown]
# ## 6. 浏览器里
#
# `static.tflite` 和 `stream.tflite` 还可以放进一个网页，边打字边回答，分词器用 JavaScript 写成。不需要服务程序，能发文件就行：
# `python -m http.server -d` 加上文件夹。

# %%
run("playground", "exported", "--out", "site")
print(sorted(path.name for path in (place / "site").iterdir()))

# %% [markdown]
# **小结。** 一张表，十来行配方，再加 `train`、`evaluate`、`predict`、`export`、`verify`、`playground`。进去是字符串，出来是字符串，每个文件出门前都和模型对过。
