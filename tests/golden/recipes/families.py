"""Tiny models of every family, saved by transformers, and what they must compute.

families/<case>/ is a model directory as Hugging Face writes it. Beside it,
expect.json      ids_a, ids_b, greedy (10 tokens after ids_a), greedy_margin, loss
expect.safetensors  logits_a, logits_b
adapter/         a LoRA on every linear map of the layers, saved by PEFT
lora_grads.safetensors  the gradient of the loss there, named as in PEFT's file
full_grads.safetensors  the gradient of the loss of the base alone, by the names in its file
families/batch.json: three examples (ids, prompt); the loss is that of train.py.

phi_msft is phi's weights in the layout that Phi-2's files had when they came out, one map for
q, k and v; it must compute what phi does.
"""
from common import fresh, save_json, save_tensors
from losses import gradients, greedy
import json
import os
import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from safetensors.torch import load_file, save_file
from transformers import (AutoModelForCausalLM, GPT2Config, GPTNeoConfig, GPTNeoXConfig,
                          LlamaConfig, MistralConfig, PhiConfig, Qwen2Config, Qwen3Config,
                          StableLmConfig)

BATCH = [dict(ids=[1, 17, 40, 9, 33, 51, 5, 2], prompt=4),
         dict(ids=[1, 8, 50, 50, 12, 34, 25, 20, 51, 33, 47, 2], prompt=9),
         dict(ids=[1, 46, 23, 54, 7], prompt=1)]
SIZES = dict(hidden_size=24, num_hidden_layers=2, num_attention_heads=4, intermediate_size=36,
             vocab_size=61, max_position_embeddings=64, tie_word_embeddings=False)
