"""LoRA adapters saved by PEFT on llama/gqa_untied, one directory a feature of the config.

peft/ids.json                 the sequence all of them are run on
peft/<case>/                  adapter_config.json, adapter_model.safetensors
peft/<case>/expect.safetensors  logits [n,V] of base + adapter; peft/base.safetensors: without
The dora case is no expert, but an adapter to be used alone.
"""
from common import fresh, save_json, save_tensors
from train import SEVEN, load, save_adapter
import torch
from peft import LoraConfig, PeftModel, get_peft_model

IDS = [1, 44, 9, 73, 28, 95, 60, 17, 3, 88, 51]
CASES = {
    "plain": dict(r=4, lora_alpha=6, target_modules=["q_proj", "v_proj"]),
    "dropout": dict(r=2, lora_alpha=4, lora_dropout=0.3, bias="none",
                    target_modules=["k_proj", "o_proj", "down_proj"]),
    "rslora": dict(r=4, lora_alpha=6, use_rslora=True, target_modules=["q_proj", "v_proj"]),
    # Key q_proj, and a key that names one module of one layer; the default holds elsewhere.
    "patterns": dict(r=3, lora_alpha=5, target_modules=["q_proj", "k_proj", "gate_proj"],
                     rank_pattern={"q_proj": 5, "layers.1.mlp.gate_proj": 1},
                     alpha_pattern={"k_proj": 9, "layers.1.mlp.gate_proj": 2}),
    "patterns_rslora": dict(r=3, lora_alpha=5, target_modules=["q_proj", "o_proj"],
                            rank_pattern={"q_proj": 2}, alpha_pattern={"o_proj": 7},
                            use_rslora=True),
    "regex": dict(r=2, lora_alpha=3,
                  target_modules=r".*\.(0|2)\.(self_attn\.[qo]_proj|mlp\.up_proj)"),
    "all_linear": dict(r=1, lora_alpha=2, target_modules="all-linear"),
    "some_layers": dict(r=4, lora_alpha=8, target_modules=SEVEN[:4],
                        layers_to_transform=[0, 2], layers_pattern="layers"),
    "excluded": dict(r=2, lora_alpha=5, target_modules=SEVEN[:4],
                     exclude_modules=["k_proj", "layers.1.self_attn.o_proj"]),
    "dora": dict(r=2, lora_alpha=4, use_dora=True, target_modules=["q_proj", "v_proj"]),
}


def logits(model):
    with torch.no_grad():
        return model.eval()(torch.tensor([IDS])).logits[0]


if __name__ == "__main__":
    fresh("peft")
    save_json("peft/ids.json", {"ids": IDS})
    base = logits(load("gqa_untied"))
    save_tensors("peft/base.safetensors", {"logits": base})
    for seed, (name, options) in enumerate(CASES.items()):
        torch.manual_seed(seed + 100)
        model = get_peft_model(load("gqa_untied"),
                               LoraConfig(task_type="CAUSAL_LM", **options))
        with torch.no_grad():
            for key, p in model.named_parameters():
                if "lora_magnitude" in key:
                    p.mul_(torch.rand_like(p) + 0.5)
                elif p.requires_grad:
                    p.normal_(0.0, 0.2)
        save_adapter(model, f"peft/{name}")
        # What counts is what another program computes from the files, so load them again.
        again = PeftModel.from_pretrained(load("gqa_untied"), f"peft/{name}")
        found = logits(again)
        torch.testing.assert_close(found, logits(model))
        assert (found - base).abs().max() > 0.1
        save_tensors(f"peft/{name}/expect.safetensors", {"logits": found})
