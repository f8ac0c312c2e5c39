"""GGUF: random blocks of every type and what they stand for, by the gguf package and by
llama.cpp's C, which must agree; how far llama.cpp's quantisers stray; a file of every kind
of value; and two models as llama.cpp's converter turns them into GGUF.

usage: gguf_files.py LLAMA_CPP  (a checkout; its ggml-quants.c is built here with gcc)
"""
import ctypes
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile

from common import GOLDEN, compact, fresh, given, save_json, save_tensors

import gguf
import numpy as np
import torch
from safetensors import safe_open

llama_cpp = given(sys.argv[1])
out = fresh("gguf")
rng = np.random.default_rng(20)

# ---- llama.cpp's own C ----
STUBS = """
#define GGML_VERSION ""
#define GGML_COMMIT ""
"""
CALLS = "".join(f"int {name}(void) {{ return 0; }}\n" for name in (
    "ggml_critical_section_start", "ggml_critical_section_end", "ggml_backend_tensor_set",
    "ggml_backend_buffer_get_usage", "ggml_backend_tensor_memset"))


def build():
    """ggml-quants.c and ggml.c as one library, without the backends they do not need here."""
    tmp = tempfile.mkdtemp()
    with open(f"{tmp}/ggml-version.h", "w") as f:
        f.write(STUBS)
    with open(f"{tmp}/stubs.c", "w") as f:
        f.write(CALLS)
    src = f"{llama_cpp}/ggml/src"
    subprocess.run(["gcc", "-O2", "-ffp-contract=off", "-shared", "-fPIC", "-w", "-D_GNU_SOURCE",
                    f"-I{tmp}", f"-I{src}", f"-I{src}/../include", f"-I{src}/ggml-cpu",
                    f"{src}/ggml-quants.c", f"{src}/ggml.c", f"{tmp}/stubs.c", "-lm",
                    "-o", f"{tmp}/ggml.so"], check=True)
    return ctypes.CDLL(f"{tmp}/ggml.so")


C = build()
at = lambda a: a.ctypes.data_as(ctypes.c_void_p)


def c_decode(name, blocks, n):
    y = np.empty(n, np.float32)
    C[f"dequantize_row_{name.replace('Q', 'q')}"](at(blocks), at(y), ctypes.c_int64(n))
    return y


