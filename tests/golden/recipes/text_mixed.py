"""Ten thousand lines of mixed text, and what transformers says of them, as hashes.

usage: text_mixed.py TOKENIZERS_DIR   (gpt2/, phi/, mistral/; not redistributed)

text/mixed.json          what the lines are made of; tests/support/mixed.c makes the same ones
text/mixed/<name>.json   {"tokenizer", "special", "hashes"}: SHA-256, the first 16 digits, of
                         each hundred lines' ids, written "1 2 3\\n"

Every tenth line has bytes that are not UTF-8, which transformers cannot be given: what lies
between them is asked for piece by piece, and such a byte is the model's token for it.
Mistral's models are read by transformers' converter of SentencePiece models. Where no
special token is written in a line, sentencepiece must say the same, or the recipe stops.
"""
from common import compact, fresh, given
import hashlib
import io
import json
import re
import sys
import tempfile
import sentencepiece
from sentencepiece.sentencepiece_model_pb2 import ModelProto
from text_lines import PROSE
from tokenizers import AddedToken, Tokenizer
from tokenizers.pre_tokenizers import ByteLevel
from transformers import AutoTokenizer, PreTrainedTokenizerFast
from transformers.convert_slow_tokenizer import SpmConverter

N_LINES, BLOCK, MASK = 10000, 100, (1 << 64) - 1

# A kind is a list to pick from, texts to repeat, or ranges of code points to draw from.
# The last kind is special tokens, which lines with bad bytes do not have.
KINDS = [
    {"pick": ["the", "boat", "Harbour", "LANTERN", "isn't", "we'll", "THEY'VE", "I'm", "rock'n'roll",
              "antidisestablishmentarianism", "e.g.", "Mrs.", "snake_case", "camelCase", "x",
              "don’t", "“quoted”", "it’s", "—", "…", "what?!", "(maybe)", "[so]", "'tis", "'"]},
    {"pick": ["café", "naïve", "Ångström", "Łódź", "ßtraße", "İstanbul", "ĳ", "Việt", "Tiếng",
              "Здравствуй", "мир", "Їжак", "Γειά", "κόσμε", "ﬁne", "½", "①", "Ⅳ", "²", "٣"]},
    {"pick": ["for (int i = 0; i < n; i++) {", "return -1;", "#include <stdio.h>", "def f(x, *args):",
              "lambda x: x**2", "a!=b", "=>", "->", "::", "//", "/* ... */", "\\n", "\\\\", "</div>",
              "{\"key\": [1, 2.5, null]}", "SELECT * FROM t;", "https://example.org/a?b=c#d",
              "C:\\Users\\me", "~/.config", "```c", "| a |", "* * *", "__init__", "0xDEADBEEF"]},
    {"pick": ["0", "7", "42", "123", "1234", "12345", "1234567890", "3.14", "1,000,000.00", "-273.15",
              "1e-8", "2024-05-17T12:34:56Z", "$19.99", "50%", "1st", "x2", "٤٢", "४२", "１２３"]},
    {"pick": ["😀", "😀😃😄", "👍🏽", "👩‍👩‍👧‍👦", "🇳🇿", "🇫🇷", "❤️", "♥", "☕", "e🎉m🎊oji", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "™", "→", "∀x∈ℝ", "∂f/∂x", "≈", "𝔘𝔫𝔦"]},
    {"pick": ["你好", "世界", "今天天气很好。", "我们去公园吧!", "繁體中文", "日本語のテキスト", "カタカナ",
              "ひらがな", "、", "한국어", "안녕하세요", "각", "𠮷野家", "Ｆｕｌｌ　ｗｉｄｔｈ", "ㄱㄴ"]},
    {"pick": ["مرحبا", "بالعالم", "السَّلامُ", "عَلَيْكُم", "سلام", "دنیا،", "۱۲۳", "שלום", "עוֹלָם", "नमस्ते", "दुनिया",
              "স্বাগতম", "ภาษาไทย", "ไม่มีช่องว่าง", "தமிழ்", "ქართული", "አማርኛ", "\u2067rtl\u2069"]},
    {"pick": ["e\u0301", "n\u0303o", "A\u030a", "q\u0307\u0323", "Z\u0351\u036ba\u0349lgo",
              "a\u0300\u0301\u0302\u0303", "\u0301", "\u1100\u1161\u11a8", "\u212b", "\u20dd", "o\u0335\u0335"]},
    {"pick": ["\u00a0", "\u2003", "\u3000", "\u200b", "\u200d", "\ufeff", "\u2028", "\u0085", "\u0001",
              "\u007f", "\ufffd", "\ufffe", "\U0010fffd", "\r\n", "\u0600", "▁", "▁▁x", "Ġ", "Ċ", "<0x0A>"]},
    {"repeat": [" ", "\n", "\t", " \n", "\r\n", "a", "ab", "!", "-", ".", "9", "=", "é", "中"], "max": 40},
    {"range": [[0x20, 0x7e], [0xa1, 0xff]], "max": 12},
    {"range": [[0x100, 0x24f], [0x300, 0x36f], [0x391, 0x3c9], [0x410, 0x44f], [0x5d0, 0x5ea],
               [0x621, 0x652], [0x904, 0x94d], [0xe01, 0xe3a], [0x1e00, 0x1eff]], "max": 8},
    {"range": [[0x2010, 0x2027], [0x2190, 0x21ff], [0x2200, 0x22ff], [0x3041, 0x3093], [0x30a1, 0x30f6],
               [0x4e00, 0x9fa5], [0xac00, 0xd7a3], [0x1f600, 0x1f64f], [0x10330, 0x1034a]], "max": 6},
    {"pick": ["<|endoftext|>", "<s>", "</s>", "<unk>", "[INST]", "[/INST]", "<|im_start|>", "<|begin|>"]},
]


