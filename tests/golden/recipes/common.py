"""What every recipe shares: where the files go, how tensors and facts are written.

Tensors are f32 safetensors, everything else is JSON, because those are the two formats
that the tests in C can read.  Run a recipe from anywhere; it writes beside itself.
"""
import json
import os
import shutil
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.dont_write_bytecode = True
GOLDEN = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
STARTED_IN = os.getcwd()
os.chdir(GOLDEN)  # so that paths recorded inside saved files are relative

import numpy as np  # noqa: E402
from safetensors.numpy import save_file  # noqa: E402


def given(path):
    """A path from the command line, as the caller meant it."""
    return os.path.join(STARTED_IN, path)


def fresh(path):
    """Empties and returns a directory of golden files."""
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    return path


def save_tensors(path, tensors):
    """Writes arrays or torch tensors as f32 safetensors."""
    as_numpy = lambda t: t.detach().numpy() if hasattr(t, "detach") else t
    save_file({k: np.ascontiguousarray(as_numpy(t), dtype=np.float32)
               for k, t in tensors.items()}, path)


def save_json(path, value):
    """Writes JSON with one top-level entry a line: it diffs well and stays small."""
    with open(path, "w", encoding="utf-8") as f:
        if isinstance(value, dict):
            rows = [json.dumps(k) + ": " + compact(v) for k, v in value.items()]
            f.write("{\n" + ",\n".join(rows) + "\n}\n")
        else:
            f.write("[\n" + ",\n".join(compact(v) for v in value) + "\n]\n")


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
