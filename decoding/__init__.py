"""Decoding for any model that can be run step by step.

One loop (`loop.py`), and three strategies: greedy search, beam search and sampling. The step
protocol is described in `attention_zoo.zoo`.
"""
