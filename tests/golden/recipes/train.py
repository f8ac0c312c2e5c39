"""Gradients and loss curves of PyTorch autograd, AdamW and PEFT.

train/batch.json: three examples of (ids, prompt); tokens from `prompt` on are targets.
Loss = mean over examples of the mean negative log-likelihood of its target tokens, each
example run alone.  One step uses all three.  AdamW(.9, .999, 1e-8), learning rate
1e-3 * m(i), m = i/3 for step i < 3, else (20 - i)/17, gradient norm clipped to 0.1.

lora_attn/, lora_all/   adapter_in/ (PEFT), expect_grads.safetensors at adapter_in,
    for each weight decay: curve in expect.json (loss, grad_norm before clipping, lr) and
    the last adapter, adapter_wd0/ and adapter_wd0.1/
full_mha_tied/, full_gqa_untied/   the same for all weights of llama/<case>; no final weights
"""
from common import fresh, save_json, save_tensors
from losses import gradients, loss_of
import os
import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from transformers import LlamaForCausalLM

STEPS, WARMUP, LR, CLIP = 20, 3, 1e-3, 0.1
BATCH = [dict(ids=[1, 17, 40, 9, 33, 71, 5, 2], prompt=4),
         dict(ids=[1, 8, 80, 80, 12, 64, 25, 90, 51, 33, 47, 2], prompt=9),
         dict(ids=[1, 66, 23, 54, 7], prompt=1)]
SEVEN = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
LORAS = {"lora_attn": dict(r=4, lora_alpha=16, target_modules=SEVEN[:4]),
         "lora_all": dict(r=3, lora_alpha=8, target_modules=SEVEN)}


def load(case):
    return LlamaForCausalLM.from_pretrained(f"llama/{case}", attn_implementation="eager")


def multiplier(i):
    return i / WARMUP if i < WARMUP else (STEPS - i) / (STEPS - WARMUP)


def curve(model, weight_decay):
    """Trains the model in place; returns what a trainer would log at each step."""
    params = [p for p in model.parameters() if p.requires_grad]
    opt = torch.optim.AdamW(params, lr=LR, betas=(0.9, 0.999), eps=1e-8,
                            weight_decay=weight_decay)
    log = {"loss": [], "grad_norm": [], "lr": []}
    for i in range(STEPS):
        opt.param_groups[0]["lr"] = LR * multiplier(i)
        opt.zero_grad()
        loss = loss_of(model, BATCH)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(params, CLIP)
        opt.step()
        log["loss"].append(loss.item())
        log["grad_norm"].append(norm.item())
        log["lr"].append(LR * multiplier(i))
    log["final_loss"] = loss_of(model, BATCH).item()
    return log


def save_adapter(model, where):
    model.peft_config["default"].base_model_name_or_path = "llama/gqa_untied"
    model.save_pretrained(where)
    if os.path.exists(f"{where}/README.md"):
        os.remove(f"{where}/README.md")


def lora_case(name, options, seed):
    where = fresh(f"train/{name}")
    torch.manual_seed(seed)
    model = get_peft_model(load("gqa_untied"), LoraConfig(task_type="CAUSAL_LM", **options))
    with torch.no_grad():
        for p in model.parameters():
            if p.requires_grad:
                p.normal_(0.0, 0.1)
    save_adapter(model, f"{where}/adapter_in")
    loss, grads = gradients(model, BATCH)
    # PEFT's file names leave out the adapter's name ("default").
    save_tensors(f"{where}/expect_grads.safetensors",
                 get_peft_model_state_dict(model, state_dict=grads))
    expect = {"loss": loss}
    for wd in (0.0, 0.1):
        fresh_model = PeftModel.from_pretrained(load("gqa_untied"), f"{where}/adapter_in",
                                                is_trainable=True)
        expect[f"wd{wd:g}"] = curve(fresh_model, wd)
        save_adapter(fresh_model, f"{where}/adapter_wd{wd:g}")
    save_json(f"{where}/expect.json", expect)


def full_case(case):
    where = fresh(f"train/full_{case}")
    loss, grads = gradients(load(case), BATCH)
    save_tensors(f"{where}/expect_grads.safetensors", grads)
    save_json(f"{where}/expect.json",
              {"loss": loss, **{f"wd{wd:g}": curve(load(case), wd) for wd in (0.0, 0.1)}})


if __name__ == "__main__":
    fresh("train")
    save_json("train/batch.json", BATCH)
    for seed, (name, options) in enumerate(LORAS.items()):
        lora_case(name, options, seed + 1)
    full_case("mha_tied")
    full_case("gqa_untied")
