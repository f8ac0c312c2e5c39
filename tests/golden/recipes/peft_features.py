"""What PEFT computes from each feature of its LoRA config, on four shapes of model.

adapters/ids.json              the sequence, and {model: {case: whether it is a plain expert}}
adapters/<model>/<case>/       adapter_config.json, adapter_model.safetensors
adapters/<model>/expect.safetensors   <case> [n,V]: the logits of families/<model> and the adapter

A plain expert adds s B A to linear maps of the layers and does nothing else.  Every number is
of the adapter loaded again from its files.
"""
from common import fresh, save_json, save_tensors
import os
import torch
import warnings
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

IDS = [1, 44, 9, 53, 28]
HALF = ["tables", "tables_dora", "saved", "saved_embedding"]  # whole tables, saved in f16
# Module names: two maps of attention, two of the feed-forward, the embedding, the last norm,
# what stands before an attention's map, and the list of layers.
SHAPES = {
    "phi": dict(att=["q_proj", "dense"], mlp=["fc1", "fc2"], embed="embed_tokens",
                norm="final_layernorm", part="self_attn.", layers="layers"),
    "mistral": dict(att=["k_proj", "o_proj"], mlp=["gate_proj", "down_proj"],
                    embed="embed_tokens", norm="model.norm", part="self_attn.", layers="layers"),
    "llama_linear": dict(att=["q_proj", "v_proj"], mlp=["up_proj", "down_proj"],
                         embed="embed_tokens", norm="model.norm", part="self_attn.",
                         layers="layers"),
    "gpt2": dict(att=["c_attn", "attn.c_proj"], mlp=["c_fc", "mlp.c_proj"], embed="wte",
                 norm="ln_f", part="", layers="h"),
}


def cases(s, tied):
    one, two = s["att"]
    up, down = s["mlp"]
    layers, both = s["layers"], [s["embed"], "lm_head"]
    plain = {
        "patterns": dict(r=2, lora_alpha=3, target_modules=[one, two, up, down],
                         rank_pattern={rf".*\.1\..*{one}": 1, one: 3, f"{down}$": 5},
                         alpha_pattern={f"1.*{two}": 7, f"{two}|{up}": 0.5}),
        "rslora": dict(r=3, lora_alpha=5, use_rslora=True, target_modules=[one, down],
                       rank_pattern={down: 2}, alpha_pattern={one: 4}),
        "regex": dict(r=2, lora_alpha=3, target_modules=rf".*\.({one}|{up})",
                      exclude_modules=rf".*{layers}\.1\..*{up}"),
        "all_linear": dict(r=1, lora_alpha=2, target_modules="all-linear",
                           exclude_modules=[down, "lm_head"]),
        "layers": dict(r=2, lora_alpha=3, target_modules=[one, up], layers_to_transform=1,
                       layers_pattern=layers, init_lora_weights="gaussian"),
    }
    alone = {
        "dora": dict(use_dora=True, target_modules=[one, two, up, down], use_rslora=True,
                     rank_pattern={up: 1}),
        "lora_bias": dict(lora_bias=True, target_modules=[one, down, "lm_head"]),
        "bias_lora_only": dict(bias="lora_only", target_modules=[one, up]),
        "bias_all": dict(bias="all", target_modules=[one]),
        "saved": dict(target_modules=[one], modules_to_save=["lm_head", s["norm"], f"1.{s['part']}{two}"]),
        "saved_embedding": dict(target_modules=[one], modules_to_save=[s["embed"]]),
        "tables": dict(target_modules=[one] + both),
        "tables_dora": dict(target_modules=both, use_dora=True),
        "tokens": dict(target_modules=[one], trainable_token_indices=[9, 1, 60]),
        "tokens_of_both": dict(target_modules=[one],
                               trainable_token_indices={s["embed"]: [44, 3], "lm_head": [5]}),
    }
    if up == "fc1":
        del alone["tokens_of_both"]  # PEFT forgets the bias of Phi's head
    if tied:  # each of a tied pair alone
        alone["embedding"] = dict(target_modules=[one, s["embed"], "wpe"])
        alone["head"] = dict(target_modules=[one, "lm_head"])
    return plain, alone


def load(name):
    return AutoModelForCausalLM.from_pretrained(f"families/{name}",
                                                attn_implementation="eager").eval()


def logits(model):
    with torch.no_grad():
        return model.eval()(torch.tensor([IDS])).logits[0]


def draw(model):
    with torch.no_grad():
        for key, p in model.named_parameters():
            if not p.requires_grad:
                continue
            if "lora_magnitude" in key:
                p.mul_(torch.rand_like(p) + 0.5)
            elif "norm" in key or "ln_f" in key:
                p.normal_(1.0 if key.endswith("weight") else 0.0, 0.2)
            else:
                p.normal_(0.0, 0.3)


def make(name, case, seed, options, base):
    torch.manual_seed(seed)
    where = f"adapters/{name}/{case}"
    model = get_peft_model(load(name), LoraConfig(**dict(
        dict(task_type="CAUSAL_LM", r=2, lora_alpha=3, fan_in_fan_out=name == "gpt2"),
        **options)))
    draw(model)
    model.peft_config["default"].base_model_name_or_path = f"families/{name}"
    model.save_pretrained(where)
    os.remove(f"{where}/README.md")
    if case in HALF:
        file = f"{where}/adapter_model.safetensors"
        save_file({k: t.half() for k, t in load_file(file).items()}, file,
                  metadata={"format": "pt"})
    found = logits(PeftModel.from_pretrained(load(name), where))
    torch.testing.assert_close(found, logits(model), atol=0.02 if case in HALF else 1e-5,
                               rtol=1e-5)
    assert (found - base).abs().max() > 0.1, (name, case)
    return found


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    fresh("adapters")
    made = {}
    for i, (name, shape) in enumerate(SHAPES.items()):
        tied = name == "gpt2"
        plain, alone = cases(shape, tied)
        base = logits(load(name))
        found = {case: make(name, case, 1000 * i + j, options, base)
                 for j, (case, options) in enumerate({**plain, **alone}.items())}
        save_tensors(f"adapters/{name}/expect.safetensors", found)
        made[name] = {case: case in plain for case in found}
    save_json("adapters/ids.json", {"ids": IDS, **made})
