"""stories260K.json: what llama2.c's own run.c says after "Once upon a time".

usage: stories.py LLAMA2C_CHECKOUT MODEL_DIR

Compiles run.c (plain C, -O2 -ffp-contract=off, one thread) with one line added that
prints each token's id, and lets it continue greedily for 200 tokens (fewer if it samples
BOS).  Beside the ids: an independent f32 numpy forward pass of the same file, which must
choose the same tokens, and its margins, so that a test can tell a wrong kernel from a tie.
"""
from common import given, save_json
import subprocess
import sys
import tempfile
import numpy as np
import sentencepiece

PROMPT, NEW, BOS = "Once upon a time", 200, 1


def run_c(checkout, models):
    source = open(f"{checkout}/run.c").read()
    mark = "        if (next == 1) { break; }\n"
    assert source.count(mark) == 1
    source = source.replace(mark, '        fprintf(stderr, "id %d\\n", next);\n' + mark)
    with tempfile.TemporaryDirectory() as tmp:
        open(f"{tmp}/run.c", "w").write(source)
        subprocess.run(["gcc", "-O2", "-ffp-contract=off", "-o", f"{tmp}/run",
                        f"{tmp}/run.c", "-lm"], check=True)
        # The prompt's length is not known yet: ask for more than enough, cut below.
        said = subprocess.run([f"{tmp}/run", f"{models}/stories260K.bin", "-t", "0",
                               "-n", str(NEW + 40), "-i", PROMPT,
                               "-z", f"{models}/tok512.bin"],
                              check=True, capture_output=True, text=True)
    return [BOS] + [int(line[3:]) for line in said.stderr.splitlines() if line[:3] == "id "]


class Model:
    """llama2.c's version-0 file: seven int32, then f32 weights in this order."""

    def __init__(self, path):
        raw = open(path, "rb").read()
        d, f, self.layers, self.heads, self.kv, vocab, seq = np.frombuffer(raw, "<i4", 7)
        self.hd = hd = int(d // self.heads)
        data, at = np.frombuffer(raw, "<f4", offset=28), 0

        def take(*shape):
            nonlocal at
            n = int(np.prod(shape))
            at += n
            return data[at - n:at].reshape(shape)

        n, v = int(self.layers), abs(int(vocab))
        self.embed, self.att_norm = take(v, d), take(n, d)
        self.q, self.k = take(n, d, d), take(n, self.kv * hd, d)
        self.v, self.o = take(n, self.kv * hd, d), take(n, d, d)
        self.ffn_norm = take(n, d)
        self.gate, self.down, self.up = take(n, f, d), take(n, d, f), take(n, f, d)
        self.norm = take(d)
        take(seq, hd // 2), take(seq, hd // 2)  # old RoPE tables, unused
        self.head = self.embed if vocab > 0 else take(v, d)
        assert at == len(data)

    def logits(self, ids):
        """[n,V], the whole sequence at once; RoPE turns the pairs (2i, 2i+1)."""
        n, hd, group = len(ids), self.hd, self.heads // self.kv
        rms = lambda x, w: w * x / np.sqrt((x * x).mean(-1, keepdims=True) + np.float32(1e-5))
        angle = np.outer(np.arange(n), 10000.0 ** (-np.arange(0, hd, 2) / hd))
        cos, sin = (g(angle).astype(np.float32)[:, None] for g in (np.cos, np.sin))

        def turn(x):
            a, b = x[..., 0::2], x[..., 1::2]
            return np.stack([a * cos - b * sin, a * sin + b * cos], -1).reshape(x.shape)

        x = self.embed[ids]
        for i in range(self.layers):
            h = rms(x, self.att_norm[i])
            q = turn((h @ self.q[i].T).reshape(n, self.heads, hd))
            k = turn((h @ self.k[i].T).reshape(n, self.kv, hd)).repeat(group, 1)
            v = (h @ self.v[i].T).reshape(n, self.kv, hd).repeat(group, 1)
            s = np.einsum("qhd,khd->hqk", q, k) / np.float32(np.sqrt(hd))
            s = np.where(np.tri(n, dtype=bool), s, -np.inf)
            p = np.exp(s - s.max(-1, keepdims=True))
            p /= p.sum(-1, keepdims=True)
            x = x + np.einsum("hqk,khd->qhd", p, v).reshape(n, -1) @ self.o[i].T
            h = rms(x, self.ffn_norm[i])
            g = h @ self.gate[i].T
            x = x + (g / (1 + np.exp(-g)) * (h @ self.up[i].T)) @ self.down[i].T
        return rms(x, self.norm) @ self.head.T


def main(checkout, models):
    ids = run_c(checkout, models)
    tok = sentencepiece.SentencePieceProcessor(model_file=f"{models}/tok512.model")
    prompt = [BOS] + tok.encode(PROMPT)
    assert ids[:len(prompt)] == prompt, (ids[:8], prompt)
    ids = ids[:len(prompt) + NEW]

    logits = Model(f"{models}/stories260K.bin").logits(np.array(ids[:-1]))
    assert logits.dtype == np.float32
    top = np.sort(logits[len(prompt) - 1:])[:, -2:]
    agree = logits[len(prompt) - 1:].argmax(-1) == ids[len(prompt):]
    assert agree.all(), np.flatnonzero(~agree)
    save_json("stories260K.json",
              {"prompt": PROMPT, "prompt_ids": prompt, "greedy": ids[len(prompt):],
               "text": tok.decode(ids[1:]),
               "smallest_margin": round(float((top[:, 1] - top[:, 0]).min()), 5),
               "last_logits_first_16": [round(float(v), 5) for v in logits[-1, :16]],
               "mean_nll": round(float(-nll(logits, ids).mean()), 6)})



def nll(logits, ids):
    """Log-probability of each token after the first, given those before it."""
    z = logits.astype(np.float64)
    z = z - z.max(-1, keepdims=True)
    return (z - np.log(np.exp(z).sum(-1, keepdims=True)))[np.arange(len(ids) - 1), ids[1:]]


if __name__ == "__main__":
    main(given(sys.argv[1]), given(sys.argv[2]))
