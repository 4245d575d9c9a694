"""Search for the best answer, over any model that can be run step by step.

One loop (`loop.py`), and three ways to choose the next tokens: greedy, beam search
and sampling. The step protocol is described in `attention_zoo.zoo`.
"""
