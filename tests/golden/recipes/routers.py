"""The routers besides Arrow as their formulas state them, in float64 numpy.

The experts and tokens of arrow/paper (expert 3 has B = 0) with another expert 5, which
there repeats expert 1; and a vector for each expert that stands for a centroid or a gate: normal numbers
around 0.5, expert 2's all zero. With v the first right singular vector of B.A, V all of
them and S the singular values, for one token x:

arrow_unit      |v.x| / |x|                  arrow_norm    |LN(v).LN(x)|
arrow_across    |n.x|, where n is v made standard over the experts, element by element
arrow_root      |v.x|, temperature sqrt(D)   arrow_sigma   s.sigma1.|v.x|
arrow_signed    v.x
arrow_mean      arrow among s.B.A - (mean s.B)(mean A)
spectr          |V'x|, the best k at 1/k     spectr_sigma  s.|S.V'x|, likewise
lag             of the 4 largest |v.x| the one with the largest |V'x|
centroid        cosine of c and x            avg_act       c.x / |c|, temperature sqrt(D)
phatgoose       LN(c).LN(x), temperature sqrt(D)

LN subtracts the mean over elements and divides by sqrt(variance + 1e-5). Then the k
largest, and their softmax. Updates: factor is (sum w.s.B)(sum w.A) x, A and B padded
with zeros; for spectr and lag of A = V' and B = U.S, each row of V' with its largest entry
positive. For arrow_mean, whose experts are differences, it is that less
(mean s.B)(mean A) x.
"""
from arrow_paper import D_IN, SCALES, draw, factor, prototype, route
from common import fresh, save_tensors
import numpy as np

K, ZERO, FILTER = len(SCALES), 2, 4


def spectrum(a, b):
    u, s, vt = np.linalg.svd(b @ a, full_matrices=False)
    r = a.shape[0]
    u, s, vt = u[:, :r], s[:r], vt[:r]
    keep = s > 1e-6 * s[0]
    sign = np.sign(vt[np.arange(r), np.abs(vt).argmax(1)])
    vt, us = vt * sign[:, None], u * s * sign
    return vt * keep[:, None], us * keep, s * keep


def ln(x):
    x = x - x.mean(-1, keepdims=True)
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5)


def even(logits, k):
    kept = sorted(range(K), key=lambda e: (-logits[e], e))[:k]
    w = np.zeros(K)
    w[kept] = 1 / k
    return w


def main():
    experts, x = draw(np.random.default_rng(11))
    rng = np.random.default_rng(12)
    c = (rng.normal(size=(K, D_IN)) + 0.5).astype(np.float32).astype(np.float64)
    c[ZERO] = 0
    f32 = lambda *shape: rng.normal(size=shape).astype(np.float32).astype(np.float64)
    experts[5] = (f32(5, D_IN), f32(20, 5))
    v = np.stack([prototype(a, b)[0] for a, b in experts])
    own = [spectrum(a, b) for a, b in experts]
    s = np.array(SCALES)
    root = np.sqrt(D_IN)
    across = ln(v.T).T
    sigma1 = np.array([sigma[0] for _, _, sigma in own])
    length = np.linalg.norm(c, axis=1)
    unit = c / np.where(length > 0, length, 1)[:, None]
    mean_sb_a = sum(si * np.pad(b, ((0, 0), (0, 5 - b.shape[1]))) for si, (_, b) in
                    zip(s, experts)) / K @ (
        sum(np.pad(a, ((0, 5 - a.shape[0]), (0, 0))) for a, _ in experts) / K)
    less = [np.linalg.svd(si * b @ a - mean_sb_a)[2][0] for si, (a, b) in zip(s, experts)]

    def arrow(row):
        return np.abs(v @ row)

    seen = lambda row: np.array([np.linalg.norm(vt @ row) for vt, _, _ in own])
    strong = lambda row: np.array([si * np.linalg.norm(sigma * (vt @ row))
                                   for si, (vt, _, sigma) in zip(s, own)])
    logits = {
        "arrow_unit": lambda row: arrow(row) / np.linalg.norm(row),
        "arrow_norm": lambda row: np.abs(ln(v) @ ln(row)),
        "arrow_across": lambda row: np.abs(across @ row),
        "arrow_root": lambda row: arrow(row) / root,
        "arrow_sigma": lambda row: s * sigma1 * arrow(row),
        "arrow_signed": lambda row: v @ row,
        "arrow_mean": lambda row: np.abs(np.stack(less) @ row),
        "centroid": lambda row: unit @ row / np.linalg.norm(row),
        "avg_act": lambda row: unit @ row / root,
        "phatgoose": lambda row: ln(c) @ ln(row) / root,
    }
    # the sign of arrow_signed's v: its largest entry is positive
    tensors = {}
    for name, f in logits.items():
        for k in (2, 6):
            tensors[f"{name}.k{k}"] = np.stack([route(f(row), k, 1.0)[0] for row in x])
    for name, f in {"spectr": seen, "spectr_sigma": strong}.items():
        for k in (2, 6):
            tensors[f"{name}.k{k}"] = np.stack([even(f(row), k) for row in x])
    for k in (1, 2):
        rows = []
        for row in x:
            passed = sorted(range(K), key=lambda e: (-arrow(row)[e], e))[:FILTER]
            l = np.full(K, -1.0)
            l[passed] = seen(row)[passed]
            rows.append(route(l, k, 1.0)[0])
        tensors[f"lag.k{k}"] = np.stack(rows)

    canonical = [(vt, us) for vt, us, _ in own]
    for name in ("spectr", "spectr_sigma", "lag"):
        tensors[f"{name}.factor"] = np.stack(
            [factor(canonical, w, row) for w, row in zip(tensors[f"{name}.k2"], x)])
    tensors["arrow_mean.factor"] = np.stack(
        [factor(experts, w, row) - mean_sb_a @ row
         for w, row in zip(tensors["arrow_mean.k2"], x)])

    where = fresh("routers")
    save_tensors(f"{where}/given.safetensors", {"c": c, "A": experts[5][0],
                                                "B": experts[5][1]})
    save_tensors(f"{where}/expect.safetensors", tensors)


if __name__ == "__main__":
    main()
