"""Train the bundled base's tokenizer: byte-level BPE of 4,096 tokens.

    tools/prepare ../shared/data .data/base        (makes the text)
    python models/tokenizer.py .data/base models/base/tokenizer.json

Uses Hugging Face tokenizers (the version is printed). Every fourth novel and all
other documents are read. Digits stand alone; id 0 ends a text.
"""
import json
import sys

import tokenizers
from tokenizers import Regex, decoders, models, pre_tokenizers, trainers


def documents(folder):
    for name in ("novels", "p3", "samples", "sni", "wikitext"):
        with open(f"{folder}/{name}.jsonl", encoding="utf-8") as lines:
            for number, line in enumerate(lines):
                if name != "novels" or number % 4 == 0:
                    yield json.loads(line)["text"]


folder, out = sys.argv[1:]
tok = tokenizers.Tokenizer(models.BPE())
words = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
tok.pre_tokenizer = pre_tokenizers.Sequence([
    pre_tokenizers.Split(Regex(words), "isolated"),
    pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
])
tok.decoder = decoders.ByteLevel()
tok.train_from_iterator(documents(folder), trainers.BpeTrainer(
    vocab_size=4096, special_tokens=["<|endoftext|>"],
    initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
tok.save(out)
print("tokenizers", tokenizers.__version__, "vocabulary", tok.get_vocab_size())
