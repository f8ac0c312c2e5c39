"""Libraries that mttl wrote, out of their pickles, and what mttl computes with them.

usage: mttl_library.py MTTL  (a checkout of microsoft/mttl)

mttl/<library>/          NAME.json and NAME.safetensors, by the recipe in docs/interchange.md
mttl/expect.safetensors  logits of the last of families/batch.json's first two examples:
    tied   one A for q, k and v, over families/phi
    once   the same kind, from a checkpoint, which has that A but once
    plain  over families/llama_biased
    fused  the Phi of the paper's runs, by mttl's own translation over families/phi_square
Of the library phi, `gone` is deleted.  What mttl imports beyond torch and transformers is
stood in for, since none of it is used here.
"""
import importlib.abc
import importlib.machinery
import json
import os
import re
import subprocess
import sys
import tempfile
import types

from common import fresh, given, save_tensors

import torch
from transformers import AutoModelForCausalLM

MISSING = ("pytorch_lightning", "lightning", "azure", "bitsandbytes", "datasets", "sklearn",
           "pytorch_optimizer", "deepspeed", "click", "wandb", "aiofiles", "pytrie", "einops",
           "nltk", "rouge_score", "evaluate", "prettytable", "pandas", "scipy", "projects",
           "sentence_transformers", "spacy", "matplotlib", "seaborn", "torchmetrics", "vllm",
           "promptsource", "fire", "nevergrad", "lightning_fabric")


class Nothing(types.ModuleType):
    """Any name of it is a class that does nothing."""
    __path__ = []

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        made = type(name, (), {"__init__": lambda self, *args, **options: None})
        setattr(self, name, made)
        return made


class StandIn(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path, target=None):
        if name.split(".")[0] in MISSING:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec):
        return Nothing(spec.name)

    def exec_module(self, module):
        pass


sys.meta_path.append(StandIn())
sys.path.insert(0, given(sys.argv[1]))
from mttl.cli.convert_library_to_hf_phi2 import translate_lib_to_hf_phi  # noqa: E402
from mttl.models.expert_model import ExpertModel, ExpertModelConfig  # noqa: E402
from mttl.models.library.expert import Expert, ExpertInfo  # noqa: E402
from mttl.models.library.expert_library import LocalExpertLibrary  # noqa: E402
from mttl.models.modifiers.lora import LoRA, LoRAConfig  # noqa: E402



class Settings(dict):
    """A dict that can have attributes too."""


TIED = r"q_proj.*\.lora_a|k_proj.*\.lora_a|v_proj.*\.lora_a"
with open("families/batch.json") as f:
    IDS = json.load(f)[1]["ids"]


def modified(case, config):
    model = AutoModelForCausalLM.from_pretrained(f"families/{case}", attn_implementation="eager")
    LoRA.modify_transformer(model, config)
    return model.eval()


def logits(model):
    with torch.no_grad():
        return model(torch.tensor([IDS])).logits[0]


def expert(name, task, weights, config, training):
    return Expert(ExpertInfo(name, expert_task_name=task, expert_config=config,
                             expert_model=training["model"], training_config=training), weights)


def drawn(case, name, task, config, training):
    """A random expert over families/<case>, and its logits."""
    model = modified(case, config)
    weights = {}
    with torch.no_grad():
        for key, p in model.named_parameters():
            if "lora" in key:
                weights[key] = p.normal_(0.0, 0.15).detach().clone()
    return expert(name, task, weights, config, training), logits(model)


def once(path, config):
    """A checkpoint at `path`, and what it computes."""
    base = AutoModelForCausalLM.from_pretrained("families/phi", attn_implementation="eager")
    model = ExpertModel(ExpertModelConfig(base_model="phi-2", task_name="d_task",
                                          expert_name="once", modifier_config=config),
                        model_object=base)
    with torch.no_grad():
        for key, p in model.named_parameters():
            if "lora" in key:
                p.normal_(0.0, 0.15)
    model.save_pretrained(path)
    return logits(base.eval())


def fused(library):
    """An expert over the old Phi of families/phi_square's size; its logits, translated."""
    D, R = 24, 2
    config = LoRAConfig(lora_rank=R, lora_alpha=5.0, modify_layers=".*Wqkv.*|.*out_proj.*")
    weights = {}
    for layer in (1, 2):
        for module, width in ("Wqkv", 3 * D), ("out_proj", D):
            weights[f"layers.{layer}.mixer.{module}.lora_a"] = 0.2 * torch.randn(D, R)
            weights[f"layers.{layer}.mixer.{module}.lora_b"] = 0.2 * torch.randn(R, width)
    library.add_expert(expert("fused", "old", weights, config, {"model": "phi-2"}))
    with tempfile.TemporaryDirectory() as tmp:
        source = LocalExpertLibrary(f"local://{tmp}/source", create=True)
        source.add_expert(expert("fused", "old", weights, config, {"model": "phi-2"}))
        for info in source.data.values():  # the translation sets attributes of it
            info.training_config = Settings(info.training_config)
        new = translate_lib_to_hf_phi(source, f"local://{tmp}/new", tie_params=True)["fused"]
        model = modified("phi_square", new.expert_config)
        state = {k: v for k, v in new.expert_weights.items()}
        left = model.load_state_dict(state, strict=False)
        assert not left.unexpected_keys, left
        return logits(model)


def convert(source, to):
    """By the recipe that users are given."""
    with open("../../docs/interchange.md", encoding="utf-8") as f:
        recipe = re.search(r"```python\n(.*?)```", f.read(), re.S).group(1)
    subprocess.run([sys.executable, "-c", recipe, source, fresh(to)], check=True)


def main():
    fresh("mttl")
    torch.manual_seed(40)
    expect = {}
    with tempfile.TemporaryDirectory() as tmp:
        phi = LocalExpertLibrary(f"local://{tmp}/phi", create=True)
        config = LoRAConfig(lora_rank=3, lora_alpha=6.0, lora_dropout=0.05, tie_params=TIED,
                            modify_layers=".*dense|.*q_proj|.*v_proj|.*k_proj")
        training = {"model": "phi-2", "dataset": "flan", "learning_rate": 1e-4, "seed": 42,
                    "num_train_epochs": 5, "remote_token": "secret"}
        tied, expect["tied"] = drawn("phi", "tied", "a_task,b_task", config, training)
        gone, _ = drawn("phi", "gone", "c_task", config, training)
        phi.add_expert(tied)
        phi.add_expert(gone)
        phi.remove_expert("gone", soft_delete=True)
        expect["once"] = once(f"{tmp}/checkpoint", config)
        llama = LocalExpertLibrary(f"local://{tmp}/llama", create=True)
        config = LoRAConfig(lora_rank=2, modify_layers="q_proj|k_proj|v_proj|o_proj")
        plain, expect["plain"] = drawn("llama_biased", "plain", None, config,
                                       {"model": "llama"})
        llama.add_expert(plain)
        old = LocalExpertLibrary(f"local://{tmp}/old", create=True)
        expect["fused"] = fused(old)
        for name in ("phi", "checkpoint", "llama", "old"):
            convert(f"{tmp}/{name}", f"mttl/{name}")
    save_tensors("mttl/expect.safetensors", expect)


if __name__ == "__main__":
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    main()
