"""One file of every element type quiver writes, by the official safetensors writer."""
from common import fresh

import torch
from safetensors.torch import save_file

out = fresh("safetensors")
save_file(
    {
        "u": torch.tensor([[1, 2]], dtype=torch.uint8),
        "b": torch.tensor([2.0]),
        'a"\n': torch.tensor([1.0]),
        "h": torch.tensor([1, 2], dtype=torch.float16),
        "bf": torch.tensor([0x4200], dtype=torch.int16).view(torch.bfloat16),
        "empty": torch.zeros(0, 3),
        "i": torch.tensor(5),
    },
    f"{out}/mixed.safetensors",
    metadata={"format": "pt"},
)
