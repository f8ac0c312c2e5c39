"""Merges of small LoRA experts: PEFT's own where it is right, else the definitions.

merge/a..f/                PEFT adapters on two made-up maps, q [10,12] and v [8,12]: rank and
                           alpha in RANKS, ALPHAS; d has rank 2 and q alone; a, e, f have s = 1
merge/expect.json          what is merged, case by case: method, experts, weights, options
merge/expect.safetensors   <case>.<site>.A, .B where the factors are defined, and else
                           <case>.<site>, their product

Cases named peft_... are add_weighted_adapter's.  The others are float64 numpy, written from
the definitions in docs/merging.md, DARE's masks included: which entries stay is a function of
(seed, site, expert, factor, place) that a reader can compute again.
"""
from common import fresh, save_json, save_tensors
import os
import warnings
import numpy as np
import torch
from peft import LoraConfig, get_peft_model

RANKS = {"a": 3, "b": 3, "c": 3, "d": 2, "e": 3, "f": 5}
ALPHAS = {"a": 3, "b": 6, "c": 2, "d": 5, "e": 3, "f": 5}
SITES = {"q": (10, 12), "v": (8, 12)}
WEIGHTS = [0.7, -0.3, 0.5]
ABC = dict(experts=["a", "b", "c"], weights=WEIGHTS)
ABD = dict(experts=["a", "b", "d"], weights=WEIGHTS)
warnings.filterwarnings("ignore", "Adapter name .* should not be contained")
MASK = (1 << 64) - 1


class Maps(torch.nn.Module):
    def __init__(self):
        super().__init__()
        for name, (out, width) in SITES.items():
            setattr(self, name, torch.nn.Linear(width, out, bias=False))


def make_adapters():
    torch.manual_seed(5)
    for i, (name, rank) in enumerate(RANKS.items()):
        config = LoraConfig(r=rank, lora_alpha=ALPHAS[name],
                            target_modules=["q"] if name == "d" else list(SITES))
        if i == 0:
            model = get_peft_model(Maps(), config, adapter_name=name)
        else:
            model.add_adapter(name, config)
    with torch.no_grad():
        for key, p in model.named_parameters():
            if "lora_" in key:
                p.normal_()
    model.save_pretrained("merge")
    for name in list(RANKS) + ["."]:
        if os.path.exists(f"merge/{name}/README.md"):
            os.remove(f"merge/{name}/README.md")
    return model


def by_peft(model, case, method, experts, weights, **options):
    model.base_model.add_weighted_adapter(experts, weights, case, combination_type=method,
                                          **options)
    found = {}
    for site in SITES:
        layer = getattr(model.base_model.model, site)
        assert layer.scaling[case] == 1
        found[site] = (layer.lora_A[case].weight, layer.lora_B[case].weight)
    model.delete_adapter(case)
    return {k: tuple(t.detach().double().numpy() for t in v) for k, v in found.items()}


class Expert:
    def __init__(self, model, name):
        self.name, self.s, self.at = name, ALPHAS[name] / RANKS[name], {}
        for site in SITES:
            layer = getattr(model.base_model.model, site)
            if name in layer.lora_A:
                self.at[site] = tuple(side[name].weight.detach().double().numpy()
                                      for side in (layer.lora_A, layer.lora_B))


def update(experts, weights, site):
    """sum of w s B A: what is added to the base."""
    return sum(w * e.s * e.at[site][1] @ e.at[site][0]
               for e, w in zip(experts, weights) if site in e.at)


def nearest(m, rank):
    """The best product of that rank, and the squared norms of all and of the rest."""
    u, sigma, vt = np.linalg.svd(m, full_matrices=False)
    return (u[:, :rank] * sigma[:rank]) @ vt[:rank], (sigma ** 2).sum(), (sigma[rank:] ** 2).sum()


def average(experts, weights, site):
    have = [(e, w) for e, w in zip(experts, weights) if site in e.at]
    rank = max(e.at[site][0].shape[0] for e, _ in have)
    a, b = np.zeros((rank, SITES[site][1])), np.zeros((SITES[site][0], rank))
    for e, w in have:
        r = e.at[site][0].shape[0]
        a[:r] += w * e.at[site][0]
        b[:, :r] += w * e.s * e.at[site][1]
    return a, b


def splitmix(seed, at):
    z = (seed + (at + 1) * 0x9e3779b97f4a7c15) & MASK
    z = ((z ^ z >> 30) * 0xbf58476d1ce4e5b9) & MASK
    z = ((z ^ z >> 27) * 0x94d049bb133111eb) & MASK
    return z ^ z >> 31


def stream(seed, number):
    return splitmix(seed ^ 0x5851f42d4c957f2d, number)


def named(seed, name):
    h = 0xcbf29ce484222325
    for byte in name.encode():
        h = ((h ^ byte) * 0x100000001b3) & MASK
    return stream(seed, h)


def drop(seed, density):
    def prune(x, site, expert, is_b):
        own = stream(named(named(seed, site), expert.name), is_b)
        u = np.array([(splitmix(own, i) >> 40) / 2 ** 24 for i in range(x.size)])
        return np.where(u.reshape(x.shape) < density, x / density, 0)
    return prune


def crumbs(density, gamma):
    def prune(x, *_):
        order = np.argsort(-np.abs(x).ravel(), kind="stable")
        first, count = int(gamma * x.size), int(density * x.size)
        mask = np.zeros(x.size)
        mask[order[first:first + count]] = 1
        return x * mask.reshape(x.shape)
    return prune


