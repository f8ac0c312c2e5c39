"""Token ids as the tokenizers themselves compute them.

usage: text.py TOKENIZERS_DIR STORIES260K_DIR   (gpt2/, phi/, mistral/; not redistributed)

text/<name>.json   {"tokenizer", "kind", "bos", "cases": [[text, ids], ...]}; a third entry
                   is decode(ids) where that is not the text again
text/tiny_*        small tokenizers trained here on our own prose, committed whole

Ids are without added BOS or EOS ("bos" is the id that would be put first, null if none).
Kind "hf": special tokens inside the text are recognised, as tokenizers' encode does.
Kind "spm": they are not, as sentencepiece's encode does not.
"""
from common import compact, fresh, given
import io
import json
import os
import sys
import sentencepiece
from text_lines import LINES, PROSE
from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers,
                        pre_tokenizers, processors, trainers)


def write(name, kind, source, bos, encode, decode):
    rows = []
    for line in LINES:
        ids = encode(line)
        back = decode(ids)
        rows.append([line, ids] if back == line else [line, ids, back])
    with open(f"text/{name}.json", "w", encoding="utf-8") as f:
        f.write(f'{{\n"tokenizer":"{source}","kind":"{kind}","bos":{compact(bos)},"cases":[\n')
        f.write(",\n".join(compact(r) for r in rows) + "\n]}\n")


def write_hf(name, tok, source, bos=None):
    write(name, "hf", source, bos,
          lambda s: tok.encode(s, add_special_tokens=False).ids,
          lambda ids: tok.decode(ids, skip_special_tokens=False))


def write_spm(name, path, source):
    tok = sentencepiece.SentencePieceProcessor(model_file=path)
    write(name, "spm", source, tok.bos_id(), tok.encode, tok.decode)


# ---- tiny tokenizers, one for each shape of tokenizer.json that matters ----

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]"
          r"+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def byte_level(special, vocab=400, split=None, normalizer=None):
    tok = Tokenizer(models.BPE())
    if normalizer:
        tok.normalizer = normalizer
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    if split:
        tok.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Split(Regex(split), "isolated"),
             pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tok.decoder = decoders.ByteLevel()
    tok.train_from_iterator(PROSE.split("\n"), trainers.BpeTrainer(
        vocab_size=vocab, special_tokens=special, show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())))
    return tok


def begin(tok, token):
    tok.post_processor = processors.TemplateProcessing(
        single=f"{token} $A", pair=f"{token} $A {token} $B",
        special_tokens=[(token, tok.token_to_id(token))])


def sentencepiece_as_json():
    """What a Llama 2 or Mistral tokenizer.json is: BPE over characters with byte fallback."""
    tok = Tokenizer(models.BPE())
    tok.normalizer = normalizers.Sequence([normalizers.Prepend("▁"),
                                           normalizers.Replace(" ", "▁")])
    tok.train_from_iterator(PROSE.split("\n"), trainers.BpeTrainer(
        vocab_size=150, max_token_length=12, show_progress=False))
    trained = json.loads(tok.to_str())["model"]
    pieces = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
    pieces += sorted(trained["vocab"], key=trained["vocab"].get)
    tok.model = models.BPE(vocab={p: i for i, p in enumerate(pieces)},
                           merges=[tuple(m) for m in trained["merges"]],
                           unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    tok.add_special_tokens([AddedToken(t, normalized=False, special=True)
                            for t in pieces[:3]])
    tok.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(),
                                     decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    begin(tok, "<s>")
    return tok


def train_spm(path):
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(PROSE.split("\n")), model_writer=out, model_type="bpe",
        vocab_size=400, byte_fallback=True, split_digits=True, character_coverage=0.995,
        normalization_rule_name="identity", remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True, minloglevel=2)
    with open(path, "wb") as f:
        f.write(out.getvalue())


def tiny():
    end = "<|endoftext|>"
    made = {"tiny_gpt2": byte_level([end]),
            "tiny_llama3": byte_level([end, "<|begin|>"], split=LLAMA3),
            "tiny_qwen": byte_level([end, "<|im_start|>", "<|im_end|>"],
                                    split=LLAMA3.replace("{1,3}", ""),
                                    normalizer=normalizers.NFC()),
            "tiny_spm_json": sentencepiece_as_json()}
    begin(made["tiny_llama3"], "<|begin|>")
    first = {"tiny_llama3": "<|begin|>", "tiny_spm_json": "<s>"}
    for name, tok in made.items():
        os.makedirs(f"text/{name}")
        tok.save(f"text/{name}/tokenizer.json", pretty=False)
        again = Tokenizer.from_file(f"text/{name}/tokenizer.json")
        bos = again.token_to_id(first[name]) if name in first else None
        want = [] if bos is None else [bos]
        assert again.encode("").ids == want
        write_hf(name, again, f"{name}/tokenizer.json", bos)
    os.makedirs("text/tiny_spm")
    train_spm("text/tiny_spm/tokenizer.model")
    write_spm("tiny_spm", "text/tiny_spm/tokenizer.model", "tiny_spm/tokenizer.model")


def main(tokenizers, stories):
    keep = "text/chat.json"  # chat.py's, whose templates are not everywhere
    chat = open(keep, encoding="utf-8").read() if os.path.exists(keep) else None
    fresh("text")
    if chat:
        with open(keep, "w", encoding="utf-8") as f:
            f.write(chat)
    tiny()
    for name in ("gpt2", "phi"):
        write_hf(name, Tokenizer.from_file(f"{tokenizers}/{name}/tokenizer.json"),
                 f"{name}/tokenizer.json")
    write_spm("mistral", f"{tokenizers}/mistral/tokenizer.model.v1",
              "mistral/tokenizer.model.v1")
    write_spm("stories260K", f"{stories}/tok512.model", "stories260K/tok512.model")


if __name__ == "__main__":
    main(given(sys.argv[1]), given(sys.argv[2]))
