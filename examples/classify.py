"""Train a small text classifier from Python: is a sentence about food or about weather?"""

import attention_zoo as az

SUBJECTS = {"food": ["bread", "soup", "cheese", "rice"], "weather": ["rain", "snow", "wind", "sun"]}
PATTERNS = ["there was {} again", "we talked about {}", "more {} is expected", "{} , as always"]
ASKED = ["we talked about cheese", "more snow is expected"]  # not trained on
examples = [
    (pattern.format(word), label)
    for label, words in SUBJECTS.items()
    for word in words
    for pattern in PATTERNS
    if pattern.format(word) not in ASKED
]

tokenizer = az.WordPieceTokenizer.train([text for text, _ in examples], vocab_size=150)
model = az.BertClassifier.from_preset(
    "bert_tiny", vocab_size=tokenizer.vocab_size, num_outputs=len(SUBJECTS)
)
task = az.Classify(model, tokenizer, labels=list(SUBJECTS))
task.fit(examples, steps=120, batch_tokens=256, learning_rate={"peak": 5e-4, "warmup": 10})
for prediction in task.predict(ASKED):
    print(prediction.text, prediction.record)