def whole(density):
    def prune(x, _, expert, __):
        every = np.concatenate([t.ravel() for pair in expert.at.values() for t in pair])
        return np.where(np.abs(x) >= np.quantile(np.abs(every), 1 - density), x, 0)
    return prune


def entry_by_entry(experts, weights, site, prune, combine):
    made = []
    for is_b in (0, 1):
        x = np.stack([prune(e.at[site][is_b], site, e, is_b) for e in experts])
        c = np.array([w * e.s for e, w in zip(experts, weights)])
        v = np.sqrt(np.abs(c)) * (1 if is_b else np.sign(c))
        made.append(combine(x, v[:, None, None]))
    return tuple(made)


def add(x, v):
    return (v * x).sum(0)


def elect(x, v):
    agree = np.sign(x) == np.where(x.sum(0) >= 0, 1, -1)
    return (v * x * agree).sum(0) / np.maximum(agree.sum(0), 1)


def elect_strictly(x, v):
    agree = (np.sign(x) == np.sign(x.sum(0))) & (x != 0)
    return (v * x * agree).sum(0) / np.maximum(agree.sum(0), 1)


def main():
    fresh("merge")
    model = make_adapters()
    cases, tensors = {}, {}

    def keep(case, facts, site, made):
        cases[case] = facts
        if isinstance(made, tuple):
            tensors[f"{case}.{site}.A"], tensors[f"{case}.{site}.B"] = made
        else:
            tensors[f"{case}.{site}"] = made

    for case, method, facts, options in [
            ("peft_linear", "linear", ABC, {}),
            ("peft_cat", "cat", ABD, {}),
            ("peft_magnitude_prune", "magnitude_prune", ABC, {"density": 0.4}),
            ("peft_ties", "ties", ABC, {"density": 0.4}),
            ("peft_ties_count", "ties", ABC,
             {"density": 0.7, "majority_sign_method": "frequency"}),
            ("peft_svd", "svd", dict(experts=["a", "e", "f"], weights=WEIGHTS),
             {"svd_rank": 4})]:
        said = {"method": method, **facts}
        for theirs, ours in (("density", "density"), ("svd_rank", "rank")):
            if theirs in options:
                said[ours] = options[theirs]
        if "majority_sign_method" in options:
            said["elect"] = "count"
        for site, (a, b) in by_peft(model, case, method, **facts, **options).items():
            if method == "cat":  # PEFT pads to one rank with zeros
                used = sum(RANKS[e] for e in facts["experts"] if site == "q" or e != "d")
                a, b = a[:used], b[:, :used]
            keep(case, said, site, b @ a if method == "svd" else (a, b))

    of = {name: Expert(model, name) for name in RANKS}
    abc, abd = [of[n] for n in "abc"], [of[n] for n in "abd"]
    ones = [1, 1, 1]
    for site in SITES:
        for case, rank in (("svd", None), ("svd_1", 1), ("svd_5", 5)):
            m, energy, lost = nearest(update(abd, WEIGHTS, site), rank or 3)
            facts = cases.get(case) or {"method": "svd", **ABD, "energy": 0, "lost": 0}
            facts |= {"rank": rank} if rank else {}
            facts["energy"] += energy
            facts["lost"] += lost
            keep(case, facts, site, m)
        keep("average", {"method": "average", "experts": ["a", "b", "d"]}, site,
             average(abd, [1 / 3] * 3, site))
        keep("average_weighted", {"method": "average", **ABC}, site,
             average(abc, WEIGHTS, site))
        keep("task_arithmetic", {"method": "task_arithmetic", "experts": ["a", "b", "d"]},
             site, update(abd, ones, site))
        keep("task_arithmetic_2", {"method": "task_arithmetic", **ABD, "rank": 2}, site,
             nearest(update(abd, WEIGHTS, site), 2)[0])
        keep("breadcrumbs", {"method": "breadcrumbs", **ABC, "density": 0.5, "gamma": 0.1},
             site, entry_by_entry(abc, WEIGHTS, site, crumbs(0.5, 0.1), add))
        keep("ties_whole", {"method": "ties_whole", "experts": ["a", "b", "c"],
                            "density": 0.3}, site,
             entry_by_entry(abc, ones, site, whole(0.3), elect_strictly))
        keep("dare_linear", {"method": "dare_linear", **ABC, "density": 0.6, "seed": 7},
             site, entry_by_entry(abc, WEIGHTS, site, drop(7, 0.6), add))
        keep("dare_ties", {"method": "dare_ties", **ABC, "density": 0.6, "seed": 8}, site,
             entry_by_entry(abc, WEIGHTS, site, drop(8, 0.6), elect))
        keep("subtract_exact", {"method": "subtract_exact", "experts": ["a"],
                                "general": ["b", "d"]}, site,
             update(abd, [1, -0.5, -0.5], site))
        keep("subtract_factor", {"method": "subtract_factor", "experts": ["b"],
                                 "general": ["a", "c"]}, site,
             ((of["b"].at[site][0] - (of["a"].at[site][0] + of["c"].at[site][0]) / 2),
              of["b"].s * (of["b"].at[site][1] -
                           (of["a"].at[site][1] + of["c"].at[site][1]) / 2)))
    save_json("merge/expect.json", cases)
    save_tensors("merge/expect.safetensors", tensors)


if __name__ == "__main__":
    main()
