"""Multiple choices scored by transformers, as lm-evaluation-harness and as the paper do.

choice/            a tiny Llama saved by transformers, without a tokenizer: it reads the
                   tokens of text/tiny_llama3/tokenizer.json, after its <|begin|>
choice/task.jsonl  prompts with options of different lengths, and labels: in turn what each
                   of the three ways to score takes, and the last option, so that none is
                   always right
choice/expect.json for each example: `sum`, the log-likelihoods of " option" after the prompt
                   (loglikelihood() of lm-evaluation-harness); `paper`, the mean over the
                   tokens of " option" and EOS; and the accuracies `acc` (largest sum),
                   `acc_norm` (largest sum a character of the option, which has no space
                   before it) and `acc_paper` (largest mean)

Each option is a sequence of its own, read from its first token.
"""
from common import fresh, save_json
import json
import torch
from tokenizers import Tokenizer
from transformers import LlamaConfig, LlamaForCausalLM

BEGIN, END = 1, 0

TASK = [
    ("Question: What do cows eat?\nAnswer:", ["grass", "stones", "a very old ship", "the moon"]),
    ("Question: Which is the largest?\nAnswer:", ["an ant", "a whale"]),
    ("The farmer put the wheat", ["in the barn.", "into a glass of cold water and drank it.",
                                  "up."]),
    ("Question: Wie heißt das?\nAnswer:", ["Käse", "Brötchen", "überall", "x"]),
    ("Question: What is 2 + 2?\nAnswer:", ["3", "4", "22", "four hundred"]),
    ("Is water wet?\nAnswer:", ["no", "yes"]),
    ("Question: Who sings?\nAnswer:", ["the bird in the tree", "the bird", "the tree", "a stone"]),
    ("A word", ["aa", "aaa", "aaaa", "a", "aaaaaaaaaaaa"]),
    ("Question: Where does rain come from?\nAnswer:", ["clouds", "the ground below", "cheese"]),
    ("Question: What is red?\nAnswer:", ["a ripe tomato", "the sky at noon", "snow", "coal"]),
    ("To open a door,", ["turn the handle and push.", "turn the handle and sing."]),
    ("Question: When is it dark?\nAnswer:", ["at night", "at noon", "never, or nearly so"]),
]


def build():
    torch.manual_seed(11)
    config = LlamaConfig(hidden_size=24, num_hidden_layers=2, num_attention_heads=3,
                         num_key_value_heads=1, intermediate_size=40, vocab_size=400,
                         max_position_embeddings=128, rms_norm_eps=1e-5,
                         tie_word_embeddings=True, bos_token_id=BEGIN, eos_token_id=END,
                         attn_implementation="eager")
    model = LlamaForCausalLM(config).eval()
    with torch.no_grad():
        for key, p in model.named_parameters():
            p.normal_(1.0, 0.2) if "norm" in key else p.normal_(0.0, 0.3)
    return model


def loglikelihoods(model, ids, first):
    """Of ids[first:], each after all before it."""
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0].double()
    logp = logits.log_softmax(-1)
    return [logp[i - 1, ids[i]].item() for i in range(first, len(ids))]


def argmax(x):
    return max(range(len(x)), key=lambda i: x[i])


def main():
    where = fresh("choice")
    model = build()
    model.save_pretrained(where)
    tok = Tokenizer.from_file("text/tiny_llama3/tokenizer.json")
    encode = lambda text: tok.encode(text, add_special_tokens=False).ids
    rows, sums, papers, acc, acc_norm, acc_paper = [], [], [], [], [], []
    for i, (prompt, options) in enumerate(TASK):
        n = len(encode(prompt))
        one, mean = [], []
        for option in options:
            whole = encode(prompt + " " + option)
            assert whole[:n] == encode(prompt)
            ids = [BEGIN] + whole + [END]
            scores = loglikelihoods(model, ids, 1 + n)
            one.append(sum(scores[:-1]))
            mean.append(sum(scores) / len(scores))
        sums.append(one)
        papers.append(mean)
        picks = [argmax(one), argmax([s / len(o) for s, o in zip(one, options)]),
                 argmax(mean)]
        label = (picks + [len(options) - 1])[i % 4]
        for pick, to in zip(picks, (acc, acc_norm, acc_paper)):
            to.append(float(pick == label))
        rows.append({"prompt": prompt, "options": options, "label": label})
    with open(where + "/task.jsonl", "w", encoding="utf-8") as f:
        for row in rows:
            f.write(json.dumps(row, ensure_ascii=False) + "\n")
    save_json(where + "/expect.json", {
        "acc": acc, "acc_norm": acc_norm, "acc_paper": acc_paper,
        "sum": sums, "paper": papers})


main()