class Draw:
    """splitmix64, one stream a line; the lines' streams begin far apart."""

    def __init__(self, seed):
        self.state = seed * 0xD1342543DE82EF95 & MASK

    def below(self, n):
        self.state = self.state + 0x9E3779B97F4A7C15 & MASK
        z = self.state
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & MASK
        z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
        return (z ^ z >> 31) % n


def fragment(kind, draw):
    if "pick" in kind:
        return kind["pick"][draw.below(len(kind["pick"]))]
    if "repeat" in kind:
        text = kind["repeat"][draw.below(len(kind["repeat"]))]
        return text * (1 + draw.below(kind["max"]))
    text = ""
    for _ in range(1 + draw.below(kind["max"])):
        low, high = kind["range"][draw.below(len(kind["range"]))]
        text += chr(low + draw.below(high - low + 1))
    return text


def line(i):
    draw, bad, out = Draw(i + 1), i % 10 == 9, b""
    for _ in range(1 + draw.below(16)):
        kind = KINDS[draw.below(len(KINDS) - bad)]
        out += fragment(kind, draw).encode()
        if draw.below(2):
            out += b" "
        if bad and draw.below(3) == 0:
            out += bytes(0x80 + draw.below(0x80) for _ in range(1 + draw.below(4)))
    return out


def sections(raw):
    """(is it UTF-8, what) of the line's runs."""
    text = raw.decode("utf-8", "surrogateescape")
    for part in re.findall("[\udc80-\udcff]+|[^\udc80-\udcff]+", text):
        bad = "\udc80" <= part[0] <= "\udcff"
        yield not bad, part.encode("utf-8", "surrogateescape") if bad else part


def ids_of(raw, encode, encode_more, encode_bad):
    ids = []
    for k, (good, part) in enumerate(sections(raw)):
        ids += encode_bad(part) if not good else encode_more(part) if k else encode(part)
    return ids


def digests(lines, ids_of_line):
    hashes = []
    for at in range(0, len(lines), BLOCK):
        text = "".join(" ".join(map(str, ids_of_line(raw))) + "\n" for raw in lines[at:at + BLOCK])
        hashes.append(hashlib.sha256(text.encode()).hexdigest()[:16])
    return hashes


def write(name, source, special, hashes):
    with open(f"text/mixed/{name}.json", "w", encoding="utf-8") as f:
        f.write(compact({"tokenizer": source, "special": special, "hashes": hashes}) + "\n")


def encoder(tok):
    return lambda text: tok(text, add_special_tokens=False)["input_ids"]


def byte_level(tok):
    """A bad run is merged as one word of GPT-2's alphabet."""
    alphabet = {}
    low = [b for b in range(256) if not (33 <= b <= 126 or 161 <= b <= 172 or 174 <= b)]
    for b in range(256):
        alphabet[b] = chr(256 + low.index(b)) if b in low else chr(b)
    assert sorted(alphabet.values()) == sorted(ByteLevel.alphabet())
    model = tok.backend_tokenizer.model
    bad = lambda run: [t.id for t in model.tokenize("".join(alphabet[b] for b in run))]
    return lambda raw: ids_of(raw, encoder(tok), encoder(tok), bad)


def llama(path, prefix):
    proto = ModelProto()
    with open(path, "rb") as f:
        proto.ParseFromString(f.read())
    proto.normalizer_spec.add_dummy_prefix = prefix
    vocab = {piece.piece: i for i, piece in enumerate(proto.pieces)}
    tok = SpmConverter.build_tokenizer_from_spm_proto(proto, vocab)
    # With it a text without prefix that is "<0x0A>" and nothing else would be a byte.
    tok.model.ignore_merges = tok.model.ignore_merges and prefix
    tok.add_special_tokens([AddedToken(piece.piece, normalized=False, special=True)
                            for piece in proto.pieces if piece.type in (2, 3)])
    return PreTrainedTokenizerFast(tokenizer_object=tok)


