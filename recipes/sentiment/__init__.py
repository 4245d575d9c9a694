"""Recipe: whether a tweet is friendly."""