GQA = dict(SIZES, num_key_value_heads=2)
CASES = {
    "llama_biased": (LlamaConfig(**GQA, attention_bias=True, mlp_bias=True), "all-linear"),
    "llama_linear": (LlamaConfig(**GQA, rope_parameters={
        "rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0}), "all-linear"),
    "mistral": (MistralConfig(**GQA, sliding_window=4, head_dim=8), "all-linear"),
    "qwen2": (Qwen2Config(**GQA, use_sliding_window=True, sliding_window=3,
                          max_window_layers=1), "all-linear"),
    "qwen3": (Qwen3Config(**GQA, head_dim=8), "all-linear"),
    "phi": (PhiConfig(**GQA, partial_rotary_factor=0.34), "all-linear"),
    "stablelm": (StableLmConfig(**SIZES, num_key_value_heads=4, partial_rotary_factor=0.34),
                 "all-linear"),
    "stablelm_parallel": (StableLmConfig(**GQA, use_qkv_bias=True, use_parallel_residual=True,
                                         partial_rotary_factor=0.34), "all-linear"),
    "gpt_neox": (GPTNeoXConfig(**SIZES, rope_parameters={
        "rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.34}),
        "all-linear"),
    "gpt_neox_sequential": (GPTNeoXConfig(**SIZES, use_parallel_residual=False,
                                          rope_parameters={
        "rope_type": "default", "rope_theta": 500.0, "partial_rotary_factor": 1.0}),
        "all-linear"),
    "gpt2": (GPT2Config(n_embd=24, n_layer=2, n_head=3, vocab_size=61, n_positions=32,
                        bos_token_id=0, eos_token_id=0), ["c_attn", "c_proj", "c_fc"]),
    "gpt_neo": (GPTNeoConfig(hidden_size=24, num_layers=4, num_heads=3, vocab_size=61,
                             attention_types=[[["global", "local"], 2]], window_size=4,
                             intermediate_size=40, max_position_embeddings=32, bos_token_id=0,
                             eos_token_id=0), "all-linear"),
}


def draw(model):
    with torch.no_grad():
        for key, p in model.named_parameters():
            norm = "norm" in key or ".ln_" in key
            p.normal_(1.0 if norm and key.endswith("weight") else 0.0,
                      0.2 if norm or key.endswith("bias") else 0.3)


def expect(model, where):
    ids_a, ids_b = torch.randint(3, 61, (1, 7)), torch.randint(3, 61, (1, 12))
    with torch.no_grad():
        a, b = model(ids_a).logits[0], model(ids_b).logits[0]
    tokens, margin = greedy(model, ids_a, 10)
    assert margin > 0.003, margin
    save_tensors(f"{where}/expect.safetensors", {"logits_a": a, "logits_b": b})
    loss, full = gradients(model, BATCH)
    in_file = {"lm_head.weight": "embed_out.weight"} if "neox" in where else {}
    save_tensors(f"{where}/full_grads.safetensors",
                 {in_file.get(k, k): g for k, g in full.items()})
    return {"ids_a": ids_a[0].tolist(), "ids_b": ids_b[0].tolist(), "greedy": tokens,
            "greedy_margin": round(margin, 4), "loss": loss}


def adapter(model, where, targets):
    model = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", r=3, lora_alpha=6,
                                             target_modules=targets))
    with torch.no_grad():
        for p in model.parameters():
            if p.requires_grad:
                p.normal_(0.0, 0.1)
    model.peft_config["default"].base_model_name_or_path = where
    model.save_pretrained(f"{where}/adapter")
    if os.path.exists(f"{where}/adapter/README.md"):
        os.remove(f"{where}/adapter/README.md")
    ids = torch.tensor([BATCH[1]["ids"]])
    with torch.no_grad():
        logits = model(ids).logits[0]
    loss, grads = gradients(model, BATCH)
    save_tensors(f"{where}/lora_grads.safetensors",
                 get_peft_model_state_dict(model, state_dict=grads))
    save_tensors(f"{where}/adapted.safetensors", {"logits": logits})
    return loss


def phi_msft():
    """phi again, under the names and keys of microsoft/phi-2's first files."""
    where = fresh("families/phi_msft")
    old, config = load_file("families/phi_square/model.safetensors"), json.load(
        open("families/phi_square/config.json"))
    new = {}
    for key, value in old.items():
        key = key.replace("model.embed_tokens", "transformer.embd.wte")
        key = key.replace("model.final_layernorm", "lm_head.ln")
        key = key.replace("lm_head.weight", "lm_head.linear.weight")
        key = key.replace("lm_head.bias", "lm_head.linear.bias")
        key = key.replace("model.layers", "transformer.h").replace("input_layernorm", "ln")
        key = key.replace("self_attn.dense", "mixer.out_proj")
        if "self_attn" not in key:
            new[key] = value
    for layer in range(config["num_hidden_layers"]):
        for part in ("weight", "bias"):
            new[f"transformer.h.{layer}.mixer.Wqkv.{part}"] = torch.cat(
                [old[f"model.layers.{layer}.self_attn.{x}_proj.{part}"] for x in "qkv"])
    save_file(new, f"{where}/model.safetensors", metadata={"format": "pt"})
    save_json(f"{where}/config.json", {
        "model_type": "phi-msft", "architectures": ["PhiForCausalLM"],
        "n_embd": config["hidden_size"], "n_layer": config["num_hidden_layers"],
        "n_head": config["num_attention_heads"], "n_head_kv": None, "n_inner": None,
        "n_positions": config["max_position_embeddings"], "rotary_dim": 4,
        "vocab_size": config["vocab_size"], "activation_function": "gelu_new",
        "layer_norm_epsilon": config["layer_norm_eps"], "tie_word_embeddings": False})


if __name__ == "__main__":
    fresh("families")
    save_json("families/batch.json", BATCH)
    CASES["phi_square"] = (PhiConfig(**dict(SIZES, intermediate_size=96),
                                     partial_rotary_factor=0.67), "all-linear")
    for seed, (name, (config, targets)) in enumerate(CASES.items()):
        torch.manual_seed(seed + 20)
        where = fresh(f"families/{name}")
        config._attn_implementation = "eager"
        model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
        draw(model)
        model.save_pretrained(where)
        for extra in ("generation_config.json",):
            if os.path.exists(f"{where}/{extra}"):
                os.remove(f"{where}/{extra}")
        model = AutoModelForCausalLM.from_pretrained(where, attn_implementation="eager").eval()
        facts = expect(model, where)
        facts["lora_loss"] = adapter(model, where, targets)
        save_json(f"{where}/expect.json", facts)
    phi_msft()
