"""Ask a task that comes with the package: greedily, by beam search, and by sampling."""

import attention_zoo as az

task = az.load("g2p_transformer")
print(task(["attention", "zoo"]))

(answer,) = task.predict(["tomato"], beam_size=4, n_best=3)
for text, score in answer.n_best:
    print(f"{score:6.2f}  {text}")

print(task(["tomato"], temperature=1.0, seed=3))
