"""PEFT's own Arrow (create_arrow_model) on llama/gqa_untied with five LoRA experts.

arrow/peft/expert0..4/         PEFT adapters: rank 3 on q, k, v, o, alpha 6, 3, 12, 2, 8
arrow/peft/general0..1/        two more, for general-knowledge subtraction only
arrow/peft/expect.json         the 12 ids; top_k, temperature; the smallest gap between the
                               k-th and (k+1)-th score, so that selection is not in doubt
arrow/peft/expect.safetensors  logits of the base, of arrow (top 2, temperature 1), of top 3
                               at temperature 0.5, of top 2 with subtraction, and the
                               routing of layer 0's q_proj: prototypes [5,36], weights [12,5]

PEFT composes outputs, with each expert's own scale.  Its prototypes are 15 power
iterations from a seeded random start, not an SVD; the experts here have a dominant first
direction (sigma2/sigma1 < 0.4, asserted), so that both agree to f32.  Subtraction takes
the mean A and mean B of the general adapters away from every expert's, factor by factor,
without scales.
"""
from common import fresh, save_json, save_tensors
from train import SEVEN, load, save_adapter
import numpy as np
import torch
from peft import ArrowConfig, LoraConfig, create_arrow_model, get_peft_model
from peft.tuners.lora.arrow import ArrowLoraLinearLayer

IDS = [1, 61, 14, 90, 35, 7, 72, 48, 22, 99, 56, 3]
ALPHAS = {"expert0": 6, "expert1": 3, "expert2": 12, "expert3": 2, "expert4": 8,
          "general0": 4, "general1": 5}
RUNS = {"arrow": (2, 1.0, False), "top3": (3, 0.5, False), "subtracted": (2, 1.0, True)}
ROOT = "arrow/peft"
SEED = 4  # of 24 tried, the one whose smallest gaps are widest


def make_adapters(seed):
    torch.manual_seed(seed)
    for name, alpha in ALPHAS.items():
        model = get_peft_model(load("gqa_untied"), LoraConfig(
            task_type="CAUSAL_LM", r=3, lora_alpha=alpha, target_modules=SEVEN[:4]))
        size = 0.04 if name.startswith("general") else 0.1
        with torch.no_grad():
            for key, p in model.named_parameters():
                if "lora_" in key:
                    p.normal_(0.0, size)
                    (p[0] if "lora_A" in key else p[:, 0]).mul_(3.0)  # a dominant direction
        save_adapter(model, f"{ROOT}/{name}")


def run(top_k, temperature, subtract):
    """Logits, the smallest selection gap of any site and token, the first site's routing."""
    config = ArrowConfig(top_k=top_k, router_temperature=temperature, use_gks=subtract,
                         rng_seed=7)
    named = lambda prefix: [f"{ROOT}/{n}" for n in ALPHAS if n.startswith(prefix)]
    model = create_arrow_model(load("gqa_untied"), named("expert"), config,
                               named("general") if subtract else None).eval()
    gaps, first = [], {}

    def watch(layer, args, named_args, _):
        x, lora_a, lora_b = args[0], named_args["lora_A"], named_args["lora_B"]
        score = (x.flatten(0, -2) @ layer.prototypes.T).abs()
        best = score.sort(descending=True).values
        gaps.append((best[:, top_k - 1] - best[:, top_k]).min().item())
        for e, v in enumerate(layer.prototypes):  # power iteration found the SVD's vector
            _, s, vt = np.linalg.svd((lora_b[f"task_{e}"].weight
                                      @ lora_a[f"task_{e}"].weight).double().numpy())
            assert s[1] < 0.4 * s[0] and abs(abs(vt[0] @ v.double().numpy()) - 1) < 1e-6, s
        if not first:
            kept = torch.full_like(score, -torch.inf)
            value, where = score.topk(top_k)
            kept.scatter_(1, where, value)
            sign = layer.prototypes.gather(1, layer.prototypes.abs().argmax(1)[:, None]).sign()
            first.update(prototypes=layer.prototypes * sign,
                         weights=(kept / temperature).softmax(1))

    for module in model.modules():
        if isinstance(module, ArrowLoraLinearLayer):
            module.register_forward_hook(watch, with_kwargs=True)
    with torch.no_grad():
        return model(torch.tensor([IDS])).logits[0], min(gaps), first


def main():
    fresh(ROOT)
    make_adapters(SEED)
    with torch.no_grad():
        tensors = {"base": load("gqa_untied").eval()(torch.tensor([IDS])).logits[0]}
    facts = {"ids": IDS}
    for name, (top_k, temperature, subtract) in RUNS.items():
        logits, gap, first = run(top_k, temperature, subtract)
        tensors[f"{name}.logits"] = logits
        for key, value in first.items():
            tensors[f"{name}.layer0.q_proj.{key}"] = value
        facts[name] = {"top_k": top_k, "temperature": temperature, "subtract": subtract,
                       "smallest_gap": round(gap, 5)}
        assert (logits - tensors["base"]).abs().max() > 0.1
    save_tensors(f"{ROOT}/expect.safetensors", tensors)
    save_json(f"{ROOT}/expect.json", facts)


if __name__ == "__main__":
    main()
