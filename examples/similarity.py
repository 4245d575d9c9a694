"""Find the sentence that is nearest to a query, with a Hugging Face folder of a BERT."""

import sys

import attention_zoo as az

task = az.import_task(sys.argv[1])  # such as all-MiniLM-L6-v2
sentences = ["A cat sits on the mat.", "Shares fell on Monday.", "It will rain tomorrow."]
(cosines,) = task.similarity(["What is the weather like?"], sentences)
for cosine, sentence in sorted(zip(cosines, sentences, strict=True), reverse=True):
    print(f"{cosine:5.2f}  {sentence}")
