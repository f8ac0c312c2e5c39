"""What PyTorch and PEFT take for what quiver does, in turn with it, on the same files.

    python bench/beside_peft.py arrow MODEL LIB [EXPERTS]   a prompt and decoding by Arrow over LIB
    python bench/beside_peft.py train MODEL [TYPE]          a LoRA of rank 4 on the attention's maps

MODEL is a directory of random_model, LIB what `fullsize MODEL library LIB` made of it; this
program calls `fullsize` in turn. Needs torch, transformers and peft (versions are printed).
CSV: what, tokens/s of each, how many times PEFT's, MiB each process held at most. Of Arrow
only prompt and decoding are timed, not how either opens its experts. PyTorch trains in
TYPE, float32 or bfloat16. The latter it computes by its slow reference where the processor
has no products of bfloat16: it then gets a twentieth of the tokens.
"""
import os
import resource
import subprocess
import sys
import time

import torch
import transformers
import peft

FULLSIZE = "build/release/bench/fullsize"
PROMPT, SHORT, DECODED, ROUNDS, STEPS = 512, 16, 24, 3, 3  # the first three as fullsize has


def mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def ours(*args):
    """The last line of fullsize: tokens a second, and MiB."""
    out = subprocess.run([FULLSIZE, *args], check=True, capture_output=True, text=True).stdout
    row = out.splitlines()[-1].rsplit(",", 4)
    return float(row[1]), float(row[3])


def median(x):
    return sorted(x)[len(x) // 2]


def tell(what, mine, theirs, my_mib):
    print(f"{what},{mine:.2f},{theirs:.2f},{mine / theirs:.1f},{my_mib:.0f},{mib():.0f}", flush=True)


def load(path, dtype=torch.float32):
    return transformers.AutoModelForCausalLM.from_pretrained(path, dtype=dtype, attn_implementation="sdpa")


@torch.no_grad()
def prompt(model, ids):
    begun = time.monotonic()
    model(input_ids=ids, use_cache=True, logits_to_keep=1)
    return ids.shape[1] / (time.monotonic() - begun)


@torch.no_grad()
def decode(model, ids, n):
    past = model(input_ids=ids, use_cache=True, logits_to_keep=1).past_key_values
    token = ids[:, -1:]
    begun = time.monotonic()
    for _ in range(n):
        out = model(input_ids=token, past_key_values=past, use_cache=True)
        past, token = out.past_key_values, out.logits[:, -1:].argmax(-1)
    return n / (time.monotonic() - begun)


def arrow(path, library, n):
    experts = sorted(e for e in os.listdir(library) if e.startswith("expert-"))[:n]
    model = load(path).eval()
    ids = torch.randint(0, model.config.vocab_size, (1, PROMPT), generator=torch.Generator().manual_seed(7))
    pairs = {"prompt": [], "decode": []}

    def turn(kind, model, *lib):
        mine, my_mib = ours(path, kind, *lib)
        theirs = prompt(model, ids) if kind == "prompt" else decode(model, ids[:, :SHORT], DECODED)
        pairs[kind].append((mine, theirs, my_mib))

    def report(who):
        for kind, rows in pairs.items():
            tell(f"{kind}, {who}", median([r[0] for r in rows]), median([r[1] for r in rows]), rows[0][2])
            rows.clear()

    for kind in list(pairs) * ROUNDS:
        turn(kind, model)
    report("base")
    model = peft.create_arrow_model(
        base_model=model, task_specific_adapter_paths=[os.path.join(library, e) for e in experts],
        arrow_config=peft.ArrowConfig(top_k=4, router_temperature=1.0)).eval()
    print(f"{len(experts)} experts are loaded", file=sys.stderr, flush=True)
    prompt(model, ids[:, :SHORT])  # its prototypes are computed in the first pass
    for kind in list(pairs) * ROUNDS:
        turn(kind, model, library)
    report(f"arrow over {len(experts)}")


def train(path, dtype):
    model = peft.get_peft_model(load(path, dtype), peft.LoraConfig(
        r=4, lora_alpha=16, target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "dense"]))
    is_slow = dtype == torch.bfloat16 and not torch.cpu._is_avx512_bf16_supported()
    ids = torch.randint(0, model.config.vocab_size, (2, PROMPT // 40 if is_slow else PROMPT // 2))
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)
    pairs = []
    for _ in range(STEPS):
        begun = time.monotonic()
        model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        theirs = ids.numel() / (time.monotonic() - begun)
        mine, my_mib = ours(path, "train")
        pairs.append((mine, theirs))
    tell(f"train, {str(dtype).removeprefix('torch.')}", median([r[0] for r in pairs]),
         median([r[1] for r in pairs]), my_mib)


if __name__ == "__main__":
    print(f"# torch {torch.__version__}, transformers {transformers.__version__}, peft {peft.__version__}, "
          f"{torch.get_num_threads()} threads")
    print("what,quiver,PEFT,times,quiver MiB,PEFT MiB")
    if sys.argv[1] == "train":
        train(sys.argv[2], getattr(torch, sys.argv[3] if len(sys.argv) > 3 else "float32"))
    else:
        arrow(sys.argv[2], sys.argv[3], int(sys.argv[4]) if len(sys.argv) > 4 else 256)
