# %% [markdown]
# # 6. Your own data, to your own phone
#
# **Question: I have a table with two columns. How do I get from there to a file that answers on a phone,
# and how do I know that it answers what the model would?**

# %%
import os
import subprocess
import sys
import tempfile
from importlib import resources
from pathlib import Path

import numpy as np

import attention_zoo as az

SMALL = "SMALL" in os.environ  # the test of this notebook trains a few steps only
place = Path(tempfile.mkdtemp())


def run(*arguments, text=None):
    """A command of the shell; in a terminal you would type it."""
    print("$ attention-zoo", *arguments)
    command = [sys.executable, "-m", "attention_zoo.cli", *map(str, arguments)]
    done = subprocess.run(command, cwd=place, input=text, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    print(done.stdout[-1500:])


# %% [markdown]
# ## 1. The data
#
# A TSV file with a header: one column of texts, one of answers. Here they are Chinese dates and English
# ones, with digits of both widths; anything from text to text will do. Keep some rows apart, to see how well
# it does on rows that it has never seen.

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
# ## 2. The recipe
#
# One YAML file says everything: what the task is, which model, which columns, how long to train, what to
# export. `attention-zoo schema` lists all fields, and a misspelt one is an error that names the right one.

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
# ## 3. Train, and ask
#
# Ctrl-C stops after the current step and keeps everything; `--resume` goes on, to the same weights, bit for
# bit, as if it had not been stopped.

# %%
run("train", "recipe.yaml", "--out", "run")
run("evaluate", "run", "--data", "test.tsv")
run("predict", "run", text="2021年11月13日星期六\n")

# %% [markdown]
# ## 4. Export, and verify
#
# Each file is run in its own runtime, in a process that cannot import this package, and its numbers and
# answers are compared with the model's on the test data. A file that differs is not listed as exported. The
# SavedModel is for TF Serving: it takes and gives strings. The LiteRT files are for phones and browsers:
#
# | file | for |
# |---|---|
# | `model.tflite` | any number of texts of any length: the one to begin with |
# | `static.tflite` | one text, padded to a fixed length: accelerators and browsers |
# | `stream.tflite` | one token at a time, to show an answer as it is written |
#
# With `quantize: [dynamic_int8]` there is one of each at about a quarter of the size.

# %%
run("export", "run", "--out", "exported")
for path in sorted((place / "exported").glob("*.tflite")):
    print(f"{path.name:15} {path.stat().st_size / 1e6:.1f} MB")

# %% [markdown]
# Somebody else can check it again on another machine, with other versions:

# %%
run("verify", "exported")

# %% [markdown]
# ## 5. On the phone, rehearsed in Python
#
# The file takes ids and gives ids; the whole search is inside. This is all that an app has to do, here in
# Python with nothing but LiteRT. `report.md`, beside the files, has the same for Kotlin and C++.

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
# ## 6. In the browser
#
# `static.tflite` and `stream.tflite` also run in a page that answers as you type, with the tokenizer in
# JavaScript. It needs only a static file server: `python -m http.server -d` and the folder.

# %%
run("playground", "exported", "--out", "site")
print(sorted(path.name for path in (place / "site").iterdir()))

# %% [markdown]
# **What to take along.** A table, a recipe of a dozen lines, and `train`, `evaluate`, `predict`, `export`,
# `verify`, `playground`. Strings in, strings out, and every
# file was compared with the model before it left.
