"""Tiny Llama models saved by transformers, and what they must compute.

Each llama/<case>/ is a model directory as Hugging Face writes it.  Beside it,
expect.json      ids_a (7 tokens), ids_b (12 tokens), greedy (10 tokens after ids_a),
                 greedy_margin (the smallest gap between best and second logit on the way)
expect.safetensors  logits_a [7,V], logits_b [12,V]; hidden_a [L+1,7,D]: the embedding, then
                 the output of each layer, the last one after the final norm.
Sequences are run alone, without padding.  The bf16 case is computed in f32 from the
rounded weights.
"""
from common import fresh, save_json, save_tensors
from losses import greedy
import torch
from transformers import LlamaConfig, LlamaForCausalLM

CASES = {
    "mha_tied": dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
                     num_key_value_heads=4, intermediate_size=48, vocab_size=97,
                     rms_norm_eps=1e-5, tie_word_embeddings=True),
    "gqa_untied": dict(hidden_size=36, num_hidden_layers=3, num_attention_heads=6,
                       num_key_value_heads=2, intermediate_size=56, vocab_size=101,
                       rms_norm_eps=1e-5,
                       tie_word_embeddings=False),
    "odd": dict(hidden_size=36, num_hidden_layers=2, num_attention_heads=3,
                num_key_value_heads=1, intermediate_size=50, vocab_size=67,
                rms_norm_eps=1e-6, tie_word_embeddings=True,
                rope_parameters={"rope_type": "default", "rope_theta": 5000.0}),
    "headdim": dict(hidden_size=40, num_hidden_layers=2, num_attention_heads=4,
                    num_key_value_heads=2, head_dim=16, intermediate_size=44,
                    vocab_size=89, rms_norm_eps=1e-2, tie_word_embeddings=True),
    "rope_scaled": dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
                        num_key_value_heads=2, intermediate_size=48, vocab_size=71,
                        tie_word_embeddings=True,
                        rope_parameters={"rope_type": "llama3", "rope_theta": 10000.0,
                                         "factor": 8.0, "low_freq_factor": 1.0,
                                         "high_freq_factor": 4.0,
                                         "original_max_position_embeddings": 64}),
}
CASES["bf16"] = CASES["gqa_untied"]
CASES["sharded"] = CASES["mha_tied"]


def build(name):
    torch.manual_seed(sorted(CASES).index(name) + 1)
    config = LlamaConfig(max_position_embeddings=128, attn_implementation="eager",
                         **CASES[name])
    model = LlamaForCausalLM(config).eval()
    with torch.no_grad():
        for key, p in model.named_parameters():
            # Far from flat: logits of some units, norms that would show if left out.
            p.normal_(1.0, 0.2) if "norm" in key else p.normal_(0.0, 0.3)
    return model


def expect(model, where):
    vocab = model.config.vocab_size
    ids_a = torch.randint(3, vocab, (1, 7))
    ids_b = torch.randint(3, vocab, (1, 12))
    with torch.no_grad():
        a = model(ids_a, output_hidden_states=True)
        b = model(ids_b)
    tokens, margin = greedy(model, ids_a, 10)
    assert margin > 0.01, margin
    save_tensors(f"{where}/expect.safetensors",
                 {"logits_a": a.logits[0], "logits_b": b.logits[0],
                  "hidden_a": torch.cat(a.hidden_states)})
    save_json(f"{where}/expect.json", {"ids_a": ids_a[0].tolist(), "ids_b": ids_b[0].tolist(),
                                       "greedy": tokens, "greedy_margin": round(margin, 4)})


if __name__ == "__main__":
    for name in CASES:
        where = fresh(f"llama/{name}")
        model = build(name)
        if name == "bf16":
            model.bfloat16()
        model.save_pretrained(where, max_shard_size="30KB" if name == "sharded" else "5GB")
        # As a reader would: bfloat16() above has also rounded what is not saved (RoPE's table).
        expect(LlamaForCausalLM.from_pretrained(where, dtype=torch.float32,
                                                attn_implementation="eager").eval(), where)
