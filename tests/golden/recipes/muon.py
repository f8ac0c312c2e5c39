"""Muon as torch.optim.Muon has it (adjust_lr_fn "match_rms_adamw"), in float64.

PyTorch rounds the matrix to bfloat16 before it makes it orthogonal, for speed. Here its own
function is compiled again with float64 in that one place, so that the numbers show the formula
and not the rounding. Three shapes, four steps, weight decay 0.1, gradients of unequal size.
"""
from common import fresh, save_json, save_tensors
import inspect
import torch
from torch.optim import _muon

SHAPES = {"wide": (12, 20), "tall": (20, 12), "square": (16, 16)}
LR, DECAY, STEPS = 2e-2, 0.1, 4

source = inspect.getsource(_muon._zeropower_via_newtonschulz)
assert source.count("torch.bfloat16") == 1
exec(source.replace("torch.bfloat16", "torch.float64"), _muon.__dict__)

fresh("muon")
torch.manual_seed(7)
draw = lambda *shape: torch.randn(*shape).double()  # numbers that f32 holds exactly
tensors = {}
for name, shape in SHAPES.items():
    p = torch.nn.Parameter(draw(*shape))
    tensors[f"{name}.before"] = p.detach().clone()
    optimizer = torch.optim.Muon([p], lr=LR, weight_decay=DECAY, momentum=0.95, nesterov=True,
                                 adjust_lr_fn="match_rms_adamw")
    for step in range(STEPS):
        p.grad = draw(*shape) * 10.0 ** (step - 2)
        p.grad = p.grad.float().double()
        tensors[f"{name}.gradient{step}"] = p.grad.clone()
        optimizer.step()
    tensors[f"{name}.after"] = p.detach().clone()
    tensors[f"{name}.momentum"] = optimizer.state[p]["momentum_buffer"].clone()
save_tensors("muon/steps.safetensors", tensors)
save_json("muon/given.json", {"lr": LR, "weight_decay": DECAY, "momentum": 0.95, "steps": STEPS})
