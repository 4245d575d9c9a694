"""Draw where a model looked: which letters it attended to for each phoneme."""

import sys

import attention_zoo as az

task = az.load("g2p_rnn")
found = az.explain(task, "thoughtfully")
print("\n".join(found.map().lines))
found.save(sys.argv[1])
