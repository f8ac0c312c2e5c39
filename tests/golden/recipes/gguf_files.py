"""GGUF: random blocks of every type and what they stand for, by the gguf package and by
llama.cpp's C, which must agree; how far llama.cpp's quantisers stray; a file of every kind
of value; and models as llama.cpp's converter turns them into GGUF: two with tokenizers, and
those of families/ that it knows.

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
    real = f.get_tensor("model.layers.2.self_attn.q_proj.weight")[:32].float().numpy().ravel().copy()
values["row"] = row
values["base"] = real
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
has_tokenizer = sys.argv.pop(1) == "1"
from conversion import base
base.TextModel.get_vocab_base_pre = lambda self, tokenizer: "llama-bpe"
load = base.ModelBase.load_hparams
def with_old_keys(*args, **options):  # wanted there, but no longer kept by transformers
    config = load(*args, **options)
    if config.get("model_type") == "gpt_neox":
        config["rotary_pct"] = config["rope_parameters"]["partial_rotary_factor"]
    if config.get("model_type") == "gpt2":
        config["n_ctx"] = config["n_positions"]
    return config
base.ModelBase.load_hparams = staticmethod(with_old_keys)
import convert_hf_to_gguf
if not has_tokenizer:
    init = base.TextModel.__init__
    def without_vocabulary(self, *args, **kwargs):
        init(self, *args, **kwargs)
        self.set_vocab = lambda: None
    base.TextModel.__init__ = without_vocabulary
convert_hf_to_gguf.main()
"""


def run_converter(path, to, outtype, *options, has_tokenizer=True):
    subprocess.run([sys.executable, "-c", CONVERT, llama_cpp, str(int(has_tokenizer)), path,
                    "--outtype", outtype, "--outfile", to, *options], check=True)


def convert(path):
    """The converter's file as JSON: values, and tensors with the hash of their bytes."""
    with tempfile.TemporaryDirectory() as tmp:
        run_converter(path, f"{tmp}/x.gguf", "f32")
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

# ---- models, read back by transformers ----
from transformers import AutoModelForCausalLM  # noqa: E402

IDS = [1, 77, 40, 9, 133, 51, 200, 5, 310, 64, 2, 18]


def logits(*where, **options):
    with torch.no_grad():
        return AutoModelForCausalLM.from_pretrained(*where, dtype=torch.float32, **options)(
            torch.tensor([IDS])).logits[0]


for path, outtype in (spm, "q8_0"), (bpe, "f16"), (bpe, "bf16"):
    run_converter(path, f"{path}/{outtype}.gguf", outtype)
    save_tensors(f"{path}/{outtype}.safetensors",
                 {"logits": logits(path, gguf_file=f"{outtype}.gguf")})
save_json(f"{out}/ids.json", {"ids": IDS})

# ---- the families ----
LOST = {"mistral": {"sliding_window": None},  # what the converter does not write
        "qwen2": {"use_sliding_window": False, "layer_types": 2 * ["full_attention"]},
        "gpt_neox_sequential": {"rope_parameters": {
            "rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 1.0}}}
CASES = ("llama_biased", "llama_linear", "mistral", "qwen2", "qwen3", "phi_square", "stablelm",
         "stablelm_parallel", "gpt_neox", "gpt_neox_sequential", "gpt2")
os.makedirs(f"{out}/families")
for case in CASES:
    with tempfile.TemporaryDirectory() as tmp:
        shutil.copytree(f"families/{case}", tmp, dirs_exist_ok=True)
        with open(f"{tmp}/config.json") as f:
            config = json.load(f)
        config.update(LOST.get(case, {}))
        with open(f"{tmp}/config.json", "w") as f:
            json.dump(config, f)
        fused = ["--fuse-qkv"] if case == "phi_square" else []
        run_converter(tmp, f"{out}/families/{case}.gguf", "f32", *fused, has_tokenizer=False)
        with open(f"families/{case}/expect.json") as f:
            IDS = json.load(f)["ids_b"]
        save_tensors(f"{out}/families/{case}.safetensors", {"logits": logits(tmp)})
