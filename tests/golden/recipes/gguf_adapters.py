"""The adapters of families/ as llama.cpp's converter turns them into GGUF.

usage: gguf_adapters.py LLAMA_CPP  (a checkout; its convert_lora_to_gguf.py is run)

gguf/adapters/<case>.gguf       the adapter of families/<case>, in F32
gguf/adapters/<case>_f16.gguf   the same in F16
What they compute is families/<case>/adapted.safetensors, by PEFT.  By llama.cpp too, except
gpt2: the converter turns its matrices, and llama.cpp refuses the file.
"""
import subprocess
import sys

from common import fresh, given

llama_cpp = given(sys.argv[1])
out = fresh("gguf/adapters")
CASES = [("llama_biased", "f32"), ("mistral", "f32"), ("qwen2", "f32"), ("qwen3", "f32"),
         ("phi", "f32"), ("phi", "f16"), ("stablelm", "f32"), ("gpt_neox", "f32"),
         ("gpt2", "f32")]

for case, kind in CASES:
    name = case if kind == "f32" else f"{case}_{kind}"
    subprocess.run([sys.executable, f"{llama_cpp}/convert_lora_to_gguf.py",
                    "--base", f"families/{case}", "--outtype", kind,
                    "--outfile", f"{out}/{name}.gguf", f"families/{case}/adapter"], check=True)
