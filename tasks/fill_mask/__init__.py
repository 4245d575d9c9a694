"""Masked words, and BERT's pre-training."""
