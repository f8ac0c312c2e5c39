"""Gradients of PHATGOOSE's gates by PyTorch autograd, on llama/gqa_untied with the adapter
train/lora_all/adapter_in, all of it frozen but a gate v at each of its sites:

    y = W x + sigma(v.x) s.B(A x)

train/gates/given.safetensors has v [D_in] by site (normal numbers times 0.2),
expect.safetensors their gradients of the loss of train/batch.json.
"""
from common import fresh, save_tensors
from losses import loss_of
from train import BATCH, load
import torch
from peft import PeftModel


def main():
    torch.manual_seed(5)
    model = PeftModel.from_pretrained(load("gqa_untied"), "train/lora_all/adapter_in").eval()
    gates = {}
    for name, module in model.named_modules():
        if not hasattr(module, "lora_A"):
            continue
        v = torch.nn.Parameter(0.2 * torch.randn(module.in_features))

        def forward(x, m=module, v=v):
            update = m.lora_B["default"](m.lora_A["default"](x)) * m.scaling["default"]
            return m.base_layer(x) + torch.sigmoid(x @ v)[..., None] * update

        module.forward = forward
        gates[name.removeprefix("base_model.model.")] = v
    loss_of(model, BATCH).backward()
    where = fresh("train/gates")
    save_tensors(f"{where}/given.safetensors", gates)
    save_tensors(f"{where}/expect.safetensors", {k: v.grad for k, v in gates.items()})


if __name__ == "__main__":
    main()
