"""Which modules PEFT adapts under a config, and at which rank and alpha.

peft_fields.json: the fields of PEFT's LoraConfig.
peft_matching.json: a list of {config, modules}; modules maps a path to [rank, alpha], or
to null where PEFT leaves the module alone.  Nothing is trained: these are the answers of
PEFT's own matching functions.
"""
import dataclasses
from common import save_json
from peft import LoraConfig
from peft.tuners.tuners_utils import _ExcludedModule, check_target_module_exists
from peft.utils.other import get_pattern_key

PATHS = [
    "model.layers.0.self_attn.q_proj",
    "model.layers.1.self_attn.q_proj",
    "model.layers.1.self_attn.v_proj",
    "model.layers.11.self_attn.q_proj",
    "model.layers.1.mlp.experts.0.up_proj",
    "model.layers.2.mlp.up_proj",
    "layers.1.self_attn.q_proj",
    "transformer.h.1.attn.c_attn",
    "transformer.h.12.attn.c_attn",
    "lm_head",
    "xq_proj",
]
CONFIGS = [
    dict(target_modules=["q_proj", "v_proj"]),
    dict(target_modules=["model.layers.1.self_attn.q_proj", "lm_head"]),
    dict(target_modules=["layers.1.self_attn.q_proj"]),
    dict(target_modules=r".*\.self_attn\.(q|v)_proj"),
    dict(target_modules="q_proj"),
    dict(target_modules=r"model\.layers\.1.*|lm_head"),
    dict(target_modules=["q_proj", "up_proj"], layers_to_transform=1),
    dict(target_modules=["q_proj", "up_proj", "c_attn"], layers_to_transform=[0, 1]),
    dict(target_modules=["q_proj", "c_attn"], layers_to_transform=[1, 12], layers_pattern="h"),
    dict(target_modules=["q_proj", "c_attn"], layers_to_transform=[1, 11],
         layers_pattern=["h", "layers"]),
    dict(target_modules=["model.layers.0.self_attn.q_proj", "v_proj"], layers_to_transform=[7]),
    dict(target_modules=["up_proj"], layers_to_transform=[0], layers_pattern="experts"),
    dict(target_modules=["q_proj", "c_attn"], layers_to_transform=[1], layers_pattern="h|layers"),
    dict(target_modules=["q_proj"], layers_to_transform=[]),
    dict(target_modules=["q_proj", "v_proj"], exclude_modules=["layers.1.self_attn.q_proj"]),
    dict(target_modules=["q_proj", "v_proj"], exclude_modules=r".*\.1\..*"),
    dict(target_modules=["q_proj", "v_proj", "up_proj"], rank_pattern={"q_proj": 2, "proj": 5},
         alpha_pattern={r"layers\.1\..*": 0.5}),
    dict(target_modules=["q_proj", "v_proj", "up_proj"],
         rank_pattern={"1.self_attn.q_proj": 3, "q_proj": 2, "v_proj|up_proj": 6}),
    dict(target_modules=["q_proj"], rank_pattern={"model.layers.1.self_attn.q_proj": 9},
         alpha_pattern={"^model.layers.0.self_attn.q_proj": 1, ".*1.*": 4}),
    dict(target_modules=["q_proj", "v_proj", "lm_head"], modules_to_save=["lm_head", "0.self_attn"]),
    dict(target_modules=["q_proj", "c_attn"], modules_to_save=["q_proj", "attn", "head"]),
    dict(target_modules=["q_proj", "up_proj"],
         rank_pattern={r"layers\.(?P<n>\d)\.self_attn\..*": 3, "(?i:UP_PROJ)": 5, "[qx]_proj": 6},
         alpha_pattern={r".*\.1\b.*": 2, r"\w+": 7}),
    dict(target_modules=["q_proj"], rank_pattern={"layers.1": 9, "q_proj$": 4, "xq_proj": 3}),
]


def answer(config, path):
    found = check_target_module_exists(config, path)
    if not found or isinstance(found, _ExcludedModule):
        return None
    rank = config.rank_pattern.get(get_pattern_key(config.rank_pattern.keys(), path), config.r)
    alpha = config.alpha_pattern.get(get_pattern_key(config.alpha_pattern.keys(), path),
                                     config.lora_alpha)
    return [rank, alpha]


if __name__ == "__main__":
    cases = []
    for options in CONFIGS:
        config = LoraConfig(r=4, lora_alpha=16, **options)
        cases.append({"config": dict(options, peft_type="LORA", r=4, lora_alpha=16),
                      "modules": {path: answer(config, path) for path in PATHS}})
    save_json("peft_matching.json", cases)
    save_json("peft_fields.json", [f.name for f in dataclasses.fields(LoraConfig)])
