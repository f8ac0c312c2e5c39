"""Conversations as transformers' apply_chat_template writes them.

usage: chat.py TEMPLATES_DIR   (<name>.jinja: a model's own chat template; not redistributed)

A template that is not there keeps the rows it has. One that asks for the day is told that
which it names otherwise.

text/chat.json   [{"name", "hash", "cases": [[[role, text]..., rendered], ...]}, ...]: `hash`
                 is of the template's plain form, SHA-256, the first 16 digits; BOS and EOS
                 are <s> and </s>; `rendered` is null where the template refuses

The names and where the templates are from: chatml OpenHermes-2.5-Mistral-7B, qwen2
Qwen2-7B-Instruct, qwen2.5 Qwen2.5-7B-Instruct, qwen3 and qwen3-2025-04 Qwen3-0.6B (today, and
as first published), qwen3-2507 Qwen3-4B-Instruct-2507, llama2 Llama-2-7b-chat, llama3.1
Llama-3.1-8B-Instruct, llama3.2 Llama-3.2-3B-Instruct, llama3
Meta-Llama-3-8B-Instruct, mistral-v1 and mistral-v1-2023 Mistral-7B-Instruct-v0.2 (today, and
as first published), mistral-v3 Mistral-Large-Instruct-2407, phi3 Phi-3-mini-4k-instruct,
phi3-small Phi-3-small-8k-instruct, zephyr zephyr-7b-beta.
"""
from common import given, save_json
import hashlib
import json
import os
import sys
from jinja2.exceptions import TemplateError
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

SYSTEM = ("system", "Answer in one line.\n")
TALKS = [
    [("user", "What is a boat?")],
    [("user", "  spaces, and lines \n\n")],
    [SYSTEM, ("user", "What is a boat?")],
    [("user", "Hello"), ("assistant", " Hi there "), ("user", "Who are you?")],
    [SYSTEM, ("user", "Hello "), ("assistant", "Hi\n"), ("user", "\tNow?"), ("assistant", "Yes."),
     ("user", "naïve 你好 👍🏽\u2003")],
    [("user", "")],
    [("user", "2 + 2?"), ("assistant", "<think>\nEasy.\n</think>\n\n4 </think>\n\n!\n"),
     ("user", "Sure?")],
    [("user", "2 + 2?"), ("assistant", "4"), ("system", " Be brief. "), ("user", "Sure?")],
]


def plain(source):
    return source.replace("\\n", "\n").rstrip("\n")


def render(tok, talk):
    messages = [{"role": role, "content": text} for role, text in talk]
    try:
        return tok.apply_chat_template(messages, tokenize=False, add_generation_prompt=True,
                                       date_string="26 Jul 2024")
    except TemplateError:
        return None


def main(templates):
    tok = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE()), bos_token="<s>",
                                  eos_token="</s>")
    with open("text/chat.json", encoding="utf-8") as f:
        rows = {row["name"]: row for row in json.load(f)}
    for file in sorted(os.listdir(templates)):
        with open(f"{templates}/{file}", encoding="utf-8") as f:
            tok.chat_template = f.read()
        name = file.removesuffix(".jinja")
        digest = hashlib.sha256(plain(tok.chat_template).encode()).hexdigest()[:16]
        rows[name] = {"name": name, "hash": digest,
                      "cases": [[talk, render(tok, talk)] for talk in TALKS]}
    save_json("text/chat.json", [rows[name] for name in sorted(rows)])


if __name__ == "__main__":
    main(given(sys.argv[1]))
