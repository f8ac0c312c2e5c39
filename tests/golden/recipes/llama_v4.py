"""The weights of llama/odd saved once more by transformers 4, as llama/odd_v4/.

Version 4 spells the config differently (rope_theta and rope_scaling at the top level,
torch_dtype), and most published models were saved by it.  The logits must be those of
llama/odd/expect.*, which this recipe checks.  It needs the packages of
requirements_v4.txt in front of the others (see README.md).
"""
from common import fresh
import json
import torch
import transformers
from safetensors.torch import load_file
from transformers import LlamaConfig, LlamaForCausalLM

assert transformers.__version__.startswith("4."), transformers.__version__
new = json.load(open("llama/odd/config.json"))
config = LlamaConfig(rope_theta=new["rope_parameters"]["rope_theta"], torch_dtype="float32",
                     attn_implementation="eager",
                     **{k: new[k] for k in ("hidden_size", "num_hidden_layers", "head_dim",
                        "num_attention_heads", "num_key_value_heads", "intermediate_size",
                        "vocab_size", "rms_norm_eps", "tie_word_embeddings",
                        "max_position_embeddings")})
model = LlamaForCausalLM(config).eval()
model.load_state_dict(load_file("llama/odd/model.safetensors"), strict=False)
model.tie_weights()
model.save_pretrained(fresh("llama/odd_v4"))

ids = torch.tensor([json.load(open("llama/odd/expect.json"))["ids_b"]])
want = load_file("llama/odd/expect.safetensors")["logits_b"]
with torch.no_grad():
    torch.testing.assert_close(model(ids).logits[0], want, rtol=1e-5, atol=1e-5)