def c_encode(name, x):
    elements, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[name]]
    blocks = np.zeros(x.size // elements * size, np.uint8)
    C[f"quantize_row_{name.replace('Q', 'q')}_ref"](at(x), at(blocks), ctypes.c_int64(x.size))
    return blocks


# ---- blocks of random bits ----
HALVES = {"F16": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0],
          "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208]}
w = gguf.GGUFWriter(f"{out}/blocks.gguf", "none")
values = {}
for name in ("F32", "BF16", *HALVES):
    kind = gguf.GGMLQuantizationType[name]
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    n_blocks = 12 if elements == 32 else 4 if elements == 256 else 40
    blocks = rng.integers(0, 256, (n_blocks, size), dtype=np.uint8)
    if name in ("F32", "BF16"):  # sign and exponent last
        blocks[:, size - 1] &= 0xbf
    for h in HALVES.get(name, ()):  # no infinity and no NaN; subnormal ones stay
        half = blocks[:, h:h + 2].copy().view(np.uint16)
        half[(half & 0x7c00) == 0x7c00] &= 0x83ff
        blocks[:, h:h + 2] = half.view(np.uint8)
    blocks = blocks.reshape(2, -1)
    value = gguf.quants.dequantize(blocks.view(np.float32 if name == "F32" else np.float16
                                               if name == "F16" else np.uint8), kind)
    if name.startswith("Q"):
        assert (c_decode(name, blocks, value.size).view(np.uint32)
                == value.ravel().view(np.uint32)).all()
    assert np.isfinite(value).all()
    values[name] = value
    w.add_tensor(name, blocks, raw_dtype=kind)
w.write_header_to_file()
w.write_kv_data_to_file()
w.write_tensors_to_file()
w.close()

# ---- the error of llama.cpp's quantisers ----
row = rng.standard_normal(4096).astype(np.float32)
with safe_open("../../models/base/model.safetensors", "pt") as f:
    real = f.get_tensor("model.layers.2.self_attn.q_proj.weight").float().numpy().ravel().copy()
values["row"] = row
save_tensors(f"{out}/values.safetensors", values)


def rmse(name, x):
    y = c_decode(name, c_encode(name, x), x.size)
    return float(np.sqrt(np.mean((y.astype(np.float64) - x) ** 2)))


save_json(f"{out}/rmse.json", {name: {"row": rmse(name, row), "base": rmse(name, real)}
                               for name in HALVES if name != "F16"})

# ---- a value of every kind ----
w = gguf.GGUFWriter(f"{out}/kinds.gguf", "kinds")
w.add_uint8("u8", 200)
w.add_int8("i8", -100)
w.add_uint16("u16", 60000)
w.add_int16("i16", -30000)
w.add_uint32("u32", 4000000000)
w.add_int32("i32", -2000000000)
w.add_uint64("u64", 1 << 63)
w.add_int64("i64", -(1 << 62))
w.add_float32("f32", 0.1)
w.add_float64("f64", 0.1)
w.add_bool("yes", True)
w.add_bool("no", False)
w.add_string("string", "d\u00e9j\u00e0 vu")
w.add_array("strings", ["a", "", "\u2581the"])
w.add_array("ints", [-1, 0, 7])
w.add_array("floats", [0.5, -2.0])
w.add_array("bools", [True, False, True])
w.write_header_to_file()
w.write_kv_data_to_file()
w.write_tensors_to_file()
w.close()

# ---- models, converted ----
sys.path.insert(0, llama_cpp)
from transformers import LlamaConfig, LlamaForCausalLM  # noqa: E402


def model_dir(name, tokenizer, V, eos, tokenizer_config=None, **numbers):
    path = fresh(f"{out}/{name}")
    torch.manual_seed(len(name))
    model = LlamaForCausalLM(LlamaConfig(
        vocab_size=V, max_position_embeddings=64, bos_token_id=1, eos_token_id=eos, **numbers))
    with torch.no_grad():
        for p in model.parameters():
            p.normal_(1.0 if p.dim() == 1 else 0.0, 0.3)
    model.to(torch.bfloat16).save_pretrained(path)
    os.remove(f"{path}/generation_config.json")
    shutil.copy(f"text/{tokenizer}", path)
    if tokenizer_config:
        save_json(f"{path}/tokenizer_config.json", tokenizer_config)
    return path


CONVERT = """
import sys
sys.path.insert(0, sys.argv.pop(1))
from conversion import base
base.TextModel.get_vocab_base_pre = lambda self, tokenizer: "llama-bpe"
import convert_hf_to_gguf
convert_hf_to_gguf.main()
"""


def convert(path):
    """The converter's file as JSON: values, and tensors with the hash of their bytes."""
    with tempfile.TemporaryDirectory() as tmp:
        subprocess.run([sys.executable, "-c", CONVERT, llama_cpp, path, "--outtype", "f32",
                        "--outfile", f"{tmp}/x.gguf"], check=True)
        r = gguf.GGUFReader(f"{tmp}/x.gguf")
        as_json = lambda v: v if isinstance(v, (str, bool, int, float)) else [as_json(x) for x in v]
        expect = {"values": {k: as_json(f.contents()) for k, f in r.fields.items()
                             if not k.startswith("GGUF.")},
                  "tensors": {t.name: {"type": t.tensor_type.name,
                                       "shape": [int(n) for n in reversed(t.shape)],
                                       "sha256": hashlib.sha256(t.data.tobytes()).hexdigest()}
                              for t in r.tensors}}
    with open(f"{path}/expect.json", "w", encoding="utf-8") as f:
        f.write("{\n" + ",\n".join(
            json.dumps(part) + ": {\n" + ",\n".join(
                f"{json.dumps(k)}: {compact(v)}" for k, v in expect[part].items()) + "\n}"
            for part in expect) + "\n}\n")


spm = model_dir("spm", "tiny_spm/tokenizer.model", 416, 2, hidden_size=32, num_hidden_layers=2,
                num_attention_heads=4, num_key_value_heads=2, intermediate_size=64,
                rms_norm_eps=1e-5, tie_word_embeddings=True)
convert(spm)
bpe = model_dir("bpe", "tiny_llama3/tokenizer.json", 420, 0,
                {"bos_token": "<|begin|>", "eos_token": "<|endoftext|>",
                 "tokenizer_class": "PreTrainedTokenizerFast"},
                hidden_size=32, num_hidden_layers=1, num_attention_heads=4,
                num_key_value_heads=4, head_dim=12, intermediate_size=64, rms_norm_eps=1e-6,
                rope_theta=5000.0, tie_word_embeddings=False)
convert(bpe)