def mistral(path):
    first, more = llama(path, True), llama(path, False)
    pieces = sentencepiece.SentencePieceProcessor(model_file=path)
    bad = lambda run: [pieces.piece_to_id(f"<0x{b:02X}>") for b in run]
    special = re.compile(r"</?s>|<unk>|\[/?INST\]")

    def ids(raw):
        said = ids_of(raw, encoder(first), encoder(more), bad)
        if all(good for good, _ in sections(raw)) and not special.search(raw.decode()):
            assert said == pieces.encode(raw.decode()), raw
        return said
    return ids


# ---- Unigram, trained here on our own prose with a small table of normalization ----

RULES = {"ﬁ": "fi", "①": "1", "½": "1/2", "Ⅳ": "IV", "e\u0301": "é", "\u3000": " ", "\u200b": "",
         "…": "...", "’": "'", "Ａ": "A"}


def train_unigram(path):
    rules, out = io.StringIO(), io.BytesIO()
    for old, new in RULES.items():
        print("\t".join(" ".join(f"{ord(c):X}" for c in s) for s in (old, new)), file=rules)
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as f:
        f.write(rules.getvalue())
        f.flush()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(PROSE.split("\n")), model_writer=out, model_type="unigram",
            vocab_size=600, hard_vocab_limit=False, byte_fallback=True, character_coverage=0.995,
            normalization_rule_tsv=f.name, user_defined_symbols=["<|im_start|>", "->"],
            num_threads=1, minloglevel=2)
    proto = ModelProto()
    proto.ParseFromString(out.getvalue())
    proto.normalizer_spec.normalization_rule_tsv = ""  # the name of a file that is gone
    with open(path, "wb") as f:
        f.write(proto.SerializeToString())
    return proto


def byte_pieces(proto):
    at = {piece.piece: i for i, piece in enumerate(proto.pieces)}
    return lambda run: [at[f"<0x{b:02X}>"] for b in run]


def unigram_model(proto):
    first = sentencepiece.SentencePieceProcessor(model_proto=proto.SerializeToString())
    more = ModelProto.FromString(proto.SerializeToString())
    more.normalizer_spec.add_dummy_prefix = False
    more = sentencepiece.SentencePieceProcessor(model_proto=more.SerializeToString())
    return lambda raw: ids_of(raw, first.encode, more.encode, byte_pieces(proto))


def unigram_json(proto, path):
    tok = SpmConverter.build_tokenizer_from_spm_proto(
        proto, [(piece.piece, piece.score) for piece in proto.pieces])
    tok.add_special_tokens([AddedToken(piece.piece, normalized=False, special=True)
                            for piece in proto.pieces if piece.type in (2, 3)])
    tok.save(path, pretty=False)
    more = json.loads(tok.to_str())
    del more["pre_tokenizer"]["pretokenizers"][0]  # the prefix
    ask = lambda t: lambda text: t.encode(text, add_special_tokens=False).ids
    more = Tokenizer.from_str(json.dumps(more))
    return lambda raw: ids_of(raw, ask(tok), ask(more), byte_pieces(proto))


def unigram(lines):
    for name in ("tiny_unigram", "tiny_unigram_json"):
        fresh(f"text/{name}")
    proto = train_unigram("text/tiny_unigram/tokenizer.model")
    write("tiny_unigram", "tiny_unigram/tokenizer.model", False,
          digests(lines, unigram_model(proto)))
    write("tiny_unigram_json", "tiny_unigram_json/tokenizer.json", True,
          digests(lines, unigram_json(proto, "text/tiny_unigram_json/tokenizer.json")))


def main(tokenizers):
    fresh("text/mixed")
    lines = [line(i) for i in range(N_LINES)]
    with open("text/mixed.json", "w", encoding="utf-8") as f:
        whole = hashlib.sha256(b"".join(raw + b"\0" for raw in lines)).hexdigest()[:16]
        f.write(f'{{"lines":{N_LINES},"block":{BLOCK},"hash":"{whole}","kinds":[\n')
        f.write(",\n".join(compact(k) for k in KINDS) + "\n]}\n")
    unigram(lines)
    for version, file in (("v1", "tokenizer.model.v1"),
                          ("v2", "mistral_instruct_tokenizer_240216.model.v2"),
                          ("v3", "mistral_instruct_tokenizer_240323.model.v3")):
        write(f"mistral_{version}", f"mistral/{file}", True,
              digests(lines, mistral(f"{tokenizers}/mistral/{file}")))
    phi = AutoTokenizer.from_pretrained(f"{tokenizers}/phi")
    write("phi", "phi/tokenizer.json", True, digests(lines, byte_level(phi)))
    for name, source in (("gpt2", f"{tokenizers}/gpt2"), ("tiny_gpt2", "text/tiny_gpt2"),
                         ("tiny_llama3", "text/tiny_llama3"), ("tiny_qwen", "text/tiny_qwen")):
        tok = PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_file(f"{source}/tokenizer.json"))
        write(name, f"{name}/tokenizer.json", True, digests(lines, byte_level(tok)))


if __name__ == "__main__":
    main(given(sys.argv[1]))
