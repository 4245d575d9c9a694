"""Draw where a model looked: which letters it attended to for each phoneme."""

import sys

import attention_zoo as az
from attention_zoo.attention_map import attention_map, draw_attention

task = az.load("g2p_rnn")
found = attention_map(task, "thoughtfully")
print("\n".join(found.lines))
draw_attention(found, sys.argv[1])
