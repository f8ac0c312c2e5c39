"""Arrow as the paper states it, in float64 numpy, written from the formulas alone.

One site, D_in 24, D_out 20, nine tokens, six experts of mixed rank and scale: expert 3 has
B = 0 (its prototype is the zero vector, its logit 0) and expert 5 repeats the factors of
expert 1 at another scale, so the two tie everywhere and the lower index must win.

prototype   v = first right singular vector of B.A (no scale), largest entry made positive
logits      |v.x|; keep the top k; softmax of logit/temperature over those
factor      (sum w.s.B) (sum w.A) x, A and B zero-padded to the largest rank
output      sum w.s.B(A x)
"""
from common import fresh, save_json, save_tensors
import numpy as np

D_IN, D_OUT, TOKENS = 24, 20, 9
RANKS = [2, 5, 3, 4, 3, 5]
SCALES = [4.0, 2.0, 0.5, 3.0, 1.25, 0.75]
ZERO_B, COPY, COPY_OF = 3, 5, 1
TOP_K, TEMPERATURES = [1, 2, 4, 6], [1.0, 0.5]


def draw(rng):
    f32 = lambda *shape: rng.normal(size=shape).astype(np.float32).astype(np.float64)
    experts = [(f32(r, D_IN), f32(D_OUT, r)) for r in RANKS]
    experts[ZERO_B] = (experts[ZERO_B][0], np.zeros((D_OUT, RANKS[ZERO_B])))
    experts[COPY] = experts[COPY_OF]
    return experts, f32(TOKENS, D_IN)


def prototype(a, b):
    sigma, vt = np.linalg.svd(b @ a)[1:]
    v = vt[0] if sigma[0] > 0 else np.zeros(D_IN)
    return v * (1 if v[np.abs(v).argmax()] >= 0 else -1), sigma[:2]


def route(logits, k, temperature):
    """Weights of one token over all experts, and the kept experts, best first."""
    kept = sorted(range(len(logits)), key=lambda e: (-logits[e], e))[:k]
    z = np.exp((logits[kept] - logits[kept[0]]) / temperature)
    w = np.zeros(len(logits))
    w[kept] = z / z.sum()
    return w, kept


def factor(experts, w, x):
    rank = max(RANKS)
    a_sum, b_sum = np.zeros((rank, D_IN)), np.zeros((D_OUT, rank))
    for (a, b), we, s in zip(experts, w, SCALES):
        a_sum[:a.shape[0]] += we * a
        b_sum[:, :b.shape[1]] += we * s * b
    return b_sum @ (a_sum @ x)


def output(experts, w, x):
    return sum(we * s * (b @ (a @ x)) for (a, b), we, s in zip(experts, w, SCALES))


def main():
    experts, x = draw(np.random.default_rng(11))
    pairs = [prototype(a, b) for a, b in experts]
    protos = np.stack([v for v, _ in pairs])
    logits = np.array([[abs(v @ xt) for v in protos] for xt in x])
    for v in np.delete(logits, COPY, 1):  # no accidental near-ties: selection is exact
        assert np.diff(np.sort(v)).min() > 1e-3

    tensors = {"prototypes": protos, "sigma": np.stack([s for _, s in pairs]),
               "logits": logits}
    kept = {}
    for k in TOP_K:
        for t in TEMPERATURES:
            routed = [route(row, k, t) for row in logits]
            name = f"k{k}_t{t:g}"
            tensors[f"{name}.weights"] = np.stack([w for w, _ in routed])
            for compose in (factor, output):
                tensors[f"{name}.{compose.__name__}"] = np.stack(
                    [compose(experts, w, xt) for (w, _), xt in zip(routed, x)])
            kept[f"k{k}"] = [list(map(int, e)) for _, e in routed]
    mean = np.full(len(experts), 1 / len(experts))
    for compose in (factor, output):
        tensors[f"uniform.{compose.__name__}"] = np.stack(
            [compose(experts, mean, xt) for xt in x])

    where = fresh("arrow/paper")
    given = {"x": x}
    for e, (a, b) in enumerate(experts):
        given |= {f"expert{e}.A": a, f"expert{e}.B": b}
    save_tensors(f"{where}/given.safetensors", given)
    save_tensors(f"{where}/expect.safetensors", tensors)
    save_json(f"{where}/expect.json", {"ranks": RANKS, "scales": SCALES, "top_k": TOP_K,
                                       "temperatures": TEMPERATURES, "kept": kept})


if __name__ == "__main__":
    main()
